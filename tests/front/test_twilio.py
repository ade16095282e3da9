"""Twilio's REST API: one call, asked for and ended, by a client that knows nothing else."""
import base64

import peers
import pytest
import requests

ACCOUNT = "AC" + "0" * 30 + "31"
CALL = "CA0123456789abcdef0123456789abcdef"
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"
ANSWER = {"sid": CALL, "account_sid": ACCOUNT, "status": "completed", "direction": "inbound", "from": "101", "to": "0",
          "date_created": "Sat, 21 Nov 2026 00:00:00 +0000", "api_version": "2010-04-01", "uri": PATH}


def ask(front, method="POST", path=PATH, auth=(ACCOUNT, peers.TOKEN), **more):
    return requests.request(method, front.base + path, auth=auth, timeout=10, **more)


def refused(reply, status, code):
    assert reply.status_code == status, reply.text
    assert reply.headers["Content-Type"] == "application/json"
    body = reply.json()
    assert body["code"] == code and body["status"] == status and body["message"] and body["more_info"]
    return body["message"]


def test_a_call_is_ended_by_a_form(suite, front):
    suite.answer("twilio.update", {"body": ANSWER})
    reply = ask(front, data={"Status": "completed"})
    assert reply.status_code == 200 and reply.json() == ANSWER
    asked = suite.requests("twilio.update")
    assert asked[0]["body"] == {"account": ACCOUNT, "call": CALL, "Status": "completed"}
    assert asked[0]["token"] == peers.TOKEN


def test_a_call_is_asked_for(suite, front):
    suite.answer("twilio.call", {"body": ANSWER})
    assert ask(front, "GET").json() == ANSWER
    assert suite.requests("twilio.call")[0]["body"] == {"account": ACCOUNT, "call": CALL}
    suite.answer("twilio.call", {"error": "not_found", "detail": "there is no such call"})
    assert refused(ask(front, "GET"), 404, 20404) == "there is no such call"


@pytest.mark.parametrize("auth", [None, ("AC1", peers.TOKEN), (ACCOUNT, ""), (ACCOUNT, "with blank"), (ACCOUNT, "x" * 5000)])
def test_who_may_not(suite, front, auth):
    reply = ask(front, auth=auth, data={"Status": "completed"})
    refused(reply, 401, 20003)
    assert reply.headers["WWW-Authenticate"].startswith("Basic ") and not suite.requests("twilio.update")


def test_a_wrong_token_is_apids_word(suite, front):
    refused(ask(front, auth=(ACCOUNT, "hs_unknown"), data={"Status": "completed"}), 401, 20003)


@pytest.mark.parametrize("field", ["Bearer " + peers.TOKEN, "Basic", "Basic !", "Basic " + base64.b64encode(b"no-colon").decode(),
                                   "Basic " + base64.b64encode(ACCOUNT.encode() + b":a\0b").decode()])
def test_other_authorizations(front, field):
    refused(ask(front, auth=None, headers={"Authorization": field}, data={"Status": "completed"}), 401, 20003)


@pytest.mark.parametrize("more,status", [
    ({"data": {"Url": "http://example.org"}}, 400), ({"data": {"Status": "completed", "Twiml": "<Hangup/>"}}, 400),
    ({"data": {}}, 400), ({"data": "Status=completed&Status=completed", "headers": {"Content-Type":
                                                                              "application/x-www-form-urlencoded"}}, 400),
    ({"data": "Status=%zz", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 400),
    ({"data": b"Status=completed\0", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 400),
    ({"json": {"Status": "completed"}}, 415)])
def test_other_forms(suite, front, more, status):
    refused(ask(front, **more), status, 20001)
    assert not suite.requests("twilio.update")


@pytest.mark.parametrize("path", ["/2010-04-01/", f"/2010-04-01/Accounts/{ACCOUNT}.json", PATH[:-5], f"/2010-04-01/Accounts/{ACCOUNT}/Calls/.json",
                                  f"/2010-04-01/Accounts/{ACCOUNT}/Messages/x.json"])
def test_what_else_twilio_has(front, path):
    refused(ask(front, path=path, data={"Status": "completed"}), 404, 20404)


def test_other_methods(front):
    reply = ask(front, "DELETE")
    refused(reply, 405, 20004)
    assert "POST" in reply.headers["Allow"] and "GET" in reply.headers["Allow"]
