"""A thief with a copy of the state, and somebody who redirects sealed secrets: neither gets one."""
import base64
import json
import os
import re

import pytest
import yaml

from suite import wait_for
from test_attack_bus import become, send


def redirected(suite):
    """How often each daemon saw a secret with a destination that is not its own."""
    found = {}
    for name, value in suite.metrics().items():
        if name.startswith("hookswitch_secrets_redirected_total"):
            found[re.search(r'daemon="([^"]*)"', name).group(1)] = value
    return found


def part(suite, daemon):
    return next(p for p in suite.get("/api/v1/health")["parts"] if p["daemon"] == daemon)


def test_edited_destinations_get_nothing(make_suite):
    """Who can edit the configuration, but has no key, moves every sealed secret to a destination of his own."""
    suite = make_suite(start=False)
    suite.prepare()
    receiver = suite.receiver()
    path = suite.home / "hookswitch.yaml"
    tree = yaml.safe_load(path.read_text())
    sealed = [json.loads(suite.hookctl("seal", *words, "--json").stdout)["secret"] for words in
              (("webhook", "https://its-own.example/"), ("operator", "wss://its-own.example/{line}"))]
    first, second = [line for line in tree["lines"] if line.get("secret")][:2]
    first["secret"], second["secret"] = second["secret"], first["secret"]
    tree["webhooks"]["outgoing"] = {"state": {"url": receiver.url("/stolen"), "secret": sealed[0]}}
    tree["operator"] = {"websocket_url": f"ws://{suite.host}:{receiver.port}/stolen", "auth_token": sealed[1]}
    path.write_text(yaml.safe_dump(tree))
    suite.start()
    phone = suite.phone(0, register=False)
    assert phone.register().status == 401
    suite.post("/api/v1/lines/phone3/ring")  # an event for the webhook
    wait_for(lambda: {"sipd", "hookd", "hook-stream"} <= set(redirected(suite)), 10, lambda: str(redirected(suite)))
    assert {daemon: part(suite, daemon)["state"] for daemon in ("sipd", "hookd", "hook-stream")} == {
        "sipd": "degraded", "hookd": "degraded", "hook-stream": "degraded"}
    assert all("secret.redirected" in suite.log(daemon) for daemon in ("sipd", "hookd", "hook-stream"))
    assert not receiver.ledger


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives each daemon a user of its own")
def test_a_taken_over_apid_cannot_redirect_what_it_sealed(suite):
    """It copies a sealed secret of hookd's store to an endpoint of its own."""
    made = suite.post("/api/v1/webhooks", {"url": "https://its-own.example/"}, status=201).json()
    store = b"".join(p.read_bytes() for p in (suite.home / "hookd").iterdir() if p.is_file())
    sealed = re.search(rb"sealed:[A-Za-z0-9+/=]+", store).group().decode()
    assert made["secret"].encode() not in store
    receiver = suite.receiver()
    head = {"v": 1, "kind": "request", "type": "hook.put", "id": "q1-redirect", "source": "apid",
            "incarnation": "i1-redirect", "deadline_ms": 5000,
            "body": {"webhook": "w1-stolen", "url": receiver.url("/stolen"), "secret": sealed}}
    answer = become(suite, "apid", lambda: send(suite, "hookd", [[json.dumps(head).encode()]], wait_ms=5000))
    assert json.loads(answer)["error"] == "invalid" and json.loads(answer)["field"] == "secret"
    assert redirected(suite)["hookd"] == 1
    assert "webhook.redirected" in suite.log("hookd") and "its-own" not in suite.log("hookd").split("redirected")[-1]
    assert [w["url"] for w in suite.get("/api/v1/webhooks")["webhooks"]] == ["https://its-own.example/"]


def test_a_stolen_copy_has_no_secret(suite):
    """All of the state but the keys, searched for every secret there is."""
    token = suite.token
    hook = suite.post("/api/v1/webhooks", {"url": "https://copied.example/"}, status=201).json()["secret"]
    secrets = {"webhook": hook.encode(), "webhook's key": base64.b64decode(hook.removeprefix("whsec_")),
               "token": token.encode(), **{line["user"]: line["password"].encode() for line in suite.facts["lines"]
                                           if line["driver"] == "sip"}}
    left_out = {"quickstart.json", "keys", "dahdi"}  # what quickstart showed, for root alone; the keys; device files
    for path in suite.home.rglob("*"):
        if not path.is_file() or left_out & set(path.relative_to(suite.home).parts):
            continue
        text = path.read_bytes()
        assert not [name for name, secret in secrets.items() if secret in text], path
