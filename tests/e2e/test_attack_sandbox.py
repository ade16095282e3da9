"""Somebody who has taken over a process: beside the real one with the same user, sandbox and keys, and inside it."""
import os
import pathlib
import platform
import re
import subprocess

import pytest

from suite import BUILD, DAEMONS, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives each daemon a user of its own")
ATTACK = BUILD / "tests/attack"
REFUSED = ("killed", "refused EACCES", "refused EPERM", "refused ENOENT", "refused EMFILE")
# System calls that no table has, also not for a sanitizer: number on x86_64, on arm64, arguments.
CALLS = {
    "execve": (59, 221, 0, 0, 0), "bpf": (321, 280, 0, 0, 0), "mount": (165, 40, 0, 0, 0, 0, 0),
    "unshare": (272, 97, 0x10000000), "setuid": (105, 146, 0), "io_uring_setup": (425, 425, 1, 0),
    "socket": (41, 198, 17, 3, 0), "mmap": (9, 222, 0, 4096, 7, 0x22, 2 ** 64 - 1, 0), "keyctl": (250, 219, 0, 0),
}
INJECTED = {"api-front": "execve", "apid": "mmap", "hookd": "socket", "hook-stream": "io_uring_setup", "mediad": "bpf",
            "dahdid": "unshare", "sipd": "setuid"}


@pytest.fixture(scope="module")
def shared(make_shared):
    return make_shared({"webhooks": {"allow_networks": []}})  # where networks are listed, every port may be reached


def talk(suite):
    """A call between two telephones."""
    first, second = suite.phone(0), suite.phone(1)
    call = first.call(suite.number(suite.line(1, "sip")), codec="PCMU")
    other = second.wait_call()
    other.codecs = ["PCMU"]
    other.answer()
    call.wait("up")
    return call


@pytest.fixture
def call(suite):
    return talk(suite)


def still_talks(call):
    """What the other one says arrives, now."""
    before = len(call.rtp.received)
    wait_for(lambda: len(call.rtp.received) > before + 25, 10, lambda: "no audio comes any more")
    return call.state == "up"


def attack(suite, daemon, disguise):
    """What became of each attempt, by its name."""
    done = subprocess.run([ATTACK / f"hostile-{daemon}", disguise, suite.home], capture_output=True, text=True,
                          timeout=120, env={**os.environ, **suite.environment})
    assert done.returncode == 0, done.stderr
    calls = sorted(set(re.findall(r"call=(\w+)", done.stderr)))
    return dict(row.split("\t") for row in done.stdout.splitlines()), calls


@pytest.mark.parametrize("disguise, least", [("child", 40), ("keeper", 34), ("scribe", 40)])
def test_who_takes_a_process_over_gains_nothing(suite, call, disguise, least):
    before = {daemon: suite.child(daemon) for daemon in DAEMONS}
    for daemon in DAEMONS:
        outcomes, calls = attack(suite, daemon, disguise)
        worked = {name: how for name, how in outcomes.items() if how not in REFUSED and how != "allowed"}
        assert not worked, f"{disguise} of {daemon}: {worked}"
        tried = [name for name, how in outcomes.items() if how != "allowed"]
        assert len(tried) >= least - 11 * ("san" in BUILD.name), f"{disguise} of {daemon}: only {tried} were tried"
        assert disguise == "scribe" or {"execve", "bpf", "socket"} <= set(calls)
    assert still_talks(call)
    assert {daemon: suite.child(daemon) for daemon in DAEMONS} == before, "somebody died of it"
    assert suite.get("/api/v1/health")["state"] == "ok"


def inject(pid, call):
    """A system call in a running process; what became of it."""
    x86, arm, *arguments = CALLS[call]
    number = x86 if platform.machine() == "x86_64" else arm
    done = subprocess.run([ATTACK / "inject", str(pid), str(number), *map(str, arguments)], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def part(suite, daemon):
    """What /health says of a daemon; nothing while apid is away."""
    parts = suite.request("GET", "/api/v1/health").json().get("parts", [])
    return next((p for p in parts if p["daemon"] == daemon), {})


def counted(suite, name):
    reply = suite.request("GET", "/api/v1/metrics")
    return reply.status_code == 200 and f"{name} 1\n" in reply.text


def test_a_running_daemon_is_ended_told_and_counted(make_suite):
    suite = make_suite()
    for daemon, call in INJECTED.items():
        before = suite.child(daemon)
        assert inject(before, call) == "signal 31"
        suite.wait_child(daemon, before, timeout=10)
        wait_for(lambda: f"event=sandbox.refused pid={before} call={call} " in suite.log(daemon), 10)
        wait_for(lambda: part(suite, daemon).get("state") == "degraded", 20,
                 lambda: f"{daemon} is {part(suite, daemon)}")
        assert "forbidden system call" in part(suite, daemon)["why"]
        name = f'hookswitch_sandbox_refused_total{{daemon="{daemon}",call="{call}"}}'
        wait_for(lambda: counted(suite, name), 20, lambda: f"{name} is not counted")


def test_a_call_goes_on_while_daemons_are_taken_over(make_suite):
    suite = make_suite()
    call = talk(suite)
    for daemon in ("apid", "api-front", "hookd", "hook-stream", "mediad", "sipd"):
        before = suite.child(daemon)
        assert inject(before, "execve") == "signal 31"
        assert still_talks(call)
        suite.wait_child(daemon, before, timeout=10)
    call.hangup()
    suite.wait_idle(10)


def scribe_of(suite, daemon):
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if (entry / "comm").read_text() == f"{daemon}-scribe\n" and \
                    f"HOOKSWITCH_HOME={suite.home}\0".encode() in (entry / "environ").read_bytes() + b"\0":
                return int(entry.name)
        except OSError:
            pass
    return None


def test_keeper_and_scribe_are_ended_too(make_suite):
    suite = make_suite()
    keeper, scribe = suite.keeper("hookd"), scribe_of(suite, "hookd")
    assert inject(scribe, "execve") == "signal 31"
    wait_for(lambda: scribe_of(suite, "hookd") not in (None, scribe), 10)
    assert inject(keeper, "mount") == "signal 31"
    wait_for(lambda: "event=sandbox.refused" in suite.log("hookd") and "call=mount" in suite.log("hookd"), 10)
    wait_for(lambda: suite.keeper("hookd") != keeper and part(suite, "hookd").get("state") == "ok", 30)


def facts_of(pid):
    rows = (row.split(":", 1) for row in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, value in rows}


def test_the_walls_stand_around_every_process(suite):
    for daemon in DAEMONS:
        child, keeper, scribe = suite.child(daemon), suite.keeper(daemon), scribe_of(suite, daemon[:8])
        for pid in (child, keeper, scribe):
            facts = facts_of(pid)
            assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2", (daemon, pid, facts)
            assert int(facts["CapEff"], 16) & ~0x1e0 == 0, (daemon, pid, facts)
        for pid in (child, scribe):
            facts = facts_of(pid)
            assert all(int(facts[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")), facts
            assert "0" not in facts["Uid"].split()
        for thread in pathlib.Path(f"/proc/{child}/task").iterdir():
            assert "\nSeccomp:\t2\n" in (thread / "status").read_text()
        assert int(facts_of(child)["Seccomp_filters"]) >= 3
        limits = pathlib.Path(f"/proc/{child}/limits").read_text()
        assert "san" in BUILD.name or "Max processes             0                    0" in limits
        assert "Max core file size        0                    0" in limits
    for row in suite.get("/api/v1/health")["parts"]:
        assert row["sandbox"].startswith("seccomp ") and "landlock" in row["sandbox"]
