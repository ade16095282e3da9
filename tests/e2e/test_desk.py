"""The webhook desk as its operator uses it: through the API of a whole suite, with a receiver that checks signatures."""
import pytest

from receiver import sign
from suite import wait_for

DESK = "/api/v1/webhooks"


@pytest.fixture(scope="module")
def shared(make_shared):
    return make_shared(start=False)


def of(receiver, path):
    return [entry for entry in receiver.ledger if entry["path"].split("?")[0] == path]


def test_an_endpoint_from_its_making_to_its_end(suite):
    receiver = suite.receiver()
    suite.configuration.setdefault("webhooks", {})["endpoints"] = [
        {"id": "states", "url": receiver.url("/states"), "events": ["state_change"], "style": "telnyx"}]
    suite.start()
    receiver.secrets["/states"] = suite.hookctl("webhook-secret", "states").stdout.split()[-1]
    line = suite.line()["id"]
    made = suite.post(DESK, {"url": receiver.url("/desk"), "lines": [line], "events": ["state_change"]}, status=201).json()
    path, secret = f"{DESK}/{made['webhook']['id']}", made["secret"]
    receiver.secrets["/desk"] = secret
    tried = suite.post(path + "/test", status=200).json()
    headers = dict(header.split(": ", 1) for header in tried["attempt"]["headers"])
    body = tried["attempt"]["body"].encode()
    assert tried["attempt"]["status"] == 200 and tried["signed_bytes"].encode().endswith(body)
    assert sign(secret, headers["webhook-id"], headers["webhook-timestamp"], body) == headers["webhook-signature"]
    assert suite.post(path + "/pause", status=200).json()["webhook"]["paused"]
    suite.phone()
    wait_for(lambda: of(receiver, "/states"), 10)
    wait_for(lambda: suite.get(path)["webhook"]["pending"] == 1, 10)
    assert len(of(receiver, "/desk")) == 1
    assert not suite.post(path + "/resume", status=200).json()["webhook"]["paused"]
    wait_for(lambda: len(of(receiver, "/desk")) == 2, 10)
    event = suite.get("/api/v1/events?type=state_change&limit=1")["events"][-1]
    seen = wait_for(lambda: [a for a in suite.get(path + "/deliveries")["attempts"] if a.get("cursor") == event["cursor"]], 10)[0]
    assert seen["status"] == 200 and seen["attempt"] == 1 and seen["delivery"] == of(receiver, "/desk")[1]["id"]
    new = suite.post(path + "/rotate", {"keep_s": 60}, status=200).json()
    assert new["secret"] != secret and new["webhook"]["old_secret_until"]
    assert suite.post(path + "/replay", {"delivery": seen["delivery"]}, status=202).json() == {"queued": 1}
    assert suite.post(path + "/replay", {"from": event["cursor"], "to": event["cursor"]}, status=202).json() == {"queued": 1}
    again = wait_for(lambda: of(receiver, "/desk")[2:4] if len(of(receiver, "/desk")) == 4 else None, 10)
    assert {entry["id"] for entry in again} == {seen["delivery"]} and all(e["signature_fits"] for e in again)
    receiver.secrets["/desk"] = new["secret"]
    assert sign(new["secret"], again[0]["id"], again[0]["timestamp"], again[0]["raw"]) in again[0]["headers"][
        "webhook-signature"]
    moved = suite.request("PUT", path, json={"url": receiver.url("/moved"), "style": "twilio"}).json()
    assert moved["webhook"]["url"] == receiver.url("/moved") and moved["secret"] not in (secret, new["secret"])
    assert "lines" not in moved["webhook"] or not moved["webhook"]["lines"]
    assert suite.post(path + "/test", status=200).json()["attempt"]["status"] == 200
    assert "x-twilio-signature" in {name.lower() for name in of(receiver, "/moved")[0]["headers"]}
    declared = suite.get(DESK + "/states")["webhook"]
    assert declared["declared"] and declared["public_key"] and declared["style"] == "telnyx"
    assert suite.request("PUT", DESK + "/states", json={}).json()["state"] == "declared"
    assert suite.post(DESK + "/dead-letters/replay", status=202).json() == {"queued": 0}
    assert suite.request("DELETE", path).status_code == 200
    gone = suite.request("GET", path)
    assert gone.status_code == 404, gone.text
