"""The suite in containers, as deploy/compose.yaml has it: image built here, every daemon in a container of its own, a call
through it, and what each container may not do. What was built for them also runs as services of systemd."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest
import requests

import audio
from handsets import need
from phone import Phone
from suite import REPO, free_port, wait_for

DAEMONS = ("apid", "api-front", "sipd", "dahdid", "mediad", "hookd", "hook-stream")
HOST = "127.0.0.1"


class Docker:
    """A docker daemon of our own, its data in a folder of ours."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hookswitch-docker-"))
        self.socket = f"unix://{self.folder}/socket"
        self.process = subprocess.Popen(
            ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "--pidfile",
             self.folder / "pid", "-H", self.socket, "--bridge=none", "--iptables=false", "--ip-forward=false"],
            stdout=(self.folder / "log").open("w"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def ready(self):
        return self.process.poll() is None and self.run("docker", "info", check=False).returncode == 0

    def run(self, *words, check=True, timeout=900, **environment):
        done = subprocess.run(list(map(str, words)), env={**os.environ, "DOCKER_HOST": self.socket, **environment},
                              capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, cwd=REPO)
        assert not check or done.returncode == 0, f"{words}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def build(self, target, image):
        self.run("docker", "build", "--network", "host", "--build-arg", "BASE=hookswitch-base", "-f", "deploy/Dockerfile",
                 "--target", target, "-t", image, ".")

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        subprocess.run(["umount", self.folder / "exec/netns/default"], capture_output=True)  # it forgets this one
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def docker():
    if os.geteuid() != 0:
        pytest.skip("containers need root: dockerd is started by the test")
    if subprocess.run([REPO / "deploy/install-packages", "containers"], stdin=subprocess.DEVNULL).returncode:
        pytest.skip("docker.io, docker-compose or debootstrap cannot be installed here")
    docker = Docker()
    try:
        try:
            wait_for(docker.ready, 30, lambda: (docker.folder / "log").read_text()[-500:], step=0.2)
        except AssertionError as error:
            pytest.skip(f"dockerd does not run here: {error}")
        yield docker
    finally:
        docker.close()


def settings():
    """Where a suite listens on this host, beside others."""
    return {"HOOKSWITCH_SERVER_HOST": HOST, "HOOKSWITCH_SERVER_REST_PORT": str(free_port(HOST, 8100, 8500)),
            "HOOKSWITCH_SERVER_WS_PORT": str(free_port(HOST, 8500, 8900)),
            "HOOKSWITCH_SERVER_SIP_PORT": str(free_port(HOST, 5100, 5900))}


class Compose:
    """The compose file, up, on ports of its own."""

    def __init__(self, docker):
        self.docker = docker
        self.environment = {"HOOKSWITCH_ANALOG": "simulator", "HOOKSWITCH_BASE_IMAGE": "hookswitch-base", **settings()}

    def __call__(self, *words, **more):
        return self.docker.run("docker-compose", "-f", "deploy/compose.yaml", "--project-name", "hookswitch",
                               "--profile", "simulator", *words, **self.environment, **more)

    def inspect(self, daemon, what):
        return json.loads(self.docker.run("docker", "inspect", "-f", f"{{{{json {what}}}}}", f"hookswitch_{daemon}_1").stdout)

    def first_pid(self, daemon):
        """The first process of its container, as this host sees it; 0: it does not run."""
        return self.inspect(daemon, ".State.Pid")

    def root(self, daemon):
        """Its file system, as it sees it itself; there is nothing in it to look with."""
        return pathlib.Path(f"/proc/{self.first_pid(daemon)}/root")

    def pid(self, daemon):
        """The process that does the work: it has the daemon's name, its keeper and scribe have others. None: it is away."""
        waiting = [self.first_pid(daemon)]
        while waiting and waiting[0]:
            folder = pathlib.Path(f"/proc/{waiting[0]}")
            try:
                waiting += map(int, (folder / "task" / str(waiting.pop(0)) / "children").read_text().split())
                if (folder / "comm").read_text().strip() == daemon:
                    return int(folder.name)
            except FileNotFoundError:
                continue  # it ended meanwhile
        return None


@pytest.fixture(scope="module")
def compose(docker):
    need("dahdi")
    docker.run("deploy/make-base", "hookswitch-base")
    docker.build("daemons", "hookswitch")
    docker.build("tools", "hookswitch-tools")
    compose = Compose(docker)
    try:
        compose("up", "-d")
        compose.facts = json.loads(compose("run", "--rm", "-T", "setup", "cat", "quickstart.json").stdout)
        yield compose
    finally:
        compose("down", "-v", check=False)


def health(facts):
    try:
        reply = requests.get(facts["api"] + "/api/v1/health", timeout=2)
    except requests.ConnectionError:
        return None
    return reply.json() if reply.status_code == 200 else None


def make_a_call(facts):
    line, api = facts["lines"][0], facts["api"] + "/api/v1"
    headers = {"Authorization": f"Bearer {facts['token']}"}
    host, port = facts["sip"].split(":")
    with Phone(line["user"], line["password"], (host, int(port)), facts["domain"]) as phone:
        assert phone.register().status == 200
        wait_for(lambda: requests.get(api + "/phone/status", headers=headers).json()["state"] == "on_hook")
        assert requests.post(api + "/phone/ring", headers=headers, json={}).status_code == 202
        call = phone.wait_call()
        call.answer()
        wait_for(lambda: requests.get(api + "/phone/status", headers=headers).json()["state"] == "off_hook")
        tone = bytes(audio.encode(audio.tone([440], 1.0), "PCMU"))
        assert requests.post(api + "/phone/audio", headers={**headers, "Content-Type": "audio/PCMU"},
                             data=tone).status_code == 202
        wait_for(lambda: tone[:160] in call.rtp.heard(), 5, lambda: "the sound was not heard")
        assert requests.post(api + "/phone/hangup", headers=headers).status_code == 200
        call.wait("ended")


def test_a_call_through_containers(compose):
    wait_for(lambda: (health(compose.facts) or {}).get("state") == "ok", 20, lambda: compose("logs", "--tail=20").stdout)
    make_a_call(compose.facts)


def test_a_simulated_telephone_in_its_container(compose):
    line = next(line for line in compose.facts["lines"] if line["driver"] == "dahdi")
    api, headers = compose.facts["api"] + "/api/v1", {"Authorization": f"Bearer {compose.facts['token']}"}

    def state():
        return requests.get(f"{api}/lines/{line['id']}", headers=headers).json()["line"]["state"]

    def work(*words):
        return json.loads(compose("exec", "-T", "dahdid", "dahdisim-phone", str(line["channel"]), *words).stdout)

    wait_for(lambda: state() == "on_hook", 10, state)
    assert requests.post(f"{api}/lines/{line['id']}/ring", headers=headers, json={}).status_code == 202
    assert work("wait", "ringing")["ok"] and work("lift")["ok"]
    wait_for(lambda: state() == "off_hook", 5, state)
    assert work("hangup")["ok"]
    wait_for(lambda: state() == "on_hook", 10, state)
    for daemon in DAEMONS:
        seen = os.listdir(compose.root(daemon) / "var/lib/hookswitch/card/dahdi")
        assert ("ctl" in seen) == (daemon == "dahdid"), f"{daemon} sees {seen}"


def status_of(pid):
    return dict(row.split(":\t", 1) for row in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in row)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_daemon_in_its_container_has_no_privilege(compose, daemon):
    status, first = status_of(compose.pid(daemon)), status_of(compose.first_pid(daemon))
    for process in [status] if daemon == "dahdid" else [status, first]:  # its keeper takes the device's group along
        assert "0" not in process["Uid"].split()
        assert all(int(process[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"))
        assert process["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2" and int(status["Seccomp_filters"]) >= 2  # Docker's and its own


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_container_has_walls(compose, daemon):
    host = compose.inspect(daemon, ".HostConfig")
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and "no-new-privileges:true" in host["SecurityOpt"]
    assert bool(host["Devices"]) == bool(host["CapAdd"]) == (daemon == "dahdid"), host
    assert host["Memory"] and host["PidsLimit"] and host["NanoCpus"] and {u["Name"] for u in host["Ulimits"]} == {"core", "nofile"}
    assert (host["NetworkMode"] == "none") == (daemon in ("apid", "dahdid"))
    with pytest.raises(OSError, match="Read-only file system"):
        (compose.root(daemon) / "opt/hookswitch/x").touch()
    wait_for(lambda: compose.inspect(daemon, ".State.Health.Status") == "healthy", 30)


def test_the_image_has_no_shell(compose):
    root = compose.root("sipd")
    files = [path for folder in ("usr", "lib", "lib64", "opt", "etc") for path in (root / folder).rglob("*") if path.is_file()]
    assert len(files) > 50 and not any(path.name in ("sh", "bash", "dash", "apt", "dpkg", "perl") for path in files)
    assert not any(path.stat().st_mode & 0o6000 for path in files)
    assert int(compose.docker.run("docker", "inspect", "-f", "{{.Size}}", "hookswitch").stdout) < 50e6


def test_a_killed_daemon_comes_back(compose):
    old = compose.pid("sipd")
    os.kill(old, 9)
    wait_for(lambda: compose.pid("sipd") not in (None, old), 5)
    wait_for(lambda: (health(compose.facts) or {}).get("state") == "ok", 10)


def test_a_stopped_keeper_is_unhealthy(compose):
    keeper = int(status_of(compose.pid("hookd"))["PPid"])
    alive = ("docker", "exec", "hookswitch_hookd_1", "hookctl", "alive", "hookd")
    assert compose.docker.run(*alive).returncode == 0
    os.kill(keeper, signal.SIGSTOP)
    try:
        assert compose.docker.run(*alive, check=False).returncode == 3
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert compose.docker.run(*alive).returncode == 0


def test_killed_containers_come_back(compose):
    """All of them at once, as when a machine loses its power; a call goes through afterwards."""
    old = {daemon: compose.first_pid(daemon) for daemon in DAEMONS}
    for pid in old.values():
        os.kill(pid, signal.SIGKILL)  # what is first in a container takes all else in it along
    for daemon in DAEMONS:
        wait_for(lambda: compose.first_pid(daemon) not in (0, old[daemon]), 20, lambda: f"{daemon} is away", step=0.2)
    wait_for(lambda: (health(compose.facts) or {}).get("state") == "ok", 20, lambda: compose("logs", "--tail=20").stdout)
    make_a_call(compose.facts)


# ---- Services ----

# What systemd itself needs in a container; the services have less.
CAPABILITIES = ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "KILL", "MKNOD",
                "NET_ADMIN", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_CHROOT", "SYS_NICE",
                "SYS_PTRACE", "SYSLOG")


@pytest.fixture
def services(docker, compose, tmp_path):
    """A container in which systemd runs the suite, installed as README.md says."""
    docker.build("build", "hookswitch-build")
    docker.run("docker", "build", "--network", "host", "-f", "tests/e2e/systemd.Dockerfile", "-t", "hookswitch-systemd", "tests/e2e")
    (tmp_path / "hookswitch").write_text("".join(f"{name}={value}\n" for name, value in settings().items()))
    options = [word for capability in CAPABILITIES for word in ("--cap-add", capability)]
    docker.run("docker", "create", "--name", "services", "--network", "host", "--cap-drop", "ALL", *options, "--cgroupns=host",
               "-v", "/sys/fs/cgroup:/sys/fs/cgroup", "--tmpfs", "/run", "--tmpfs", "/tmp", "--security-opt", "seccomp=unconfined",
               "--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined", "hookswitch-systemd")
    docker.run("docker", "cp", tmp_path / "hookswitch", "services:/etc/default/hookswitch")

    def run(*words, **more):
        return docker.run("docker", "exec", "services", *words, **more).stdout

    try:
        started = docker.run("docker", "start", "services", check=False)
        try:
            wait_for(lambda: run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded", "starting"), 20,
                     lambda: started.stderr + docker.run("docker", "logs", "services", check=False).stdout[-500:], step=0.2)
        except AssertionError as error:
            pytest.skip(f"systemd does not run in a container here: {error}")
        yield run
    finally:
        docker.run("docker", "rm", "-f", "services", check=False)


def test_services_of_systemd(services):
    names = [f"hookswitch-{daemon}" for daemon in DAEMONS if daemon != "dahdid"]

    def all_run():
        return services("systemctl", "is-active", *names, check=False).split() == ["active"] * len(names)

    def why():
        return services("sh", "-c", "systemctl status --no-pager -n 5 'hookswitch*'; journalctl -n 40 --no-pager", check=False)

    wait_for(all_run, 60, why, step=0.5)
    facts = json.loads(services("cat", "/var/lib/hookswitch/quickstart.json"))
    wait_for(lambda: (health(facts) or {}).get("state") == "ok", 20, why)
    make_a_call(facts)
    old = services("systemctl", "show", "-P", "MainPID", "hookswitch-sipd").strip()
    services("sh", "-c", f"kill -KILL {old}")  # the keeper: its child goes with it
    wait_for(lambda: services("systemctl", "show", "-P", "MainPID", "hookswitch-sipd").strip() not in ("0", old) and all_run(), 20, why)
    wait_for(lambda: (health(facts) or {}).get("state") == "ok", 20, why)
    make_a_call(facts)
    users = services("sh", "-c", "for name in \"$@\"; do grep -H ^Uid: /proc/$(systemctl show -P MainPID $name)/status; done", "sh", *names)
    assert len(users.split("\n")) == len(names) + 1 and not any("0" in row.split() for row in users.splitlines()), users
    services("systemctl", "stop", "hookswitch.target")
    wait_for(lambda: services("systemctl", "is-active", *names, check=False).split() == ["inactive"] * len(names), 20, why)


def test_prometheus_in_its_container_reads_the_figures(compose):
    compose.docker.build("prometheus", "hookswitch-prometheus")
    port = free_port(HOST, 9100, 9900)
    compose.environment["HOOKSWITCH_PROMETHEUS_PORT"] = str(port)
    compose("up", "-d", "--no-deps", "prometheus")

    def is_read():
        try:
            reply = requests.get(f"http://{HOST}:{port}/api/v1/query", params={"query": "hookswitch_calls_active"}, timeout=2)
        except requests.ConnectionError:
            return False
        return reply.status_code == 200 and reply.json()["data"]["result"]

    wait_for(is_read, 60, lambda: compose("logs", "--tail=20", "prometheus").stdout, step=0.5)
    write = compose("exec", "-T", "prometheus", "touch", "/var/lib/hookswitch/x", check=False)
    assert write.returncode != 0
