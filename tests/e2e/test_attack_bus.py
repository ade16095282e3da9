"""A process that runs as one of the daemons, or as nobody of the house, on the sockets of the bus."""
import json
import os
import re

import pytest
import zmq

from phone import word
from suite import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives each daemon a user of its own")
STRANGER = 12345


def become(suite, role, work, uid=None):
    """What work() returns in a process with the daemon's uid and groups."""
    text = open(f"/proc/{suite.child(role)}/status", encoding="ascii").read()
    groups = [int(g) for g in re.search(r"^Groups:\s*(.*)$", text, re.M).group(1).split()]
    user = STRANGER if uid else int(re.search(r"^Uid:\s*(\d+)", text, re.M).group(1))
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        heard = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(heard)


def send(suite, to, messages, edge="requests", wait_ms=400):
    """Sends multipart messages; what comes back within the time: the first answer, or None."""
    context = zmq.Context()
    made = context.socket(zmq.DEALER)
    made.linger = 300
    made.sndtimeo = 5000  # a stranger may be refused before it has said anything
    made.connect(f"ipc://{suite.home}/run/{to}/{edge}/socket")
    try:
        for message in messages:
            made.send_multipart(message)
    except zmq.Again:
        pass
    answer = made.recv().decode("utf-8", "replace") if made.poll(wait_ms) else None
    context.destroy(300)
    return answer


def ask(suite, role, to, kind, body=None, source=None, **who):
    head = {"v": 1, "kind": "request", "type": kind, "id": "q1-" + word(20), "source": source or role,
            "incarnation": "i1-" + word(20), "deadline_ms": 2000, "body": body or {}}
    answer = become(suite, role, lambda: send(suite, to, [[json.dumps(head).encode()]]), **who)
    return json.loads(answer).get("error", "ok") if answer else "silence"


@pytest.mark.parametrize("role, to, kind, expected", [
    ("hookd", "apid", "events.list", "ok"), ("api-front", "apid", "events.list", "ok"),
    ("hookd", "apid", "phone.ring", "not_permitted"), ("hookd", "apid", "phone.status", "not_permitted"),
    ("hookd", "apid", "stream.open", "not_permitted"), ("sipd", "apid", "events.list", "not_permitted"),
    ("sipd", "apid", "phone.ring", "not_permitted"), ("mediad", "apid", "lines.list", "not_permitted"),
    ("api-front", "apid", "phone.ring", "unauthorized"), ("api-front", "apid", "lines.list", "unauthorized"),
    ("api-front", "apid", "webhooks.list", "unauthorized"), ("hook-stream", "apid", "phone.ring", "unauthorized"),
    ("sipd", "mediad", "media.join", "not_permitted"), ("hookd", "mediad", "media.close", "silence"),
    ("hookd", "sipd", "leg.hangup", "silence"), ("api-front", "sipd", "leg.originate", "silence"),
    ("api-front", "mediad", "media.join", "silence"), ("mediad", "sipd", "leg.hangup", "silence"),
    ("dahdid", "apid", "phone.ring", "not_permitted"), ("dahdid", "mediad", "media.join", "not_permitted"),
    ("dahdid", "sipd", "leg.hangup", "silence"), ("hook-stream", "mediad", "media.close", "silence"),
    ("hook-stream", "hookd", "hook.put", "silence"), ("sipd", "dahdid", "leg.hangup", "silence"),
    ("mediad", "dahdid", "leg.originate", "silence"), ("apid", "sipd", "keys.reseal", "not_permitted"),
    ("apid", "hookd", "keys.reseal", "not_permitted"),
])
def test_each_daemon_has_its_own_rights_and_no_other(suite, role, to, kind, expected):
    assert ask(suite, role, to, kind) == expected


def refusals(suite):
    """How many messages each daemon refused."""
    found = {}
    for name, value in suite.metrics().items():
        if name.startswith("hookswitch_bus_refused_total") or 'result="refused"' in name:
            daemon = re.search(r'daemon="([^"]*)"', name)[1]
            found[daemon] = found.get(daemon, 0) + value
    return found


def test_each_refusal_is_counted(suite):
    tried = [("dahdid", "apid", "phone.ring"), ("sipd", "mediad", "media.join"), ("apid", "sipd", "keys.reseal"),
             ("apid", "hookd", "keys.reseal"), ("apid", "dahdid", "keys.reseal"), ("apid", "hook-stream", "keys.reseal"),
             ("apid", "api-front", "keys.reseal")]
    before = refusals(suite)
    for role, to, kind in tried:
        assert ask(suite, role, to, kind) == "not_permitted", (role, to)
    after = refusals(suite)
    assert all(after[to] > before.get(to, 0) for _, to, _ in tried), (before, after)


def test_a_name_is_not_believed_and_a_stranger_not_heard(suite):
    assert ask(suite, "hookd", "apid", "phone.ring", source="api-front") == "silence"
    assert ask(suite, "hookd", "apid", "events.list", uid=STRANGER) == "silence"


def test_facts_of_others_are_not_believed(suite):
    owner = suite.phone(1)
    call = owner.call("0")
    wait_for(lambda: call.state == "up")
    leg = suite.get("/api/v1/calls?active=true")["calls"][0]["legs"][0]["id"]
    ended = {"type": "leg.ended", "seq": 1, "at": "2026-01-01T00:00:00.000Z",
             "body": {"leg": leg, "cause": "normal", "by_far_end": True}}
    for role, source in (("hookd", "hookd"), ("hookd", "sipd"), ("mediad", "mediad"), ("mediad", "sipd"),
                         ("api-front", "sipd"), ("hook-stream", "hook-stream"), ("dahdid", "sipd"), ("dahdid", "dahdid")):
        head = {"v": 1, "kind": "facts", "source": source, "epoch": 1}
        become(suite, role, lambda: send(suite, "apid", [[json.dumps(head).encode(), json.dumps(ended).encode()]]))
    assert suite.get("/api/v1/lines/phone2")["line"]["state"] == "off_hook"
    assert call.state == "up"
    call.hangup()


@pytest.mark.parametrize("role, to, edge, messages", [
    ("hookd", "apid", "requests", [[b"x" * (50 << 20)]]),
    ("hookd", "apid", "requests", [[b"{"] * 3000, [b""] * 3000, [b"\xff" * 1000] * 200, [b"null"], [b"[]"],
                                   [b"[" * 100000], [b'{"v":1,"kind":"request"}'], [b'{"v":1,"kind":"facts"}'] * 300,
                                   [b'{"v":1,"kind":"ack","epoch":1,"seq":99999999999}']]),
    ("hookd", "apid", "requests", [[b"y" * 200000] * 100]),
    ("api-front", "mediad", "audio", [[bytes([1, kind, 1, 0]) + bytes(8) + b"s1-aaaa".ljust(32, b"\0")]
                                      for kind in range(20)] + [[b"x" * 17000], [b"a"] * 1000, [b""] * 3000]),
], ids=["giant", "rubbish", "giant-parts", "audio"])
def test_rubbish_hurts_nobody(suite, role, to, edge, messages):
    before = suite.child(to)
    become(suite, role, lambda: send(suite, to, messages, edge, 200))
    assert suite.get("/api/v1/health")["state"] == "ok"
    assert suite.child(to) == before
    owner = suite.phone(0)
    suite.post("/api/v1/phone/ring", status=202)
    owner.incoming.get(timeout=5).reject()
    suite.wait_idle()
