"""deploy/quickstart does what it says."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

import pytest
import requests

from handsets import need
from suite import BUILD, DAEMONS, REPO, Suite, wait_for


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def daemons(suite):
    """Those that run: dahdid only where a line is analog."""
    analog = any(line["driver"] == "dahdi" for line in suite.facts["lines"])
    return [name for name in DAEMONS if analog or name != "dahdid"]


def mounts(suite):
    return [row for row in pathlib.Path("/proc/mounts").read_text().splitlines() if str(suite.home) in row]


def test_life_of_a_suite(make_suite):
    suite = make_suite(start=False)
    assert suite.quickstart("--status", check=False).returncode == 3
    began = time.monotonic()
    text = suite.quickstart("--background", "--no-build").stdout
    assert time.monotonic() - began < 30
    suite.read_facts()
    facts = suite.facts
    assert set(facts) == {"api", "ws", "sip", "domain", "token", "lines"}
    assert facts["api"] == f"http://{suite.host}:{suite.environment['HOOKSWITCH_SERVER_REST_PORT']}"
    assert facts["ws"] == f"ws://{suite.host}:{suite.environment['HOOKSWITCH_SERVER_WS_PORT']}"
    assert facts["sip"] == f"{suite.host}:{suite.environment['HOOKSWITCH_SERVER_SIP_PORT']}"
    assert [line["driver"] for line in facts["lines"]].count("sip") >= 2
    for line in facts["lines"]:
        if line["driver"] == "sip":
            assert set(line) == {"id", "driver", "user", "password"} and len(line["password"]) >= 20
            assert line["password"] in text
        else:
            assert set(line) >= {"id", "driver", "channel", "number"} and line["id"] in text
    assert mode(suite.home / "quickstart.json") == 0o600 and mode(suite.home / "hookswitch.yaml") == 0o640
    for word in (facts["api"], facts["ws"], facts["token"], "curl"):
        assert word in text
    assert len(text.splitlines()) <= 14
    second = suite.quickstart("--background", "--no-build", check=False)
    assert second.returncode != 0 and "already running" in second.stderr
    status = suite.quickstart("--status")
    assert all(name in status.stdout for name in daemons(suite))
    assert requests.get(facts["api"] + "/api/v1/health", timeout=3).status_code == 200
    keepers = [suite.keeper(name) for name in daemons(suite)]
    assert "stopped" in suite.quickstart("--stop").stdout
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in keepers)
    assert suite.quickstart("--status", check=False).returncode == 3
    again = suite.start()
    assert again.facts == facts
    for path in suite.home.rglob("*.log"):
        text = path.read_text()
        assert facts["token"] not in text and facts["lines"][0]["password"] not in text, path


def tried(suite):
    """What it suggests to try, done as it stands there: what each line printed."""
    rows = suite.quickstart("--status").stdout.splitlines()
    first = next(number for number, row in enumerate(rows) if row.startswith("  try "))
    lines = [rows[first].removeprefix("  try ")] + [row for row in rows[first + 1:first + 2] if "dahdisim-phone" in row]
    return [json.loads(subprocess.run(["bash", "-c", line.replace("curl", "curl -s", 1)], capture_output=True, text=True).stdout)
            for line in lines]


def test_what_it_suggests_rings_a_sip_phone(make_suite):
    suite = make_suite(environment={"HOOKSWITCH_ANALOG": "none"})
    suite.phone()
    assert tried(suite)[0]["call_id"]
    suite.phones[0].wait_call().reject()


def test_foreground_and_ctrl_c(make_suite):
    suite = make_suite(start=False)
    process = subprocess.Popen([REPO / "deploy/quickstart", "--no-build"], env={**os.environ, **suite.environment},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    suite.read_facts()
    assert requests.get(suite.facts["api"] + "/api/v1/health", timeout=3).status_code == 200, lines
    keepers = [suite.keeper(name) for name in daemons(suite)]
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) == 0
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in keepers)
    process.stdout.close()


@pytest.mark.parametrize("key,kind", [("rest_port", socket.SOCK_STREAM), ("ws_port", socket.SOCK_STREAM),
                                      ("sip_port", socket.SOCK_DGRAM), ("sip_port", socket.SOCK_STREAM)])
def test_port_in_use(make_suite, key, kind):
    suite = make_suite(start=False)
    port = int(suite.environment[f"HOOKSWITCH_SERVER_{key.upper()}"])
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((suite.host, port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        done = suite.quickstart("--background", "--no-build", check=False)
    assert done.returncode != 0
    assert str(port) in done.stderr and f"server.{key}" in done.stderr and f"HOOKSWITCH_SERVER_{key.upper()}" in done.stderr
    assert suite.quickstart("--status", check=False).returncode == 3


def test_several_side_by_side(make_suite):
    suites = [make_suite() for _ in range(2)]
    assert len({s.facts["api"] for s in suites}) == 2
    for suite in suites:
        assert suite.get("/api/v1/phone/status")["state"] == "offline"


def test_a_daemon_that_is_killed_with_its_keeper_comes_back(make_suite):
    suite = make_suite()
    keeper = suite.keeper("hookd")
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: suite.keeper("hookd") != keeper, 10, lambda: "hookd was not started again")
    wait_for(lambda: suite.get("/api/v1/health")["state"] in ("ok", "degraded"), 10)


def test_the_supervisor_is_killed(make_suite):
    suite = make_suite()
    supervisor = int((suite.home / "supervisor").read_text())
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: suite.quickstart("--status", check=False).returncode == 3, 5, lambda: "it still holds its lock")
    suite.start()
    assert suite.get("/api/v1/phone/status")["state"] == "offline"


def test_bad_configuration_is_named(make_suite):
    suite = make_suite(start=False)
    suite.prepare()
    path = suite.home / "hookswitch.yaml"
    path.write_text(path.read_text() + "\nnonsense: 1\n")
    done = suite.quickstart("--background", "--no-build", check=False)
    assert done.returncode != 0 and "nonsense" in done.stderr and "hookswitch.yaml" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_users_of_the_daemons(make_suite):
    suite = make_suite()
    uids = set()
    for name in daemons(suite):
        status = pathlib.Path(f"/proc/{suite.child(name)}/status").read_text()
        row = next(r for r in status.splitlines() if r.startswith("Uid:")).split()
        assert len(set(row[1:])) == 1
        uids.add(int(row[1]))
        assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
    assert len(uids) == len(daemons(suite)) and 0 not in uids


def fuse_with_mode(folder, permissions):
    """Words before a command that make it see a /dev/fuse with these permissions."""
    need("dahdi")
    node = folder / "fuse"
    os.mknod(node, stat.S_IFCHR, os.makedev(10, 229))
    node.chmod(permissions)
    try:
        os.close(os.open(node, os.O_RDWR))
    except OSError as error:
        pytest.skip(f"no device file of a test's own can be opened in {folder}: {error}")
    return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /dev/fuse && exec "$@"', node]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.mark.parametrize("permissions", [0o600, 0o666], ids=["without-fuse", "with-fuse"])
def test_an_ordinary_user(permissions):
    """Is told what he does not have: a user for each daemon, and perhaps simulated telephones."""
    user = pwd.getpwnam("nobody")
    home = pathlib.Path(tempfile.mkdtemp(prefix="hookswitch-e2e-"))
    shutil.chown(home, user.pw_uid, user.pw_gid)
    suite = Suite(home=home)
    words = [*fuse_with_mode(home, permissions), "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
             "--clear-groups", REPO / "deploy/quickstart"]
    environment = {**os.environ, **suite.environment}
    try:
        done = subprocess.run([*words, "--background", "--no-build"], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "degraded" in done.stdout
        suite.read_facts()
        assert suite.get("/api/v1/health")["state"] == "degraded"
        phone = suite.phone()
        suite.post("/api/v1/phone/ring", status=202)
        phone.wait_call().reject()
        phone.close()
        analog = [line for line in suite.facts["lines"] if line["driver"] == "dahdi"]
        if permissions == 0o666:
            suite.wait_state(analog[0]["id"], "on_hook", 15)
            suite.post(f"/api/v1/lines/{analog[0]['id']}/ring", status=202)
            ringing = subprocess.run(f"{analog[0]['command']} wait ringing", shell=True, capture_output=True, text=True)
            assert ringing.returncode == 0 and json.loads(ringing.stdout)["ok"], ringing
        else:
            assert not analog and "SIP lines only: /dev/fuse is not open to nobody" in done.stderr
        keepers = [suite.keeper(name) for name in daemons(suite)]
        done = subprocess.run([*words, "--stop"], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in keepers)
    finally:
        subprocess.run([*words, "--stop"], env=environment, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def test_simulated_telephones_in_two_commands(make_suite):
    need("dahdi")
    suite = make_suite(environment={"HOOKSWITCH_ANALOG": "simulator"})
    assert len(mounts(suite)) == 1
    line = next(line for line in suite.facts["lines"] if line["driver"] == "dahdi")
    assert mode(suite.home / "run/dahdisim") == 0o700, "whoever reaches it has files read and written by the simulator"
    status = suite.quickstart("--status").stdout
    assert line["command"] in status and f"dahdisim runs with pid {suite.keeper('dahdisim')}" in status
    suite.wait_state(line["id"], "on_hook")
    rung, lifted = tried(suite)
    assert rung["line"] == line["id"] and lifted["ok"]
    suite.wait_state(line["id"], "off_hook")
    suite.stop()
    assert not mounts(suite) and not list((suite.home / "card/dahdi").iterdir())


@pytest.mark.parametrize("who", ["simulator", "everybody"])
def test_a_killed_simulator_leaves_no_mount(make_suite, who):
    need("dahdi")
    suite = make_suite(environment={"HOOKSWITCH_ANALOG": "simulator"})
    keepers = [suite.keeper(name) for name in daemons(suite)]
    children = [suite.child(name) for name in daemons(suite)]
    simulator = suite.keeper("dahdisim")
    suite.wait_state("phone3", "on_hook")
    if who == "everybody":
        os.kill(int((suite.home / "supervisor").read_text()), signal.SIGKILL)
        for pid in [*keepers, *children, simulator]:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in [*keepers, simulator]))
        suite.start()
    else:
        os.kill(simulator, signal.SIGKILL)
        wait_for(lambda: suite.keeper("dahdisim") != simulator, 10, lambda: "it was not started again")
    suite.wait_state("phone3", "on_hook", 15)
    suite.post("/api/v1/lines/phone3/ring", status=202)
    suite.wait_state("phone3", "ringing")
    suite.stop()
    assert not mounts(suite)


@pytest.mark.parametrize("word,lines", [("none", 0), ("card", 1)])
def test_without_simulator(make_suite, word, lines):
    suite = make_suite(environment={"HOOKSWITCH_ANALOG": word, "HOOKSWITCH_DAHDI_DEVICE": "/dev/no-such-card"})
    analog = [line for line in suite.facts["lines"] if line["driver"] == "dahdi"]
    assert len(analog) >= lines and not any("command" in line for line in analog) and not mounts(suite)
    if lines:
        line = suite.get(f"/api/v1/lines/{analog[0]['id']}")["line"]
        assert line["state"] == "offline" and line["trouble"] == "no_driver" and "modprobe" in line["why"]
        assert line["why"] in suite.quickstart("--status").stdout
        suite.wait_child("apid", suite.kill("apid"))
        wait_for(lambda: suite.request("GET", "/api/v1/health").status_code == 200, 10)
        assert suite.get(f"/api/v1/lines/{line['id']}")["line"] == line
    else:
        assert "dahdid" not in (suite.home / "pids").read_text()


def test_help_and_unknown_options():
    done = subprocess.run([REPO / "deploy/quickstart", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--background" in done.stdout and "HOOKSWITCH_HOME" in done.stdout
    done = subprocess.run([REPO / "deploy/quickstart", "--nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and "--nonsense" in done.stderr
