"""Hooks that others call: who signs rings and hangs up, once for each id; nobody else does anything."""
import json
import time

import pytest
import yaml

from receiver import sign


@pytest.fixture(scope="module")
def shared(make_shared):
    suite = make_shared(start=False).prepare()
    made = json.loads(suite.hookctl("seal", "hook", "door", "--json").stdout)
    again = json.loads(suite.hookctl("seal", "hook", "end", "--secret", made["signing"], "--json").stdout)
    path = suite.home / "hookswitch.yaml"
    tree = yaml.safe_load(path.read_text())
    line = suite.line()["id"]
    tree["webhooks"]["incoming"] = [
        {"id": "door", "secret": made["secret"], "token": "quickstart", "action": "ring", "line": line, "timeout_s": 30,
         "caller_name": "Front door"},
        {"id": "end", "secret": again["secret"], "token": "quickstart", "action": "hang_up", "line": line},
        {"id": "stolen", "secret": made["secret"], "token": "quickstart", "action": "ring", "line": line}]
    path.write_text(yaml.safe_dump(tree))
    suite.hook_secret = made["signing"]
    return suite.start()


def call(suite, hook, message, at=None, secret=None, body=b'{"who": "me"}', **more):
    at = str(int(time.time()) if at is None else at)
    headers = {"webhook-id": message, "webhook-timestamp": at,
               "webhook-signature": "v1,AAAA " + sign(secret or suite.hook_secret, message, at, body)}
    return suite.request("POST", f"/api/v1/hooks/in/{hook}", token=False, data=body, headers={**headers, **more})


def test_a_signed_request_does_its_thing_once(suite):
    suite.phone()
    rung = call(suite, "door", "msg-1")
    assert rung.status_code == 202, rung.text
    line = rung.json()["line"]
    assert rung.json()["call_id"] and line == suite.line()["id"]
    assert call(suite, "door", "msg-1").json() == rung.json()
    assert len([c for c in suite.get("/api/v1/calls?active=true")["calls"] if c["line"] == line]) == 1
    assert call(suite, "door", "msg-2").json()["type"] == "urn:hookswitch:wrong_state"
    ended = call(suite, "end", "msg-3")
    assert ended.status_code == 202 and ended.json()["call_id"] == rung.json()["call_id"]


@pytest.mark.parametrize("change", [
    {"hook": "nobody"}, {"hook": "stolen"}, {"secret": "whsec_" + "A" * 44}, {"at": int(time.time()) - 400},
    {"at": int(time.time()) + 700}, {"webhook-id": "other"}, {"webhook-signature": "v1,"}, {"webhook-signature": "v1a,x"},
    {"webhook-timestamp": "now"}, {"webhook-timestamp": ""}])
def test_nobody_else_does_anything(suite, change):
    before = suite.get("/api/v1/events?limit=1")["cursor"]
    reply = call(suite, **{"hook": "door", "message": "msg-9", **change})
    assert reply.status_code == 401, reply.text
    assert not [e for e in suite.get(f"/api/v1/events?since={before}")["events"] if e["type"].startswith("call.")]
