"""The main job: a phone registers, and an operator drives it over REST, WebSocket and webhooks."""
import json
import os
import sys

import pytest

import audio
import namespaces
from baresip import Baresip
from handsets import first_line, handset, need
from machine import SmallMachine
from suite import DAEMONS, DRIVERS, Pauses, wait_for

SECONDS = 10


def start_with_webhooks(make, begin=None, **more):
    """A suite whose webhooks.outgoing go to a receiver, with their signing secrets known to it. begin: done with the
    suite before it starts."""
    suite = make(start=False, **more)
    receiver = suite.receiver()
    suite.receivers.clear()  # it lives as long as the suite, not as long as a test
    suite.configuration.setdefault("webhooks", {})["outgoing"] = {
        "state": {"url": receiver.url("/state"), "events": ["off_hook", "on_hook", "ringing"]},
        "dtmf": {"url": receiver.url("/dtmf")}}
    if begin:
        begin(suite)
    suite.start()
    for name in ("state", "dtmf"):
        receiver.secrets[f"/{name}"] = suite.hookctl("webhook-secret", name).stdout.split()[-1]
    suite.hook_receiver = receiver
    return suite


@pytest.fixture(scope="module", params=DRIVERS)
def shared(make_shared, request):
    """A suite whose default line is of one driver, and then of the other."""
    need(request.param)
    suite = start_with_webhooks(make_shared, configuration={"calls": {"default_line": first_line(request.param)}})
    suite.driver = request.param
    yield suite
    suite.hook_receiver.close()


def assert_alike(comparison, who):
    assert comparison.seconds > SECONDS - 0.5, f"{who}: {comparison}"
    assert comparison.correlation > 0.98, f"{who}: {comparison}"
    assert comparison.gap_ms <= 20, f"{who}: {comparison}"
    assert abs(comparison.level_db) < 1, f"{who}: {comparison}"


def ring_and_answer(suite, events, phone):
    """Rings the default line and lifts the handset; the call's id."""
    phone.wait_registered(suite)
    reply = suite.post("/api/v1/phone/ring", {"caller_number": "4711", "caller_name": "Operator"}, status=202).json()
    call = reply["call_id"]
    events.wait("state_change", new_state="ringing", call_id=call)
    phone.wait_shown("4711")
    phone.answer()
    lifted = events.wait("state_change", new_state="off_hook", call_id=call)
    assert lifted["state_source"] == ("measured" if suite.driver == "dahdi" else "inferred")
    events.wait("call.answered", call_id=call)
    assert suite.get("/api/v1/phone/status")["call_state"] == "up"
    return call


def waits_of_the_card(suite):
    """How often the card ran out of audio, because this machine kept its driver from running."""
    return sum(value for name, value in suite.metrics().items() if name.startswith("hookswitch_analog_underruns_total"))


def assert_heard(said, heard, who, is_disturbed):
    """All of it, sample after sample; where the machine itself paused too long for a card, most seconds of it."""
    if not is_disturbed:
        assert_alike(audio.Comparison(said, heard, SECONDS), who)
        return
    found = audio.fits(said, heard, range(SECONDS))
    assert sum(fit > 0.98 for fit in found) >= SECONDS // 2, f"{who}: {found}"


def talk(suite, operator, phone, codec, said, other):
    """Ten seconds both ways, judged on both sides."""
    before = waits_of_the_card(suite)
    with Pauses() as pauses:
        operator.play(audio.frames(audio.encode(other, codec)))
        wait_for(lambda: len(operator.frames) > (SECONDS + 2) * 50, SECONDS + 6,
                 lambda: f"only {len(operator.frames)} frames came")
    stalled = suite.driver == "dahdi" and pauses.longest_ms > 20
    assert_heard(said, operator.samples(codec), "operator", stalled)
    assert_heard(other, phone.heard(), "phone", stalled or waits_of_the_card(suite) > before)


def press_digits(suite, events, phone, call):
    """Each digit once and in order, as event and as signed webhook."""
    pressed = "5291#*0"
    phone.press(pressed)
    events.wait("dtmf", count=len(pressed), timeout=8, call_id=call)
    found = events.of("dtmf", call_id=call)
    assert [e["digit"] for e in found] == list(pressed)
    assert [e["sequence"] for e in found] == list(range(1, len(pressed) + 1))
    assert all(40 <= e["duration_ms"] <= 1000 for e in found), [e["duration_ms"] for e in found]
    assert {e["source"] for e in found} == {"inband" if suite.driver == "dahdi" else "rfc4733"}
    hooks = suite.hook_receiver.wait(len(pressed), "/dtmf", 8, call_id=call)
    assert [h["body"]["digit"] for h in sorted(hooks, key=lambda h: h["body"]["sequence"])] == list(pressed)
    for hook in hooks:
        assert hook["signature_fits"], hook
        assert set(hook["body"]) == {"type", "digit", "timestamp", "call_id", "sequence", "duration_ms"}


def play_file(suite, events, phone, call):
    """POST /audio is heard."""
    before = len(phone.heard())
    sound = audio.speech_like(2, seed=77)
    reply = suite.request("POST", "/api/v1/phone/audio", data=audio.wav_bytes(sound), headers={"Content-Type": "audio/wav"})
    assert reply.status_code == 202, reply.text
    assert abs(reply.json()["duration_ms"] - 2000) <= 20
    done = events.wait("audio.played", 6, play_id=reply.json()["play_id"])
    assert done["completed"] and abs(done["played_ms"] - 2000) <= 40
    # A card that had to wait meanwhile puts the second half of it a moment later: a part tells as much.
    parts = [sound[800:12000]] if suite.driver == "sip" else [sound[at:at + 2800] for at in range(800, 12000, 2800)]

    def fit():
        return max(audio.find(part, phone.heard()[before:])[1] for part in parts)

    wait_for(lambda: fit() > 0.97, 3, lambda: f"what was played is not heard: {fit()}")


def assert_records_agree(suite, events, call, codec, phone):
    """Status, call record, metrics and hookctl follow say the same."""
    ended = events.wait("call.ended", call_id=call)
    assert ended["cause"] == "normal" and ended["ended_by"] == "api"
    assert suite.get("/api/v1/phone/status")["state"] == "on_hook"
    record = suite.get(f"/api/v1/calls/{call}")["call"]
    assert record["state"] == "ended" and record["cause"] == "normal" and record["digits"] == 7
    assert abs(record["duration_ms"] - ended["duration_ms"]) < 5
    leg = wait_for(lambda: next((l for l in suite.get(f"/api/v1/calls/{call}")["call"]["legs"] if "media" in l), None))
    assert leg["media"]["codec"] == codec.lower()
    assert leg["media"]["packets_received"] > SECONDS * 50 and leg["media"]["packets_lost"] == 0
    ladder = suite.hookctl("follow", call).stdout
    for word in ("phone/ring", "media.open", "leg.originate", *phone.rung, "leg.answered", "media.join", "leg.digit",
                 "POST dtmf", "media.played", "phone/hangup", *phone.ended, "leg.ended", "media.closed"):
        assert word in ladder, f"{word} is not in\n{ladder}"
    narrow = suite.hookctl("follow", call, "--width", "100").stdout
    assert max(len(row) for row in narrow.splitlines()) <= 100, narrow
    followed = json.loads(suite.hookctl("follow", call, "--json").stdout)
    assert followed["call"]["cause"] == "normal"
    assert {r["daemon"] for r in followed["records"]} >= {{"sip": "sipd", "dahdi": "dahdid"}[suite.driver], "apid",
                                                          "mediad", "hookd"}, ladder
    assert any(r["kind"] == "http" and r["daemon"] == "hookd" for r in followed["records"]), ladder


def main_job(suite, phone, codec, said):
    other = audio.speech_like(SECONDS + 4, seed=22)
    before = suite.metrics()
    with suite.events() as events, suite.audio(suite.line()["id"]) as operator:
        call = ring_and_answer(suite, events, phone)
        operator.wait_frames(5)
        talk(suite, operator, phone, codec, said, other)
        press_digits(suite, events, phone, call)
        play_file(suite, events, phone, call)
        assert suite.post("/api/v1/phone/hangup", status=200).json()["call_id"] == call
        events.wait("state_change", new_state="on_hook", call_id=call)
        phone.wait_over()
        assert_records_agree(suite, events, call, codec, phone)
    states = [h["body"] for h in suite.hook_receiver.wait(3, "/state", 5, call_id=call)]
    assert [(b["old_state"], b["new_state"]) for b in states] == [
        ("on_hook", "ringing"), ("ringing", "off_hook"), ("off_hook", "on_hook")]
    assert all(set(b) == {"type", "old_state", "new_state", "timestamp", "call_id"} for b in states)
    after = suite.metrics()
    grown = {k: v - before.get(k, 0) for k, v in after.items() if k.startswith("hookswitch_calls_total")}
    assert sum(grown.values()) == 1, grown


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_main_job(suite, codec):
    if suite.driver == "dahdi" and codec == "PCMA":
        pytest.skip("the card has one law, which is mu-law here")
    said = audio.speech_like(60, seed=11)
    with handset(suite, said, codec=codec) as phone:
        main_job(suite, phone, codec, said)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_main_job_behind_nat(make_suite, codec):
    reason = namespaces.why_not()
    if reason:
        pytest.skip(reason)
    said = audio.speech_like(60, seed=11)
    with namespaces.Nat() as nat:
        suite = start_with_webhooks(make_suite, host=nat.suite_host)
        with Baresip(suite.line(), suite.sip, suite.facts["domain"], said, host=nat.phone_host, codec=codec,
                     control_host=nat.control_host, prefix=("ip", "netns", "exec", nat.phone)) as baresip:
            main_job(suite, baresip, codec, said)
            call = suite.get("/api/v1/calls?limit=1")["calls"][0]
            media = next(leg["media"] for leg in call["legs"] if "media" in leg)
            assert media["latched"] and media["remote"].startswith(nat.router_host + ":")
        suite.hook_receiver.close()
        suite.stop()


@pytest.mark.parametrize("driver", DRIVERS)
def test_main_job_on_a_small_machine(make_suite, driver, monkeypatch):
    """One processor and 256 MB for all of the suite, the simulated card included."""
    need(driver)
    monkeypatch.setattr(sys.modules[__name__], "SECONDS", 3)
    said = audio.speech_like(30, seed=11)
    with SmallMachine() as machine:
        def make(**more):
            # A sanitizer keeps what was freed for a while; that is not what is measured.
            options = {"ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=8"}
            suite = make_suite(environment=options, **more)
            suite.prefix, suite.driver = machine.prefix, driver
            return suite

        suite = start_with_webhooks(make, configuration={"calls": {"default_line": first_line(driver)}})
        try:
            with handset(suite, said) as phone:
                main_job(suite, phone, "PCMU", said)
            assert machine.killed() == 0 and not any("keeper.died" in suite.log(daemon) for daemon in DAEMONS)
        finally:
            suite.hook_receiver.close()
            suite.stop()


def test_phone_dials_the_operator(suite):
    said = audio.speech_like(30, seed=3)
    with handset(suite, said) as phone, suite.events() as events, suite.audio(suite.line()["id"]) as operator:
        phone.wait_registered(suite)
        phone.dial("0")
        call = events.wait("call.answered", 5)["call_id"]
        operator.wait_frames(100)
        _, fit = audio.find(said[8000:12000], operator.samples())
        assert fit > 0.98
        record = suite.get(f"/api/v1/calls/{call}")["call"]
        assert record["direction"] == "incoming" and record["dialled"] == "0"
        phone.hangup()
        ended = events.wait("call.ended", call_id=call)
        assert ended["cause"] == "normal" and ended["ended_by"] == "line"


@pytest.mark.parametrize("number", ["999", "nobody", "+4930123456", "102x"])
def test_phone_dials_a_number_that_does_not_exist(suite, number):
    if suite.driver != "sip":
        pytest.skip("an analog phone hears it; test_mixed.py has that")
    phone = suite.phone()
    with suite.events() as events:
        call = phone.call(number)
        call.wait("ended", 5)
        assert call.status == 404
        assert events.wait("call.ended", 5)["cause"] in ("unreachable", "rejected")


def test_baresip_dials_a_number_that_does_not_exist(suite):
    if suite.driver != "sip":
        pytest.skip("Baresip's own")
    with Baresip(suite.line(), suite.sip, suite.facts["domain"], audio.speech_like(5)) as baresip:
        baresip.wait_registered(suite)
        baresip.dial("999")
        wait_for(lambda: "404" in baresip.text(), 5, lambda: baresip.text()[-800:])
