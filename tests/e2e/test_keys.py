"""Keys: rotated under load and in spite of kills, wiped when nothing needs them, recovered from a backup."""
import json
import os
import random
import subprocess
import time

from suite import BUILD, wait_for

OWNERS = ("sipd", "hookd", "hook-stream")


def hookctl(suite, *words):
    return subprocess.Popen([BUILD / "proto/hookctl/hookctl", *words], env={**os.environ, **suite.environment},
                            cwd=suite.home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def keys(suite):
    return {row["key"]: row for row in json.loads(suite.hookctl("keys", "status", "--json").stdout)}


def killed_rotation(suite, seconds):
    """kill -9 after a while, which may be after its end."""
    process = hookctl(suite, "keys", "rotate")
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def everything_opens(suite, receiver, phone):
    """Successors of all who hold secrets open them anew."""
    for daemon in OWNERS:
        suite.wait_child(daemon, suite.kill(daemon), 15)
    wait_for(lambda: suite.get("/api/v1/health")["state"] == "ok" or os.geteuid(), 20, lambda: suite.get("/api/v1/health"))
    assert wait_for(lambda: phone.register().status == 200, 10)
    before = len(receiver.ledger)
    suite.post("/api/v1/phone/ring", status=202)
    phone.incoming.get(timeout=10).reject()
    for path in ("/state", "/mine"):
        wait_for(lambda: [e for e in receiver.ledger[before:] if e["path"] == path], 10)
    assert all(e["signature_fits"] for e in receiver.ledger[before:])
    suite.wait_idle()


def test_rotation_costs_nothing(make_suite):
    suite = make_suite(start=False)
    receiver = suite.receiver()
    suite.configuration["webhooks"] = {**suite.configuration["webhooks"],
                                       "outgoing": {"state": {"url": receiver.url("/state")}}}
    suite.prepare()
    recovery = suite.hookctl("keys", "recovery-key").stdout.split()[1]
    suite.start()
    receiver.secrets["/state"] = suite.hookctl("webhook-secret", "state").stdout.split()[-1]
    receiver.secrets["/mine"] = suite.post("/api/v1/webhooks", {"url": receiver.url("/mine"), "events": ["call.ended"]},
                                           status=201).json()["secret"]
    phone, talker = suite.phone(0), suite.phone(1)
    first = keys(suite)
    call = talker.call("0")
    wait_for(lambda: call.state == "up")

    began = time.monotonic()
    suite.hookctl("keys", "status")
    whole = 2 * (time.monotonic() - began)
    for _ in range(10):
        killed_rotation(suite, random.uniform(0, whole))
    assert call.state == "up"
    suite.hookctl("keys", "rotate")
    second = keys(suite)
    assert all(second[name]["mark"] != first[name]["mark"] and second[name]["old"] for name in OWNERS)
    assert second["token"]["mark"] == first["token"]["mark"] and all(row["copy"] for row in second.values())
    refused = suite.hookctl("keys", "finish", check=False)  # sipd's keeper has the configuration of before
    assert refused.returncode == 1 and "sipd still has 2 secrets" in refused.stderr, refused.stderr
    assert call.state == "up"
    call.hangup()
    everything_opens(suite, receiver, phone)

    suite.stop()
    suite.start()
    suite.hookctl("keys", "finish")
    third = keys(suite)
    assert all(third[name]["mark"] == second[name]["mark"] and not third[name]["old"] for name in OWNERS)
    assert suite.hookctl("webhook-secret", "state").stdout.split()[-1] == receiver.secrets["/state"]
    everything_opens(suite, receiver, phone)

    # The machine is lost; the backup has no keys, but their sealed copies.
    suite.stop()
    for path in (suite.home / "keys").glob("*.key"):
        path.unlink()
    refused = suite.hookctl("keys", "status", check=False)
    assert refused.returncode == 1 and "hookctl keys recover" in refused.stderr
    done = subprocess.run([BUILD / "proto/hookctl/hookctl", "keys", "recover"], env={**os.environ, **suite.environment},
                          input=recovery + "\n", cwd=suite.home, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout.count("restored") == 4, done.stdout + done.stderr
    suite.start()
    everything_opens(suite, receiver, phone)
