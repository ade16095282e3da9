"""Calls out over exchange lines: who may dial what, which line is taken, what is heard, and how they end."""
import signal

import numpy as np
import pytest
import yaml

import audio
from handsets import handset, need
from simphone import Simulator
from suite import wait_for

BUSY, RINGBACK = (480, 620), (440, 480)
TRUNKS = [{"id": "trunk1", "driver": "dahdi", "channel": 3, "port": {"signalling": "fxsks", "answer": "polarity"}},
          {"id": "trunk2", "driver": "dahdi", "channel": 4, "port": {"signalling": "fxsks"}}]
ROUTES = [{"id": "help", "pattern": "112", "lines": ["trunk1", "trunk2"], "emergency": True},
          {"id": "abroad", "pattern": "900.", "strip": 1, "lines": ["trunk1"]},
          {"id": "talk", "pattern": "8.", "strip": 1, "lines": ["trunk2"]},
          {"id": "town", "pattern": "9.", "strip": 1, "prepend": "7", "lines": ["trunk1", "trunk2"]}]


@pytest.fixture(scope="module")
def shared(make_shared):
    need("dahdi")
    suite = make_shared(configuration={"lines": TRUNKS, "routes": ROUTES}, start=False).prepare()
    path = suite.home / "hookswitch.yaml"
    tree = yaml.safe_load(path.read_text())
    for line in tree["lines"]:
        if line["id"] in ("phone1", "phone3"):
            line["may_dial"] = ["town", "talk"]
    tree["api"]["tokens"][0]["may_dial"] = ["town"]
    path.write_text(yaml.safe_dump(tree))
    suite.start()
    for trunk in TRUNKS:
        suite.wait_state(trunk["id"], "on_hook", 15)
    return suite


class Exchange:
    """The far end of an exchange line."""

    def __init__(self, suite, trunk):
        self.suite, self.trunk, self.simulator = suite, trunk["id"], Simulator(suite)
        self.channel = trunk["channel"]
        self.do("heal")
        self.after = 0
        self.forget()

    def do(self, *words, **more):
        return self.simulator.command(self.channel, *words, **more)

    def forget(self):
        """Only what comes from now on is seen."""
        past = self.do("events", self.after)["events"]
        self.after = past[-1]["seq"] if past else self.after

    def seen(self, kind):
        return [event.get("detail", "") for event in self.do("events", self.after)["events"] if event["event"] == kind]

    def wait(self, kind, timeout=10):
        wait_for(lambda: self.seen(kind), timeout, lambda: f"no {kind} at {self.trunk}: {self.do('events', self.after)}")

    def wait_dialled(self, number):
        wait_for(lambda: "".join(self.seen("digit")) == number, 15,
                 lambda: f"{number} was not dialled at {self.trunk}, but {self.seen('digit')}")

    def close(self):
        for words in (("unring",), ("battery", "on"), ("mend",), ("stop",), ("tone", "silence")):
            self.do(*words)
        self.suite.wait_state(self.trunk, "on_hook", 20)
        wait_for(lambda: self.suite.get(f"/api/v1/lines/{self.trunk}/port")["port"]["state"] == "idle", 20)
        self.simulator.close()


@pytest.fixture
def far(suite):
    made = [Exchange(suite, trunk) for trunk in TRUNKS]
    yield made
    suite.wait_idle(20)
    for one in made:
        one.close()


def record(suite, call):
    return suite.get(f"/api/v1/calls/{call}")["call"]


def hears(samples, hertz):
    """Whether the last moments of it are these two tones."""
    if len(samples) < 2400 or audio.loudness_db(samples[-1600:]) < 30:
        return False
    return np.allclose(sorted(audio.peaks(samples[-1600:])), hertz, atol=12)


def test_an_analog_phone_talks_to_somebody_outside(suite, far):
    """Counted as answered when it is dialled: that is all that such a line tells."""
    said, other = audio.speech_like(20, seed=8), audio.speech_like(20, seed=9)
    exchange = far[1]
    path = suite.home / "outside.wav"
    audio.write_wav(path, other)
    with handset(suite, said, driver="dahdi") as phone, suite.events() as events:
        phone.wait_registered(suite)
        phone.lift()
        phone.keys("831#")
        exchange.wait_dialled("31")
        call = events.wait("call.answered", 10)["call_id"]
        phone.speak()
        far_ear = suite.home / "far.ulaw"
        exchange.do("record", far_ear)
        speaker = Simulator(suite)
        background(speaker, exchange.channel, path)
        wait_for(lambda: max(audio.fits(other, phone.heard(), range(3, 8))) > 0.9, 20, lambda: "not heard inside", 0.2)
        wait_for(lambda: max(audio.fits(said, audio.decode(far_ear.read_bytes()), range(3, 8))) > 0.9, 20,
                 lambda: "not heard outside", 0.2)
        exchange.do("record", "off")
        speaker.close()
        exchange.do("battery", "off", 900)
        ended = events.wait("call.ended", 10, call_id=call)
        assert ended["cause"] == "normal" and ended["ended_by"] == "line" and "battery" in ended["why"]
        phone.hangup()
    routed = events.of("call.routed", call_id=call)
    assert [(e["line"], e["route"], e["dialled"], e["number"]) for e in routed] == [("trunk2", "talk", "831", "31")]
    legs = record(suite, call)["legs"]
    assert record(suite, call)["route"] == "talk" and record(suite, call)["dialled"] == "831"
    assert [(leg["line"], leg.get("number")) for leg in legs] == [("phone3", None), ("trunk2", "31")]


def background(simulator, channel, path):
    """Speaks without waiting for the end."""
    simulator.command(channel, "state")  # connects
    simulator.socket.sendall(f"{channel} speak {path}\n".encode())


def test_a_sip_phone_hears_the_exchange_before_the_answer(suite, far):
    exchange = far[0]
    phone = suite.phone(0)
    with suite.events() as events:
        call = phone.call("95551234")
        exchange.wait_dialled("75551234")
        call.wait("ringing", 10)
        assert call.status == 183
        exchange.do("tone", "ringback")
        wait_for(lambda: hears(audio.decode(call.rtp.heard()), RINGBACK), 10, lambda: "no ringback of the exchange")
        routed = events.wait("call.routed")
        assert suite.get("/api/v1/lines/trunk1")["line"]["state"] == "off_hook"
        assert not events.of("call.answered")
        exchange.do("tone", "silence")
        exchange.do("polarity")
        call.wait("up", 10)
        answered = events.wait("call.answered", call_id=routed["call_id"])
        assert answered["line"] == "trunk1"
        call.hangup()
        exchange.wait("released")
        assert events.wait("call.ended", 5, call_id=routed["call_id"])["cause"] == "normal"
        exchange.do("polarity")


@pytest.mark.parametrize("tone,cause,status,why", [("busy", "busy", 486, "busy tone"),
                                                   ("congestion", "failed", 500, "fast busy tone")])
def test_busy_and_congestion_of_the_exchange(suite, far, tone, cause, status, why):
    exchange = far[0]
    phone = suite.phone(0)
    with suite.events() as events:
        call = phone.call("91")
        exchange.wait_dialled("71")
        call.wait("ringing", 10)
        exchange.do("tone", tone)
        call.wait("ended", 15)
        assert call.status == status
        ended = events.wait("call.ended", 5)
        assert ended["cause"] == cause and ended["why"].startswith(why)
        assert [leg["line"] for leg in record(suite, ended["call_id"])["legs"]] == ["phone1", "trunk1"]


def test_the_handset_of_who_called_hears_busy(suite, far):
    with handset(suite, audio.speech_like(5), driver="dahdi") as phone:
        phone.wait_registered(suite)
        phone.lift()
        phone.keys("91#")
        far[0].wait_dialled("71")
        far[0].do("tone", "busy")
        far[0].wait("released", 15)
        wait_for(lambda: hears(phone.heard(), BUSY), 10, lambda: "no busy tone")
        phone.hangup()


def test_the_next_line_when_one_is_out_of_order_or_taken(suite, far):
    phone = suite.phone(0)
    far[0].do("cut")
    suite.wait_state("trunk1", "offline", 10)
    assert dial_and_leave(suite, phone, far[1]) == ["phone1", "trunk2"]
    far[0].do("mend")
    suite.wait_state("trunk1", "on_hook", 10)
    with suite.events() as events:
        far[0].do("ring", "4155550100", "Ada")  # nobody knows of it before its caller identification has been read
        far[0].wait("ring_on")
        assert dial_and_leave(suite, phone, far[1])[-1] == "trunk2"
        incoming = events.wait("call.created", 10, line="trunk1")
        assert (incoming["caller_number"], incoming["caller_name"]) == ("4155550100", "Ada")
        suite.post(f"/api/v1/calls/{incoming['call_id']}/hangup", status=200)
        events.wait("call.ended", 10, call_id=incoming["call_id"])


def dial_and_leave(suite, phone, exchange):
    """Dials out, hangs up when the exchange has the number; the lines of the call, in the order of its legs."""
    exchange.forget()
    with suite.events() as events:
        call = phone.call("91")
        exchange.wait_dialled("71")
        events.wait("call.routed", line="trunk2")
        call.wait("up", 10)
        call.hangup()
        exchange.wait("released")
        taken = events.of("call.routed", line="trunk2")[0]["call_id"]
        events.wait("call.ended", 10, call_id=taken)
    return [leg["line"] for leg in record(suite, taken)["legs"]]


@pytest.mark.parametrize("number,status,cause", [("9001234", 403, "rejected"), ("trunk1", 404, "unreachable"),
                                                 ("5551234", 404, "unreachable")])
def test_what_a_phone_may_not_dial(suite, far, number, status, cause):
    phone = suite.phone(0)
    with suite.events() as events:
        call = phone.call(number)
        call.wait("ended")
        assert call.status == status
        ended = events.wait("call.ended")
        assert ended["cause"] == cause
    if cause == "rejected":
        assert "may_dial" in ended["why"] and record(suite, ended["call_id"])["route"] == "abroad"
    assert not far[0].seen("seized") and not far[1].seen("seized")


def test_without_a_right_only_emergency_numbers(suite, far):
    phone = suite.phone(1)
    call = phone.call("91")
    call.wait("ended")
    assert call.status == 403
    call = phone.call("112")
    far[0].wait_dialled("112")
    call.wait("ringing")
    call.hangup()
    far[0].wait("released")


def test_the_api_calls_a_number(suite, far):
    """And who answers there talks to the operator's stream of that line."""
    with suite.events() as events, suite.audio("trunk1") as operator:
        placed = suite.post("/api/v1/calls", {"number": "9 (1) 2-3"}, status=202).json()["call"]
        assert placed["line"] == "trunk1" and placed["route"] == "town" and placed["dialled"] == "9 (1) 2-3"
        far[0].wait_dialled("7123")
        suite.wait_state("trunk1", "off_hook", 10)
        assert record(suite, placed["id"])["legs"][0]["state"] in ("new", "progressing")
        far[0].do("polarity")
        events.wait("call.answered", 10, call_id=placed["id"])
        operator.wait_frames(50)
        suite.post(f"/api/v1/calls/{placed['id']}/hangup", status=200)
        far[0].wait("released")
        assert events.wait("call.ended", call_id=placed["id"])["ended_by"] == "api"
        far[0].do("polarity")


def test_the_api_connects_a_phone_with_a_number(suite, far):
    phone = suite.phone(0)
    with suite.events() as events:
        placed = suite.post("/api/v1/calls", {"line": "phone1", "to_number": "91"}, status=202).json()["call"]
        call = phone.wait_call()
        assert not far[0].seen("seized")  # nobody is called before the phone was lifted
        call.answer()
        far[0].wait_dialled("71")
        far[0].do("tone", "ringback")
        wait_for(lambda: hears(audio.decode(call.rtp.heard()), RINGBACK), 10, lambda: "no ringback of the exchange")
        far[0].do("tone", "silence")
        far[0].do("polarity")
        events.wait("call.answered", 10, call_id=placed["id"])
        call.hangup()
        far[0].wait("released")
        events.wait("call.ended", call_id=placed["id"])
        far[0].do("polarity")


@pytest.mark.parametrize("body,status,field,words", [
    ({}, 422, "line", "number"),
    ({"line": "phone1", "number": "91"}, 422, "number", "routes"),
    ({"number": "hello"}, 422, "number", "digits"),
    ({"number": "5551234"}, 404, "number", "no route"),
    ({"number": "0"}, 422, "number", "operator"),
    ({"number": "81"}, 403, "number", "may_dial"),
    ({"number": "91", "to_number": "92"}, 422, "to_number", "calls.outside_to_outside"),
    ({"number": "91", "to_number": "92", "to_line": "phone1"}, 422, "to_number", "not both"),
    ({"line": "trunk1"}, 422, "line", "exchange line"),
    ({"line": "phone1", "to_line": "trunk1"}, 422, "to_line", "exchange line"),
    ({"line": "phone1", "to_number": "101"}, 422, "to_number", "itself"),
])
def test_what_the_api_does_not_place(suite, body, status, field, words):
    reply = suite.post("/api/v1/calls", body)
    assert reply.status_code == status, reply.text
    assert reply.json()["field"] == field and words in reply.json()["detail"], reply.json()


def test_an_exchange_line_is_not_rung(suite, far):
    assert suite.get("/api/v1/lines/trunk1")["line"]["is_exchange"] is True
    assert suite.get("/api/v1/lines/phone1")["line"]["is_exchange"] is False
    reply = suite.post("/api/v1/lines/trunk1/ring")
    assert reply.status_code == 409 and "POST /api/v1/calls" in reply.json()["detail"]
    assert not far[0].seen("seized")


def test_the_api_flashes_towards_the_exchange(suite, far):
    """For its own features: a second call, a transfer."""
    phone = suite.phone(0)
    with suite.events() as events:
        placed = suite.post("/api/v1/calls", {"number": "91"}, status=202).json()["call"]
        far[0].wait_dialled("71")
        suite.wait_state("trunk1", "off_hook", 10)
        far[0].do("polarity")
        events.wait("call.answered", 10, call_id=placed["id"])
        flash = f"/api/v1/calls/{placed['id']}/flash"
        assert suite.post(flash, status=200).json()["call"]["state"] == "up"
        far[0].wait("flash")
        assert events.wait("call.flash", call_id=placed["id"])["line"] == "trunk1"
        suite.post(f"/api/v1/calls/{placed['id']}/hangup", status=200)
        events.wait("call.ended", 10, call_id=placed["id"])
        far[0].do("polarity")
        assert suite.post(flash).status_code == 409
        assert suite.post("/api/v1/calls/c1-nobody/flash").status_code == 404
        inside = suite.post("/api/v1/lines/phone1/ring", status=202).json()["call_id"]
        phone.wait_call().answer()
        events.wait("call.answered", call_id=inside)
        reply = suite.post(f"/api/v1/calls/{inside}/flash")
        assert reply.status_code == 409 and "exchange line" in reply.json()["detail"]
        suite.post(f"/api/v1/calls/{inside}/hangup", status=200)


def test_no_line_is_free(suite, far):
    with suite.events() as events:
        calls = [suite.post("/api/v1/calls", {"number": "91"}, status=202).json()["call"]["id"] for _ in TRUNKS]
        reply = suite.post("/api/v1/calls", {"number": "91"})
        assert reply.status_code == 409 and "in a call" in reply.json()["detail"], reply.text
        for exchange in far:
            exchange.wait_dialled("71")
        for call in calls:
            suite.post(f"/api/v1/calls/{call}/hangup", status=200)
            events.wait("call.ended", 10, call_id=call)


def test_a_call_goes_on_when_apid_is_killed(suite, far):
    phone = suite.phone(0)
    with suite.events() as events:
        call = phone.call("91")
        far[0].wait_dialled("71")
        call.wait("ringing", 10)
        routed = events.wait("call.routed")
    suite.kill("apid")
    wait_for(lambda: suite.request("GET", "/api/v1/health").status_code == 200, 15)
    far[0].do("polarity")
    call.wait("up", 10)
    wait_for(lambda: record(suite, routed["call_id"])["state"] == "up", 10)
    assert record(suite, routed["call_id"])["legs"][1]["number"] == "71"
    call.hangup()
    far[0].wait("released")
    far[0].do("polarity")


@pytest.fixture(scope="module")
def generous(shared):
    """The same suite, from now on with two parties outside allowed, for some seconds."""
    path = shared.home / "hookswitch.yaml"
    tree = yaml.safe_load(path.read_text())
    tree.setdefault("calls", {}).update(outside_to_outside=True, outside_max_duration_s=4)
    tree["api"]["tokens"][0]["may_dial"] = ["town", "talk"]
    next(line for line in tree["lines"] if line["id"] == "trunk1").update(may_dial=["talk"], incoming="82")
    shared.stop()
    path.write_text(yaml.safe_dump(tree))
    shared.start()
    for trunk in TRUNKS:
        shared.wait_state(trunk["id"], "on_hook", 15)
    return shared


def test_the_api_connects_two_numbers(generous, suite, far):
    """Neither exchange tells that its party has hung up: the call ends all the same."""
    said, heard = audio.speech_like(20, seed=11), suite.home / "second.ulaw"
    audio.write_wav(suite.home / "first.wav", said)
    body = {"number": "91", "to_number": "82"}
    with suite.events() as events:
        placed = suite.post("/api/v1/calls", body, status=202).json()["call"]
        assert (placed["to_number"], placed["to_route"]) == ("82", "talk")
        far[0].wait_dialled("71")
        assert not far[1].seen("seized")  # nobody is called before the first one answered
        far[1].do("record", heard)
        suite.wait_state("trunk1", "off_hook", 10)
        far[0].do("polarity")
        far[1].wait_dialled("2")
        events.wait("call.answered", 10, call_id=placed["id"])
        speaker = Simulator(suite)
        background(speaker, far[0].channel, suite.home / "first.wav")
        ended = events.wait("call.ended", 20, call_id=placed["id"])
        assert ended["cause"] == "time_limit" and "two parties outside" in ended["why"]
        far[0].wait("released")
        far[1].wait("released")
        far[1].do("record", "off")
        far[0].do("stop")
        speaker.close()
        far[0].do("polarity")
    assert max(audio.fits(said, audio.decode(heard.read_bytes()), range(1, 3))) > 0.9
    legs = record(suite, placed["id"])["legs"]
    assert [(leg["line"], leg["number"]) for leg in legs] == [("trunk1", "71"), ("trunk2", "2")]
    reply = suite.post("/api/v1/calls", {"number": "81", "to_number": "82"})  # one line for both
    assert reply.status_code == 409 and reply.json()["field"] == "to_number", reply.text


def test_a_caller_from_outside_is_led_out_again(generous, suite, far):
    with suite.events() as events:
        far[0].do("ring", "4155550100", "Ada")
        far[1].wait_dialled("2")
        far[0].wait("answered")
        answered = events.wait("call.answered", 10)
        far[1].do("battery", "off", 900)
        far[0].wait("released")
        ended = events.wait("call.ended", 10, call_id=answered["call_id"])
        assert ended["cause"] == "normal" and "battery" in ended["why"]
    assert [leg["line"] for leg in record(suite, answered["call_id"])["legs"]] == ["trunk1", "trunk2"]


def test_the_drill_and_an_emergency_call_while_the_rest_is_down(suite, far):
    """The drill names the line that an emergency number would take; then a call takes it, with half of the suite stopped."""
    def drill():
        answer = suite.get("/api/v1/emergency")
        assert answer["ok"] == answer["routes"][0]["ok"] and answer["routes"][0]["route"] == "help"
        return answer["routes"][0]
    first = drill()
    assert first["ok"] and (first["number"], first["dialled"], first["line"]) == ("112", "112", "trunk1")
    assert [line["usable"] for line in first["lines"]] == [True, True] and not first.get("missed")
    assert suite.request("GET", "/api/v1/emergency?number=911").status_code == 404
    stopped = ("hookd", "hook-stream", "sipd")
    try:
        for daemon in stopped:
            suite.kill(daemon, signal.SIGSTOP)
        far[0].do("cut")
        suite.wait_state("trunk1", "offline", 10)
        assert drill()["line"] == "trunk2"
        shown = suite.hookctl("drill")
        assert "dials 112 on trunk2" in shown.stdout
        with handset(suite, audio.speech_like(1), driver="dahdi") as phone:
            phone.wait_registered(suite)
            phone.lift()
            phone.keys("112")
            far[1].wait_dialled("112")
            far[1].do("cut")
            suite.wait_state("trunk2", "offline", 10)
            assert drill()["why"] and suite.hookctl("drill", "112", check=False).returncode == 1
    finally:
        for daemon in stopped:
            suite.kill(daemon, signal.SIGCONT)
        for exchange in far:
            exchange.do("mend")
    for trunk in TRUNKS:
        suite.wait_state(trunk["id"], "on_hook", 10)
