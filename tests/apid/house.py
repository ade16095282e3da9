"""What stands around apid in these tests: its daemon, and on the bus the drivers, mediad, hookd and a front, played by
this process.

The suite's one-uid mode is used: there the envelope's source names the role. When the tests run as root, each test's
body runs in a child that becomes an ordinary user (the decorator ordinary), and apid with it.
"""
import base64
import functools
import hashlib
import itertools
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import traceback

import zmq

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOOKSWITCH_BUILD", REPO / "build"))
UID = 64991
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
CONFIG = """
node: "1"
lines:
  - {id: phone1, number: "201", name: Kitchen}
  - {id: phone2, number: "202", name: Hall}
  - {id: phone3, number: "203", hotline: lifted}
  - {id: phone4, number: "204", operator_answers: true}
groups:
  - {id: desk, number: "600", lines: [phone2, phone3], otherwise: "0"}
  - {id: night, number: "601", lines: [phone2, phone3, phone4], strategy: in_order, ring_s: 5}
calls: {first_digit_timeout_ms: 1000, digit_timeout_ms: 500, busy_tone_ms: 300, max_active: 50}
api:
  requests_per_s: %(rate)d
  tokens:
    - {name: all, hash: %(all)s, scopes: ["calls:read", "calls:control", audio, digits, webhooks, metrics]}
    - {name: reader, hash: %(reader)s, scopes: ["calls:read"]}
store: {durability: %(durability)s}
"""


def ordinary(function):
    """Runs a test as an ordinary user: root forks a child that gives its rights up."""
    @functools.wraps(function)
    def run(*arguments, **more):
        if os.geteuid() != 0:
            return function(*arguments, **more)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                os.setgroups([])
                os.setgid(UID)
                os.setuid(UID)
                function(*arguments, **more)
            except BaseException:  # pytest's own outcomes too
                os.write(writing, traceback.format_exc()[-60000:].encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            fault = pipe.read().decode()
        os.waitpid(pid, 0)
        assert not fault, fault
        return None
    return run


def base32(data, count):
    bits = "".join(f"{byte:08b}" for byte in data).ljust(count * 5, "0")
    return "".join(ALPHABET[int(bits[5 * i:5 * i + 5], 2)] for i in range(count))


def make_token():
    text = "hs_" + base32(secrets.token_bytes(32), 52)
    return text + base32(hashlib.blake2b(text.encode(), digest_size=16).digest(), 7)


class House:
    """apid and everybody it talks to."""
    PEERS = ("sipd", "mediad", "hookd", "api-front", "hook-stream")

    def __init__(self, *, durability="group", rate=100000, peers=PEERS, home=None):
        self.home = pathlib.Path(home or tempfile.mkdtemp(prefix="hs-apid-", dir="/tmp"))
        self.home.chmod(0o755)
        (self.home / "keys").mkdir(exist_ok=True)
        key = secrets.token_bytes(32)
        (self.home / "keys" / "token.key").write_bytes(key)
        (self.home / "keys" / "token.key").chmod(0o440)
        self.tokens = {name: make_token() for name in ("all", "reader")}
        hashes = {n: hashlib.blake2b(t.encode(), key=key, digest_size=32).hexdigest() for n, t in self.tokens.items()}
        (self.home / "hookswitch.yaml").write_text(CONFIG % {"rate": rate, "durability": durability, **hashes})
        self.context = zmq.Context()
        self.process = None
        self.log = self.home / "apid.log"
        self.epoch = int(time.time() * 1000)
        self.number = itertools.count(1)
        self.seq, self.unacknowledged, self.acknowledged = {}, {}, {}
        self.answers, self.asked, self.events, self.done = {}, [], [], {}
        self.manners = {"media.open": self.offer,
                        "daemon.status": lambda role, body: {"part": {"daemon": role, "state": "ok"}}}
        self.askers, self.doors, self.waiting = {}, {}, {}
        self.poller, self.resent_at = zmq.Poller(), time.monotonic()
        self.feed = None
        for role in peers:
            self.open_door(role)

    # ---- apid ----

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([BUILD / "apid" / "apid"], stdout=log, stderr=log, cwd=self.home,
                                            env={**os.environ, "HOOKSWITCH_HOME": str(self.home)})
        self.until(lambda: (self.home / "run/apid/ready").exists(), what="apid's readiness")
        if not self.feed:
            self.subscribe()
        return self

    def child(self):
        try:
            return int((self.home / "run/apid/ready").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return None

    def kill(self):
        """Kills the working process; its keeper starts another."""
        pid = self.child()
        if pid:
            os.kill(pid, signal.SIGKILL)
        return pid

    def kill_all(self):
        """Kills keeper and child, and starts both anew: without the keeper's pause after many deaths."""
        before = self.child()
        self.process.kill()
        if before:
            os.kill(before, signal.SIGKILL)
        self.process.wait()
        while True:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen([BUILD / "apid" / "apid"], stdout=log, stderr=log, cwd=self.home,
                                                env={**os.environ, "HOOKSWITCH_HOME": str(self.home)})
            self.until(lambda: self.child() not in (None, before) or self.process.poll() is not None, what="a new apid")
            if self.process.poll() is None:
                return

    def stop(self):
        if self.process:
            self.process.terminate()
            code = self.process.wait(10)
            self.process = None
            text = self.log.read_text(errors="replace")
            assert code == 0 and "Sanitizer" not in text and "runtime error" not in text, text[-6000:]

    def close(self):
        try:
            self.stop()
        finally:
            self.context.destroy(0)
            shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind:
            print(self.log.read_text()[-8000:])
        try:
            self.close()
        except AssertionError:
            if not kind:
                raise

    # ---- sockets ----

    def open_door(self, role):
        """The requests edge of a peer: what apid asks it."""
        folder = self.home / "run" / role / "requests"
        folder.mkdir(parents=True, exist_ok=True)
        door = self.context.socket(zmq.ROUTER)
        door.bind(f"ipc://{folder}/socket")
        (folder / "socket").chmod(0o660)
        self.doors[role] = door
        self.poller.register(door, zmq.POLLIN)

    def close_door(self, role):
        door = self.doors.pop(role)
        self.poller.unregister(door)
        door.close(0)
        (self.home / "run" / role / "requests" / "socket").unlink(missing_ok=True)

    def asker(self, role):
        if role not in self.askers:
            made = self.context.socket(zmq.DEALER)
            made.setsockopt(zmq.RECONNECT_IVL, 5)
            made.connect(f"ipc://{self.home}/run/apid/requests/socket")
            self.askers[role] = made
            self.poller.register(made, zmq.POLLIN)
        return self.askers[role]

    def subscribe(self):
        self.feed = self.context.socket(zmq.SUB)
        self.feed.setsockopt(zmq.SUBSCRIBE, b"")
        self.feed.setsockopt(zmq.RECONNECT_IVL, 5)
        for edge in ("calls", "digits"):
            self.feed.connect(f"ipc://{self.home}/run/apid/{edge}/socket")
        self.poller.register(self.feed, zmq.POLLIN)
        self.heard = set()
        self.until(lambda: len(self.heard) == 2, what="the subscriptions")
        self.events.clear()

    # ---- turning ----

    def turn(self, ms=20):
        if time.monotonic() - self.resent_at > 0.4:
            self.resend()
        for socket, _ in self.poller.poll(ms):
            for role, door in list(self.doors.items()):
                if socket is door:
                    self.serve(role, door)
            for role, asker in self.askers.items():
                if socket is asker:
                    self.take_answers(role, asker)
            if socket is self.feed:
                self.take_events()

    def until(self, condition, seconds=10, what="condition"):
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < end, f"{what} did not come within {seconds} s\n{self.log.read_text()[-3000:]}"
            self.turn()

    def serve(self, role, door):
        while door.poll(0):
            route, text = door.recv_multipart()
            head = json.loads(text)
            key = role, head["id"]
            if key not in self.done:
                self.asked.append({"to": role, "type": head["type"], "id": head["id"], **head["body"]})
                answer = self.manners.get(head["type"], lambda role, body: {})(role, head["body"])
                if answer is None:
                    continue
                self.done[key] = answer
            answer = self.done[key]
            out = {"v": 1, "kind": "answer", "re": head["id"]}
            out |= {"error": answer["error"]} if "error" in answer else {"body": answer}
            door.send_multipart([route, json.dumps(out).encode()])

    def take_answers(self, role, asker):
        while asker.poll(0):
            answer = json.loads(asker.recv())
            if answer["kind"] == "ack":
                self.acknowledged[role] = answer["seq"]
                self.unacknowledged[role] = [f for f in self.unacknowledged.get(role, []) if f["seq"] > answer["seq"]]
            else:
                self.answers.setdefault(answer["re"], answer)
                self.waiting.pop(answer["re"], None)

    def take_events(self):
        while self.feed.poll(0):
            topic, head, body = self.feed.recv_multipart()
            self.heard.add(json.loads(head)["edge"])
            if topic != b"heartbeat":
                self.events.append(json.loads(body))

    # ---- what peers do ----

    @staticmethod
    def offer(role, body):
        return {"description": "v=0 " + body["leg"]} if body["kind"] == "rtp" else {}

    def tell(self, role, kind, /, **body):
        """A fact; told again until it is acknowledged."""
        self.seq[role] = self.seq.get(role, 0) + 1
        at = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"
        fact = {"type": kind, "seq": self.seq[role], "at": stamp, "body": body}
        self.unacknowledged.setdefault(role, []).append(fact)
        self.send_facts(role, [fact])
        return fact

    def send_facts(self, role, facts):
        if facts:
            head = {"v": 1, "kind": "facts", "source": role, "epoch": self.epoch}
            self.asker(role).send_multipart([json.dumps(x).encode() for x in [head, *facts[:64]]])

    def resend(self):
        """What the bus of a peer does every half second: facts that were not acknowledged, questions not answered."""
        self.resent_at = time.monotonic()
        for role, facts in self.unacknowledged.items():
            self.send_facts(role, facts)
        for role, text in self.waiting.values():
            self.asker(role).send(text)

    def settle(self, seconds=10):
        """Until all facts are acknowledged."""
        self.until(lambda: not any(self.unacknowledged.values()), seconds, "acknowledgement of all facts")

    def post(self, kind, *, role="api-front", token="all", key=None, request=None, client="192.0.2.1", **body):
        """Sends a request; returns its id."""
        identity = request or f"q{next(self.number)}-{self.epoch}"
        head = {"v": 1, "kind": "request", "type": kind, "id": identity, "source": role, "deadline_ms": 20000,
                "request_id": identity, "body": body}
        if token:
            head["token"] = self.tokens.get(token, token)
        if key:
            head["idempotency_key"] = key
        if client and role == "api-front":
            head["client"] = client
        text = json.dumps(head).encode()
        self.waiting[identity] = role, text
        self.asker(role).send(text)
        return identity

    def answer(self, identity, seconds=10):
        return self.until(lambda: self.answers.get(identity), seconds, f"answer to {identity}")

    def ask(self, kind, **more):
        """Asks; the answer's body, or its error as {"error", ...}."""
        answer = self.answer(self.post(kind, **more))
        return answer if "error" in answer else answer.get("body", {})

    # ---- what tests look for ----

    def asked_of(self, kind, /, **members):
        return [a for a in self.asked if a["type"] == kind and all(a.get(k) == v for k, v in members.items())]

    def wait_asked(self, kind, /, **members):
        return self.until(lambda: self.asked_of(kind, **members), what=f"{kind} {members}")[-1]

    def event(self, kind, /, **members):
        def found():
            return [e for e in self.events if e["type"] == kind and all(e.get(k) == v for k, v in members.items())]
        return self.until(found, what=f"event {kind} {members}")[-1]

    def log_events(self, **more):
        """The whole log, page by page."""
        cursor, out = f"1.g1.0", []
        while True:
            page = self.ask("events.list", since=cursor, limit=1000, **more)
            assert "error" not in page, page
            out += page["events"]
            cursor = page["cursor"]
            if not page["more"]:
                return out

    def live(self):
        """Calls that are not over."""
        return [{**c, "over": c["state"] == "ended"} for c in self.ask("calls.list", active=True, limit=200)["calls"]]

    def register(self, *lines):
        for line in lines:
            self.tell("sipd", "line.changed", line=line, reachable=True, contacts=1, address="127.0.0.9:5060",
                      device="test")
            self.event("state_change", line=line, new_state="on_hook")

    def ring(self, line="phone1", **more):
        """Rings a line up to leg.originate; the leg."""
        answer = self.ask("lines.ring", line=line, **more)
        assert "error" not in answer, answer
        return answer["call_id"], self.wait_asked("leg.originate", call=answer["call_id"])["leg"]

    def up(self, line="phone1"):
        """A call with the operator that was answered."""
        call, leg = self.ring(line)
        self.tell("sipd", "leg.ringing", leg=leg)
        self.tell("sipd", "leg.answered", leg=leg, measured=False)
        self.event("call.answered", call_id=call)
        return call, leg

    def figures(self):
        return {"codec": "pcmu", "latched": False, "packets_received": 500, "packets_sent": 500, "packets_lost": 0,
                "packets_refused": 0, "jitter_us": 100, "underruns": 0, "dropped_frames": 0}

    def end(self, leg, cause="normal", by_far_end=True, **more):
        """The leg ends and mediad tells its figures."""
        self.tell("sipd", "leg.ended", leg=leg, cause=cause, by_far_end=by_far_end, **more)
        self.wait_asked("media.close", leg=leg)
        self.tell("mediad", "media.closed", leg=leg, figures=self.figures())


def decode_secret(text):
    return base64.b64decode(text.removeprefix("whsec_"))
