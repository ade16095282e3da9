"""kill -9 at random points of a call, hundreds of times, with ledgers on both sides.

Two phones talk through the whole test, each digit pressed and each frame sent is on a ledger, and somebody kills one
daemon after the other. At the end the ledgers are laid beside what came: audio, event log,
subscription, webhooks, the operator's stream. A death of mediad is a pause; nothing is missing after it.
"""
import asyncio
import collections
import json
import os
import random
import signal
import re
import threading
import time

import pytest
import websockets

import audio
from handsets import first_line, handset, need
from ledgers import Presser, Subscriber, all_events, judge_digit_webhooks, judge_subscription
from suite import BUILD, wait_for
from test_main_job import start_with_webhooks

KILLS = int(os.environ.get("HOOKSWITCH_KILLS", "240"))
VICTIMS = ("apid", "api-front", "hookd", "hook-stream", "mediad", "sipd")
SANITIZED = "san" in BUILD.name
AT_ONCE = 2.5 if SANITIZED else 1.0  # seconds; sanitizers make every start three times as long
PAUSE_MS = 2000 if SANITIZED else 500  # without audio when mediad dies


class Operator:
    """The application that hook-stream dials: a WebSocket server that counts connections and frames."""

    def __init__(self, host):
        self.connections, self.frames, self.tokens = [], 0, []
        self.loop, self.ready, self.stop = asyncio.new_event_loop(), threading.Event(), None
        self.host = host
        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(self._serve()), daemon=True)
        self.thread.start()
        assert self.ready.wait(5)

    async def _serve(self):
        self.stop = asyncio.Event()
        async with websockets.serve(self._talk, self.host, 0, ping_interval=None, compression=None) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.ready.set()
            await self.stop.wait()

    async def _talk(self, socket, path=None):
        self.tokens.append(socket.request_headers.get("Authorization"))
        self.connections.append((time.time(), socket.path))
        try:
            async for message in socket:
                self.frames += isinstance(message, bytes)
        except websockets.ConnectionClosed:
            pass

    def close(self):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(5)


def kill_again_and_again(suite, kills):
    """Random victims at random moments, also while their predecessors' successors still start."""
    counts, recent = collections.Counter(), collections.defaultdict(collections.deque)
    while sum(counts.values()) < kills:
        time.sleep(random.uniform(0.01, 0.55))
        victim = random.choice(VICTIMS)
        times = recent[victim]
        while times and times[0] < time.monotonic() - 10:
            times.popleft()
        if len(times) >= 5:  # more than that and its keeper backs off, as it should
            continue
        if suite.kill(victim):
            times.append(time.monotonic())
            counts[victim] += 1
    return counts


def longest_pause(packets):
    """Longest time between two packets, in ms."""
    times = [t for t, *_ in packets]
    return max((b - a) * 1000 for a, b in zip(times, times[1:]))


def assert_no_silence(rtp, received, pause_ms=120):
    """What came in came steadily; where this machine made even our own sending wait, as much is forgiven."""
    pauses = longest_pause(received), longest_pause(rtp.sent)
    print("longest pause in what came %.0f ms, in what was sent %.0f ms" % pauses)
    assert pauses[0] < pause_ms + pauses[1], pauses


def assert_one_line(received):
    """One source and one sequence, whoever died."""
    assert len({packet[5] for packet in received}) == 1
    jumps = [(a[1], b[1]) for a, b in zip(received, received[1:]) if (b[1] - a[1]) & 0xffff != 1]
    assert not jumps, jumps[:10]


def assert_audio_went_on(name, sent, received, codec=0):
    """Every frame that was sent arrived once and in order, but for those at the two ends."""
    wanted = [payload for _, _, _, payload in sent]
    got = [packet[6] for packet in received if packet[3] == codec]
    numbers = collections.defaultdict(list)
    for i, payload in enumerate(wanted):
        numbers[payload].append(i)
    silence = {bytes([audio.SILENCE["PCMU"]]) * audio.FRAME}
    order = [numbers[p][0] for p in got if p not in silence and p in numbers]
    assert len(order) > 200, f"{name}: {len(order)} known frames of {len(got)}"
    jumps = [(a, b) for a, b in zip(order, order[1:]) if b != a + 1]
    assert not jumps, f"{name}: frames lost, repeated or out of order: {jumps[:10]} of {len(order)}"
    foreign = [p for p in got if p not in silence and p not in numbers]
    assert not foreign, f"{name}: {len(foreign)} frames that nobody sent"


def start_call(suite):
    first, second = suite.phone(0), suite.phone(1)
    call = first.call("102", codec="PCMU")
    other = second.wait_call()
    other.codecs = ["PCMU"]
    other.answer()
    call.wait("up")
    call_id = wait_for(lambda: suite.get("/api/v1/calls?active=true")["calls"])[0]["id"]
    return call, other, call_id


def judge_events(listed, subscriber, presser, call_id):
    digits = [e for e in listed if e["type"] == "dtmf" and e["call_id"] == call_id]
    assert "".join(e["digit"] for e in digits) == "".join(presser.pressed), "the log has other digits than were pressed"
    assert [e["sequence"] for e in digits] == list(range(1, len(digits) + 1))
    judge_subscription(listed, subscriber)


def test_hundreds_of_kills_in_a_call(make_suite):
    operator = Operator("127.0.0.1")
    suite = start_with_webhooks(make_suite, configuration={"operator": {
        "websocket_url": f"ws://127.0.0.1:{operator.port}/{{line}}", "auth_token": "let-me-in", "lines": ["phone1"]}})
    start = suite.get("/api/v1/events?limit=1")["cursor"]
    call, other, call_id = start_call(suite)
    subscriber = Subscriber(suite, start)
    begun = len(call.rtp.received)
    other.rtp.play(audio.marked_frames(60 * 50 * 12, seed=5)[:60 * 50 * 10])
    presser = Presser(call.rtp)
    wait_for(lambda: len(call.rtp.received) > begun + 50 and presser.pressed, 5, lambda: "there is no audio")
    began = time.time()
    counts = kill_again_and_again(suite, KILLS)
    print(f"{dict(counts)} in {time.time() - began:.0f} s, {subscriber.connections} subscriptions, "
          f"{len(operator.connections)} operator connections, {len(presser.pressed)} digits")
    assert call.state == "up" and other.state == "up", (call.history, other.history)
    presser.close()
    received = list(call.rtp.received)[begun:]
    wait_for(lambda: suite.request("GET", "/api/v1/health").status_code == 200, 15)
    record = suite.get(f"/api/v1/calls/{call_id}")["call"]
    assert record["state"] == "up"
    assert_audio_went_on("phone2 -> phone1", other.rtp.sent, received)
    assert_no_silence(call.rtp, received, PAUSE_MS)
    assert_one_line(received)
    wait_for(lambda: operator.connections and operator.frames, 10)
    before = operator.frames
    wait_for(lambda: operator.frames > before + 25, 10, lambda: "the dialled operator hears nothing any more")
    assert set(operator.tokens) == {"Bearer let-me-in"}
    suite.post(f"/api/v1/calls/{call_id}/hangup", status=200)
    call.wait("ended")
    other.wait("ended")
    wait_for(lambda: suite.get(f"/api/v1/calls/{call_id}")["call"]["state"] == "ended", 5)
    time.sleep(0.5)
    listed = all_events(suite, start)
    judge_events(listed, subscriber, presser, call_id)
    judge_digit_webhooks(suite.hook_receiver, listed)
    kinds = collections.Counter(e["type"] for e in listed)
    assert kinds["call.created"] == kinds["call.answered"] == kinds["call.ended"] == 1, kinds
    assert suite.metrics()
    subscriber.close()
    operator.close()
    suite.hook_receiver.close()


def test_an_operators_audio_goes_on_when_others_die(make_suite):
    """The operator's WebSocket ends in api-front; whoever else dies, both ways lose nothing."""
    suite = make_suite()
    phone = suite.phone()
    with suite.events() as events, suite.audio() as operator:
        call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        call = phone.wait_call()
        call.codecs = ["PCMU"]
        call.answer()
        events.wait("call.answered", call_id=call_id)
        operator.wait_frames(5)
        seconds = KILLS // 10
        spoken = audio.marked_frames(seconds * 50, seed=8)
        call.rtp.play(audio.marked_frames(seconds * 50 + 500, seed=7))
        operator.play(spoken)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(random.uniform(0.2, 1.2))
            suite.kill(random.choice(("apid", "hookd", "hook-stream")))
        said = b"".join(p for _, _, _, p in call.rtp.sent)
        middle = said[len(said) // 10:len(said) * 9 // 10]
        wait_for(lambda: middle in b"".join(m for _, m in operator.frames), 5,
                 lambda: "the operator lost audio of the phone")
        wait_for(lambda: b"".join(spoken) in b"".join(p[6] for p in list(call.rtp.received)), 5,
                 lambda: "the phone lost audio of the operator")
        assert_no_silence(call.rtp, call.rtp.received)
        wait_for(lambda: suite.request("GET", "/api/v1/health").status_code == 200, 15)
        suite.post(f"/api/v1/calls/{call_id}/hangup", status=200)
        call.wait("ended")
        events.wait("call.ended", 10, call_id=call_id)


def test_commands_survive_the_death_of_the_core(make_suite):
    """A ring that was acknowledged is done, and a repeated one is not done twice."""
    suite = make_suite()
    phone = suite.phone()
    for round_number in range(12):
        key = {"Idempotency-Key": f"ring-{round_number}"}
        timer = threading.Timer(random.uniform(0, 0.02), lambda: suite.kill("apid"))
        timer.start()
        until = time.monotonic() + 15
        while True:
            try:
                reply = suite.post("/api/v1/phone/ring", headers=dict(key))
                if reply.status_code == 202:
                    break
                assert reply.status_code in (503, 504), reply.text
            except OSError:
                pass
            assert time.monotonic() < until
            time.sleep(0.05)
        timer.join()
        call = phone.wait_call(8)
        call_id = reply.json()["call_id"]
        call.answer()
        wait_for(lambda: suite.request("GET", f"/api/v1/calls/{call_id}").ok and
                 suite.get(f"/api/v1/calls/{call_id}")["call"]["state"] == "up", 8)
        call.hangup()
        wait_for(lambda: suite.get(f"/api/v1/calls/{call_id}")["call"]["state"] == "ended", 8)
        suite.wait_state("phone1", "on_hook")
        assert phone.incoming.empty(), "it was rung twice"
        time.sleep(1.2)  # its keeper would back off


SEED = os.environ.get("HOOKSWITCH_SEED") or str(random.getrandbits(32))


def hear_each_other(call, other):
    """Both ways, frame for frame, once the way is open: what is said before that is said again."""
    for speaker, listener in ((call, other), (other, call)):
        said = audio.marked_frames(25, seed=random.getrandbits(30))

        def is_heard():
            if speaker.rtp.source is None:
                speaker.rtp.play(said)
            return b"".join(said) in listener.rtp.heard()
        wait_for(is_heard, 15, lambda: f"{listener.phone.user} does not hear")


class Death:
    """One kill at a moment that the seed chooses, and what apid said of it."""

    def __init__(self, suite, events, daemon):
        self.suite, self.events, self.daemon = suite, events, daemon
        self.told = len(events.of("daemon.started", daemon=daemon))

    def __call__(self):
        time.sleep(random.uniform(0, 0.25))
        self.suite.kill(self.daemon)

    def over(self):
        started = self.events.wait("daemon.started", count=self.told + 1, timeout=10, daemon=self.daemon)
        assert started["clean"] is False
        time.sleep(1)  # its keeper would back off


def while_it_rings(death, call, other):
    death()
    other.answer()
    call.wait("up", 10)


def while_it_is_answered(death, call, other):
    killer = threading.Thread(target=death)
    killer.start()
    time.sleep(random.uniform(0, 0.25))
    other.answer()
    call.wait("up", 10)
    killer.join()


def while_it_is_held(death, call, other):
    other.answer()
    call.wait("up")
    hear_each_other(call, other)
    assert other.hold().status == 200
    death()
    assert other.hold(False).status == 200


def while_digits_go(death, call, other):
    other.answer()
    call.wait("up")
    killer = threading.Thread(target=death)
    killer.start()
    for digit in "1234":
        call.rtp.press(digit, 80)
        assert call.info("#" if digit == "4" else digit) == 200
    killer.join()


@pytest.mark.parametrize("daemon", ["sipd", "mediad"])
def test_a_call_in_any_state_goes_on(make_suite, daemon):
    print(f"HOOKSWITCH_SEED={SEED}")
    random.seed(f"{SEED} {daemon}")
    suite = make_suite()
    first, second = suite.phone(0), suite.phone(1)
    with suite.events() as events:
        for state in (while_it_rings, while_it_is_answered, while_it_is_held, while_digits_go):
            call = first.call("102")
            other = second.wait_call()
            call_id = wait_for(lambda: suite.get("/api/v1/calls?active=true")["calls"])[0]["id"]
            death = Death(suite, events, daemon)
            print(state.__name__)
            state(death, call, other)
            hear_each_other(call, other)
            death.over()
            assert_one_line(call.rtp.received[-30:])
            other.hangup()
            call.wait("ended")
            ended = events.wait("call.ended", 10, call_id=call_id)
            assert ended["cause"] == "normal", (state.__name__, ended)
            for kind in ("call.created", "call.answered"):
                assert len(events.of(kind, call_id=call_id)) == 1, (state.__name__, kind)
            assert first.incoming.empty() and second.incoming.empty(), "it was rung twice"
            suite.wait_idle(10)


@pytest.mark.parametrize("daemon", ["apid", "sipd", "mediad"])
def test_a_daemon_that_is_stopped_is_replaced(make_suite, daemon):
    """Its keeper notices that its loop does not turn; the call is the successor's."""
    suite = make_suite()
    call, other, call_id = start_call(suite)
    since = suite.get("/api/v1/events?limit=1")["cursor"]
    stopped = suite.kill(daemon, signal.SIGSTOP)
    suite.wait_child(daemon, stopped, 20)
    wait_for(lambda: suite.request("GET", "/api/v1/health").status_code == 200, 20)
    hear_each_other(call, other)
    if daemon != "apid":  # which does not tell of itself
        wait_for(lambda: [e for e in all_events(suite, since) if e["type"] == "daemon.started" and e["daemon"] == daemon], 15)
    assert "keeper.hung" in suite.log(daemon)
    assert suite.get(f"/api/v1/calls/{call_id}")["call"]["state"] == "up"
    call.hangup()
    other.wait("ended")


def test_registrations_survive_sipd_and_the_whole_suite(make_suite):
    suite = make_suite()
    phone = suite.phone()
    with suite.events() as events:
        suite.kill("sipd")
        events.wait("daemon.started", daemon="sipd")
    suite.wait_state("phone1", "on_hook")
    suite.post("/api/v1/phone/ring", status=202)
    phone.wait_call(5).reject()
    suite.wait_idle()
    suite.stop()
    suite.start()
    suite.wait_state("phone1", "on_hook", 10)
    suite.post("/api/v1/phone/ring", status=202)
    phone.wait_call(5).reject()


# ---- Analog lines ----

def analog_suite(make):
    need("dahdi")
    suite = make(configuration={"calls": {"default_line": first_line("dahdi")}})
    suite.driver = "dahdi"
    return suite


def ring_up(suite, events, phone):
    phone.wait_registered(suite)
    call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
    phone.answer()
    events.wait("call.answered", call_id=call_id)
    return call_id


def assert_goes_on(suite, operator, phone, killed):
    """The loop was never open, and audio came again at once."""
    time.sleep(1.5)
    times = [t for t, _ in operator.frames if t > killed - 0.2]
    gap = max(b - a for a, b in zip(times, times[1:]))
    assert gap < (AT_ONCE if SANITIZED else 0.3) + 0.02, f"{gap * 1000:.0f} ms without audio"
    state = phone.command("state")
    assert state["hook"] == "off" and state["feed"] == "forward", state


def test_an_analog_call_outlives_its_driver(make_suite):
    suite = analog_suite(make_suite)
    with handset(suite, audio.speech_like(60, seed=31)) as phone, suite.events() as events, \
            suite.audio(phone.line["id"]) as operator:
        call_id = ring_up(suite, events, phone)
        operator.wait_frames(5)
        pressed = ""
        for round_number in range(max(4, KILLS // 30)):
            killed = time.time()
            suite.kill("dahdid")
            assert_goes_on(suite, operator, phone, killed)
            pressed += str(round_number % 10)
            phone.press(pressed[-1])
            events.wait("dtmf", count=len(pressed), call_id=call_id)
            time.sleep(0.5)  # its keeper would back off
            phone.speak()
        assert "".join(e["digit"] for e in events.of("dtmf", call_id=call_id)) == pressed
        operator.play(audio.frames(audio.encode(audio.tone((1000,), 3))))
        wait_for(lambda: phone.command("heard")["tones_hz"][:1] and
                 abs(phone.command("heard")["tones_hz"][0] - 1000) < 20, 5, lambda: phone.command("heard"))
        assert suite.get(f"/api/v1/calls/{call_id}")["call"]["state"] == "up"
        assert not events.of("call.ended") and all(not e["clean"] for e in events.of("daemon.started", daemon="dahdid"))
        phone.hangup()
        assert events.wait("call.ended", call_id=call_id)["cause"] == "normal"


def test_what_a_handset_did_while_its_driver_was_dead(make_suite):
    suite = analog_suite(make_suite)
    with handset(suite, audio.speech_like(60, seed=32)) as phone, suite.events() as events:
        call_id = ring_up(suite, events, phone)
        phone.command("stop")
        time.sleep(1)
        suite.kill("dahdid")
        phone.command("flash", 300)
        events.wait("call.flash", call_id=call_id)
        time.sleep(1)
        suite.kill("dahdid")
        phone.hangup()
        assert events.wait("call.ended", 8, call_id=call_id)["ended_by"] == "line"
        suite.wait_state(phone.line["id"], "on_hook")
        suite.kill("dahdid")
        time.sleep(1)
        phone.off_hook()  # lifted while nobody was there, or just when somebody came
        phone.command("wait", "sound", 8000)
        phone.hangup()


def broken_audio(suite):
    """How often the card's audio was late or lost: nobody hears a key in what never came."""
    return sum(value for name, value in suite.metrics().items()
               if re.match("hookswitch_analog_(overruns|audio_lost)_total", name))


def press(suite, phone, digit, broken, is_told):
    """Presses a key until it is told; again only if the machine was too busy to bring the key's audio."""
    for _ in range(5):
        phone.keys(digit)
        wait_for(lambda: suite.request("GET", "/api/v1/health").status_code == 200, 15)
        try:
            return wait_for(is_told, 5, lambda: f"{digit} is not told")
        except AssertionError:
            if broken_audio(suite) == broken:
                raise
            broken = broken_audio(suite)
    raise AssertionError(f"{digit} is not told")


@pytest.mark.parametrize("daemon", ["apid", "api-front", "hookd"])
def test_an_analog_call_outlives_the_others(make_suite, daemon):
    suite = analog_suite(make_suite)
    with handset(suite, audio.speech_like(60, seed=33)) as phone, suite.events() as events:
        start = suite.get("/api/v1/events?limit=1")["cursor"]
        call_id = ring_up(suite, events, phone)

        def told():
            return [e for e in all_events(suite, start) if e["type"] == "dtmf" and e["call_id"] == call_id]

        pressed = "13579#"
        phone.command("stop")
        for number, digit in enumerate(pressed):
            broken = broken_audio(suite)
            suite.kill(daemon)
            press(suite, phone, digit, broken, lambda: len(told()) > number)
        assert "".join(e["digit"] for e in told()) == pressed
        phone.hangup()
        wait_for(lambda: suite.get(f"/api/v1/calls/{call_id}")["call"]["state"] == "ended", 8)


def test_an_analog_call_outlives_the_audio_engine(make_suite):
    suite = analog_suite(make_suite)
    with handset(suite, audio.speech_like(60, seed=34)) as phone, suite.events() as events, \
            suite.audio(phone.line["id"]) as operator:
        call_id = ring_up(suite, events, phone)
        operator.wait_frames(5)
        pressed = ""
        for round_number in range(3):
            killed = time.time()
            suite.kill("mediad")
            wait_for(lambda: operator.frames[-1][0] > killed + 1.5, 10, lambda: "the operator hears nothing any more")
            times = [t for t, _ in operator.frames if t > killed - 0.2]
            gap = max(b - a for a, b in zip(times, times[1:]))
            print(f"{gap * 1000:.0f} ms without audio")
            assert gap < PAUSE_MS / 1000
            pressed += str(round_number)
            phone.press(pressed[-1])
            events.wait("dtmf", count=len(pressed), call_id=call_id)
            phone.speak()
        operator.play(audio.frames(audio.encode(audio.tone((1000,), 3))))
        wait_for(lambda: phone.command("heard")["tones_hz"][:1] and
                 abs(phone.command("heard")["tones_hz"][0] - 1000) < 20, 5, lambda: phone.command("heard"))
        assert "".join(e["digit"] for e in events.of("dtmf", call_id=call_id)) == pressed
        assert not events.of("call.ended")
        phone.hangup()
        assert events.wait("call.ended", call_id=call_id)["cause"] == "normal"
