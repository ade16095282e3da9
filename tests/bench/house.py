"""A suite of its own for a benchmark: release build, all daemons on one core, as many lines as wanted."""
import json
import os
import pathlib
import random
import socket
import subprocess
import urllib.request

from measure import LOAD_CORE, ROOT, SUITE_CORE, WORK, until

DAEMONS = ("apid", "api-front", "sipd", "mediad", "hookd", "hook-stream")
BUILD = pathlib.Path(os.environ.get("HOOKSWITCH_BUILD", ROOT / "build"))


def free_port():
    """A port nobody uses, neither by TCP nor by UDP, nor will be given by the kernel to somebody who does not care."""
    while True:
        address = ("127.0.0.1", random.randrange(64000, 65500))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                udp.bind(address)
                tcp.bind(address)
                return address[1]
            except OSError:
                continue


class House:
    """with House(lines=200) as house: ... rows: further lines; extra: further sections."""

    def __init__(self, lines=0, extra="", rows=()):
        self.home = WORK / f"home{free_port()}"
        self.lines_wanted, self.extra, self.rows = lines, extra, rows
        self.environment = dict(os.environ, HOOKSWITCH_HOME=str(self.home), HOOKSWITCH_BUILD=str(BUILD),
                                HOOKSWITCH_SERVER_HOST="127.0.0.1", HOOKSWITCH_SERVER_REST_PORT=str(free_port()),
                                HOOKSWITCH_SERVER_WS_PORT=str(free_port()),
                                HOOKSWITCH_SERVER_SIP_PORT=str(free_port()),
                                HOOKSWITCH_SIP_REQUESTS_PER_S="100000", HOOKSWITCH_SIP_BURST="100000",
                                HOOKSWITCH_API_REQUESTS_PER_S="1000000", HOOKSWITCH_CALLS_MAX_ACTIVE="20000",
                                HOOKSWITCH_MEDIA_PORT_MIN="10000", HOOKSWITCH_MEDIA_PORT_MAX="31999",
                                HOOKSWITCH_LOG_LEVEL="warn", HOOKSWITCH_ANALOG="none")

    def quickstart(self, *arguments):
        return subprocess.run(["taskset", "-c", str(SUITE_CORE), ROOT / "deploy/quickstart", "--no-build", *arguments],
                              env=self.environment, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def seal(self, user):
        """A sealed secret for a line; its password is the user's name with a prefix."""
        out = subprocess.run([BUILD / "proto/hookctl/hookctl", "seal", "sip", user, "--realm", self.facts["domain"],
                              "--password", self.password(user)], env=self.environment, check=True, capture_output=True,
                             text=True).stdout
        return next(w for w in out.split() if w.startswith("sealed:"))

    @staticmethod
    def password(user):
        return f"a-long-password-for-{user}"

    def __enter__(self):
        self.quickstart("--prepare")
        self.facts = json.loads((self.home / "quickstart.json").read_text())
        config = self.home / "hookswitch.yaml"
        rows = "".join(f"  - {{ id: {u}, number: \"7{u[1:]}\", secret: \"{self.seal(u)}\" }}\n" for u in self.users())
        rows += "".join(f"  - {row}\n" for row in self.rows)
        text = config.read_text().replace("\nlines:\n", "\nlines:\n" + rows, 1)
        if rows:
            text = text.replace("\nlines:\n", "\ncalls:\n  default_line: phone1\nlines:\n", 1) if "\ncalls:" not in text else text
        config.write_text(text + self.extra)
        self.quickstart("--background")
        self.facts = json.loads((self.home / "quickstart.json").read_text())
        self.api, self.ws, self.token = self.facts["api"], self.facts["ws"], self.facts["token"]
        self.sip = (self.facts["sip"].split(":")[0], int(self.facts["sip"].split(":")[1]))
        return self

    def __exit__(self, *what):
        self.quickstart("--stop")

    def users(self):
        """Even ones call, odd ones answer: u00000 dials 700001."""
        return [f"u{i:05d}" for i in range(self.lines_wanted)]

    def pids(self, *names):
        """Keepers and children of the daemons (all of them without names)."""
        keepers = dict(line.split() for line in (self.home / "pids").read_text().splitlines())
        pids = [int(keepers[n]) for n in names or DAEMONS]
        for pid in list(pids):
            pids += [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return pids

    def request(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.api + path, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def text(self, path):
        request = urllib.request.Request(self.api + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    def lines(self):
        """All lines; the API gives them page by page."""
        lines, page = [], self.request("GET", "/api/v1/lines")["lines"]
        while page:
            lines += page
            page = self.request("GET", f"/api/v1/lines?after={page[-1]['id']}")["lines"]
        return lines

    def registered(self, count):
        until(lambda: sum(line["contacts"] > 0 for line in self.lines()) >= count, 30, f"{count} lines registered")


def sipp(scenario, target, port, *arguments, core=LOAD_CORE):
    """Command of a SIPp run with one of our scenarios."""
    here = pathlib.Path(__file__).parent / "sipp"
    return ["sipp", "-sf", here / scenario, f"{target[0]}:{target[1]}", "-i", "127.0.0.1", "-p", port, "-nostdin", "-nd",
            "-t", "u1", "-buff_size", 4194304, *arguments]
