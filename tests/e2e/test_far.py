"""hookd on another machine: in a network namespace of its own, with its own home, over TCP and CURVE."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import namespaces
import pytest
import yaml
from suite import BUILD, FAULTS, free_port, wait_for

pytestmark = pytest.mark.skipif(namespaces.why_not(nat=False) is not None, reason=str(namespaces.why_not(nat=False)))


class Elsewhere:
    """The other machine's home, with hookd alone."""

    def __init__(self, machine, configuration):
        self.machine, self.home = machine, pathlib.Path(tempfile.mkdtemp(prefix="hookswitch-far-"))
        self.home.chmod(0o711)
        self.environment = {**os.environ, "HOOKSWITCH_HOME": str(self.home)}
        (self.home / "hookswitch.yaml").write_text(yaml.safe_dump(configuration))
        self.log_path, self.process = self.home / "hookd.log", None

    def hookctl(self, *words, check=True):
        done = subprocess.run(["ip", "netns", "exec", self.machine.name, BUILD / "proto/hookctl/hookctl", *words],
                              env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=20)
        assert not check or done.returncode == 0, f"hookctl {words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self):
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.machine.name, BUILD / "hookd/hookd"],
                                            env=self.environment, cwd=self.home, stdout=log, stderr=log)
        wait_for((self.home / "run/hookd/ready").exists, 30, self.log)
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")

    def child(self):
        pid = self.process.pid
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
        log = self.log() if self.process else ""
        shutil.rmtree(self.home, ignore_errors=True)
        assert not FAULTS.search(log), log


@pytest.fixture(scope="module")
def machine():
    with namespaces.Elsewhere() as machine:
        yield machine


@pytest.fixture(scope="module")
def both(make_shared, machine):
    """The suite here, without a hookd, and the one there: they know each other's keys."""
    edges = [{"binder": binder, "edge": edge, "host": machine.here, "port": port} for (binder, edge), port in zip(
        [("apid", "requests"), ("apid", "calls"), ("apid", "digits"), ("hookd", "requests")],
        (free_port(machine.here, low, low + 100) for low in (7100, 7200, 7300, 7400)))]
    suite = make_shared({"bus": {"listen": edges}}, start=False, host=machine.here)
    receiver = suite.receiver()
    suite.prepare()
    far = Elsewhere(machine, {"bus": {"connect": edges},
                              "webhooks": {"allow_networks": ["10.77.0.0/16"],
                                           "outgoing": {"state": {"url": receiver.url("/state")}}}})
    try:
        move_hookd(suite.home, far.home)
        suite.hookctl("keys", "status")
        far.hookctl("keys", "status")
        introduce(far.home, suite.home, "hookd")
        introduce(far.home, suite.home, "ops")
        introduce(suite.home, far.home, "apid")
        far.start()
        receiver.secrets["/state"] = far.hookctl("webhook-secret", "state").stdout.split()[-1]
        suite.start()
        wait_for(lambda: suite.request("GET", "/api/v1/webhooks").status_code == 200, 30)  # hookd answers it
        yield suite, far, receiver, suite.phone(0)
    finally:
        far.close()


def move_hookd(home, other):
    """Its own keys go with it; apid goes on sealing to the public half."""
    (other / "keys").mkdir(mode=0o711)
    os.rename(home / "keys/hookd.key", other / "keys/hookd.key")
    shutil.copyfile(home / "keys/hookd.pub", other / "keys/hookd.pub")


def introduce(home, other, role):
    """What an operator does with install and scp: the public half, into the other machine's keys/peers."""
    peers = other / "keys/peers"
    peers.mkdir(mode=0o755, exist_ok=True)
    fresh = peers / ".new"
    shutil.copyfile(home / f"keys/{role}.curve.pub", fresh)
    fresh.chmod(0o644)
    fresh.rename(peers / f"other.{role}.pub")


def states(receiver, path="/state"):
    return [e["body"]["new_state"] for e in receiver.taken(path) if "new_state" in (e["body"] or {})]


def told_calls(receiver):
    """The calls whose end was told; a webhook comes at least once, and a killed hookd may send its last one again."""
    return {e["body"]["call_id"] for e in receiver.taken("/mine")}


def ring_and_end(suite, phone):
    """A call that is over; its id."""
    reply = wait_for(lambda: [r for r in [suite.post("/api/v1/phone/ring")] if r.status_code != 503], 20)[0]
    assert reply.status_code == 202, reply.text
    call = reply.json()["call_id"]
    phone.incoming.get(timeout=10).reject()
    wait_for(lambda: suite.get(f"/api/v1/calls/{call}")["call"]["state"] == "ended", 10)
    return call


def refused(suite, why="stranger"):
    return suite.metrics().get(f'hookswitch_bus_refused_total{{daemon="apid",why="{why}"}}', 0)


def cut(suite, far):
    lost = suite.log("apid").count("event=bus.peer_down peer=hookd")
    far.machine.cut(True)
    wait_for(lambda: suite.log("apid").count("event=bus.peer_down peer=hookd") > lost, 20)


def test_hookd_on_another_machine(both):
    suite, far, receiver, phone = both
    # Webhooks of its file and of the API, which asks it over there; each in its order, once, signed.
    mine = suite.post("/api/v1/webhooks", {"url": receiver.url("/mine"), "events": ["call.ended"]}, status=201).json()
    receiver.secrets["/mine"] = mine["secret"]
    ring_and_end(suite, phone)
    wait_for(lambda: states(receiver)[-2:] == ["ringing", "on_hook"], 20, lambda: states(receiver))
    wait_for(lambda: receiver.taken("/mine"), 20)
    assert json.loads(far.hookctl("status", "--json", "--token", suite.token).stdout)
    talker = suite.phone(1)
    call = talker.call("0")
    wait_for(lambda: call.state == "up")

    # Its key is withdrawn: it is out within a second, whatever it has; the call goes on, and nothing is lost.
    known = suite.home / "keys/peers/other.hookd.pub"
    before = refused(suite)
    key = known.read_bytes()
    known.write_bytes(os.urandom(32))
    wait_for(lambda: refused(suite) > before + 4, 20)  # its four connections, and then each attempt
    assert call.state == "up"
    ended = ring_and_end(suite, phone)
    assert ended not in told_calls(receiver)
    known.write_bytes(key)
    wait_for(lambda: ended in told_calls(receiver), 20)

    # A program that takes over has the sockets of the one before it.
    suite.quickstart("--upgrade", "--no-build")
    assert call.state == "up"
    ring_and_end(suite, phone)

    # Killed on either side, and the wire cut between them: a machine that vanishes says nothing, and is noticed.
    for end in (lambda: os.kill(far.child(), signal.SIGKILL), lambda: suite.kill("apid"), lambda: cut(suite, far)):
        end()
        assert call.state == "up"
        ended = ring_and_end(suite, phone)
        far.machine.cut(False)
        wait_for(lambda ended=ended: ended in told_calls(receiver), 20)
    assert call.state == "up"
    call.hangup()
    assert all(e["signature_fits"] for e in receiver.ledger)


def test_keys_are_rotated_without_an_outage(both):
    suite, far, receiver, phone = both
    wait_for(lambda: states(receiver)[-1] == "on_hook", 20)
    told = len(states(receiver))
    first = {row["key"]: row["mark"] for row in json.loads(far.hookctl("keys", "status", "--json").stdout)}
    far.hookctl("keys", "rotate")
    ring_and_end(suite, phone)  # nobody here has seen the new one yet
    refusal = far.hookctl("keys", "finish", check=False)
    assert refusal.returncode == 1 and "on its old key" in refusal.stderr, refusal.stderr
    introduce(far.home, suite.home, "hookd")
    introduce(far.home, suite.home, "ops")
    wait_for(lambda: far.hookctl("keys", "finish", check=False).returncode == 0, 20)
    last = {row["key"]: row for row in json.loads(far.hookctl("keys", "status", "--json").stdout)}
    assert last["hookd.curve"]["mark"] != first["hookd.curve"] and not last["hookd.curve"]["old"]
    introduce(far.home, suite.home, "hookd")
    suite.hookctl("keys", "rotate")
    introduce(suite.home, far.home, "apid")
    wait_for(lambda: "apid.curve   old key wiped" in suite.hookctl("keys", "finish", check=False).stdout, 20)
    introduce(suite.home, far.home, "apid")
    ring_and_end(suite, phone)
    wait_for(lambda: states(receiver)[told:] == ["ringing", "on_hook"] * 2, 20, lambda: states(receiver))
    assert all(e["signature_fits"] for e in receiver.ledger)
