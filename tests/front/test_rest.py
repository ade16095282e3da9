"""Routes, answers, errors and limits of the REST side."""
import json
import time

import peers
import pytest
import requests

AUTH = {"Authorization": f"Bearer {peers.TOKEN}"}
WAV = {**AUTH, "Content-Type": "audio/wav"}

# method, path, what is sent, message, body that apid must get, status
ROUTES = [
    ("POST", "/api/v1/phone/ring", {"json": {"timeout_s": 5}}, "phone.ring", {"timeout_s": 5}, 202),
    ("POST", "/api/v1/phone/ring", {}, "phone.ring", {}, 202),
    ("POST", "/api/v1/phone/hangup", {}, "phone.hangup", {}, 200),
    ("GET", "/api/v1/phone/status", {}, "phone.status", {}, 200),
    ("GET", "/api/v1/lines", {}, "lines.list", {}, 200),
    ("GET", "/api/v1/lines/phone1", {}, "lines.get", {"line": "phone1"}, 200),
    ("GET", "/api/v1/lines/ph%6Fne1", {}, "lines.get", {"line": "phone1"}, 200),
    ("POST", "/api/v1/lines/phone1/ring", {"json": {"caller_name": "Zoë"}}, "lines.ring",
     {"line": "phone1", "caller_name": "Zoë"}, 202),
    ("POST", "/api/v1/lines/phone1/hangup", {}, "lines.hangup", {"line": "phone1"}, 200),
    ("POST", "/api/v1/lines/phone1/messages", {"json": {"waiting": 2}}, "lines.messages",
     {"line": "phone1", "waiting": 2}, 200),
    ("GET", "/api/v1/lines/phone1/port", {}, "lines.port", {"line": "phone1"}, 200),
    ("GET", "/api/v1/calls", {}, "calls.list", {}, 200),
    ("GET", "/api/v1/calls?active=true&limit=7&line=phone1", {}, "calls.list",
     {"active": True, "limit": 7, "line": "phone1"}, 200),
    ("POST", "/api/v1/calls", {"json": {"line": "phone1"}}, "calls.create", {"line": "phone1"}, 202),
    ("POST", "/api/v1/calls", {"json": {"number": "9 1", "to_line": "phone1"}}, "calls.create",
     {"number": "9 1", "to_line": "phone1"}, 202),
    ("GET", "/api/v1/calls/c1-abc", {}, "calls.get", {"call": "c1-abc"}, 200),
    ("POST", "/api/v1/calls/c1-abc/hangup", {}, "calls.hangup", {"call": "c1-abc"}, 200),
    ("POST", "/api/v1/calls/c1-abc/flash", {}, "calls.flash", {"call": "c1-abc"}, 200),
    ("POST", "/api/v1/calls/c1-abc/hold", {"json": {"held": True}}, "calls.hold", {"call": "c1-abc", "held": True}, 202),
    ("GET", "/api/v1/calls/c1-abc/explain", {}, "calls.explain", {"call": "c1-abc"}, 200),
    ("POST", "/api/v1/calls/c1-abc/mute", {"json": {"muted": True, "line": "phone1"}}, "calls.mute",
     {"call": "c1-abc", "muted": True, "line": "phone1"}, 202),
    ("POST", "/api/v1/calls/c1-abc/digits", {"json": {"digits": "12#"}}, "calls.digits",
     {"call": "c1-abc", "digits": "12#"}, 202),
    ("POST", "/api/v1/calls/c1-abc/stop", {}, "calls.stop", {"call": "c1-abc"}, 202),
    ("POST", "/api/v1/calls/c1-abc/gather", {"json": {"min": 2, "max": 4}}, "calls.gather",
     {"call": "c1-abc", "min": 2, "max": 4}, 202),
    ("POST", "/api/v1/calls/c1-abc/gather/stop", {}, "calls.gather_stop", {"call": "c1-abc"}, 200),
    ("POST", "/api/v1/calls/c1-abc/answer", {}, "calls.answer", {"call": "c1-abc"}, 202),
    ("POST", "/api/v1/calls/c1-abc/transfer", {"json": {"to_line": "phone1"}}, "calls.transfer",
     {"call": "c1-abc", "to_line": "phone1"}, 202),
    ("POST", "/api/v1/calls/c1-abc/bridge", {"json": {"with": "c1-b"}}, "calls.bridge",
     {"call": "c1-abc", "with": "c1-b"}, 202),
    ("POST", "/api/v1/calls/c1-abc/unbridge", {}, "calls.unbridge", {"call": "c1-abc"}, 202),
    ("POST", "/api/v1/lines/phone1/settings", {"json": {"do_not_disturb": True}}, "lines.settings",
     {"line": "phone1", "do_not_disturb": True}, 200),
    ("GET", "/api/v1/snapshot", {}, "events.snapshot", {}, 200),
    ("GET", "/api/v1/events?limit=5&type=dtmf,call.ended", {}, "events.list", {"limit": 5, "type": "dtmf,call.ended"}, 200),
    ("GET", "/api/v1/webhooks", {}, "webhooks.list", {}, 200),
    ("POST", "/api/v1/webhooks", {"json": {"url": "https://example.org/x"}}, "webhooks.create",
     {"url": "https://example.org/x"}, 201),
    ("GET", "/api/v1/webhooks/w1-a", {}, "webhooks.get", {"webhook": "w1-a"}, 200),
    ("PUT", "/api/v1/webhooks/w1-a", {"json": {"lines": ["phone1"], "style": "telnyx"}}, "webhooks.change",
     {"webhook": "w1-a", "lines": ["phone1"], "style": "telnyx"}, 200),
    ("DELETE", "/api/v1/webhooks/w1-a", {}, "webhooks.delete", {"webhook": "w1-a"}, 200),
    ("POST", "/api/v1/webhooks/w1-a/pause", {}, "webhooks.pause", {"webhook": "w1-a"}, 200),
    ("POST", "/api/v1/webhooks/w1-a/resume", {}, "webhooks.resume", {"webhook": "w1-a"}, 200),
    ("POST", "/api/v1/webhooks/w1-a/rotate", {"json": {"keep_s": 60}}, "webhooks.rotate",
     {"webhook": "w1-a", "keep_s": 60}, 200),
    ("POST", "/api/v1/webhooks/w1-a/test", {}, "webhooks.test", {"webhook": "w1-a"}, 200),
    ("GET", "/api/v1/webhooks/w1-a/deliveries?since=7&limit=3", {}, "webhooks.deliveries",
     {"webhook": "w1-a", "since": 7, "limit": 3}, 200),
    ("POST", "/api/v1/webhooks/w1-a/replay", {"json": {"from": "1.g1.1", "to": "1.g1.9"}}, "webhooks.again",
     {"webhook": "w1-a", "from": "1.g1.1", "to": "1.g1.9"}, 202),
    ("POST", "/api/v1/webhooks/dead-letters/replay", {"json": {"webhook": "w1-a"}}, "webhooks.revive",
     {"webhook": "w1-a"}, 202),
    ("GET", "/api/v1/webhooks/dead-letters?limit=3", {}, "webhooks.dead", {"limit": 3}, 200),
    ("POST", "/api/v1/webhooks/dead-letters/d1/replay", {}, "webhooks.replay", {"delivery": "d1"}, 202),
    ("POST", "/api/v1/hooks/in/door", {"data": b'{"a" :1}', "headers": {
        **AUTH, "webhook-id": "m1", "webhook-timestamp": "17", "webhook-signature": "v1,x v1,y"}}, "hooks.in",
     {"hook": "door", "id": "m1", "timestamp": "17", "signature": "v1,x v1,y", "payload": '{"a" :1}'}, 202),
    ("GET", "/api/v1/emergency?number=112", {}, "emergency.drill", {"number": "112"}, 200),
    ("GET", "/api/v1/health", {}, "suite.health", {}, 200),
    ("GET", "/api/v1/metrics", {}, "suite.metrics", {}, 200),
    ("GET", "/metrics", {}, "suite.metrics", {}, 200),
]


def ask(front, method, path, headers=AUTH, **more):
    return requests.request(method, front.base + path, headers=headers, timeout=10, **more)


def problem(reply, status, name):
    assert reply.status_code == status, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    body = reply.json()
    assert body["type"] == f"urn:hookswitch:{name}" and body["status"] == status and body["title"]
    assert body["request_id"] == reply.headers["X-Request-Id"]
    return body


@pytest.mark.parametrize("method,path,more,message,body,status", ROUTES, ids=[f"{r[0]} {r[1]}" for r in ROUTES])
def test_route(suite, front, method, path, more, message, body, status):
    reply = ask(front, method, path, **more)
    assert reply.status_code == status, reply.text
    asked = suite.requests(message)
    assert len(asked) == 1
    assert asked[0]["body"] == body
    assert asked[0]["token"] == peers.TOKEN and asked[0]["client"] == "127.0.0.1"
    assert asked[0]["request_id"] == reply.headers["X-Request-Id"]
    if "metrics" in path:
        assert reply.headers["Content-Type"].startswith("text/plain") and reply.text == "hookswitch_up 1\n"
    else:
        assert reply.json() == peers.DEFAULTS.get(message, {"body": {}})["body"] or message == "events.list"


def test_every_public_message_has_a_tested_route(front):
    paths = ask(front, "GET", "/api/v1/openapi.json").json()["paths"]
    described = {(method.upper(), path) for path, row in paths.items() for method in row}
    tested = {(r[0], r[1].split("?")[0].replace("/phone1", "/{line}").replace("/c1-abc", "/{call}")
               .replace("/w1-a", "/{webhook}").replace("/d1/", "/{delivery}/")
               .replace("/in/door", "/in/{hook}")) for r in ROUTES}
    uploads = {("POST", "/api/v1/phone/audio"), ("POST", "/api/v1/lines/{line}/audio"),
               ("POST", "/api/v1/calls/{call}/audio")}
    twilio = {(method, path) for method, path in described if path.startswith("/2010-04-01/")}  # test_twilio.py
    assert described - tested - uploads - twilio == set() and len(twilio) == 2


BAD = [
    ("GET", "/api/v1/nothing", {}, 404, "not_found", None),
    ("GET", "/api/v1/lines/", {}, 404, "not_found", None),
    ("GET", "/api/v1//lines", {}, 404, "not_found", None),
    ("GET", "/api/v1/lines/%00", {}, 404, "not_found", None),
    ("GET", "/api/v1/lines/a%2Fb", {}, 422, "invalid", "line"),
    ("GET", "/api/v1/lines/" + "x" * 65, {}, 422, "invalid", "line"),
    ("GET", "/api/v1/lines/" + "x" * 300, {}, 404, "not_found", None),
    ("PATCH", "/api/v1/lines", {}, 405, "method_not_allowed", None),
    ("DELETE", "/api/v1/phone/status", {}, 405, "method_not_allowed", None),
    ("DELETE", "/api/v1/webhooks/dead-letters", {}, 405, "method_not_allowed", None),
    ("POST", "/", {}, 405, "method_not_allowed", None),
    ("GET", "/api/v1/calls?limit=x", {}, 422, "invalid", "limit"),
    ("GET", "/api/v1/calls?limit=0", {}, 422, "invalid", "limit"),
    ("GET", "/api/v1/calls?limit=201", {}, 422, "invalid", "limit"),
    ("GET", "/api/v1/calls?limit=99999999999999999999", {}, 422, "invalid", "limit"),
    ("GET", "/api/v1/calls?limit=1&limit=1", {}, 422, "invalid", "limit"),
    ("GET", "/api/v1/calls?active=yes", {}, 422, "invalid", "active"),
    ("GET", "/api/v1/calls?nothing=1", {}, 422, "invalid", "nothing"),
    ("GET", "/api/v1/calls?line=a%20b", {}, 422, "invalid", "line"),
    ("GET", "/api/v1/lines/phone1?line=phone1", {}, 422, "invalid", "line"),
    ("POST", "/api/v1/phone/ring?timeout_s=5", {}, 422, "invalid", "timeout_s"),
    ("POST", "/api/v1/phone/ring", {"json": {"timeout_s": 0}}, 422, "invalid", "timeout_s"),
    ("POST", "/api/v1/phone/ring", {"json": {"timeout_s": "5"}}, 422, "invalid", "timeout_s"),
    ("POST", "/api/v1/phone/ring", {"json": {"nothing": 5}}, 422, "invalid", "nothing"),
    ("POST", "/api/v1/phone/ring", {"json": {"caller_name": "x" * 65}}, 422, "invalid", "caller_name"),
    ("POST", "/api/v1/phone/ring", {"json": {"caller_name": "a\r\nX-Evil: b"}}, 422, "invalid", "caller_name"),
    ("POST", "/api/v1/phone/ring", {"json": {"caller_number": "1\t2"}}, 422, "invalid", "caller_number"),
    ("POST", "/api/v1/lines/phone1/ring", {"json": {"line": "phone1"}}, 422, "invalid", "line"),
    ("POST", "/api/v1/calls", {"json": {"line": 5}}, 422, "invalid", "line"),
    ("POST", "/api/v1/calls", {"json": {"number": "5" * 65}}, 422, "invalid", "number"),
    ("POST", "/api/v1/phone/ring", {"data": b"{"}, 400, "bad_request", None),
    ("POST", "/api/v1/phone/ring", {"data": b"[]"}, 400, "bad_request", None),
    ("POST", "/api/v1/phone/ring", {"data": b'{"a":1,"a":2}'}, 400, "bad_request", None),
    ("POST", "/api/v1/phone/ring", {"data": b'{"caller_name":"\xff"}'}, 400, "bad_request", None),
    ("POST", "/api/v1/phone/ring", {"data": b"[" * 200 + b"]" * 200}, 400, "bad_request", None),
    ("POST", "/api/v1/phone/ring", {"data": b"{}" + b" " * 270000}, 413, "too_large", None),
    ("POST", "/api/v1/phone/ring", {"data": b"x" * 1048577}, 413, "too_large", None),
    ("POST", "/api/v1/phone/ring", {"data": "a=b", "headers": {**AUTH, "Content-Type": "text/plain"}}, 415,
     "unsupported_media", "Content-Type"),
    ("GET", "/api/v1/phone/status", {"data": b"{}"}, 400, "bad_request", None),
    ("DELETE", "/api/v1/webhooks/w1-a", {"data": b"{}"}, 400, "bad_request", None),
    ("POST", "/api/v1/phone/ring", {"headers": {**AUTH, "Idempotency-Key": "a b"}}, 400, "bad_request", "Idempotency-Key"),
    ("POST", "/api/v1/phone/ring", {"headers": {**AUTH, "Idempotency-Key": "k" * 65}}, 400, "bad_request", "Idempotency-Key"),
    ("GET", "/api/v1/phone/status", {"headers": {}}, 401, "unauthorized", None),
    ("GET", "/api/v1/phone/status", {"headers": {"Authorization": "Basic eA=="}}, 401, "unauthorized", None),
    ("GET", "/api/v1/phone/status", {"headers": {"Authorization": "Bearer"}}, 401, "unauthorized", None),
    ("GET", "/api/v1/phone/status", {"headers": {"Authorization": "Bearer a b"}}, 401, "unauthorized", None),
    ("GET", "/api/v1/phone/status", {"headers": {"Authorization": "Bearer " + "a" * 5000}}, 401, "unauthorized", None),
    ("GET", "/api/v1/phone/status", {"headers": {**AUTH, "Upgrade": "websocket"}}, 400, "bad_request", "Upgrade"),
    ("POST", "/api/v1/phone/audio", {"data": b"x", "headers": {**AUTH, "Content-Type": "audio/mpeg"}}, 415,
     "unsupported_media", "Content-Type"),
    ("POST", "/api/v1/phone/audio", {"headers": WAV}, 422, "invalid", None),
    ("POST", "/api/v1/phone/audio", {"data": b"x" * 1048577, "headers": WAV}, 413, "too_large", None),
]


@pytest.mark.parametrize("method,path,more,status,name,field", BAD, ids=[f"{i} {b[0]} {b[1][:60]}" for i, b in enumerate(BAD)])
def test_bad_input(suite, front, method, path, more, status, name, field):
    more = dict(more)
    body = problem(ask(front, method, path, more.pop("headers", AUTH), **more), status, name)
    assert body.get("field") == field
    assert suite.requests() == [], "apid heard of it"
    if status == 415:
        assert "audio/wav" in body["detail"] or "application/json" in body["detail"]


@pytest.mark.parametrize("path,allowed", [("/api/v1/calls", {"GET", "HEAD", "POST", "OPTIONS"}),
                                          ("/api/v1/phone/ring", {"POST", "OPTIONS"}),
                                          ("/api/v1/webhooks/w", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
                                          ("/", {"GET", "HEAD", "OPTIONS"})])
def test_allow(front, path, allowed):
    reply = ask(front, "PATCH", path)
    problem(reply, 405, "method_not_allowed")
    assert {m.strip() for m in reply.headers["Allow"].split(",")} == allowed
    reply = ask(front, "OPTIONS", path, headers={})
    assert reply.status_code == 204 and not reply.content
    assert {m.strip() for m in reply.headers["Allow"].split(",")} == allowed


def test_head_is_get_without_a_body(suite, front):
    whole, head = ask(front, "GET", "/api/v1/lines"), ask(front, "HEAD", "/api/v1/lines")
    assert head.status_code == 200 and not head.content
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert ask(front, "HEAD", "/api/v1/lines", headers={}).status_code == 401


ERRORS = ["bad_request", "unauthorized", "forbidden", "not_found", "wrong_state", "gone", "unsupported_media", "invalid",
          "rate_limited", "internal", "unavailable", "overloaded", "timeout"]


@pytest.mark.parametrize("name", ERRORS)
def test_what_apid_refuses(suite, front, name):
    suite.answer("phone.ring", {"error": name, "detail": "because so", "field": "caller_name", "state": "off_hook"})
    reply = ask(front, "POST", "/api/v1/phone/ring")
    body = problem(reply, reply.status_code, name)
    assert body["detail"] == "because so" and body["field"] == "caller_name" and body["state"] == "off_hook"
    expected = {"bad_request": 400, "unauthorized": 401, "forbidden": 403, "not_found": 404, "wrong_state": 409,
                "gone": 410, "unsupported_media": 415, "invalid": 422, "rate_limited": 429, "internal": 500,
                "unavailable": 503, "overloaded": 503, "timeout": 504}[name]
    assert reply.status_code == expected
    assert ("Retry-After" in reply.headers) == (name in ("rate_limited", "unavailable", "overloaded"))
    challenge = reply.headers.get("WWW-Authenticate", "")
    assert challenge.startswith("Bearer realm=") == (name in ("unauthorized", "forbidden"))
    if name == "unauthorized":
        assert 'error="invalid_token"' in challenge
    if name == "forbidden":
        assert 'scope="calls:control"' in challenge


def test_no_token_no_invalid_token(front):
    reply = ask(front, "GET", "/api/v1/lines", headers={})
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="hookswitch"'


def test_silence_of_apid_is_a_timeout(suite, front):
    suite.answer("phone.status", None)
    begun = time.monotonic()
    problem(ask(front, "GET", "/api/v1/phone/status"), 504, "timeout")
    assert 1.5 < time.monotonic() - begun < 4


def test_request_id(suite, front):
    reply = ask(front, "GET", "/api/v1/lines", {**AUTH, "X-Request-Id": "mine-1"})
    assert reply.headers["X-Request-Id"] == "mine-1" and suite.requests()[0]["request_id"] == "mine-1"
    reply = ask(front, "GET", "/api/v1/lines", {**AUTH, "X-Request-Id": "not good"})
    assert reply.headers["X-Request-Id"].startswith("r1-")


def test_idempotency_key_is_passed_on(suite, front):
    ask(front, "POST", "/api/v1/phone/ring", {**AUTH, "Idempotency-Key": "once"})
    assert suite.requests("phone.ring")[0]["idempotency_key"] == "once"


def test_security_headers(front):
    for path in ("/", "/api/v1/lines", "/nothing"):
        headers = ask(front, "GET", path).headers
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_pages(front):
    home = ask(front, "GET", "/", headers={})
    assert home.status_code == 200 and "/api/v1/openapi.json" in home.text
    described = ask(front, "GET", "/api/v1/openapi.json", headers={})
    assert described.json()["openapi"] == "3.1.0"


def test_health_needs_no_token_and_says_503(suite, front):
    assert ask(front, "GET", "/api/v1/health", headers={}).json()["state"] == "ok"
    suite.answer("suite.health", {"body": {"state": "starting", "version": "0", "parts": []}})
    reply = ask(front, "GET", "/api/v1/health", headers={})
    assert reply.status_code == 503 and reply.json()["state"] == "starting"


def test_apid_away(own):
    suite, front = own()
    peers.wait_for(lambda: "peer_up" in front.log.read_text())
    suite.apid_stop()
    peers.wait_for(lambda: "peer_down" in front.log.read_text())
    begun = time.monotonic()
    reply = ask(front, "POST", "/api/v1/phone/ring")
    problem(reply, 503, "unavailable")
    assert int(reply.headers["Retry-After"]) >= 1 and time.monotonic() - begun < 1
    body = problem(ask(front, "GET", "/api/v1/health", headers={}), 503, "unavailable")
    assert body["parts"] == [{"daemon": "apid", "state": "away"}]
    suite.apid_start()
    peers.wait_for(lambda: ask(front, "GET", "/api/v1/lines").status_code == 200)


# ---- audio ----

TYPES = [("audio/wav", "wav"), ("audio/x-wav", "wav"), ("audio/wave", "wav"), ("audio/basic", "pcmu"),
         ("audio/PCMU", "pcmu"), ("audio/PCMU;rate=8000", "pcmu"), ("Audio/pcma", "pcma")]


@pytest.mark.parametrize("kind,form", TYPES)
@pytest.mark.parametrize("path", ["/api/v1/phone/audio", "/api/v1/lines/phone1/audio"])
def test_upload(suite, front, kind, form, path):
    grant = f"p1-{time.monotonic_ns()}"
    message = "phone.audio" if "phone/" in path else "lines.audio"
    suite.answer(message, {"body": {"play_id": grant, "line": "phone1", "call_id": "c1-abc"}})
    sound = bytes(range(256)) * 300
    reply = ask(front, "POST", path, {**AUTH, "Content-Type": kind}, data=sound)
    assert reply.status_code == 202, reply.text
    assert reply.json() == {"play_id": grant, "line": "phone1", "call_id": "c1-abc", "duration_ms": 1234}
    assert suite.requests(message)[0]["body"]["format"] == form
    assert suite.uploaded(grant) == sound


def test_upload_of_the_largest_size_and_chunked(suite, front):
    sound = b"\x55" * 1048576
    assert ask(front, "POST", "/api/v1/phone/audio", WAV, data=sound).status_code == 202
    assert suite.uploaded("p1-1") == sound
    suite.answer("phone.audio", {"body": {**peers.PLAY, "play_id": "p1-chunked"}})
    assert ask(front, "POST", "/api/v1/phone/audio", WAV, data=(b"x" * 1000 for _ in range(50))).status_code == 202
    assert suite.uploaded("p1-chunked") == b"x" * 50000
    problem(ask(front, "POST", "/api/v1/phone/audio", WAV, data=(b"x" * 60000 for _ in range(20))), 413, "too_large")


def test_upload_refused_by_mediad(suite, front):
    suite.media("upload", "the WAV header has no fmt chunk")
    body = problem(ask(front, "POST", "/api/v1/phone/audio", WAV, data=b"RIFF"), 422, "invalid")
    assert body["detail"] == "the WAV header has no fmt chunk"


def test_upload_not_now(suite, front):
    suite.answer("phone.audio", {"error": "wrong_state", "state": "on_hook"})
    assert problem(ask(front, "POST", "/api/v1/phone/audio", WAV, data=b"x"), 409, "wrong_state")["state"] == "on_hook"


def test_upload_while_mediad_is_silent_or_away(own):
    suite, front = own()
    suite.media("upload", None)
    begun = time.monotonic()
    problem(ask(front, "POST", "/api/v1/phone/audio", WAV, data=b"x"), 504, "timeout")
    assert time.monotonic() - begun < 8
    suite.media_stop()
    peers.wait_for(lambda: ask(front, "POST", "/api/v1/phone/audio", WAV, data=b"x").status_code == 503)
    reply = ask(front, "POST", "/api/v1/phone/audio", WAV, data=b"x")
    problem(reply, 503, "unavailable")
    assert int(reply.headers["Retry-After"]) >= 1


# ---- figures ----

def figures(suite):
    return suite.ask_front("daemon.metrics", {})["body"]["text"]


def test_metrics_and_traces(suite, front):
    ask(front, "GET", "/api/v1/calls/c1-traced")
    ask(front, "POST", "/api/v1/phone/ring")
    ask(front, "GET", "/nothing/" + "x" * 100)
    text = figures(suite)
    assert 'route="/api/v1/calls/{call}",method="GET",status="2xx"' in text
    assert 'route="other",method="other",status="4xx"' in text
    assert "hookswitch_http_request_seconds_bucket" in text and "hookswitch_http_requests_in_flight{" in text
    records = suite.ask_front("daemon.trace", {"call": "c1-traced"})["body"]["records"]
    shown = [r for r in records if r["kind"] == "http"]
    assert shown and shown[0]["what"] == "GET /api/v1/calls/c1-traced: 200"
    assert peers.TOKEN not in json.dumps(records)


def test_no_token_in_the_log(suite, front):
    ask(front, "POST", "/api/v1/phone/ring", {"Authorization": "Bearer hs_secret-of-somebody"})
    problem(ask(front, "GET", "/api/v1/lines", {"Authorization": "Bearer hs_secret-of-somebody"}), 401, "unauthorized")
    text = front.log.read_text()
    assert "hs_secret-of-somebody" not in text and peers.TOKEN not in text
