"""The suite in containers, as deploy/compose.yaml has it: image built here, every daemon in a container of its own, a call
through it, and what each container may not do."""
import json
import os
import pathlib
import shutil
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


class Compose:
    """The compose file, up, on ports of its own."""

    def __init__(self, docker):
        self.docker = docker
        self.environment = {"HOOKSWITCH_ANALOG": "simulator", "HOOKSWITCH_SERVER_HOST": HOST, "HOOKSWITCH_BASE_IMAGE": "hookswitch-base",
                            "HOOKSWITCH_SERVER_REST_PORT": str(free_port(HOST, 8100, 8500)),
                            "HOOKSWITCH_SERVER_WS_PORT": str(free_port(HOST, 8500, 8900)),
                            "HOOKSWITCH_SERVER_SIP_PORT": str(free_port(HOST, 5100, 5900))}

    def __call__(self, *words, **more):
        return self.docker.run("docker-compose", "-f", "deploy/compose.yaml", "--project-name", "hookswitch",
                               "--profile", "simulator", *words, **self.environment, **more)

    def pid(self, daemon):
        """The process that does the work, as this host sees it."""
        top = self.docker.run("docker", "inspect", "-f", "{{.State.Pid}}", f"hookswitch_{daemon}_1").stdout
        pid = int(top)
        while children := pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            pid = int(children[-1])  # beside the simulator, dahdid is the last
        return pid


@pytest.fixture(scope="module")
def compose(docker):
    need("dahdi")
    docker.run("deploy/make-base", "hookswitch-base")
    docker.run("docker", "build", "--network", "host", "--build-arg", "BASE=hookswitch-base", "-f", "deploy/Dockerfile",
               "-t", "hookswitch", ".")
    compose = Compose(docker)
    try:
        compose("up", "-d")
        compose.facts = json.loads(compose("exec", "-T", "apid", "cat", "quickstart.json").stdout)
        yield compose
    finally:
        compose("down", "-v", check=False)


def health(compose):
    try:
        reply = requests.get(compose.facts["api"] + "/api/v1/health", timeout=2)
    except requests.ConnectionError:
        return None
    return reply.json() if reply.status_code == 200 else None


def test_a_call_through_containers(compose):
    wait_for(lambda: (health(compose) or {}).get("state") == "ok", 20, lambda: compose("logs", "--tail=20").stdout)
    line, api = compose.facts["lines"][0], compose.facts["api"] + "/api/v1"
    headers = {"Authorization": f"Bearer {compose.facts['token']}"}
    host, port = compose.facts["sip"].split(":")
    with Phone(line["user"], line["password"], (host, int(port)), compose.facts["domain"]) as phone:
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
        seen = compose("exec", "-T", daemon, "ls", "/var/lib/hookswitch/card/dahdi", check=False).stdout.split()
        assert ("ctl" in seen) == (daemon == "dahdid"), f"{daemon} sees {seen}"


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_daemon_in_its_container_has_no_privilege(compose, daemon):
    status = dict(row.split(":\t", 1) for row in pathlib.Path(f"/proc/{compose.pid(daemon)}/status").read_text().splitlines()
                  if ":\t" in row)
    assert "0" not in status["Uid"].split()
    assert all(int(status[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"))
    assert status["NoNewPrivs"] == "1"


def test_containers_are_read_only_and_healthy(compose):
    for daemon in DAEMONS:
        refused = compose("exec", "-T", daemon, "touch", "/opt/hookswitch/x", check=False)
        assert "Read-only file system" in refused.stderr
        wait_for(lambda: "healthy" == compose.docker.run(
            "docker", "inspect", "-f", "{{.State.Health.Status}}", f"hookswitch_{daemon}_1").stdout.strip(), 30)


def test_a_killed_daemon_comes_back(compose):
    old = compose.pid("sipd")
    os.kill(old, 9)
    wait_for(lambda: compose.pid("sipd") != old, 5)
    wait_for(lambda: (health(compose) or {}).get("state") == "ok", 10)


def test_prometheus_in_its_container_reads_the_figures(compose):
    compose.docker.run("docker", "build", "--network", "host", "--build-arg", "BASE=hookswitch-base", "--target", "prometheus",
                       "-f", "deploy/Dockerfile", "-t", "hookswitch-prometheus", ".")
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
