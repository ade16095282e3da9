"""Chaos under load: daemons are killed, stopped and hung, the disk is full, readers are stuck, while calls are made on
both drivers. Ledgers on both sides decide. HOOKSWITCH_KILLS and HOOKSWITCH_SEED choose how much and which.

The clock is not set back and forth: it is the whole machine's.
"""
import collections
import os
import random
import sys
import time

import pytest

from chaos import AnalogCalls, Faults, SETTLES_S, SipCalls, StuckReaders, footprint
from handsets import need
from ledgers import Subscriber, all_events, judge_digit_webhooks, judge_subscription
from suite import BUILD, REPO, wait_for
from test_main_job import start_with_webhooks

sys.path.append(str(REPO / "tests"))
from disk import Disk  # noqa: E402

KILLS = int(os.environ.get("HOOKSWITCH_KILLS", "40"))
SEED = os.environ.get("HOOKSWITCH_SEED") or str(random.getrandbits(32))
SANITIZED = "san" in BUILD.name


@pytest.fixture
def disk():
    """A small disk of the suite's own, where one can be mounted."""
    try:
        made = Disk()
    except pytest.skip.Exception:
        yield None
        return
    made.path.chmod(0o755)
    try:
        yield made
    finally:
        made.empty()
        made.close()


class World:
    """A suite under load, and what was promised and seen."""

    def __init__(self, make, disk=None, patience=SETTLES_S, **more):
        self.patience, home = patience, None
        if disk:
            home = disk.path / "home"
            home.mkdir()
        self.suite = start_with_webhooks(make, home=home, **more)
        self.suite.hook_receiver.answers = lambda path, count: 503 if count % 7 == 3 else time.sleep(0.05) or 200
        self.start = self.suite.get("/api/v1/events?limit=1")["cursor"]
        self.feed = Subscriber(self.suite, self.start)
        self.loads = [kind(self.suite, self.feed, SEED, patience) for kind in (SipCalls, AnalogCalls)]
        for load in self.loads:
            load.start()

    def wait_rounds(self, count):
        """Until each load has made so many calls, or has something to complain of."""
        wait_for(lambda: all(load.wrong or len(load.ledger) > count for load in self.loads), 4 * self.patience,
                 lambda: [load.ledger[-1] for load in self.loads])

    def settle(self):
        """No more calls; everything is well again."""
        for load in self.loads:
            load.end()
        wait_for(lambda: self.suite.request("GET", "/api/v1/health").json().get("state") == "ok", self.patience,
                 lambda: self.suite.request("GET", "/api/v1/health").text)
        self.suite.wait_idle(self.patience)
        return all_events(self.suite, self.start)

    def judge(self):
        listed = self.settle()
        wrong = [text for load in self.loads for text in load.wrong]
        assert not wrong, "\n".join(wrong)
        judge_subscription(listed, self.feed)
        judge_calls(listed, *self.loads)
        judge_digit_webhooks(self.suite.hook_receiver, listed, self.patience)
        return listed

    def close(self):
        self.feed.close()
        self.suite.hook_receiver.close()


def by_call(listed, kind):
    made = collections.defaultdict(list)
    for event in listed:
        if event["type"] == kind:
            made[event["call_id"]].append(event)
    return made


def judge_calls(listed, sip, analog):
    """Each call that somebody made is in the log, begun and ended once; no other one is there."""
    created, answered, ended = (by_call(listed, f"call.{word}") for word in ("created", "answered", "ended"))
    assert all(len(events) == 1 for kind in (created, answered, ended) for events in kind.values()), "something twice"
    assert created.keys() == ended.keys(), f"begun and not ended: {created.keys() ^ ended.keys()}"
    codes = {call: "".join(e["digit"] for e in sorted(events, key=lambda e: e["sequence"]))
             for call, events in by_call(listed, "dtmf").items()}
    pressed = [entry["code"] for entry in sip.ledger if entry["outcome"] == "done"]
    assert sorted(codes.values()) == sorted(pressed), "the log has other digits than were pressed"
    promised = {entry["call_id"] for entry in analog.ledger}
    assert len(promised) == len(analog.ledger) and promised | codes.keys() <= answered.keys()
    unknown = created.keys() - promised - codes.keys()
    refused = sum(entry["outcome"].startswith("refused") for entry in sip.ledger)
    assert len(unknown) <= refused, f"calls that nobody made: {unknown}"


def assert_as_before(suite, before):
    """Descriptors and memory are back where they were."""
    def grown():
        now, more = footprint(suite), (64 if SANITIZED else 8)  # a sanitizer keeps what was freed for a while
        return {name: (before[name], now[name]) for name in now
                if now[name][0] > before[name][0] + 4 or now[name][1] > before[name][1] * 1.5 + more}
    wait_for(lambda: not grown(), SETTLES_S, lambda: f"(descriptors, MB) before and after: {grown()}")


def test_nothing_is_lost(disk, make_suite):
    need("dahdi")
    print(f"HOOKSWITCH_SEED={SEED} HOOKSWITCH_KILLS={KILLS}")
    world = World(make_suite, disk)
    readers = StuckReaders(world.suite)
    try:
        world.wait_rounds(2)
        before = footprint(world.suite)
        faults = Faults(world.suite, SEED, disk)
        faults.run(KILLS)
        listed = world.judge()
        done = [load.outcomes() for load in world.loads]
        print(f"{dict(faults.counts)}; calls {done}; {len(listed)} events; "
              f"{len(world.suite.hook_receiver.taken())} webhooks; none lost")
        assert all(outcomes["done"] >= 3 for outcomes in done)
        assert_as_before(world.suite, before)
    finally:
        readers.close()
        world.close()


def test_a_successor_on_a_full_disk_goes_on(disk, make_suite):
    """Whoever dies while the disk is full has a successor that cannot write a byte, and the call is the successor's."""
    if not disk:
        pytest.skip("file systems cannot be mounted here")
    home = disk.path / "home"
    home.mkdir()
    suite = make_suite(home=home)
    first, second = suite.phone(0), suite.phone(1)
    call = first.call("102", codec="PCMU")
    other = second.wait_call()
    other.answer()
    call.wait("up")
    disk.fill()
    for daemon in ("mediad", "sipd", "apid", "hookd", "dahdid"):
        suite.wait_child(daemon, suite.kill(daemon), 20)
    before = len(call.rtp.received)
    wait_for(lambda: len(call.rtp.received) > before + 100, 20, lambda: "no audio comes any more")
    assert call.state == other.state == "up"
    disk.empty()
    wait_for(lambda: suite.request("GET", "/api/v1/health").json().get("state") == "ok", SETTLES_S)
    call.hangup()
    other.wait("ended")


@pytest.mark.parametrize("loss, seen", [("event", "never told|not told|gaps|other digits"),
                                        ("webhook", "webhooks never came")])
def test_a_suite_that_loses_is_found_out(make_suite, loss, seen):
    need("dahdi")
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    world = World(make_suite, patience=6, environment={"LD_PRELOAD": str(BUILD / "tests/attack/lossy.so"),
                                                        "LOSSY": loss, "ASAN_OPTIONS": sanitizer})
    try:
        world.wait_rounds(3)
        with pytest.raises(AssertionError, match=seen):
            world.judge()
    finally:
        world.close()


def test_a_stop_is_polite_and_keeps_what_is_owed(make_suite):
    """Calls get their BYE, and a webhook that could not be delivered before the stop comes after the next start."""
    suite = start_with_webhooks(make_suite, configuration={"server": {"drain_s": 2}})
    suite.hook_receiver.answers = lambda path, count: 503
    first, second = suite.phone(0), suite.phone(1)
    call = first.call("102", codec="PCMU")
    other = second.wait_call()
    other.answer()
    call.wait("up")
    call.rtp.press("5")
    wait_for(lambda: [e for e in suite.hook_receiver.ledger if e["path"] == "/dtmf"], 10)
    begun = time.monotonic()
    suite.stop()
    took = time.monotonic() - begun
    call.wait("ended")
    other.wait("ended")
    assert took < 15, f"it took {took:.1f} s to stop"
    assert first.requests("BYE") and second.requests("BYE")
    suite.hook_receiver.answers = lambda path, count: 200
    suite.start()
    owed = suite.hook_receiver.wait(1, "/dtmf", SETTLES_S, digit="5")
    assert owed[0]["signature_fits"]
    wait_for(lambda: not suite.get("/api/v1/calls?active=true")["calls"], 10)
    suite.hook_receiver.close()
