"""What takes mediad's log does not take it for a while: nobody on the phone hears that."""
import fcntl
import itertools
import os
import pathlib
import re
import signal
import sys
import tempfile
import threading
import time

import peers
import pytest
from peers import until
from test_mediad import incoming, outgoing

sys.path.append(str(peers.REPO / "tests"))
from disk import Disk  # noqa: E402

LINES = 25000  # more than all pipes take
FROZEN_S = 2  # at least; whoever waited for the log would be silent that long


class Fifo:
    """A reader that stops reading, as a terminal that is held or a log shipper that hangs."""

    def __init__(self, home):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        self.log, self.reader, self.copy = os.fdopen(writer, "wb"), reader, open(home / "log", "wb", 0)
        self.flows, self.thread = threading.Event(), threading.Thread(target=self.run)
        self.thaw()
        self.thread.start()

    def run(self):
        while data := os.read(self.reader, 4096):
            self.copy.write(data)
            self.flows.wait()

    def freeze(self):
        self.flows.clear()

    def thaw(self):
        self.flows.set()

    def close(self):
        self.thaw()
        self.thread.join()
        self.copy.close()
        os.close(self.reader)


class Slow(Disk):
    """The log is a file on a disk that hangs."""

    def __init__(self, home):
        super().__init__()
        self.home, self.log = home, None
        (home / "log").symlink_to(self.path / "log")

    def close(self):
        self.thaw()
        text = (self.path / "log").read_bytes()
        (self.home / "log").unlink()
        (self.home / "log").write_bytes(text)
        super().close()


@pytest.fixture(params=[Fifo, Slow])
def stuck(request):
    """A mediad, and the place of its log."""
    with tempfile.TemporaryDirectory(prefix="hookswitch-mediad-") as home:
        place = request.param(pathlib.Path(home))
        mediad = peers.Mediad(home, log=place.log)
        try:
            yield mediad, place
        finally:
            place.thaw()
            mediad.close()
            place.close()


class Talk(threading.Thread):
    """One phone talks to the other; how long each of its packets took."""

    def __init__(self, source, sink):
        super().__init__(daemon=True)
        self.source, self.sink, self.sent, self.over = source, sink, {}, False
        self.start()

    def run(self):
        begin = time.monotonic()
        for n in itertools.count():
            time.sleep(max(0, begin + n * 0.02 - time.monotonic()))
            if self.over:
                return
            sound = b"%0160d" % n
            self.sent[sound] = time.monotonic()
            self.source.send(sound)

    def end(self):
        self.over = True
        self.join()
        until(lambda: len(self.took()) == len(self.sent), 5, "every packet")
        return max(self.took())

    def took(self):
        return [p.at - self.sent[p.payload] for p in self.sink.packets if p.payload in self.sent]


def flood(mediad, lines, together=100):
    """So many log lines: each change of the level is one."""
    for begin in range(0, lines, together):
        for n in range(begin, begin + together):
            mediad.pipe.send(("request", "ops", "log.set", {"level": "info"}, f"flood-{n}"))

        def all_answered():
            mediad.pull()
            return all(f"flood-{n}" in mediad.answers for n in range(begin, begin + together))
        until(all_answered, 5, "all answers")
        mediad.answers.clear()


def dropped(mediad):
    return int(mediad.metric("hookswitch_log_lines_total", 'level="dropped"'))


def test_audio_goes_on_while_the_log_is_stuck(stuck, phone):
    mediad, place = stuck
    a, b = phone(), phone()
    incoming(mediad, a, "l1-stuck-a")
    outgoing(mediad, b, "l1-stuck-b")
    mediad.ask("media.join", a="l1-stuck-a", b="l1-stuck-b")
    talk = Talk(a, b)
    until(lambda: len(talk.took()) > 10, 5, "audio")
    place.freeze()
    frozen_at = time.monotonic()
    try:
        flood(mediad, LINES)
        lost = dropped(mediad)
        until(lambda: time.monotonic() > frozen_at + FROZEN_S, FROZEN_S + 1)
    finally:
        frozen_s = time.monotonic() - frozen_at
        place.thaw()
        slowest = talk.end()
    assert slowest < frozen_s / 4
    assert 0 < lost < LINES

    def resumed():
        mediad.ask("log.set", by="ops", level="info")
        return "event=log.dropped" in mediad.text()
    until(resumed, 5, "the log")
    lines = mediad.text().splitlines()
    assert all(line.startswith("time=") for line in lines)
    told = sum(int(count) for count in re.findall(r"event=log.dropped lines=(\d+)", mediad.text()))
    assert told == dropped(mediad) >= lost


def test_a_killed_mediad_has_a_successor_while_the_log_is_stuck(stuck):
    mediad, place = stuck
    before, ready = mediad.child(), mediad.home / "run" / "mediad" / "ready"
    place.freeze()
    try:
        begin = time.monotonic()
        os.kill(before, signal.SIGKILL)
        until(lambda: ready.exists() and mediad.child() != before, 5, "the successor")
        assert time.monotonic() - begin < 2
    finally:
        place.thaw()
    until(lambda: "event=keeper.died code=0 signal=9" in mediad.text(), 5, "what the keeper said")
