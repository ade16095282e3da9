"""What the API refuses, and how: at once, with the reason, and with the mend."""
import os
import signal
import time

import pytest

import audio
from suite import wait_for


@pytest.fixture(scope="module")
def shared(make_shared):
    return make_shared()


def timed(function, limit):
    """The answer, which came within the limit."""
    before = time.monotonic()
    reply = function()
    assert time.monotonic() - before < limit, f"{reply.status_code} after {time.monotonic() - before:.2f} s"
    return reply


def problem(reply, status, name):
    assert reply.status_code == status, f"{reply.status_code} {reply.text}"
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    body = reply.json()
    assert body["type"] == f"urn:hookswitch:{name}" and body["status"] == status and body["title"]
    assert body.get("request_id"), body
    return body


def test_an_impossible_request_gets_409_with_the_state(suite):
    assert problem(suite.post("/api/v1/phone/hangup"), 409, "wrong_state")["state"] == "offline"
    assert problem(suite.post("/api/v1/phone/ring"), 409, "wrong_state")["state"] == "offline"
    phone = suite.phone()
    assert problem(suite.post("/api/v1/phone/hangup"), 409, "wrong_state")["state"] == "on_hook"
    sound = {"data": audio.wav_bytes(audio.tone([440], 0.5)), "headers": {"Content-Type": "audio/wav"}}
    reply = suite.request("POST", "/api/v1/phone/audio", **sound)
    assert problem(reply, 409, "wrong_state")["state"] == "on_hook"
    suite.post("/api/v1/phone/ring", status=202)
    call = phone.wait_call()
    suite.wait_state("phone1", "ringing")
    assert problem(timed(lambda: suite.post("/api/v1/phone/ring"), 0.5), 409, "wrong_state")["state"] == "ringing"
    call.answer()
    suite.wait_state("phone1", "off_hook")
    assert problem(timed(lambda: suite.post("/api/v1/phone/ring"), 0.5), 409, "wrong_state")["state"] == "off_hook"
    suite.post("/api/v1/phone/hangup", status=200)
    call.wait("ended")


def test_ringing_ends_when_it_is_hung_up_declined_busy_or_nobody_comes(suite):
    phone = suite.phone()
    with suite.events() as events:
        call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        call = phone.wait_call()
        suite.post("/api/v1/phone/hangup", status=200)
        call.wait("ended")
        assert call.status == 487
        assert events.wait("call.ended", call_id=call_id)["cause"] == "cancelled"
        for status, cause in ((486, "busy"), (603, "declined"), (480, "no_answer")):
            suite.wait_state("phone1", "on_hook")
            call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
            phone.wait_call().reject(status, "No")
            assert events.wait("call.ended", call_id=call_id)["cause"] == cause
        suite.wait_state("phone1", "on_hook")
        call_id = suite.post("/api/v1/phone/ring", {"timeout_s": 1}, status=202).json()["call_id"]
        call = phone.wait_call()
        assert events.wait("call.ended", timeout=4, call_id=call_id)["cause"] == "no_answer"
        call.wait("ended")


def test_hold_both_ways(suite):
    phone = suite.phone()
    with suite.events() as events:
        call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        call = phone.wait_call().answer()
        events.wait("call.answered", call_id=call_id)
        suite.post(f"/api/v1/calls/{call_id}/hold", {"held": True}, status=202)
        assert not events.wait("call.held", held=True)["by_far_end"]
        suite.post(f"/api/v1/calls/{call_id}/hold", {"held": False}, status=202)
        events.wait("call.held", held=False)
        assert call.hold(True).status == 200
        assert events.wait("call.held", held=True, by_far_end=True)
        assert call.hold(False).status == 200
        events.wait("call.held", held=False, by_far_end=True)
        call.hangup()
        events.wait("call.ended", call_id=call_id)


def test_waiting_messages_light_the_lamp_of_a_sip_phone(suite):
    path = f"/api/v1/lines/{suite.line(0, 'sip')['id']}/messages"
    phone = suite.phone()
    assert phone.subscribe().status == 200

    def shows(text):
        wait_for(lambda: phone.summaries and text in phone.summaries[-1], 15, lambda: f"{text} is not in {phone.summaries}")

    shows("Messages-Waiting: no")
    assert suite.post(path, {"waiting": 3}, status=200).json()["waiting"] == 3
    shows("Voice-Message: 3/0")
    for part in ("sipd", "apid"):
        suite.wait_child(part, suite.kill(part))
    wait_for(lambda: suite.request("GET", "/api/v1/health").status_code == 200, 15)
    suite.post(path, {"waiting": 0}, status=200)
    shows("Messages-Waiting: no")


@pytest.mark.parametrize("path", ["/api/v1/phone/status", "/api/v1/lines", "/api/v1/events", "/api/v1/metrics"])
def test_without_a_token(suite, path):
    problem(suite.request("GET", path, token=False), 401, "unauthorized")
    problem(suite.request("GET", path, token=suite.token[:-2] + "xx"), 401, "unauthorized")
    problem(suite.request("GET", path, token="hs_" + "a" * 5000), 401, "unauthorized")


def test_scopes(make_suite):
    suite = make_suite(start=False)
    suite.prepare()
    made = suite.hookctl("token", "reader", "calls:read", "--json").stdout
    import json
    row = json.loads(made)
    reader = row.pop("token")
    import yaml
    path = suite.home / "hookswitch.yaml"
    tree = yaml.safe_load(path.read_text())
    tree["api"]["tokens"].append(row)
    path.write_text(yaml.safe_dump(tree))
    suite.start()
    assert suite.request("GET", "/api/v1/phone/status", token=reader).status_code == 200
    problem(suite.request("POST", "/api/v1/phone/ring", token=reader), 403, "forbidden")
    problem(suite.request("GET", "/api/v1/metrics", token=reader), 403, "forbidden")
    assert suite.request("GET", "/api/v1/metrics").status_code == 200


JSON = {"Content-Type": "application/json"}
BAD = [
    ("GET", "/api/v1/lines/nobody", {}, 404, "not_found"),
    ("GET", "/api/v1/calls/c1-nothing", {}, 404, "not_found"),
    ("POST", "/api/v1/lines/nobody/ring", {"json": {}}, 404, "not_found"),
    ("GET", "/api/v1/nothing", {}, 404, "not_found"),
    ("DELETE", "/api/v1/phone/status", {}, 405, "method_not_allowed"),
    ("POST", "/api/v1/phone/ring", {"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media"),
    ("POST", "/api/v1/phone/ring", {"data": b"{", "headers": JSON}, 400, "bad_request"),
    ("POST", "/api/v1/phone/ring", {"data": b'{"a":1,"a":2}', "headers": JSON}, 400, "bad_request"),
    ("POST", "/api/v1/phone/ring", {"data": b"[" * 200 + b"]" * 200, "headers": JSON}, 400, "bad_request"),
    ("POST", "/api/v1/phone/ring", {"data": b'{"caller_name":"\xff"}', "headers": JSON}, 400, "bad_request"),
    ("POST", "/api/v1/phone/ring", {"json": {"unknown": 1}}, 422, "invalid"),
    ("POST", "/api/v1/phone/ring", {"json": {"timeout_s": 0}}, 422, "invalid"),
    ("POST", "/api/v1/phone/ring", {"json": {"timeout_s": "ten"}}, 422, "invalid"),
    ("POST", "/api/v1/phone/ring", {"json": {"caller_name": "x" * 65}}, 422, "invalid"),
    ("GET", "/api/v1/events?since=rubbish", {}, 422, "invalid"),
    ("GET", "/api/v1/events?limit=0", {}, 422, "invalid"),
    ("POST", "/api/v1/phone/audio", {"data": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media"),
    ("POST", "/api/v1/webhooks", {"json": {"url": "http://192.0.2.1/x"}}, 422, "invalid"),
    ("POST", "/api/v1/webhooks", {"json": {"url": "ftp://127.0.0.1/x"}}, 422, "invalid"),
]


@pytest.mark.parametrize("method,path,more,status,name", BAD, ids=[f"{m} {p} {i}" for i, (m, p, *_) in enumerate(BAD)])
def test_bad_input_gets_a_clear_error(suite, method, path, more, status, name):
    body = problem(timed(lambda: suite.request(method, path, **more), 1), status, name)
    if status == 422 and method == "POST":
        assert body.get("field") and body.get("detail"), body


class Away:
    """A daemon that is dead and does not come back: its keeper is stopped too."""

    def __init__(self, suite, daemon):
        self.keeper, self.suite, self.daemon = suite.keeper(daemon), suite, daemon

    def __enter__(self):
        os.kill(self.keeper, signal.SIGSTOP)
        self.pid = self.suite.kill(self.daemon)

    def __exit__(self, *_):
        os.kill(self.keeper, signal.SIGCONT)
        self.suite.wait_child(self.daemon, self.pid)


def test_core_that_is_away_gets_503_at_once(suite):
    with Away(suite, "apid"):
        # What is asked in the moment of its death waits for its successor, but not for ever.
        assert timed(lambda: suite.post("/api/v1/phone/ring"), 3).status_code in (503, 504)
        reply = timed(lambda: suite.post("/api/v1/phone/ring"), 0.5)
        problem(reply, 503, "unavailable")
        assert int(reply.headers["Retry-After"]) >= 1
    wait_for(lambda: suite.request("GET", "/api/v1/phone/status").status_code == 200, 10)


def test_webhooks_by_api(suite):
    receiver = suite.receiver()
    made = suite.post("/api/v1/webhooks", {"url": receiver.url("/mine"), "events": ["state_change"]}, status=201).json()
    receiver.secrets["/mine"] = made["secret"]
    try:
        suite.phone()
        hook = receiver.wait(1, "/mine", 5, line="phone1")[0]
        assert hook["signature_fits"] and hook["body"]["cursor"] and hook["body"]["new_state"] == "on_hook"
        listed = suite.get("/api/v1/webhooks")["webhooks"]
        assert any(w["id"] == made["webhook"]["id"] and w["delivered"] >= 1 for w in listed)
    finally:
        reply = suite.request("DELETE", f"/api/v1/webhooks/{made['webhook']['id']}")
        assert reply.status_code in (200, 204), reply.text


def test_a_webhook_is_retried_with_same_id_and_bytes(suite):
    receiver = suite.receiver(answers=lambda path, count: 500 if count < 2 else 200)
    made = suite.post("/api/v1/webhooks", {"url": receiver.url("/r"), "events": ["state_change"]}, status=201).json()
    receiver.secrets["/r"] = made["secret"]
    try:
        suite.phone()
        receiver.wait(1, "/r", 15)
        first = [e for e in receiver.ledger if e["id"] == receiver.ledger[0]["id"]]
        assert len(first) == 3 and len({e["raw"] for e in first}) == 1 and all(e["signature_fits"] for e in first)
    finally:
        suite.request("DELETE", f"/api/v1/webhooks/{made['webhook']['id']}")
