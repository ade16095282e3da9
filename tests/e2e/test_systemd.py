"""The units of deploy/systemd: what they leave open, whether they fit the contract, and the suite started as they start it:
each daemon as its own user from the beginning, and telling its service manager how it is."""
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest

from suite import BUILD, DAEMONS, REPO, wait_for

UNITS = REPO / "deploy/systemd"
PROGRAMS = {"apid": "apid", "api-front": "apid/front", "sipd": "sipd", "dahdid": "dahdid", "mediad": "mediad", "hookd": "hookd",
            "hook-stream": "hookd/stream"}
# What systemd counts. The network is 0.9 of it, and cannot be taken from whoever serves phones or calls webhooks; nobody
# can run in a user namespace of his own (0.2), since the bus knows who is who by users.
MOST = {"apid": 0.5, "dahdid": 0.5, **dict.fromkeys(("api-front", "sipd", "mediad", "hookd", "hook-stream"), 1.4)}


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    """The units as meson makes them, with programs that are there."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is missing")
    folder = tmp_path_factory.mktemp("units")
    shutil.copytree(UNITS / "hookswitch-.service.d", folder / "hookswitch-.service.d")
    shutil.copy(UNITS / "hookswitch.target", folder)
    for path in (BUILD / "deploy/systemd").glob("*.service"):
        text = re.sub(r"^(Exec\w+)=\S+/(deploy/)?(\S+)", rf"\1={folder}/\3", path.read_text(), flags=re.M)
        (folder / path.name).write_text(text)
    for name in (*PROGRAMS, "hookctl", "quickstart"):
        (folder / name).symlink_to("/bin/true")
    return folder


def test_systemd_finds_no_fault(units):
    found = subprocess.run(["systemd-analyze", "verify", *map(str, units.glob("*.service")), units / "hookswitch.target"],
                           capture_output=True, text=True, timeout=60)
    assert not [row for row in found.stderr.splitlines() if "hookswitch" in row], found.stderr
    assert len(list(units.glob("*.service"))) == len(DAEMONS) + 1


@pytest.mark.parametrize("daemon", DAEMONS)
def test_what_a_unit_leaves_open(units, daemon):
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", units / f"hookswitch-{daemon}.service"],
                          capture_output=True, text=True, timeout=60).stdout
    exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)[1])
    assert exposure <= MOST[daemon], said


def members(word):
    """System calls of one of systemd's groups."""
    if not word.startswith("@"):
        return {word}
    rows = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True).stdout.split("\n")
    return set().union(*(members(row.strip()) for row in rows[1:] if row.strip() and not row.strip().startswith("#")))


# What only root needs, or a library that was told to.
UNNEEDED = {"capset", "chown", "fchownat", "sched_setaffinity", "setgroups", "setresgid", "setresuid", "setrlimit"}
# A keeper that may not just does not give way to its child; whose child is in a hurry has it in its own unit.
OPTIONAL = {"sched_setscheduler"}


def test_what_the_daemons_may_call_the_units_let_through(units):
    allowed = set()
    for row in re.findall(r"^SystemCallFilter=(.*)$", (UNITS / "hookswitch-.service.d/walls.conf").read_text(), re.M):
        calls = set().union(*(members(word) for word in row.lstrip("~").split()))
        allowed = allowed - calls if row.startswith("~") else allowed | calls
    for daemon, folder in PROGRAMS.items():
        said = subprocess.run([BUILD / folder / daemon, "--dump-sandbox"], capture_output=True, text=True, check=True).stdout
        assert {row.split()[2] for row in said.splitlines() if row.startswith("call ")} - allowed <= UNNEEDED | OPTIONAL, daemon
        own = set(values(daemon, "SystemCallFilter"))
        assert own <= OPTIONAL and bool(own) == (daemon in ("dahdid", "mediad")), daemon


def values(daemon, key):
    text = (UNITS / f"hookswitch-{daemon}.service.in").read_text()
    return " ".join(re.findall(rf"^{key}=(.*)$", text, re.M)).split()


def numbers():
    """Name to number of users and groups."""
    rows = [row.split() for row in (UNITS / "hookswitch.sysusers.conf").read_text().splitlines()]
    return {row[1]: int(row[2]) for row in rows if row and row[0] in "ug" and row[2].isdigit()}


class Manager:
    """Starts daemons as systemd does: with user, groups, no capability, and a socket to be told on."""

    def __init__(self, suite):
        self.suite, self.processes, self.said = suite, {}, {daemon: [] for daemon in DAEMONS}
        self.programs = suite.home / "programs"  # where every user gets to
        self.programs.mkdir(mode=0o755)
        self.sockets = {}

    def start(self, daemon):
        shutil.copy(BUILD / PROGRAMS[daemon] / daemon, self.programs)
        path = self.suite.home / f"notify-{daemon}"
        self.sockets[daemon] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sockets[daemon].bind(str(path))
        self.sockets[daemon].setblocking(False)
        path.chmod(0o666)
        self.processes[daemon] = self.run(daemon, NOTIFY_SOCKET=str(path), WATCHDOG_USEC="4000000")

    def run(self, daemon, *words, **environment):
        """Its program, with this user's rights."""
        known = numbers()
        groups = [str(known[name]) for name in values(daemon, "SupplementaryGroups") if name in known]
        user = str(known[f"hookswitch-{daemon}"])
        log = (self.suite.home / "logs" / f"{daemon}.log").open("ab")
        process = subprocess.Popen(
            ["setpriv", "--reuid", user, "--regid", user, "--groups", ",".join(groups), "--bounding-set=-all", "--inh-caps=-all",
             "--no-new-privs", self.programs / daemon, "--config", "hookswitch.yaml", *words], cwd=self.suite.home,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.suite.environment, **environment})
        log.close()
        return process

    def end(self, daemon, pid):
        """One that is not our own child any more."""
        os.kill(pid, signal.SIGTERM)
        with (self.suite.home / "run" / f"{daemon}.lock").open() as lock:
            wait_for(lambda: self.takes(lock), 30, lambda: f"{daemon} does not end")

    @staticmethod
    def takes(lock):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False

    def heard(self, daemon, wanted):
        try:
            while True:
                self.said[daemon].append(self.sockets[daemon].recv(4096).decode())
        except BlockingIOError:
            return wanted in self.said[daemon]

    def wait(self, daemon, wanted):
        wait_for(lambda: self.heard(daemon, wanted), 30, lambda: f"{daemon} said {self.said[daemon]}\n{self.suite.log(daemon)[-2000:]}")

    def close(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(20)


@pytest.fixture(scope="module")
def manager(make_shared):
    if os.geteuid() != 0:
        pytest.skip("only root can start programs as other users")
    suite = make_shared(start=False)
    suite.prepare()
    suite.home.chmod(0o711)
    subprocess.run([BUILD / "proto/hookctl/hookctl", "folders"], env={**os.environ, **suite.environment}, check=True,
                   capture_output=True)
    manager = Manager(suite)
    try:
        yield manager
    finally:
        manager.close()


def test_users_and_groups_are_those_of_the_contract(manager):
    known = numbers()
    for daemon in DAEMONS:
        assert (manager.suite.home / daemon).stat().st_uid == known.pop(f"hookswitch-{daemon}")
        for edge in (manager.suite.home / "run" / daemon).iterdir():
            assert edge.stat().st_gid == known.pop(f"hs-{daemon}-{edge.name}")
    assert (manager.suite.home / "hookswitch.yaml").stat().st_gid == known.pop("hookswitch")
    assert not known
    compose = (REPO / "deploy/compose.yaml").read_text()
    for daemon in set(DAEMONS) - {"dahdid"}:
        groups = [str(numbers()[name]) for name in values(daemon, "SupplementaryGroups")]
        user = numbers()[f"hookswitch-{daemon}"]
        assert f'user: "{user}:{user}"\n    group_add: {groups}'.replace("'", '"') in compose, daemon


def test_daemons_that_are_never_root(manager):
    daemons = [daemon for daemon in DAEMONS if daemon != "dahdid"]  # which needs the group of a device
    for daemon in daemons:
        manager.start(daemon)
    for daemon in daemons:
        manager.wait(daemon, "READY=1")
    suite = manager.suite
    wait_for(lambda: sum(p["state"] == "ok" for p in suite.get("/api/v1/health", token=False)["parts"]) >= len(daemons), 20,
             lambda: suite.get("/api/v1/health", token=False)["parts"])
    for daemon in daemons:
        manager.wait(daemon, "WATCHDOG=1")
        uid = str(numbers()[f"hookswitch-{daemon}"])
        keeper = pathlib.Path(f"/proc/{manager.processes[daemon].pid}")
        rows = dict(row.split(":\t", 1) for row in (keeper / "status").read_text().splitlines() if ":\t" in row)
        assert set(rows["Uid"].split()) == {uid} and int(rows["CapBnd"], 16) == int(rows["CapPrm"], 16) == 0


def test_a_new_program_takes_over(manager):
    """What a unit's ExecReload does: the manager is told which process it is now, and hears from that one."""
    for daemon in ("sipd", "apid"):
        old = manager.processes[daemon]
        assert manager.run(daemon, "--upgrade", "--detach").wait(60) == 0, manager.suite.log(daemon)[-2000:]
        assert old.wait(10) == 0
        with (manager.suite.home / "run" / f"{daemon}.lock").open() as lock:
            new = int(lock.read())
        assert new != old.pid
        try:
            manager.wait(daemon, f"MAINPID={new}")
            manager.said[daemon].clear()
            manager.wait(daemon, "WATCHDOG=1")
        finally:
            manager.end(daemon, new)
        manager.wait(daemon, "STOPPING=1")


def test_a_group_too_many_is_refused(manager):
    done = subprocess.run(["setpriv", "--reuid", "64203", "--regid", "64203", "--groups", "64200,64316,64348,64351,64364,64368,64380",
                           "--bounding-set=-all", "--no-new-privs", shutil.copy(BUILD / "dahdid/dahdid", manager.programs), "--config",
                           "hookswitch.yaml"], cwd=manager.suite.home, env={**os.environ, **manager.suite.environment},
                          capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 78 and "daemon.wrong_groups group=64380" in done.stderr


def test_the_end_is_told(manager):
    process = manager.processes["hookd"]
    process.send_signal(signal.SIGTERM)
    manager.wait("hookd", "STOPPING=1")
    assert process.wait(20) == 0
