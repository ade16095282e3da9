"""What only a handset on a wire does: dial tone, dialling, flash, and a card that goes away."""
import time

import numpy as np
import pytest

import audio
from handsets import handset, need
from simphone import Simulator
from suite import wait_for
from test_ht802 import BUSY_TONE, CONGESTION, DIAL_TONE, RINGBACK


DEBOUNCE_S = 0.7  # the driver overlooks what the hook does in the first moments off hook


@pytest.fixture(scope="module")
def shared(make_shared):
    need("dahdi")
    suite = make_shared(configuration={
        "calls": {"default_line": "phone3", "digit_timeout_ms": 10000},
        "dahdi": {"port": {"lamp": "neon"}, "cadences": [{"id": "short", "ms": "400 400"}]}})
    suite.driver = "dahdi"
    return suite


@pytest.fixture
def phone(suite):
    with handset(suite, audio.speech_like(20, seed=5)) as made:
        made.wait_registered(suite)
        yield made
        made.hangup()
        made.wait_registered(suite)


def hears(phone, hertz, timeout=4):
    """Until the last moments of what comes down the line are these frequencies."""
    def check():
        heard = phone.command("heard")
        tones = sorted(heard["tones_hz"])
        return heard["level_dbm0"] > -40 and len(tones) == 2 and np.allclose(tones, sorted(hertz), atol=12)

    wait_for(check, timeout, lambda: f"not {hertz}: {phone.command('heard')}")


def hears_silence(phone, timeout=2):
    phone.command("wait", "silence", int(timeout * 1000))


def test_lifting_is_an_event_and_has_dial_tone(suite, phone):
    with suite.events() as events:
        phone.off_hook()
        lifted = events.wait("state_change", line="phone3", new_state="off_hook")
        assert lifted["old_state"] == "on_hook" and lifted["state_source"] == "measured"
        hears(phone, DIAL_TONE)
        assert suite.get("/api/v1/phone/status")["state"] == "off_hook"
        phone.hangup()
        events.wait("state_change", line="phone3", new_state="on_hook")
        assert events.wait("call.ended")["ended_by"] == "line"


@pytest.mark.parametrize("way", ["tone", "pulse"])
def test_dialling(suite, phone, way):
    """The first key silences the tone; each digit is told once; the other phone rings, and ringback is heard."""
    with suite.events() as events, handset(suite, audio.speech_like(5), number=1) as other:
        other.wait_registered(suite)
        phone.lift()
        hears(phone, DIAL_TONE)
        time.sleep(DEBOUNCE_S)
        phone.command("dial" if way == "tone" else "pulse", "1", timeout=30)
        hears_silence(phone, 5)
        phone.command("dial" if way == "tone" else "pulse", "04", timeout=30)
        dialled = events.wait("call.dialled", 6)
        assert dialled["dialled"] == "104"
        other.wait_ringing()
        hears(phone, RINGBACK, 8)
        told = events.of("dtmf", call_id=dialled["call_id"])
        assert [e["digit"] for e in told] == list("104") and [e["sequence"] for e in told] == [1, 2, 3]
        assert {e["source"] for e in told} == {"inband" if way == "tone" else "pulse"}
        phone.hangup()
        events.wait("call.ended", call_id=dialled["call_id"])
        wait_for(lambda: not other.ringing(), 5, lambda: "it still rings")


def test_silence_calls_the_operator(suite, phone):
    with suite.events() as events, suite.audio("phone3") as operator:
        phone.lift()
        events.wait("call.answered", 6)
        phone.speak()
        operator.wait_frames(100)


@pytest.mark.parametrize("digits,tone", [("999#", CONGESTION), ("104#", BUSY_TONE), ("101#", CONGESTION)])
def test_tones_when_it_fails(suite, phone, digits, tone):
    """No such number; a line that is off the hook; a SIP line that nobody registered."""
    other = Simulator(suite)
    with suite.events() as events:
        other.command(2, "lift")
        suite.wait_state("phone4", "off_hook")
        phone.lift()
        hears(phone, DIAL_TONE)
        call = suite.get("/api/v1/lines/phone3")["line"]["call_id"]
        phone.keys(digits)
        hears(phone, tone)
        ended = events.wait("call.ended", 8, call_id=call)
        assert ended["cause"] in ("busy", "unreachable", "rejected")
        other.command(2, "hangup")
        suite.wait_state("phone4", "on_hook", 10)
    other.close()


def call_up(suite, events, phone):
    call = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
    phone.answer()
    events.wait("call.answered", call_id=call)
    return call


def test_a_flash_is_an_event_and_the_call_goes_on(suite, phone):
    with suite.events() as events:
        call = call_up(suite, events, phone)
        phone.command("stop")
        time.sleep(DEBOUNCE_S)
        phone.command("flash", 400)
        events.wait("call.flash", call_id=call)
        assert suite.get(f"/api/v1/calls/{call}")["call"]["state"] == "up"
        phone.hangup()
        events.wait("call.ended", call_id=call)


def test_ringing_ends_when_it_is_hung_up_or_nobody_comes(suite, phone):
    with suite.events() as events:
        call = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        phone.wait_ringing()
        reply = suite.post("/api/v1/phone/ring")
        assert reply.status_code == 409 and reply.json()["state"] == "ringing"
        suite.post("/api/v1/phone/hangup", status=200)
        wait_for(lambda: not phone.ringing(), 2, lambda: "it still rings")
        assert events.wait("call.ended", call_id=call)["cause"] == "cancelled"
        suite.wait_state("phone3", "on_hook")
        call = suite.post("/api/v1/phone/ring", {"timeout_s": 1}, status=202).json()["call_id"]
        assert events.wait("call.ended", timeout=5, call_id=call)["cause"] == "no_answer"
        wait_for(lambda: not phone.ringing(), 2, lambda: "it still rings")


def test_hold(suite, phone):
    with suite.events() as events:
        call = call_up(suite, events, phone)
        suite.post(f"/api/v1/calls/{call}/hold", {"held": True}, status=202)
        assert not events.wait("call.held", held=True)["by_far_end"]
        suite.post(f"/api/v1/calls/{call}/hold", {"held": False}, status=202)
        events.wait("call.held", held=False)
        phone.hangup()
        events.wait("call.ended", call_id=call)


def test_waiting_messages_light_the_lamp_and_make_the_dial_tone_stutter(suite, phone):
    path = "/api/v1/lines/phone3/messages"
    assert suite.post(path, {"waiting": 3}, status=200).json() == {"line": "phone3", "waiting": 3}
    phone.command("wait", "lamp")
    assert suite.get("/api/v1/lines/phone3")["line"]["messages_waiting"] == 3
    suite.kill("dahdid")
    suite.kill("apid")
    wait_for(lambda: suite.request("GET", "/api/v1/health").status_code == 200, 15)
    suite.wait_state("phone3", "on_hook")
    assert phone.command("state")["lamp"] and suite.get("/api/v1/lines/phone3")["line"]["messages_waiting"] == 3
    phone.lift()
    wait_for(lambda: len(phone.heard()) > 2.5 * audio.RATE, 8)
    loud = [audio.loudness_db(phone.heard()[at:at + 320]) > 40 for at in range(0, 2 * audio.RATE, 320)]
    assert sum(a != b for a, b in zip(loud, loud[1:])) >= 10, "it does not stutter"
    phone.hangup()
    suite.wait_state("phone3", "on_hook")
    suite.post(path, {"waiting": 0}, status=200)
    phone.command("wait", "dark")
    assert "messages_waiting" not in suite.get("/api/v1/lines/phone3")["line"]
    assert suite.post(path, {"waiting": -1}).status_code == 422


def test_the_port_of_a_line(suite, phone):
    port = suite.get("/api/v1/lines/phone3/port")["port"]
    assert port["line"] == "phone3" and port["channel"] == 1 and port["state"] == "idle" and port["off_hook"] is False
    assert port["signalling"] == "fxoks" and port["law"] == "pcmu"
    phone.off_hook()
    wait_for(lambda: suite.get("/api/v1/lines/phone3/port")["port"]["off_hook"])
    reply = suite.request("GET", "/api/v1/lines/phone1/port")
    assert reply.status_code == 409 and reply.json()["state"] == "sip"
    assert suite.request("GET", "/api/v1/lines/nobody/port").status_code == 404


def test_a_distinctive_ring(suite, phone):
    assert suite.post("/api/v1/phone/ring", {"cadence": "unheard-of"}).json()["field"] == "cadence"
    with suite.events() as events:
        call = suite.post("/api/v1/phone/ring", {"cadence": "short"}, status=202).json()["call_id"]
        events.wait("call.ringing", call_id=call)
        wait_for(lambda: phone.command("state")["rings"] >= 2, 10)
        first, second = [e["at_ms"] for e in phone.command("events")["events"] if e["event"] == "ring_on"][-2:]
        assert second - first < 3000  # of the card's clock; the usual cadence rings every six seconds
        suite.post("/api/v1/phone/hangup", status=200)
        events.wait("call.ended", call_id=call)


def test_a_card_that_goes_away_takes_its_lines_alone(suite, phone):
    card = Simulator(suite)
    sip = suite.phone(0)
    with suite.events() as events:
        call = call_up(suite, events, phone)
        card.command("card", "unplug")
        assert events.wait("call.ended", 5, call_id=call)["cause"] in ("failed", "unreachable")
        for line in ("phone3", "phone4"):
            suite.wait_state(line, "offline", 10)
            gone = events.wait("line.unregistered", line=line)
            shown = suite.get(f"/api/v1/lines/{line}")["line"]
            assert gone["trouble"] == shown["trouble"] == "unplugged" and gone["why"] == shown["why"]
            assert shown["why"] in suite.hookctl("status").stdout
        reply = suite.post("/api/v1/phone/ring")
        assert reply.status_code == 409 and reply.json()["state"] == "offline"
        suite.post("/api/v1/lines/phone1/ring", status=202)
        sip.wait_call().reject()
        phone.hangup()
        time.sleep(1.2)  # the driver lets go of a card after a second
        wait_for(lambda: plug(card), 5, step=0.2)
        for line in ("phone3", "phone4"):
            suite.wait_state(line, "on_hook", 10)
            assert "trouble" not in suite.get(f"/api/v1/lines/{line}")["line"]
        call = call_up(suite, events, phone)
        phone.hangup()
        events.wait("call.ended", call_id=call)
    card.close()


def plug(card):
    try:
        return card.command("card", "plug")["ok"]
    except AssertionError:
        return False


def test_a_cut_cable_ends_the_call(suite, phone):
    with suite.events() as events:
        call = call_up(suite, events, phone)
        phone.command("cut")
        events.wait("call.ended", 5, call_id=call)
        phone.hangup()
        phone.command("mend")
