"""What goes on in the chaos test: calls on both drivers that keep ledgers, readers that do not read, and the faults."""
import collections
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time

from simphone import PlainPhone
from suite import DAEMONS, REPO, wait_for

SETTLES_S = 45  # until what was promised must have happened: a hung daemon is noticed after 3 s, and then starts


class Load(threading.Thread):
    """Makes one call after the other until it is told to end. ledger: one entry a call. wrong: what must not be."""

    def __init__(self, suite, feed, seed, patience=SETTLES_S):
        super().__init__(daemon=True)
        self.suite, self.feed, self.patience = suite, feed, patience
        self.chance = random.Random(f"{seed} {type(self).__name__}")
        self.ledger, self.wrong, self.ending = [], [], threading.Event()

    def run(self):
        while not self.ending.is_set():
            entry = {"number": len(self.ledger), "at": time.time(), "outcome": "begun"}
            self.ledger.append(entry)
            try:
                self.round(entry)
            except Exception as error:  # a call that does not go as promised: that is what is looked for
                self.wrong.append(f"{type(self).__name__} {entry}: {type(error).__name__} {error}")
                self.give_up()

    def told(self, kind, **members):
        """Events of the subscription that fit."""
        return [e for e in list(self.feed.events) if e["type"] == kind and all(e.get(k) == v for k, v in members.items())]

    def wait_told(self, kind, **members):
        return wait_for(lambda: self.told(kind, **members), self.patience, lambda: f"{kind} {members} was never told")[0]

    def end(self):
        self.ending.set()
        self.join(4 * self.patience)
        assert not self.is_alive(), f"{type(self).__name__} hangs in {self.ledger[-1]}"
        self.close()

    def outcomes(self):
        return dict(collections.Counter(entry["outcome"] for entry in self.ledger))


class SipCalls(Load):
    """One SIP phone calls another one, which answers; the caller presses the number of the call; one of them hangs up."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.caller, self.callee = self.suite.phone(0), self.suite.phone(1)
        self.dialled = self.suite.number(self.suite.line(1, "sip"))

    def digits_of_calls(self):
        made = collections.defaultdict(str)
        for event in self.told("dtmf"):
            made[event["call_id"]] += event["digit"]
        return made

    def round(self, entry):
        entry["code"] = f"{entry['number']:04d}"
        call = self.caller.call(self.dialled, codec="PCMU")
        wait_for(lambda: not self.callee.incoming.empty() or call.state == "ended", self.patience,
                 lambda: f"neither does the other one ring, nor is the call refused: it is {call.state}")
        if call.state == "ended":
            entry["outcome"] = f"refused {call.status}"
            self.drain(entry)
            return
        other = self.callee.incoming.get()
        entry["outcome"] = "rang"
        time.sleep(self.chance.uniform(0, 0.2))
        other.answer()
        call.wait("up", self.patience)
        entry["outcome"] = "up"
        for digit in entry["code"]:
            call.rtp.press(digit, 60)
        wait_for(lambda: entry["code"] in self.digits_of_calls().values(), self.patience,
                 lambda: f"{entry['code']} was pressed, and not told; call {call.history}, other {other.history}")
        time.sleep(self.chance.uniform(0, 0.5))
        assert call.state == other.state == "up", f"nobody has hung up: {call.history} {other.history}"
        ends, waits = self.chance.sample([call, other], 2)
        ends.hangup()
        waits.wait("ended", self.patience)
        entry["outcome"] = "done"
        self.drain(entry)

    def drain(self, entry):
        """Whoever rang once does not ring again."""
        while not self.callee.incoming.empty():
            late = self.callee.incoming.get()
            if late.state == "ended":  # it was called and called off
                continue
            self.wrong.append(f"it rings once more: {entry} {late.history}")
            late.reject()

    def give_up(self):
        for phone in (self.caller, self.callee):
            for call in list(phone.calls.values()):
                try:
                    call.hangup()
                except (TimeoutError, OSError, AttributeError):
                    pass

    def close(self):
        self.drain(self.ledger[-1])


class AnalogCalls(Load):
    """The API rings a simulated telephone, which is lifted and put down."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.line = self.suite.line(0, "dahdi")
        self.phone = PlainPhone(self.suite, self.line)
        self.keys = 0

    def ring(self):
        """Asks until it is promised; an answer that got lost is asked for again by the same key."""
        until = time.monotonic() + 2 * self.patience
        while True:
            key = {"Idempotency-Key": f"chaos-{self.keys}"}
            try:
                reply = self.suite.post(f"/api/v1/lines/{self.line['id']}/ring", headers=key)
                if reply.status_code == 202:
                    self.keys += 1
                    return reply.json()["call_id"]
                assert reply.status_code in (409, 503, 504, 507), reply.text
                self.keys += reply.status_code == 409
            except OSError:
                pass
            assert time.monotonic() < until, "it is never promised to ring"
            time.sleep(0.1)

    def round(self, entry):
        entry["call_id"] = call_id = self.ring()
        entry["outcome"] = "promised"
        self.phone.wait_call(self.patience)
        time.sleep(self.chance.uniform(0, 0.3))
        self.phone.answer()
        entry["outcome"] = "lifted"
        self.wait_told("call.answered", call_id=call_id)
        time.sleep(self.chance.uniform(0, 0.5))
        assert not self.told("call.ended", call_id=call_id), "nobody has hung up"
        self.phone.hangup()
        self.wait_told("call.ended", call_id=call_id)
        entry["outcome"] = "done"

    def give_up(self):
        self.phone.hangup()

    def close(self):
        self.phone.close()


class StuckReaders:
    """A subscriber to the feed, one to the bus and a receiver of webhooks, none of whom ever reads."""

    def __init__(self, suite):
        self.suite, self.ended = suite, threading.Event()
        self.receiver = socket.create_server((suite.host, 0), backlog=1)
        host, port = self.receiver.getsockname()
        suite.post("/api/v1/webhooks", {"url": f"http://{host}:{port}/stuck", "events": ["call.created", "call.ended", "dtmf"]}, status=201)
        self.tap = subprocess.Popen(["/usr/bin/python3", REPO / "proto/examples/tap.py", "calls", "digits"],
                                    env={**os.environ, **suite.environment}, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self.hold_feed, daemon=True)
        self.thread.start()
        time.sleep(0.5)
        self.tap.send_signal(signal.SIGSTOP)

    def open_feed(self):
        host, port = self.suite.facts["ws"].removeprefix("ws://").split(":")
        feed = socket.socket()
        feed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        feed.connect((host, int(port)))
        feed.sendall((f"GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                      f"Authorization: Bearer {self.suite.token}\r\n\r\n").encode())
        return feed

    def hold_feed(self):
        while not self.ended.is_set():
            try:
                with self.open_feed():
                    self.ended.wait(10)
            except OSError:
                self.ended.wait(0.5)

    def close(self):
        self.ended.set()
        self.tap.kill()
        self.tap.wait()
        self.thread.join()
        self.receiver.close()


class Faults:
    """Does harm until so many daemons were killed. counts: what was done."""

    HARMS = {"kill": 80, "pause": 12, "hang": 2, "full disk": 6}

    def __init__(self, suite, seed, disk=None):
        self.suite, self.disk, self.chance = suite, disk, random.Random(f"{seed} faults")
        self.counts, self.recent, self.timers = collections.Counter(), collections.defaultdict(collections.deque), []
        self.relief = None  # who empties the full disk

    def run(self, kills):
        while self.counts["kill"] < kills:
            time.sleep(self.chance.uniform(0.05, 0.6))
            harm = self.chance.choices(list(self.HARMS), list(self.HARMS.values()))[0]
            victim = self.chance.choice(DAEMONS)
            if getattr(self, harm.replace(" ", "_"))(victim):
                self.counts[harm] += 1
        for timer in self.timers:
            timer.join()

    def later(self, seconds, what, *arguments):
        timer = threading.Timer(seconds, what, arguments)
        self.timers.append(timer)
        timer.start()
        return timer

    def kill(self, victim):
        times = self.recent[victim]
        while times and times[0] < time.monotonic() - 10:
            times.popleft()
        if len(times) >= 5:  # more than that and its keeper backs off, as it should
            return False
        times.append(time.monotonic())
        return self.suite.kill(victim)

    def pause(self, victim):
        """Stopped for a moment: a peer that is late."""
        pid = self.suite.kill(victim, signal.SIGSTOP)
        if pid:
            self.later(self.chance.uniform(0.05, 1.5), go_on, pid)
        return pid

    def hang(self, victim):
        """Stopped for good: its keeper must notice."""
        return self.suite.kill(victim, signal.SIGSTOP)

    def full_disk(self, _):
        seconds = self.chance.uniform(0.3, 1.5)
        if not self.disk or self.relief and self.relief.is_alive():
            return False
        self.disk.fill()
        self.relief = self.later(seconds, self.disk.empty)
        return True


def go_on(pid):
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def footprint(suite):
    """Descriptors and resident memory (MB) of each keeper and child."""
    made = {}
    for daemon in DAEMONS:
        for name, pid in ((daemon, suite.child(daemon)), (f"keeper of {daemon}", suite.keeper(daemon))):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            resident = int(status.split("VmRSS:")[1].split()[0]) // 1024
            made[name] = len(os.listdir(f"/proc/{pid}/fd")), resident
    return made
