"""Ceilings: what neither configuration nor API may go beyond, changed while the suite runs; emergency calls know none."""
import os

import pytest
import yaml

from handsets import need
from suite import wait_for
from test_outside import ROUTES, TRUNKS, Exchange


@pytest.fixture(scope="module")
def shared(make_shared):
    need("dahdi")
    suite = make_shared(configuration={"lines": TRUNKS, "routes": ROUTES}, start=False).prepare()
    path = suite.home / "hookswitch.yaml"
    tree = yaml.safe_load(path.read_text())
    for line in tree["lines"]:
        if line["id"] == "phone1":
            line["may_dial"] = ["town", "abroad"]
    tree["api"]["tokens"][0]["may_dial"] = ["town", "abroad"]
    path.write_text(yaml.safe_dump(tree))
    suite.start()
    for trunk in TRUNKS:
        suite.wait_state(trunk["id"], "on_hook", 15)
    return suite


@pytest.fixture
def ceilings(suite):
    """Sets the ceilings, and waits until every daemon has them; the first ones are back afterwards."""
    path = suite.home / "ceilings" / "ceilings.yaml"
    first = path.read_text()

    def put(text, event="ceilings.read"):
        before = {daemon: suite.log(daemon).count(event) for daemon in ("apid", "dahdid", "hookd", "hook-stream")}
        fresh = path.with_suffix(".new")
        fresh.write_text(text if isinstance(text, str) else yaml.safe_dump(text))
        fresh.chmod(0o644)
        fresh.rename(path)
        for daemon, count in before.items():
            wait_for(lambda: suite.log(daemon).count(event) > count, 15, lambda: f"{daemon} did not read them")
    yield put
    put(first)


def refused(suite, body, name, path="/api/v1/calls"):
    reply = suite.post(path, body)
    problem = reply.json()
    assert reply.status_code == 403 and problem["type"] == "urn:hookswitch:ceiling", reply.text
    assert name in problem["detail"] and "ceilings/ceilings.yaml" in problem["detail"]
    return problem


def placed(suite, number, trunk, dialled):
    far = Exchange(suite, trunk)
    call = suite.post("/api/v1/calls", {"number": number}, status=202).json()["call"]
    far.wait_dialled(dialled)
    return far, call


def ended(suite, *pairs):
    for far, call in pairs:
        suite.post(f"/api/v1/calls/{call['id']}/hangup", status=200)
        far.wait("released")
    suite.wait_idle(15)


def test_the_first_ceilings_know_no_numbers_abroad(suite):
    path = suite.home / "ceilings" / "ceilings.yaml"
    assert path.stat().st_uid == os.geteuid() and path.stat().st_mode & 0o777 == 0o644
    with suite.events() as events:
        assert refused(suite, {"number": "90000491234"}, "calls.refused")["field"] == "number"
        assert "calls.refused" in events.wait("ceiling.reached")["why"]
        phone = suite.phone(0)
        call = phone.call("90000491234")
        call.wait("ended")
        assert call.status == 403 and "calls.refused" in events.wait("call.ended")["why"]
    assert suite.metrics()['hookswitch_ceilings_reached_total{daemon="apid",ceiling="calls.refused"}'] == 2


def test_calls_out(suite, ceilings):
    ceilings({"calls": {"at_once": 1, "per_hour": 1}})
    far, call = placed(suite, "91", TRUNKS[0], "71")
    refused(suite, {"number": "92"}, "calls.at_once")
    other, help_call = placed(suite, "112", TRUNKS[1], "112")  # nothing stands before an emergency call
    ended(suite, (other, help_call), (far, call))
    refused(suite, {"number": "93"}, "calls.per_hour")  # both lines were taken in this hour
    before = suite.child("apid")
    suite.kill("apid")
    suite.wait_child("apid", before)
    wait_for(lambda: suite.request("GET", "/api/v1/health").json().get("state") == "ok", 15)
    refused(suite, {"number": "93"}, "calls.per_hour")  # which a successor knows
    far, help_call = placed(suite, "112", TRUNKS[0], "112")
    ended(suite, (far, help_call))
    ceilings({"calls": {"allowed": ["72."]}})
    refused(suite, {"number": "91"}, "calls.allowed")
    far, call = placed(suite, "922", TRUNKS[0], "722")
    ended(suite, (far, call))


def test_hosts_and_scopes(suite, ceilings):
    ceilings({"outgoing": {"hosts": [".example.com"]}, "tokens": {"scopes": ["calls:read", "webhooks"]}})
    reply = suite.post("/api/v1/webhooks", {"url": "https://hooks.example.org/"})
    assert reply.status_code == 422 and reply.json()["field"] == "url" and "outgoing.hosts" in reply.json()["detail"]
    suite.post("/api/v1/webhooks", {"url": "https://hooks.example.com/"}, status=201)
    refused(suite, None, "tokens.scopes", "/api/v1/phone/ring")
    assert suite.get("/api/v1/calls")["calls"] is not None


def test_without_ceilings_only_emergency_calls_go_out(suite, ceilings):
    ceilings("calls: { at_once: many }", "ceilings.unusable")
    problem = refused(suite, {"number": "91"}, "missing, faulty or not root's")
    assert problem["field"] == "number"
    assert suite.get("/api/v1/health")["state"] == "degraded"
    far, call = placed(suite, "112", TRUNKS[0], "112")
    ended(suite, (far, call))
    assert suite.post("/api/v1/webhooks", {"url": "https://hooks.example.com/x"}).status_code == 422
