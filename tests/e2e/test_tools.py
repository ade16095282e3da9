"""hookctl and the example that taps the bus."""
import json
import os
import signal
import socket
import subprocess

import pytest

from suite import BUILD, REPO, wait_for


@pytest.fixture(scope="module")
def shared(make_shared):
    return make_shared()


class Program:
    """A program that prints lines until it is ended."""

    def __init__(self, suite, words):
        self.process = subprocess.Popen(words, env={**os.environ, **suite.environment}, text=True, cwd=suite.home,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=1)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = ""

    def read(self):
        try:
            self.text += self.process.stdout.read() or ""
        except TypeError:
            pass
        return self.text

    def wait(self, *words, timeout=5):
        wait_for(lambda: all(w in self.read() for w in words), timeout, lambda: f"{words} not in\n{self.text}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(5)
        self.read()
        self.process.stdout.close()


def one_call(suite, phone):
    with suite.events() as events:
        call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        call = phone.wait_call().answer()
        suite.wait_state("phone1", "off_hook")
        call.rtp.press("7")
        events.wait("dtmf", call_id=call_id)
    call.hangup()
    suite.wait_state("phone1", "on_hook")
    return call_id


def test_example_taps_the_bus(suite):
    example = REPO / "proto/examples/tap.py"
    code = [r for r in example.read_text().splitlines() if r and not r.startswith(("#", '"""'))]
    assert len(code) <= 12
    phone = suite.phone()
    with Program(suite, ["/usr/bin/python3", str(example), "calls", "digits"]) as tap:
        wait_for(lambda: "heartbeat" in tap.read(), 8)
        call = one_call(suite, phone)
        tap.wait("state_change", "call.answered", "dtmf", call)
    rows = [row.split(" ", 1) for row in tap.text.splitlines() if row.startswith("state_change ")]
    assert json.loads(rows[0][1])["type"] == "state_change"


def test_tap(suite):
    phone = suite.phone()
    with Program(suite, [BUILD / "proto/hookctl/hookctl", "tap", "line=phone1", "--calls", "--digits"]) as tap:
        wait_for(lambda: one_call(suite, phone) and tap.read(), 10, lambda: "the tap hears nothing")
        call = one_call(suite, phone)
        tap.wait("state_change", "new_state=off_hook", "dtmf", call)
    assert "INVITE" not in tap.text
    with Program(suite, [BUILD / "proto/hookctl/hookctl", "tap", "--operations", "--json", "daemon=sipd"]) as tap:
        wait_for(lambda: one_call(suite, phone) and tap.read(), 10, lambda: "the tap hears nothing")
        one_call(suite, phone)
        tap.wait("INVITE", "BYE")
    for row in tap.text.splitlines():
        assert row.startswith("{"), tap.text
        assert json.loads(row)["body"]["daemon"] == "sipd"


def test_follow_live(suite):
    phone = suite.phone()
    call_id = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
    call = phone.wait_call()
    with Program(suite, [BUILD / "proto/hookctl/hookctl", "follow", call_id, "--live"]) as follow:
        follow.wait("INVITE", "180")
        call.answer()
        follow.wait("ACK")
        call.hangup()
        follow.wait("BYE", "leg.ended")
    rows = [r for r in follow.text.splitlines() if r.endswith("  INVITE")]
    assert len(rows) == 1, follow.text


def test_call_and_status(suite):
    suite.phone()
    line = json.loads(suite.hookctl("call", "lines.get", '{"line":"phone1"}').stdout)
    assert line["line"]["state"] == "on_hook"
    status = suite.hookctl("status").stdout
    for word in ("apid", "sipd", "mediad", "hookd", "api-front", "hook-stream", "phone1", "on_hook"):
        assert word in status
    tree = json.loads(suite.hookctl("status", "--json").stdout)
    assert {d["daemon"] for d in tree["daemons"]} >= {"apid", "sipd", "mediad", "hookd", "api-front", "hook-stream"}
    assert all(d["state"] in ("ok", "degraded") for d in tree["daemons"]), tree["daemons"]
    text = suite.hookctl("call", "suite.metrics").stdout
    assert "hookswitch_" in text
    figures = json.loads(suite.hookctl("call", "daemon.metrics", "--to", "sipd").stdout)
    assert "hookswitch_" in figures["text"]


def test_explain(suite):
    """A call that was answered, one that nobody answered, and none."""
    phone = suite.phone()
    call = one_call(suite, phone)
    wait_for(lambda: suite.get(f"/api/v1/calls/{call}")["call"]["state"] == "ended")
    said = suite.get(f"/api/v1/calls/{call}/explain")
    assert said["sentence"].startswith("It was hung up by ") and "of conversation" in said["sentence"], said
    assert said["call"]["id"] == call and said["silent"] == [] and not said["cut"]
    steps = [(s["daemon"], s["kind"], s["what"]) for s in said["steps"]]
    assert any(what.startswith("INVITE") for _, kind, what in steps if kind == "sip"), steps
    assert ("apid", "state", "call: ringing -> up") in steps and all(kind != "bus" for _, kind, _ in steps), steps
    assert [s["at"] for s in said["steps"]] == sorted(s["at"] for s in said["steps"])

    call = suite.post("/api/v1/phone/ring", {"timeout_s": 1}, status=202).json()["call_id"]
    phone.wait_call()
    wait_for(lambda: suite.get(f"/api/v1/calls/{call}")["call"]["state"] == "ended")
    text = suite.hookctl("explain", call).stdout
    assert text.startswith("phone1 did not answer in time"), text
    assert "INVITE" in text and "CANCEL" in text, text
    assert suite.request("GET", "/api/v1/calls/c1-never/explain").status_code == 404


def findings(done):
    return [(f["level"], f["about"], f["finding"]) for f in json.loads(done.stdout)]


def test_doctor_at_a_running_suite(suite):
    suite.phone()
    found = findings(suite.hookctl("doctor", "--json", check=False))
    for what in ("REST", "WebSockets", "SIP"):
        assert all(level == "ok" and "answers" in text for level, about, text in found if about == what), found
    assert any(level == "ok" and "phone1 is on_hook" in text for level, _, text in found), found
    assert any(level == "note" and "phone2 is offline" in text for level, _, text in found), found
    text = suite.hookctl("doctor", check=False).stdout
    assert "-> type into the phone" in text and text.rstrip().endswith("to mend")


def test_doctor_before_the_first_start(tmp_path):
    """It names who has the port, and who does not answer where the operator should be."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as gone:
        port, nobody = taken.getsockname()[1], gone.getsockname()[1]
        gone.close()
        (tmp_path / "hookswitch.yaml").write_text(
            f"server: {{ host: 127.0.0.1, rest_port: {port}, ws_port: {nobody} }}\n"
            f"operator: {{ websocket_url: \"ws://127.0.0.1:{nobody}/talk\" }}\n")
        done = subprocess.run([BUILD / "proto/hookctl/hookctl", "doctor", "--json"], capture_output=True, text=True,
                              env={**os.environ, "HOOKSWITCH_HOME": str(tmp_path)}, timeout=20)
    assert done.returncode == 1, done
    faults = [(about, text) for level, about, text in findings(done) if level == "FAULT"]
    assert [about for about, _ in faults] == ["REST", "operator"], faults
    assert f"is taken by python3, pid {os.getpid()}" in faults[0][1] and f"port {nobody}" in faults[1][1], faults
    assert any(about == "addresses" and "only programs on this machine" in text for _, about, text in findings(done))


@pytest.mark.parametrize("words,code,why", [
    ([], 2, "usage"), (["nonsense"], 2, "no command"), (["call"], 2, "name of a request"),
    (["call", "lines.nothing"], 2, "no request"), (["call", "leg.hangup", "{}"], 1, "not for this tool"),
    (["call", "lines.get", "{"], 1, "JSON"), (["call", "lines.get", "{}"], 1, "line"),
    (["call", "lines.get", '{"line":"phone1","more":1}'], 1, "more"),
    (["call", "lines.get", '{"line":"nobody"}'], 1, "not_found"), (["call", "daemon.status"], 2, "--to"),
    (["doctor", "me"], 2, "no arguments"), (["explain"], 2, "id of a call"), (["follow"], 2, "id of a call"), (["follow", "c1-nothing"], 1, "no daemon remembers"),
    (["tap", "rubbish"], 2, "no filter"), (["log", "loud"], 2, "no level"), (["token", "x"], 2, "scope"),
    (["token", "x", "everything"], 2, "no scope"), (["seal", "sip"], 2, "sealed"),
    (["seal", "webhook", "ftp://x"], 2, "URL"), (["call", "lines.list", "--token", "hs_wrong"], 1, "unauthorized")])
def test_what_cannot_be_understood(suite, words, code, why):
    done = suite.hookctl(*words, check=False)
    assert done.returncode == code, done
    assert why in done.stdout + done.stderr


def test_log_level_at_run_time(suite):
    done = suite.hookctl("log", "debug", "sipd").stdout
    assert "sipd" in done and "debug" in done
    suite.hookctl("log", "info")


def test_away_is_exit_code_3(make_suite):
    suite = make_suite(start=False)
    suite.prepare()
    assert suite.hookctl("status", check=False, timeout=30).returncode == 3


def test_seal_and_token(suite):
    made = json.loads(suite.hookctl("seal", "sip", "door", "--json").stdout)
    assert len(made["password"]) >= 20 and made["secret"].startswith("sealed:")
    assert made["password"] not in made["secret"]
    hook = json.loads(suite.hookctl("seal", "webhook", "https://example.com/x", "--json").stdout)
    assert hook["signing"].startswith("whsec_") and hook["secret"].startswith("sealed:")
    text = suite.hookctl("token", "robot", "calls:read", "audio").stdout
    assert "token hs_" in text and 'scopes: ["calls:read", "audio"]' in text
