"""A suite of hookswitch for the tests: its own home, ports and address, started by deploy/quickstart."""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import requests
import yaml

import phone as phones
import receiver as receivers
import sockets

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOOKSWITCH_BUILD") or REPO / "build").resolve()
DAEMONS = ("apid", "api-front", "sipd", "dahdid", "mediad", "hookd", "hook-stream")
DRIVERS = ("sip", "dahdi")
FAULTS = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehavior|Assertion .* failed")


def free_port(host, low, high, kinds=(socket.SOCK_STREAM, socket.SOCK_DGRAM)):
    for _ in range(200):
        port = random.randrange(low, high)
        try:
            for kind in kinds:
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind((host, port))
            return port
        except OSError:
            continue
    raise RuntimeError(f"no free port on {host} between {low} and {high}")


class Suite:
    """configuration: merged into hookswitch.yaml. environment: added to the daemons' own."""

    def __init__(self, configuration=None, host=None, environment=None, home=None):
        self.host = host or f"127.{random.randrange(64, 96)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        self.home = pathlib.Path(home or tempfile.mkdtemp(prefix="hookswitch-e2e-"))
        self.configuration = configuration or {}
        self.environment = {
            "HOOKSWITCH_HOME": str(self.home), "HOOKSWITCH_BUILD": str(BUILD), "HOOKSWITCH_SERVER_HOST": self.host,
            "HOOKSWITCH_SERVER_REST_PORT": str(free_port(self.host, 8100, 8500)),
            "HOOKSWITCH_SERVER_WS_PORT": str(free_port(self.host, 8500, 8900)),
            "HOOKSWITCH_SERVER_SIP_PORT": str(free_port(self.host, 5100, 5900)),
            "HOOKSWITCH_START_SECONDS": "60", **(environment or {})}
        self.facts, self.http, self.receivers, self.phones = {}, requests.Session(), [], []
        self.prefix = ()  # words put before quickstart
        self.allowed_faults = None
        self.driver = "sip"  # whose lines the tests take when they do not say it

    # ---- Life ----

    def quickstart(self, *words, check=True, environment=None, timeout=180):
        done = subprocess.run([*self.prefix, REPO / "deploy/quickstart", *words], env={**os.environ, **self.environment,
                              **(environment or {})}, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"quickstart {words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def prepare(self):
        self.quickstart("--prepare", "--no-build")
        path = self.home / "hookswitch.yaml"
        tree = yaml.safe_load(path.read_text())
        for name, value in self.configuration.items():
            if isinstance(value, dict):
                tree.setdefault(name, {}).update(value)
            elif isinstance(value, list):
                tree[name] = tree.get(name, []) + value
            else:
                tree[name] = value
        path.write_text(yaml.safe_dump(tree))
        self.read_facts()
        return self

    def read_facts(self):
        self.facts = json.loads((self.home / "quickstart.json").read_text())
        self.token = self.facts["token"]
        host, port = self.facts["sip"].split(":")
        self.sip = (host, int(port))

    def start(self):
        if not (self.home / "hookswitch.yaml").exists():
            self.prepare()
        self.quickstart("--background", "--no-build")
        self.read_facts()
        return self

    def stop(self):
        self.quickstart("--stop", check=False)

    def close(self, keep=False):
        for thing in self.phones + self.receivers:
            thing.close()
        self.http.close()
        self.stop()
        faults = self.faults()
        kept = BUILD / "test-logs" / self.home.name
        if keep or faults:
            shutil.copytree(self.home / "logs", kept, dirs_exist_ok=True)
        shutil.rmtree(self.home, ignore_errors=True)
        assert not faults, f"sanitizer findings, see {kept}:\n" + "\n".join(faults[:40])

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        self.close(keep=kind is not None)

    # ---- Logs ----

    def log(self, daemon):
        path = self.home / "logs" / f"{daemon}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def faults(self):
        found = []
        for daemon in (*DAEMONS, "dahdisim"):
            lines = self.log(daemon).splitlines()
            for number, line in enumerate(lines):
                if FAULTS.search(line):
                    found += [f"{daemon}: {text}" for text in lines[number:number + 12]]
        return found

    # ---- Processes ----

    def keeper(self, daemon):
        rows = [row.split() for row in (self.home / "pids").read_text().splitlines()]
        return int([pid for name, pid in rows if name == daemon][-1])

    def child(self, daemon):
        """The process that does the work: the keeper's child."""
        keeper = self.keeper(daemon)
        children = pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        return int(children[0]) if children else None

    def kill(self, daemon, number=signal.SIGKILL):
        pid = self.child(daemon)
        if pid:
            os.kill(pid, number)
        return pid

    def wait_child(self, daemon, other_than, timeout=5):
        """Until the keeper has a successor for a child that was killed."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            pid = self.child(daemon)
            if pid and pid != other_than:
                return pid
            time.sleep(0.005)
        raise AssertionError(f"{daemon} was not started again within {timeout} s")

    # ---- Doors ----

    def request(self, method, path, token=True, timeout=10, **more):
        headers = dict(more.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {self.token if token is True else token}"
        return self.http.request(method, self.facts["api"] + path, headers=headers, timeout=timeout, **more)

    def get(self, path, **more):
        reply = self.request("GET", path, **more)
        assert reply.status_code == 200, f"GET {path}: {reply.status_code} {reply.text}"
        return reply.json()

    def post(self, path, body=None, status=None, **more):
        reply = self.request("POST", path, json=body if body is not None else {}, **more)
        assert status is None or reply.status_code == status, f"POST {path}: {reply.status_code} {reply.text}"
        return reply

    def events(self, since=None, **more):
        return sockets.Events(self.facts["ws"], self.token, since, **more)

    def audio(self, line="phone1"):
        return sockets.Audio(self.facts["ws"], self.token, line)

    def hookctl(self, *words, check=True, timeout=20):
        done = subprocess.run([BUILD / "proto/hookctl/hookctl", *words], env={**os.environ, **self.environment},
                              cwd=self.home, capture_output=True, text=True, timeout=timeout)
        assert not check or done.returncode == 0, f"hookctl {words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def metrics(self):
        reply = self.request("GET", "/api/v1/metrics")
        assert reply.status_code == 200, reply.text
        out = {}
        for row in reply.text.splitlines():
            if row and not row.startswith("#"):
                name, _, value = row.rpartition(" ")
                out[name] = float(value)
        return out

    def line(self, number=0, driver=None):
        """A line of the present driver, or of the named one."""
        return [line for line in self.facts["lines"] if line["driver"] == (driver or self.driver)][number]

    def phone(self, number=0, register=True, **more):
        """A test phone with the account of one of the lines."""
        line = self.line(number, "sip")
        phone = phones.Phone(line["user"], line["password"], self.sip, self.facts["domain"], **more)
        self.phones.append(phone)
        if register:
            reply = phone.register()
            assert reply.status == 200, reply.start
            self.wait_state(line["id"], "on_hook")
        return phone

    def receiver(self, **more):
        receiver = receivers.Receiver(self.host, **more)
        self.receivers.append(receiver)
        return receiver

    def number(self, line):
        """What others dial to reach a line."""
        return self.get(f"/api/v1/lines/{line['id']}")["line"]["number"]

    def wait_state(self, line, state, timeout=5):
        return wait_for(lambda: self.get(f"/api/v1/lines/{line}")["line"]["state"] == state, timeout,
                        lambda: f"line {line} is {self.get(f'/api/v1/lines/{line}')['line']['state']}, not {state}")

    def wait_idle(self, timeout=5):
        """Until no call is up any more."""
        wait_for(lambda: not self.get("/api/v1/calls?active=true")["calls"], timeout,
                 lambda: f"still up: {self.get('/api/v1/calls?active=true')['calls']}")


def wait_for(condition, timeout=5, why=lambda: "it did not happen", step=0.02):
    """Until condition() is true; its value."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"waited {timeout} s: {why()}"
        time.sleep(step)


class Pauses:
    """How long this machine made an idle thread of ours wait: what it does to a card's driver is nobody's fault."""

    def __enter__(self):
        self.longest_ms, self.ended = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def _run(self):
        before = time.monotonic()
        while not self.ended.wait(0.002):
            now = time.monotonic()
            self.longest_ms = max(self.longest_ms, (now - before) * 1000 - 2)
            before = now

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
