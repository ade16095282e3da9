"""What holds for a line whoever drives it: commands, refusals, events, webhooks; once for each driver."""
import contextlib
import os
import signal

import pytest

import audio
from handsets import first_line, need, plain_phone
from suite import DRIVERS, wait_for
from test_rules import Away, problem, timed

DAEMON = {"sip": "sipd", "dahdi": "dahdid"}


@pytest.fixture(scope="module", params=DRIVERS)
def shared(make_shared, request):
    need(request.param)
    trunk = {"id": "trunk1", "driver": "dahdi", "channel": 3, "port": {"signalling": "fxsks"}}
    routes = [{"id": "help", "pattern": "112", "lines": ["trunk1"], "emergency": True},
              {"id": "all", "pattern": "1.", "lines": ["trunk1"]}]
    calls = {"default_line": first_line(request.param), "digit_timeout_ms": 30000}
    lines = {"sip": ["phone1", "phone2"], "dahdi": ["phone3", "phone4"]}[request.param]
    group = {"id": "both", "number": "600", "lines": lines, "otherwise": "0"}
    suite = make_shared(configuration={"calls": calls, "lines": [trunk], "routes": routes, "groups": [group]})
    suite.driver = request.param
    return suite


def test_a_call_is_rung_answered_and_ended(suite):
    line = suite.line()["id"]
    phone = plain_phone(suite)
    with suite.events() as events:
        call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        call = phone.wait_call()
        events.wait("call.ringing", call_id=call_id)
        reply = timed(lambda: suite.post("/api/v1/phone/ring"), 0.5)
        assert problem(reply, 409, "wrong_state")["state"] == "ringing"
        call.answer()
        events.wait("call.answered", call_id=call_id)
        assert problem(suite.post("/api/v1/phone/ring"), 409, "wrong_state")["state"] == "off_hook"
        call.hangup()
        ended = events.wait("call.ended", call_id=call_id)
        assert ended["ended_by"] == "line" and ended["cause"] == "normal"
        suite.wait_state(line, "on_hook")
        assert problem(suite.post("/api/v1/phone/hangup"), 409, "wrong_state")["state"] == "on_hook"
        states = [(e["old_state"], e["new_state"]) for e in events.of("state_change", call_id=call_id)]
        assert states == [("on_hook", "ringing"), ("ringing", "off_hook"), ("off_hook", "on_hook")]
        kinds = [e["type"] for e in suite.get(f"/api/v1/events?call={call_id}&limit=100")["events"]]
        assert [k for k in kinds if k.startswith("call.") and k != "call.audio"] == [
            "call.created", "call.ringing", "call.answered", "call.ended"]


def test_an_unanswered_call_ends(suite):
    phone = plain_phone(suite)
    with suite.events() as events:
        call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        phone.wait_call()
        suite.post("/api/v1/phone/hangup", status=200)
        assert events.wait("call.ended", call_id=call_id)["cause"] == "cancelled"
        suite.wait_state(suite.line()["id"], "on_hook")
        call_id = suite.post("/api/v1/phone/ring", {"timeout_s": 1}, status=202).json()["call_id"]
        assert events.wait("call.ended", timeout=5, call_id=call_id)["cause"] == "no_answer"


def test_commands_to_a_party(suite):
    phone, line = plain_phone(suite), suite.line()["id"]
    with suite.events() as events:
        call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        path = f"/api/v1/calls/{call_id}"
        call = phone.wait_call()
        assert problem(suite.post(f"{path}/gather", {}), 409, "wrong_state")["state"] in ("routing", "ringing")
        call.answer()
        events.wait("call.answered", call_id=call_id)
        sound = suite.request("POST", f"{path}/audio?line={line}", data=b"\xff" * 160000,  # 20 s
                              headers={"Content-Type": "audio/basic"})
        assert sound.status_code == 202, sound.text
        gathering = suite.post(f"{path}/gather", {"max": 4, "prompt": sound.json()["play_id"], "digit_timeout_ms": 30000},
                               status=202).json()
        call.keys("12#")
        gathered = events.wait("call.gathered", 10, gather=gathering["gather"])
        assert (gathered["digits"], gathered["reason"]) == ("12", "terminator")
        assert not events.wait("audio.played", play_id=sound.json()["play_id"])["completed"]
        suite.post(f"{path}/digits", {"digits": "5"}, status=202)
        assert events.wait("call.digits_sent", call_id=call_id)["digits"] == "5"
        for command, told in (("mute", "muted"), ("hold", "held")):
            for wanted in (True, False):
                suite.post(f"{path}/{command}", {told: wanted}, status=202)
                events.wait(f"call.{told}", call_id=call_id, **{told: wanted})
        suite.post(f"{path}/stop", {}, status=202)
        call.hangup()
        events.wait("call.ended", call_id=call_id)
        assert problem(suite.post(f"{path}/digits", {"digits": "5"}), 409, "wrong_state")["state"] == "ended"


def test_two_lines_are_connected(suite):
    first, second = plain_phone(suite, 0), plain_phone(suite, 1)
    with suite.events() as events:
        call = suite.post("/api/v1/calls", {"line": suite.line(0)["id"], "to_line": suite.line(1)["id"]}, status=202)
        call_id = call.json()["call"]["id"]
        one = first.wait_call().answer()
        two = second.wait_call().answer()
        events.wait("call.answered", call_id=call_id)
        two.hangup()
        assert events.wait("call.ended", call_id=call_id)["cause"] == "normal"
        one.hangup()


def test_a_party_is_bridged_and_handed_on(suite):
    phones = plain_phone(suite, 0), plain_phone(suite, 1)
    ids = [suite.line(n)["id"] for n in (0, 1)]
    with suite.events() as events:
        calls, ends = [], []
        for line, phone in zip(ids, phones):
            calls.append(suite.post(f"/api/v1/lines/{line}/ring", {}, status=202).json()["call_id"])
            ends.append(phone.wait_call(10).answer())
            events.wait("call.answered", 10, call_id=calls[-1])
        paths = [f"/api/v1/calls/{call}" for call in calls]
        suite.post(f"{paths[0]}/bridge", {"with": calls[1]}, status=202)
        events.wait("call.bridged", call_id=calls[1])
        suite.post(f"{paths[1]}/unbridge", {}, status=202)
        events.wait("call.unbridged", call_id=calls[0])
        ends[1].hangup()
        events.wait("call.ended", 10, call_id=calls[1])
        suite.post(f"{paths[0]}/transfer", {"to_line": ids[1], "timeout_s": 1}, status=202)
        phones[1].wait_call(10)
        assert events.wait("call.transfer_failed", 10, call_id=calls[0])["cause"] == "no_answer"
        suite.wait_state(ids[1], "on_hook", 10)
        suite.post(f"{paths[0]}/transfer", {"to_number": suite.number(suite.line(1))}, status=202)
        other = phones[1].wait_call(10).answer()
        wait_for(lambda: events.of("call.answered", call_id=calls[0], line=ids[1]), 10)
        other.hangup()
        assert events.wait("call.ended", 10, call_id=calls[0])["cause"] == "normal"
        ends[0].hangup()


def test_a_group_rings_and_a_line_hands_on(suite):
    first, second = plain_phone(suite, 0), plain_phone(suite, 1)
    line = suite.line(1)["id"]
    try:
        suite.post(f"/api/v1/lines/{line}/settings", {"do_not_disturb": True}, status=200)
        assert problem(suite.post(f"/api/v1/lines/{line}/ring", {}), 409, "wrong_state")["state"] == "do_not_disturb"
        suite.post(f"/api/v1/lines/{line}/settings", {"do_not_disturb": False, "forward_always": "600"}, status=200)
        with suite.events() as events:
            call = first.lift()  # itself in a call, and the other one hands its calls on: the operator has it
            call.keys(suite.number(suite.line(1)))
            assert events.wait("call.forwarded", 10, line=line)["to"] == "600"
            answered = events.wait("call.answered", 10)
            suite.post(f"/api/v1/lines/{line}/settings", {"forward_always": ""}, status=200)
            suite.post(f"/api/v1/calls/{answered['call_id']}/transfer", {"to_number": "600"}, status=202)
            other = second.wait_call(10).answer()
            wait_for(lambda: events.of("call.answered", call_id=answered["call_id"], line=line), 10)
            other.hangup()
            events.wait("call.ended", 10, call_id=answered["call_id"])
            call.hangup()
    finally:
        suite.post(f"/api/v1/lines/{line}/settings", {"do_not_disturb": False, "forward_always": ""}, status=200)


def test_a_second_call_waits_where_the_telephone_can(suite):
    first, second, line = plain_phone(suite, 0), plain_phone(suite, 1), suite.line(1)
    suite.post(f"/api/v1/lines/{line['id']}/settings", {"call_waiting": True}, status=200)
    try:
        with suite.events() as events:
            call_id = suite.post(f"/api/v1/lines/{line['id']}/ring", {}, status=202).json()["call_id"]
            talk = second.wait_call(10).answer()
            events.wait("call.answered", 10, call_id=call_id)
            caller = first.lift()
            caller.keys(suite.number(line))
            if suite.driver == "sip":
                waiting = second.wait_call(10).answer()
                wait_for(lambda: len(events.of("call.answered", line=line["id"])) == 2, 10)
                waiting.hangup()
                events.wait("call.ended", 10)
            else:
                wait_for(lambda: any(leg.get("cause") == "busy" for call in suite.get("/api/v1/calls")["calls"][:1]
                                     for leg in call["legs"]), 10)
            caller.hangup()
            assert suite.get(f"/api/v1/calls/{call_id}")["call"]["state"] == "up"
            talk.hangup()
            events.wait("call.ended", 10, call_id=call_id)
    finally:
        suite.post(f"/api/v1/lines/{line['id']}/settings", {"call_waiting": False}, status=200)


@pytest.mark.parametrize("number", ["line", "0", "112"])
def test_a_complete_number_goes_out_at_its_last_key(suite, number):
    """Another line, the operator, an emergency number: nobody waits half a minute for more keys."""
    first, second = plain_phone(suite, 0), plain_phone(suite, 1)
    keys = suite.number(suite.line(1)) if number == "line" else number
    with suite.events() as events:
        call = first.lift()
        call.keys(keys)
        assert events.wait("call.dialled", 10)["dialled"] == keys
        if number == "line":
            second.wait_call().reject()
        elif number == "0":
            events.wait("call.answered")
        else:
            assert events.wait("call.routed", 10)["number"] == "112"
        call.hangup()
        events.wait("call.ended", 10)


def test_a_repeated_request_is_done_once(suite):
    phone = plain_phone(suite)
    key = {"Idempotency-Key": f"once-and-only-once-{suite.driver}"}
    first = suite.post("/api/v1/phone/ring", headers=dict(key), status=202).json()
    again = suite.post("/api/v1/phone/ring", headers=dict(key), status=202).json()
    assert first["call_id"] == again["call_id"]
    phone.wait_call().reject()
    suite.wait_idle()
    with pytest.raises(AssertionError):
        phone.wait_call(0.5)


@pytest.mark.parametrize("body", [b"", b"RIFF", b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0", b"\0" * 5000], ids=range(4))
def test_a_bad_wav_is_refused(suite, body):
    phone = plain_phone(suite)
    suite.post("/api/v1/phone/ring", status=202)
    call = phone.wait_call().answer()
    suite.wait_state(suite.line()["id"], "off_hook")
    wait_for(lambda: suite.get("/api/v1/phone/status")["call_state"] == "up")
    reply = suite.request("POST", "/api/v1/phone/audio", data=body, headers={"Content-Type": "audio/wav"})
    assert reply.status_code in (400, 422), reply.text
    assert reply.json()["detail"]
    call.hangup()


@pytest.mark.parametrize("part", ["driver", "mediad"])
def test_a_driver_that_is_away_gets_503_at_once(suite, part):
    daemon = DAEMON.get(suite.driver) if part == "driver" else part
    phone = plain_phone(suite)
    with Away(suite, daemon):
        wait_for(lambda: any(p["daemon"] == daemon and p["state"] == "away"
                             for p in suite.request("GET", "/api/v1/health").json().get("parts", [])), 5)
        reply = timed(lambda: suite.post("/api/v1/phone/ring"), 1)
        problem(reply, 503, "unavailable")
        assert int(reply.headers["Retry-After"]) >= 1
    wait_for(lambda: all(p["state"] != "away" for p in suite.get("/api/v1/health")["parts"]), 10)
    suite.wait_state(suite.line()["id"], "on_hook", 10)
    suite.post("/api/v1/phone/ring", status=202)
    phone.wait_call(8).reject()


@pytest.mark.parametrize("part", ["driver", "mediad"])
def test_a_driver_that_hangs_is_no_hang_of_ours(suite, part):
    plain_phone(suite)
    pid = suite.child(DAEMON[suite.driver] if part == "driver" else part)
    os.kill(pid, signal.SIGSTOP)
    try:
        reply = timed(lambda: suite.post("/api/v1/phone/ring"), 6)
        assert reply.status_code in (202, 503, 504), reply.text
        assert timed(lambda: suite.request("GET", "/api/v1/phone/status"), 1).status_code == 200
    finally:
        with contextlib.suppress(ProcessLookupError):  # its keeper may have ended it already
            os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not suite.get("/api/v1/calls?active=true")["calls"] or
             suite.request("POST", "/api/v1/phone/hangup", json={}).status_code == 0, 10)


def test_subscriptions_resume_without_gap_or_repeat(suite):
    start = suite.get("/api/v1/events?limit=1")["cursor"]
    phone = plain_phone(suite)
    for _ in range(3):
        suite.post("/api/v1/phone/ring", status=202)
        phone.wait_call().reject()
        suite.wait_idle()
        suite.wait_state(suite.line()["id"], "on_hook")
    listed = suite.get(f"/api/v1/events?since={start}&limit=1000")["events"]
    half = listed[len(listed) // 2]
    with suite.events(since=half["cursor"]) as events:
        wait_for(lambda: events.events and events.events[-1]["seq"] >= listed[-1]["seq"])
        found = [e for e in events.events if e["seq"] <= listed[-1]["seq"]]
    assert [e["seq"] for e in found] == [e["seq"] for e in listed if e["seq"] > half["seq"]]
    assert found[0]["prev"] == half["cursor"]
    assert all(b["prev"] == a["cursor"] for a, b in zip(found, found[1:]))


def test_webhooks(suite):
    receiver, line = suite.receiver(), suite.line()["id"]
    made = suite.post("/api/v1/webhooks", {"url": receiver.url("/mine"), "events": ["state_change"]}, status=201).json()
    receiver.secrets["/mine"] = made["secret"]
    try:
        phone = plain_phone(suite)
        suite.post("/api/v1/phone/ring", status=202)
        phone.wait_call()
        hooks = wait_for(lambda: [h for h in receiver.taken("/mine", line=line) if h["body"]["new_state"] == "ringing"], 5)
        assert hooks[0]["signature_fits"] and hooks[0]["body"]["cursor"]
        suite.post("/api/v1/phone/hangup", status=200)
    finally:
        reply = suite.request("DELETE", f"/api/v1/webhooks/{made['webhook']['id']}")
        assert reply.status_code in (200, 204), reply.text


def test_audio_is_played_and_told(suite):
    phone = plain_phone(suite)
    with suite.events() as events:
        call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        call = phone.wait_call().answer()
        events.wait("call.answered", call_id=call_id)
        reply = suite.request("POST", "/api/v1/phone/audio", data=audio.wav_bytes(audio.tone([440], 0.5)),
                              headers={"Content-Type": "audio/wav"})
        assert reply.status_code == 202 and abs(reply.json()["duration_ms"] - 500) <= 20, reply.text
        assert events.wait("audio.played", play_id=reply.json()["play_id"])["completed"]
        call.hangup()
        events.wait("call.ended", call_id=call_id)
