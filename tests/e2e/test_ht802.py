"""A Grandstream HT802 with off-hook auto-dial: lifting the handset is an INVITE to the hotline, the rest is ours."""
import time

import numpy as np
import pytest

import audio
from suite import wait_for

AGENT = "Grandstream HT802 1.0.10.6"
DIAL_TONE, BUSY_TONE, CONGESTION, RINGBACK = (350, 440), (480, 620), (480, 620), (440, 480)


def lift(suite, number=0):
    """Handset up: registered phone, INVITE to the hotline; the call, answered, with audio."""
    phone = suite.phone(number, agent=AGENT)
    call = phone.call("hotline").wait("up", 3)
    return phone, call


def hears(call, hertz, timeout=3, codec="PCMU"):
    """Until the last half second of what the phone hears is these frequencies."""
    def check():
        samples = audio.decode(call.rtp.heard(), codec)[-4000:]
        if len(samples) < 4000 or audio.loudness_db(samples) < 30:
            return False
        return np.allclose(sorted(audio.peaks(samples, len(hertz))), sorted(hertz), atol=6)

    wait_for(check, timeout, lambda: f"not {hertz}: {audio.peaks(audio.decode(call.rtp.heard(), codec)[-4000:])}")


def hears_silence(call, timeout=2, codec="PCMU"):
    wait_for(lambda: audio.loudness_db(audio.decode(call.rtp.heard(), codec)[-2400:]) < 20, timeout,
             lambda: "it is not silent")


def press(call, digits, pause=0.08):
    for digit in digits:
        call.rtp.press(digit, 120)
    time.sleep(len(digits) * 0.12 + pause)


def test_off_hook_is_an_event_and_has_dial_tone(suite):
    with suite.events() as events:
        phone, call = lift(suite)
        change = events.wait("state_change", line="phone1", new_state="off_hook")
        assert change["old_state"] == "on_hook" and change["state_source"] == "inferred"
        hears(call, DIAL_TONE)
        level = audio.loudness_db(audio.decode(call.rtp.heard())[-4000:])
        assert 50 < level < 85, level
        assert suite.get("/api/v1/phone/status")["state"] == "off_hook"
        call.hangup()
        events.wait("state_change", line="phone1", new_state="on_hook")


def test_first_digit_silences_the_tone_and_the_number_is_dialled(suite):
    other = suite.phone(1)
    with suite.events() as events:
        phone, call = lift(suite)
        hears(call, DIAL_TONE)
        press(call, "1")
        hears_silence(call)
        press(call, "02")
        assert events.wait("call.dialled", 4)["dialled"] == "102"
        ringing = other.wait_call(3)
        assert "101" in ringing.caller
        hears(call, RINGBACK, 5)
        ringing.answer()
        events.wait("call.answered")
        mark = audio.marked_frames(100)
        ringing.rtp.play(mark)
        wait_for(lambda: b"".join(mark[20:60]) in call.rtp.heard(), 4, lambda: "phone2 is not heard")
        assert [e["digit"] for e in events.of("dtmf")] == list("102")
        call.hangup()
        ringing.wait("ended")


def test_hash_completes_the_number_at_once(suite):
    other = suite.phone(1)
    phone, call = lift(suite)
    hears(call, DIAL_TONE)
    press(call, "102#", 0)
    before = time.monotonic()
    other.wait_call(0.9)
    assert time.monotonic() - before < 0.9
    call.hangup()


def test_silence_calls_the_operator(suite):
    with suite.events() as events, suite.audio() as operator:
        phone, call = lift(suite)
        events.wait("call.answered", 6)
        mark = audio.marked_frames(100)
        call.rtp.play(mark)
        wait_for(lambda: b"".join(mark[20:60]) in operator.heard(), 4, lambda: "the operator hears nothing")


def test_operator_number(suite):
    with suite.events() as events, suite.audio() as operator:
        phone, call = lift(suite)
        hears(call, DIAL_TONE)
        press(call, "0#")
        events.wait("call.answered", 4)
        call.rtp.play(audio.marked_frames(50))
        operator.wait_frames(50)


@pytest.mark.parametrize("digits,tone", [("999#", CONGESTION), ("102#", BUSY_TONE)])
def test_tones_when_it_fails(suite, digits, tone):
    other = suite.phone(1)
    other.busy = True
    with suite.events() as events:
        phone, call = lift(suite)
        hears(call, DIAL_TONE)
        press(call, digits)
        hears(call, tone, 4)
        call.wait("ended", 6)
        ended = events.wait("call.ended", 6)
        assert ended["cause"] in ("busy", "unreachable", "rejected")


def test_digits_by_info(suite):
    with suite.events() as events:
        phone, call = lift(suite)
        hears(call, DIAL_TONE)
        for digit in "42*#":
            assert call.info(digit, 180) == 200
        found = events.wait("dtmf", count=4, timeout=4)
        assert [e["digit"] for e in events.of("dtmf")] == list("42*#")
        assert found["source"] == "info" and found["duration_ms"] == 180


def test_digits_once_although_packets_are_lost_or_repeated(suite):
    with suite.events() as events, suite.audio():
        phone, call = lift(suite)
        press(call, "0#")
        events.wait("call.answered", 4)
        call.rtp.press("7", 160, packets_lost={0, 1})  # the marker is lost
        call.rtp.press("7", 160, end_copies=6)
        call.rtp.press("8", 160, packets_lost={7, 8, 9})  # the end never comes
        call.rtp.press("9", 200)
        events.wait("dtmf", timeout=5, digit="9")
        time.sleep(0.4)
        assert [e["digit"] for e in events.of("dtmf")][2:] == list("7789")


@pytest.mark.parametrize("user,password", [("phone1", "wrong-password-123456"), ("nobody", "wrong-password-123456")])
def test_wrong_credentials_never_earn_a_403(suite, user, password):
    phone = suite.phone(register=False, agent=AGENT)
    for _ in range(4):
        assert phone.register(user=user, password=password).status == 401
    phone.password = password
    call = phone.call("hotline").wait("ended", 5)
    assert call.status in (401, 407)
    assert not any(" 403 " in start for _, way, start in phone.log if way == "in")


def test_lifted_and_put_down_at_once(suite):
    phone = suite.phone(agent=AGENT)
    with suite.events() as events:
        for _ in range(5):
            call = phone.call("hotline")
            time.sleep(0.02)
            call.wait("up", 3)
            call.hangup()
        suite.wait_idle()
        suite.wait_state("phone1", "on_hook")
        states = [e["new_state"] for e in events.of("state_change", line="phone1")]
        assert states[-10:] == ["off_hook", "on_hook"] * 5
