"""Chaos under load: daemons are killed, stopped and hung, connections of the bus cut, disk and run folder filled, the clock
is set back and forth, readers are slow or stuck, while calls are made on both drivers, two calls last through all of it,
and webhooks go out. Ledgers on both sides decide. HOOKSWITCH_KILLS and HOOKSWITCH_SEED choose how much and which.
"""
import collections
import os
import random
import sys
import time

import pytest
import yaml

from chaos import AnalogCalls, SETTLES_S, Registrations, SipCalls, SippCalls
from faults import Clock, Faults, RunFolder, footprint
from handsets import need
from ledgers import Subscriber, all_events, judge_digit_webhooks, judge_event_webhooks, judge_subscription
from readers import BadReaders
from suite import BUILD, DAEMONS, REPO, Pauses, wait_for
from talks import begin_talks
from test_main_job import start_with_webhooks

sys.path.append(str(REPO / "tests"))
from disk import Disk  # noqa: E402

KILLS = int(os.environ.get("HOOKSWITCH_KILLS", "30"))
SEED = os.environ.get("HOOKSWITCH_SEED") or str(random.getrandbits(32))
SANITIZED = "san" in BUILD.name
AIMS_MS = {"mediad": 500, "dahdid": 300}  # without audio; when others die nobody hears it
AT_ONCE_MS = 100  # what nobody hears on a machine that does other things as well
CALLS = ("call.created", "call.answered", "call.ended")
EXTRA = ("sipp", "speaks", "hears1", "hears2")  # SIP lines beside those of quickstart


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


@pytest.fixture
def home(disk, tmp_path_factory):
    folder = disk.path if disk else tmp_path_factory.mktemp("chaos")
    (folder / "home").mkdir()
    return folder / "home"


@pytest.fixture
def run_folder(home):
    made = RunFolder(home)
    yield made if made.available else None
    made.close()


@pytest.fixture
def clock():
    made = Clock()
    yield made
    made.close()


def add_lines(suite, names):
    """Further SIP lines, known to the suite like those of quickstart."""
    suite.prepare()
    path, rows = suite.home / "hookswitch.yaml", []
    tree = yaml.safe_load(path.read_text())
    for number, name in enumerate(names):
        password = f"a-long-password-for-{name}"
        words = suite.hookctl("seal", "sip", name, "--realm", suite.facts["domain"], "--password", password).stdout.split()
        sealed = next(word for word in words if word.startswith("sealed:"))
        tree["lines"].append({"id": name, "number": str(7001 + number), "secret": sealed})
        rows.append({"id": name, "driver": "sip", "user": name, "password": password, "number": str(7001 + number)})
    path.write_text(yaml.safe_dump(tree))
    return {row["id"]: row for row in rows}


class World:
    """A suite under load, and what was promised and seen."""

    def __init__(self, make, patience=SETTLES_S, extra=(), **more):
        self.patience, self.talks, self.sipp = patience, {}, None
        self.suite = start_with_webhooks(make, begin=lambda suite: setattr(self, "lines", add_lines(suite, extra)), **more)
        self.suite.facts["lines"] += self.lines.values()
        receiver = self.suite.hook_receiver
        made = self.suite.post("/api/v1/webhooks", {"url": receiver.url("/calls"), "events": list(CALLS)}, status=201).json()
        receiver.secrets["/calls"] = made["secret"]
        receiver.answers = lambda path, count: 503 if count % 7 == 3 else time.sleep(0.05) or 200
        self.start = self.suite.get("/api/v1/events?limit=1")["cursor"]
        self.feed = Subscriber(self.suite, self.start)
        self.loads = [kind(self.suite, self.feed, SEED, patience) for kind in (SipCalls, AnalogCalls)]
        for load in self.loads:
            load.start()
        self.registrations = Registrations(self.suite)

    def begin_more(self):
        """Programs of other people: two calls that last, and SIPp."""
        order = [line["id"] for line in self.suite.facts["lines"] if line["driver"] == "sip"]
        listeners = [self.suite.phone(order.index(name)) for name in ("hears1", "hears2")]
        self.talks = begin_talks(self.suite, listeners, self.lines["speaks"])
        self.sipp = SippCalls(self.suite, self.lines["sipp"])

    def wait_rounds(self, count):
        """Until each load has made so many calls, or has something to complain of."""
        wait_for(lambda: all(load.wrong or len(load.ledger) > count for load in self.loads), 4 * self.patience,
                 lambda: [load.ledger[-1] for load in self.loads])

    def settle(self):
        """No more calls; everything is well again."""
        for load in (*self.loads, self.registrations):
            load.end()
        if self.sipp:
            self.sipp.end(self.patience)
        for talk in self.talks.values():
            talk.end()
        try:
            self.wait_well()
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.wrong()])) from None
        return all_events(self.suite, self.start)

    def wait_well(self):
        wait_for(lambda: self.suite.request("GET", "/api/v1/health").json().get("state") == "ok", self.patience,
                 lambda: self.suite.request("GET", "/api/v1/health").text)
        self.suite.wait_idle(self.patience)

    def wrong(self):
        return [text for load in (*self.loads, self.registrations) for text in load.wrong]

    def judge(self):
        listed = self.settle()
        wrong = self.wrong()
        assert not wrong, "\n".join(wrong)
        judge_subscription(listed, self.feed)
        others = {e["call_id"]: e["line"] for e in listed if e["type"] == "call.created" and e["line"] in self.others()}
        judge_calls([e for e in listed if e.get("call_id") not in others], *self.loads)
        judge_whole([e for e in listed if e.get("call_id") in others])
        if self.sipp:
            self.sipp.judge(list(others.values()).count("sipp"))
        receiver = self.suite.hook_receiver
        self.webhooks = judge_digit_webhooks(receiver, listed, self.patience) + \
            judge_event_webhooks(receiver, "/calls", listed, CALLS, self.patience)
        return listed

    def others(self):
        """Lines whose calls are not those of the loads."""
        return self.lines

    def close(self):
        self.feed.close()
        for thing in [*self.talks.values(), *([self.sipp] if self.sipp else [])]:
            thing.close()
        self.suite.hook_receiver.close()


def by_call(listed, kind):
    made = collections.defaultdict(list)
    for event in listed:
        if event["type"] == kind:
            made[event["call_id"]].append(event)
    return made


def judge_whole(listed):
    """Each call was begun and ended once. Returns those that were created, and answered."""
    created, answered, ended = (by_call(listed, kind) for kind in CALLS)
    assert all(len(events) == 1 for kind in (created, answered, ended) for events in kind.values()), "something twice"
    assert created.keys() == ended.keys(), f"begun and not ended: {created.keys() ^ ended.keys()}"
    return created, answered


def judge_calls(listed, sip, analog):
    """Each call that somebody made is in the log, whole; no other one is there."""
    created, answered = judge_whole(listed)
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


def tell_gaps(world, faults, pauses):
    """Longest time without audio, by whose death it was, in either call that lasted."""
    gaps = {name: talk.gaps(faults.harms) for name, talk in world.talks.items()}
    for name, talk in world.talks.items():
        print(f"{name} call: {len(talk.packets())} frames, {talk.holes()} never came")
    for victim in (*DAEMONS, "others", "nobody"):
        print(f"{faults.killed()[victim]:5} deaths of {victim:12}" + ", ".join(
            f"{name} call: longest gap {longest[victim]} ms" for name, longest in gaps.items()))
    print(f"this machine let an idle thread wait for {pauses.longest_ms:.0f} ms")
    return gaps


def judge_gaps(gaps, pauses):
    forgiven = AT_ONCE_MS + pauses.longest_ms
    too_long = {(name, victim): longest[victim] for name, longest in gaps.items() for victim in DAEMONS
                if longest[victim] > AIMS_MS.get(victim, 0) + forgiven}
    assert not too_long, too_long


def test_nothing_is_lost(home, disk, run_folder, clock, make_suite):
    need("dahdi")
    print(f"HOOKSWITCH_SEED={SEED} HOOKSWITCH_KILLS={KILLS}")
    world = World(make_suite, extra=EXTRA, home=home, environment=clock.environment)
    readers = BadReaders(world.suite)
    try:
        world.begin_more()
        world.wait_rounds(2)
        before, began = footprint(world.suite), time.monotonic()
        faults = Faults(world.suite, SEED, disk, run_folder, clock)
        with Pauses() as pauses:
            faults.run(KILLS)
        took = time.monotonic() - began
        gaps = tell_gaps(world, faults, pauses)
        listed = world.judge()
        done = [load.outcomes() for load in world.loads]
        print(f"{dict(faults.counts)} in {took:.0f} s; calls {done}, by SIPp {world.sipp.figures()['SuccessfulCall']}; "
              f"{len(listed)} events; {world.webhooks} webhooks; none lost")
        assert all(outcomes["done"] >= 3 for outcomes in done)
        if not SANITIZED:
            judge_gaps(gaps, pauses)
        assert_as_before(world.suite, before)
    finally:
        readers.close()
        world.close()


def test_a_successor_on_a_full_disk_goes_on(disk, home, make_suite):
    """Whoever dies while the disk is full has a successor that cannot write a byte, and the call is the successor's."""
    if not disk:
        pytest.skip("file systems cannot be mounted here")
    suite = make_suite(home=home)
    first, second = suite.phone(0), suite.phone(1)
    call = first.call("102", codec="PCMU")
    other = second.wait_call()
    other.answer()
    call.wait("up")
    disk.fill()
    for daemon in ("mediad", "sipd", "apid", "hookd", "dahdid"):
        suite.wait_child(daemon, suite.kill(daemon), 20)
    for daemon, path in (("apid", "lines"), ("hookd", "webhooks")):  # the first one's successor may have had room
        suite.wait_child(daemon, suite.kill(daemon), 20)
        wait_for(lambda: suite.request("GET", f"/api/v1/{path}").status_code == 200, 10, lambda: f"{daemon} serves nobody")
    before = len(call.rtp.received)
    wait_for(lambda: len(call.rtp.received) > before + 100, 20, lambda: "no audio comes any more")
    assert call.state == other.state == "up"
    call.hangup()
    other.wait("ended")
    again = first.call("102")
    second.wait_call(20).answer()
    again.wait("up", 20)
    disk.empty()
    wait_for(lambda: suite.request("GET", "/api/v1/health").json().get("state") == "ok", SETTLES_S)
    again.hangup()


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
