"""What stands around api-front in these tests: an apid with an event log and a mediad, both played by one process, and
the front itself. All of it runs under one ordinary uid (nobody, when the tests run as root), so that the envelope's
source names the role."""
import collections
import contextlib
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import zmq

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(REPO / "tests"))
from ports import free_port  # noqa: E402

BUILD = pathlib.Path(os.environ.get("HOOKSWITCH_BUILD", REPO / "build"))
NOBODY = 65534
TOKEN = "hs_test-token-with-every-scope"
NO_DIGITS = "hs_test-token-without-digits"
HEADER = struct.Struct("!BBBBII32s")
ATTACH, ATTACHED, REFUSED, AUDIO, UPLOAD, ACCEPTED, DETACH, CLEAR, MARK, MARKED, PAUSE, RESUME, QUEUE = range(1, 14)


def wait_for(check, timeout=10, what="a condition"):
    """Calls check until it is true; returns what it returned."""
    until = time.monotonic() + timeout
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < until, f"waited {timeout} s for {what}"
        time.sleep(0.002)


def now_text():
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000Z"


def frame(kind, grant, payload=b"", codec=0, sequence=0, timestamp=0, flags=0):
    return HEADER.pack(1, kind, codec, flags, sequence, timestamp, grant.encode()) + payload


Frame = collections.namedtuple("Frame", "kind codec flags sequence timestamp grant payload")


def read_frame(data):
    _, kind, codec, flags, sequence, timestamp, grant = HEADER.unpack(data[:HEADER.size])
    return Frame(kind, codec, flags, sequence, timestamp, grant.rstrip(b"\0").decode(), data[HEADER.size:])


# ---- the world: one process, told what to do over a pipe ----

class World:
    """Runs in its own process. Every public method is an order of the test."""

    def __init__(self, home, pipe):
        self.home, self.pipe = pathlib.Path(home), pipe
        self.context = zmq.Context()
        self.events, self.generation, self.kept_from = [], 1, 0
        self.answers, self.asked, self.delays, self.later = {}, [], {}, []
        self.copy_seq, self.epoch, self.beat_at = {}, 0, 0
        self.router = self.audio = None
        self.pubs = {}
        self.frames, self.attached, self.uploads = [], {}, {}
        self.grants, self.asks, self.media_says, self.codec = 0, 0, {}, 1
        self.poller = zmq.Poller()

    def bind(self, kind, role, edge):
        path = self.home / "run" / role / edge
        path.mkdir(parents=True, exist_ok=True)
        (path / "socket").unlink(missing_ok=True)
        made = self.context.socket(kind)
        made.linger, made.sndhwm, made.rcvhwm = 0, 0, 0
        made.bind(f"ipc://{path}/socket")
        return made

    # ---- orders ----

    def apid_start(self):
        self.epoch = time.monotonic_ns() // 1000
        self.copy_seq = {"calls": 0, "digits": 0}
        self.router = self.bind(zmq.ROUTER, "apid", "requests")
        self.pubs = {edge: self.bind(zmq.PUB, "apid", edge) for edge in ("calls", "digits")}
        self.poller.register(self.router, zmq.POLLIN)
        self.beat_at = 0

    def apid_stop(self):
        self.poller.unregister(self.router)
        for made in [self.router, *self.pubs.values()]:
            made.close(0)
        self.router, self.pubs = None, {}

    def media_start(self):
        self.audio = self.bind(zmq.ROUTER, "mediad", "audio")
        self.poller.register(self.audio, zmq.POLLIN)

    def media_stop(self):
        self.poller.unregister(self.audio)
        self.audio.close(0)
        self.audio, self.attached = None, {}

    def answer(self, message, value):
        """What a message is answered: {"body"}, {"error", ...}, or None for never; the default again without value."""
        self.answers[message] = value

    def default(self, message):
        self.answers.pop(message, None)

    def ask_front(self, message, body):
        """apid's own question to the front."""
        dealer = self.context.socket(zmq.DEALER)
        dealer.linger = 0
        dealer.connect(f"ipc://{self.home}/run/api-front/requests/socket")
        self.asks += 1
        dealer.send_json({"v": 1, "kind": "request", "type": message, "id": f"w{self.asks}-{time.monotonic_ns()}",
                          "source": "apid", "deadline_ms": 5000, "body": body})
        assert dealer.poll(5000), "the front does not answer the bus"
        answer = dealer.recv_json()
        dealer.close(0)
        return answer

    def relent(self):
        """All answers are the usual ones again."""
        self.answers.clear()
        self.delays.clear()
        self.media_says.clear()
        self.codec = 1

    def set_codec(self, codec):
        self.codec = codec

    def delay(self, message, seconds):
        self.delays[message] = seconds

    def requests(self, message=None):
        """What the front asked for its clients; what it asks for itself has neither client nor token."""
        return [r for r in self.asked if r["type"] == (message or r["type"]) and ("client" in r or "token" in r)]

    def forget(self):
        self.asked.clear()
        self.frames.clear()

    def add(self, count, publish=True, **more):
        """Adds events to the log; publishes their copies unless told not to. Returns the last cursor."""
        for _ in range(count):
            event = {"type": "call.flash", "timestamp": now_text(), "leg": "l1-x", **more}
            event["seq"] = len(self.events) + 1
            event["cursor"] = f"1.g{self.generation}.{event['seq']}"
            self.events.append(event)
            if publish:
                self.publish(event)
            elif self.pubs:
                self.copy_seq[self.edge_of(event)] += 1
        return self.cursor()

    def repeat(self, count):
        """Publishes the newest events once more: duplicates."""
        for event in self.events[-count:]:
            self.publish(event)

    def swap(self, first, second):
        """Adds two events and publishes them in the other order."""
        a, b = [{"type": t, "timestamp": now_text(), "line": "phone1", "call_id": "c1-x"} for t in (first, second)]
        for event in (a, b):
            event["seq"] = len(self.events) + 1
            event["cursor"] = f"1.g{self.generation}.{event['seq']}"
            self.events.append(event)
        self.publish(b)
        self.publish(a)

    def anew(self):
        """An older log was restored: it begins a new generation, and the newest cursors are gone."""
        del self.events[-10:]
        self.generation += 1
        self.kept_from = len(self.events)

    def cursor(self):
        return self.events[-1]["cursor"] if self.events else f"1.g{self.generation}.0"

    def log(self):
        return self.events

    def media(self, says, what):
        """"attach": None, "refuse" or "silent"; "upload": a duration, a sentence, or None for silence."""
        self.media_says[says] = what

    def heard_frames(self):
        return [tuple(f) for f in self.frames]

    def media_frames(self, grant, payloads, codec=1):
        for number, payload in enumerate(payloads):
            self.audio.send_multipart([self.attached[grant], frame(AUDIO, grant, payload, codec, number, number * 160)])

    def media_send(self, grant, kind, payload=b"", codec=0, timestamp=0, flags=0):
        self.audio.send_multipart([self.attached[grant], frame(kind, grant, payload, codec, 0, timestamp, flags)])

    def attached_grants(self):
        return list(self.attached)

    # ---- apid ----

    @staticmethod
    def edge_of(event):
        return "digits" if event["type"] in ("dtmf", "dtmf.begin", "call.dialled") else "calls"

    def publish(self, event):
        if self.pubs:
            edge = self.edge_of(event)
            self.copy_seq[edge] += 1
            self.copy(edge, event["type"], event)

    def copy(self, edge, topic, body):
        head = {"v": 1, "source": "apid", "edge": edge, "epoch": self.epoch, "seq": self.copy_seq[edge], "at": now_text()}
        self.pubs[edge].send_multipart([topic.encode(), json.dumps(head).encode(), json.dumps(body).encode()])

    def place(self, since):
        match = re.fullmatch(r"1\.g(\d+)\.(\d+)", since)
        if not match:
            return {"error": "invalid", "field": "since", "detail": "this is not a cursor"}
        number = int(match[2])
        if int(match[1]) != self.generation and number > self.kept_from or number > len(self.events) \
                or number < self.kept_from and self.generation > 1:
            return {"error": "gone", "field": "since", "detail": "begin anew"}
        return number

    def events_list(self, request):
        body, token = request["body"], request.get("token")
        limit, start = body.get("limit", 100), None
        if "since" in body:
            start = self.place(body["since"])
            if isinstance(start, dict):
                return start
        types = body.get("type", "").split(",") if body.get("type") else None

        def wanted(event):
            return ((not types or event["type"] in types) and body.get("line") in (None, event.get("line"))
                    and body.get("call") in (None, event.get("call_id"))
                    and (token != NO_DIGITS or self.edge_of(event) == "calls"))
        if start is None:
            found = [e for e in self.events if wanted(e)][-limit:]
            return {"body": {"events": found, "cursor": self.cursor(), "more": False}}
        found = [e for e in self.events[start:] if wanted(e)]
        more = len(found) > limit
        cursor = found[limit - 1]["cursor"] if more else self.cursor()
        return {"body": {"events": found[:limit], "cursor": cursor, "more": more}}

    def events_open(self, request):
        body = request["body"]
        if "since" in body:
            place = self.place(body["since"])
            if isinstance(place, dict):
                return place
        return {"body": {"cursor": self.cursor(), "digits": request.get("token") != NO_DIGITS}}

    def stream_open(self, request):
        self.grants += 1
        return {"body": {"stream": f"s1-{self.grants}", "state": "on_hook"}}

    def decide(self, request):
        message = request["type"]
        if message in self.answers:
            return self.answers[message]
        if request.get("token") not in (TOKEN, NO_DIGITS) and message != "suite.health" and request.get("client"):
            return {"error": "unauthorized", "detail": "this token is not known"}
        made = {"events.list": self.events_list, "events.open": self.events_open, "stream.open": self.stream_open}
        return made[message](request) if message in made else DEFAULTS.get(message, {"body": {}})

    def serve(self, route, data):
        request = json.loads(data)
        self.asked.append(request)
        answer = self.decide(request)
        if answer is None:
            return
        reply = {"v": 1, "kind": "answer", "re": request["id"], **answer}
        at = time.monotonic() + self.delays.get(request["type"], 0)
        self.later.append((at, route, json.dumps(reply).encode()))

    # ---- mediad ----

    def hear(self, peer, data):
        heard = read_frame(data)
        self.frames.append(heard)
        if heard.kind == ATTACH:
            how = self.media_says.get("attach")
            if how != "refuse":
                self.attached[heard.grant] = peer
            if how != "silent":
                self.audio.send_multipart([peer, frame(REFUSED if how == "refuse" else ATTACHED, heard.grant,
                                                       b"unknown grant" if how == "refuse" else b"", self.codec)])
        elif heard.kind == DETACH:
            self.attached.pop(heard.grant, None)
        elif heard.kind == UPLOAD:
            self.uploads[heard.grant] = self.uploads.get(heard.grant, b"") + heard.payload
            verdict = self.media_says.get("upload", 1234)
            if heard.flags & 1 and verdict is not None:
                good = isinstance(verdict, int)
                self.audio.send_multipart([peer, frame(ACCEPTED if good else REFUSED, heard.grant,
                                                       str(verdict).encode())])

    def uploaded(self, grant):
        return self.uploads.get(grant, b"")

    # ---- the loop ----

    def tick(self):
        now = time.monotonic()
        if self.pubs and now > self.beat_at:
            self.beat_at = now + 0.25
            for edge in self.pubs:
                self.copy(edge, "heartbeat", {})
        due = [x for x in self.later if x[0] <= now]
        self.later = [x for x in self.later if x[0] > now]
        for _, route, data in due:
            if self.router:
                self.router.send_multipart([route, data])

    def run(self):
        self.poller.register(self.pipe.fileno(), zmq.POLLIN)
        while True:
            self.tick()
            for ready, _ in self.poller.poll(2 if self.later else 20):
                if ready is self.router:
                    self.serve(*self.router.recv_multipart()[:2])
                elif ready is self.audio:
                    self.hear(*self.audio.recv_multipart()[:2])
                elif ready == self.pipe.fileno():
                    order = self.pipe.recv()
                    if order is None:
                        return
                    name, arguments, more = order
                    self.pipe.send(getattr(self, name)(*arguments, **more))


CALL = {"id": "c1-abc", "state": "ringing", "direction": "outgoing", "line": "phone1", "created_at": now_text(),
        "digits": 0, "legs": []}
LINE = {"id": "phone1", "driver": "sip", "state": "on_hook", "state_source": "inferred", "contacts": 1,
        "is_default": True, "is_exchange": False, "declared": True}
PORT = dict({"line": "phone1", "channel": 1, "state": "idle", "voltage_source": "unknown",
             "settings_source": "measured"},
            **dict.fromkeys(("messages_waiting", "lifted", "rung", "flashes", "pulses", "opened", "blocks_in", "blocks_out",
                             "overruns", "underruns", "errors"), 0))
RING = {"call_id": "c1-abc", "line": "phone1", "state": "ringing"}
STATUS = {"state": "on_hook", "state_source": "inferred", "line": "phone1", "operator_connected": False}
HOOK = {"id": "w1-a", "url": "https://example.org/x", "declared": False, "enabled": True, "pending": 0, "delivered": 0,
        "dead": 0, "style": "standard", "paused": False, "failing": False, "own_ca": False, "client_cert": False,
        "skipped": 0}
ATTEMPT = {"number": 1, "delivery": "msg_1", "event_type": "dtmf", "at": now_text(), "attempt": 1, "took_ms": 3,
           "url": "https://example.org/x", "headers": ["webhook-id: msg_1"], "status": 204}
PLAY = {"play_id": "p1-1", "line": "phone1", "call_id": "c1-abc"}
DEFAULTS = {
    "phone.ring": {"body": RING}, "phone.hangup": {"body": RING}, "phone.status": {"body": STATUS},
    "phone.audio": {"body": PLAY}, "lines.audio": {"body": PLAY}, "lines.list": {"body": {"lines": [LINE]}},
    "lines.get": {"body": {"line": LINE}}, "lines.ring": {"body": RING}, "lines.hangup": {"body": RING},
    "lines.port": {"body": {"port": PORT}}, "lines.messages": {"body": {"line": "phone1", "waiting": 2}},
    "calls.list": {"body": {"calls": [CALL]}}, "calls.create": {"body": {"call": CALL}},
    "calls.get": {"body": {"call": CALL}}, "calls.hangup": {"body": {"call": CALL}},
    "calls.hold": {"body": {"call": CALL}}, "calls.flash": {"body": {"call": CALL}}, "webhooks.list": {"body": {"webhooks": [HOOK]}},
    "webhooks.create": {"body": {"webhook": HOOK, "secret": "whsec_x"}}, "webhooks.dead": {"body": {"deliveries": []}},
    **dict.fromkeys(("webhooks.get", "webhooks.change", "webhooks.pause", "webhooks.resume"), {"body": {"webhook": HOOK}}),
    "emergency.drill": {"body": {"ok": False, "routes": []}},
    "webhooks.rotate": {"body": {"webhook": HOOK, "secret": "whsec_x"}}, "webhooks.again": {"body": {"queued": 2}},
    "webhooks.test": {"body": {"attempt": ATTEMPT, "signed_bytes": "x"}}, "webhooks.revive": {"body": {"queued": 1}},
    "webhooks.deliveries": {"body": {"attempts": [ATTEMPT], "cursor": 1, "more": False}},
    **dict.fromkeys(("calls.mute", "calls.digits", "calls.stop", "calls.answer", "calls.transfer", "calls.bridge",
                     "calls.unbridge"), {"body": {"call": CALL}}),
    "calls.explain": {"body": {"sentence": "x", "findings": [], "call": CALL, "steps": [], "cut": False, "silent": []}},
    "calls.gather": {"body": {"gather": "g1-1", "call_id": "c1-abc", "line": "phone1"}},
    "calls.gather_stop": {"body": {"gather": "g1-1", "call_id": "c1-abc"}}, "calls.audio": {"body": PLAY},
    "lines.settings": {"body": {"line": LINE}},
    "events.snapshot": {"body": {"cursor": "1.g1.1", "lines": [LINE], "calls": [CALL], "more": False}},
    "suite.health": {"body": {"state": "ok", "version": "0.1.0", "parts": []}},
    "suite.metrics": {"body": {"text": "hookswitch_up 1\n"}},
}


def become_nobody():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def run_world(home, pipe):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.geteuid() == 0:
        become_nobody()
    World(home, pipe).run()


class Raw:
    """A TCP connection, byte for byte."""

    def __init__(self, port, data=b"", source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
        self.socket.settimeout(10)
        self.data = b""
        self.send(data)

    def send(self, data):
        self.socket.sendall(data)

    def read_until(self, what):
        while what not in self.data:
            more = self.socket.recv(65536)
            if not more:
                break
            self.data += more
        found, _, self.data = self.data.partition(what)
        return found + what

    def response(self):
        """Status, header fields (lower case), body."""
        head = self.read_until(b"\r\n\r\n").decode()
        assert head.startswith("HTTP/1.1 "), head
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        fields = {name.lower(): value for name, value in fields.items()}
        length = int(fields.get("content-length", 0))
        while len(self.data) < length:
            more = self.socket.recv(65536)
            assert more, "cut body"
            self.data += more
        body, self.data = self.data[:length], self.data[length:]
        return int(head.split()[1]), fields, body

    def is_closed(self, timeout=10):
        """True when the other end closes without another byte."""
        self.socket.settimeout(timeout)
        try:
            return not self.data and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()


class Suite:
    """The test's hold on the world: every method of World, and the home they share."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="hs-front-", dir="/tmp"))
        if os.geteuid() == 0:
            os.chown(self.home, NOBODY, NOBODY)
        self.pipe, theirs = multiprocessing.get_context("fork").Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=run_world, args=(self.home, theirs), daemon=True)
        self.process.start()

    def __getattr__(self, name):
        def order(*arguments, **more):
            self.pipe.send((name, arguments, more))
            assert self.pipe.poll(20), f"the world does not answer {name}"
            return self.pipe.recv()
        return order

    def close(self):
        self.pipe.send(None)
        self.process.join(5)
        shutil.rmtree(self.home, ignore_errors=True)


class Front:
    """The daemon under test: keeper and child."""

    def __init__(self, suite, **settings):
        self.suite, self.rest, self.ws = suite, free_port(), free_port()
        self.settings = {"SERVER_HOST": "127.0.0.1", "SERVER_REST_PORT": self.rest, "SERVER_WS_PORT": self.ws,
                         "LOG_LEVEL": "debug", **settings}
        self.log = suite.home / "front.log"
        self.config = suite.home / "hookswitch.yaml"
        self.config.write_text('node: "1"\nlines:\n  - id: phone1\napi:\n  origins: ["https://console.example"]\n')
        self.base = f"http://127.0.0.1:{self.rest}"
        self.process = None

    def start(self, wait=True):
        environment = {**os.environ, "HOOKSWITCH_HOME": str(self.suite.home),
                       **{f"HOOKSWITCH_{k}": str(v) for k, v in self.settings.items()}}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BUILD / "apid" / "front" / "api-front", "--config", self.config], stderr=log, env=environment,
                preexec_fn=become_nobody if os.geteuid() == 0 else None)
        if wait:
            wait_for(lambda: self.ready().exists() or self.process.poll() is not None, what="the front to be ready")
            assert self.process.poll() is None, self.log.read_text()[-3000:]
        return self

    def ready(self):
        return self.suite.home / "run" / "api-front" / "ready"

    def child(self):
        """pid of the one that serves, or None."""
        try:
            return int(self.ready().read_text().split()[0])
        except FileNotFoundError:
            return None

    def kill_child(self):
        """kill -9; returns when the successor serves."""
        old = wait_for(self.child)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: self.child() not in (old, None), what="the front's successor")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(20)
            assert code == 0, f"the front ended with {code}: {self.log.read_text(errors='replace')[-6000:]}"
        self.process = None


@contextlib.contextmanager
def world(**settings):
    suite = Suite()
    try:
        suite.apid_start()
        suite.media_start()
        front = Front(suite, **settings)
        try:
            front.start()
            wait_for(lambda: b"event=bus.peer_up peer=apid" in front.log.read_bytes(), what="the front's way to apid")
            yield suite, front
        finally:
            front.stop()
            text = front.log.read_text(errors="replace")
            assert "ERROR: AddressSanitizer" not in text and "runtime error" not in text, text[-6000:]
            assert "LeakSanitizer" not in text, text[-6000:]
    finally:
        suite.close()
