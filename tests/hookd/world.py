"""What stands around hookd and hook-stream in these tests: an apid with an event log, receivers, daemons to start."""
import base64
import ctypes
import hashlib
import hmac
import http.server
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import yaml
import zmq

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(REPO / "tests"))
from ports import free_port  # noqa: E402

NOBODY = 65534
BUILD = pathlib.Path(os.environ.get("HOOKSWITCH_BUILD", REPO / "build"))


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
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"


class Apid:
    """Plays apid: the event log, its published copies, acknowledged facts, streams. One thread owns the sockets."""

    def __init__(self, home, generation=1):
        self.home, self.generation = pathlib.Path(home), generation
        self.events, self.facts, self.asked = [], [], []
        self.changed = threading.Condition()
        self.streams, self.stream_numbers = {}, itertools.count(1)
        self.calls = {}  # by line, as stream.call answers
        self.refuse_streams = None  # name of an error
        self.wake_lock = threading.Lock()
        self.copies = True  # False: publish nothing, as if every copy were lost
        self.instead_of_lists = []  # each is called in place of an answer to a request for events
        self.copy_seq = {"calls": 0, "digits": 0}
        self.answers, self.ask_numbers = {}, itertools.count(1)
        self.start()

    # ---- the sockets' thread ----

    def start(self):
        self.epoch = int(time.time() * 1000) % (1 << 50)
        self.context = zmq.Context()
        wake = f"inproc://wake-{id(self)}-{self.epoch}"
        self.inner = self.context.socket(zmq.PULL)
        self.inner.bind(wake)
        self.waker = self.context.socket(zmq.PUSH)
        self.waker.connect(wake)
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.ready = threading.Event()
        self.thread.start()
        self.ready.wait(5)

    def bind(self, kind, edge):
        path = self.home / "run" / "apid" / edge
        path.mkdir(parents=True, exist_ok=True)
        (path / "socket").unlink(missing_ok=True)
        made = self.context.socket(kind)
        made.linger = 0
        made.sndhwm = made.rcvhwm = 0
        made.bind(f"ipc://{path}/socket")
        return made

    def run(self):
        self.router = self.bind(zmq.ROUTER, "requests")
        self.pubs = {edge: self.bind(zmq.PUB, edge) for edge in ("calls", "digits")}
        self.dealers = {}
        self.ready.set()
        beat_at = 0
        poller = zmq.Poller()
        poller.register(self.router, zmq.POLLIN)
        poller.register(self.inner, zmq.POLLIN)
        while not self.stopping:
            if time.monotonic() > beat_at:
                beat_at = time.monotonic() + 0.5
                for edge in self.pubs:
                    self.copy(edge, "heartbeat", {}, self.copy_seq[edge])
            for ready, _ in poller.poll(100):
                if ready is self.inner:
                    self.do(json.loads(ready.recv()), poller)
                elif ready is self.router:
                    self.serve(ready.recv_multipart())
                else:
                    answer = json.loads(ready.recv())
                    with self.changed:
                        self.answers[answer["re"]] = answer
                        self.changed.notify_all()
        for made in [self.router, self.inner, *self.pubs.values(), *self.dealers.values()]:
            made.close(0)

    def do(self, order, poller):
        if order["what"] == "publish":
            self.copy(order["edge"], order["event"]["type"], order["event"], order["seq"])
        elif order["what"] == "ask":
            role = order["role"]
            if role not in self.dealers:
                self.dealers[role] = self.context.socket(zmq.DEALER)
                self.dealers[role].linger = 0
                self.dealers[role].connect(f"ipc://{self.home}/run/{role}/requests/socket")
                poller.register(self.dealers[role], zmq.POLLIN)
            self.dealers[role].send_json(order["envelope"])

    def order(self, **order):
        with self.wake_lock:
            if not self.stopping:  # else it is dead: copies are lost, questions are asked again
                self.waker.send(json.dumps(order).encode())

    def copy(self, edge, topic, body, seq):
        head = {"v": 1, "source": "apid", "edge": edge, "epoch": self.epoch, "seq": seq, "at": now_text()}
        self.pubs[edge].send_multipart([topic.encode(), json.dumps(head).encode(), json.dumps(body).encode()])

    # ---- what apid answers ----

    def serve(self, frames):
        peer, message = frames[0], json.loads(frames[1])
        if message["kind"] == "facts":
            facts = [json.loads(frame) for frame in frames[2:]]
            with self.changed:
                known = {(f["source"], f["epoch"], f["seq"]) for f in self.facts}
                for fact in facts:
                    if (message["source"], message["epoch"], fact["seq"]) not in known:
                        self.facts.append({"source": message["source"], "epoch": message["epoch"], **fact})
                self.changed.notify_all()
            self.router.send_multipart([peer, json.dumps(
                {"v": 1, "kind": "ack", "epoch": message["epoch"], "seq": facts[-1]["seq"]}).encode()])
            return
        with self.changed:
            self.asked.append(message)
            self.changed.notify_all()
        if message["type"] == "events.list" and self.instead_of_lists:
            self.instead_of_lists.pop()()
            return
        answer = {"v": 1, "kind": "answer", "re": message["id"]}
        handler = {"events.list": self.events_list, "stream.open": self.stream_open, "stream.call": self.stream_call,
                   "stream.close": self.stream_close}.get(message["type"])
        answer.update(handler(message["body"]) if handler else {"error": "unknown_message"})
        self.router.send_multipart([peer, json.dumps(answer).encode()])

    def events_list(self, body):
        with self.changed:
            if "since" in body:
                generation, number = body["since"].split(".")[1:]
                if generation != f"g{self.generation}":
                    return {"error": "gone"}
                first = int(number)
            else:
                first = max(0, len(self.events) - body.get("limit", 100))
            page = self.events[first:first + body.get("limit", 100)]
            last = page[-1]["cursor"] if page else f"1.g{self.generation}.{len(self.events)}"
            return {"body": {"events": page, "cursor": last, "more": first + len(page) < len(self.events)}}

    def stream_open(self, body):
        if self.refuse_streams:
            return {"error": self.refuse_streams}
        grant = f"s1-{next(self.stream_numbers):026d}"
        with self.changed:
            self.streams[grant] = body["line"]
        return {"body": {"stream": grant, "state": "on_hook"}}

    def stream_call(self, body):
        return {"body": self.calls.get(body["line"], {})}

    def stream_close(self, body):
        with self.changed:
            self.streams.pop(body.get("stream"), None)
        return {"body": {}}

    # ---- what tests do ----

    def happen(self, kind, line="phone1", call=None, **members):
        """Commits an event to the log and publishes its copy."""
        with self.changed:
            seq = len(self.events) + 1
            event = {"type": kind, "seq": seq, "cursor": f"1.g{self.generation}.{seq}", "timestamp": now_text()}
            if line:
                event["line"] = line
            if call:
                event["call_id"] = call
            event.update(members)
            self.events.append(event)
        edge = "digits" if kind in ("dtmf", "dtmf.begin", "call.dialled") else "calls"
        self.copy_seq[edge] += 1
        if self.copies:
            self.order(what="publish", edge=edge, event=event, seq=self.copy_seq[edge])
        return event

    def state(self, new, old="on_hook", call="c1-a", **members):
        return self.happen("state_change", call=call, old_state=old, new_state=new, state_source="inferred", **members)

    def digit(self, digit, sequence, call="c1-a"):
        return self.happen("dtmf", call=call, digit=digit, sequence=sequence, duration_ms=80, source="rfc4733")

    def ask(self, role, kind, body=None, timeout=10, source="apid"):
        """Answer's body, or raises with the error's name. A repeated id is safe, so it is asked until answered."""
        number = f"q-{os.getpid()}-{self.epoch}-{next(self.ask_numbers)}"
        envelope = {"v": 1, "kind": "request", "type": kind, "id": number, "source": source, "incarnation": "i1-test",
                    "deadline_ms": 5000, "body": body or {}}
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            self.order(what="ask", role=role, envelope=envelope)
            with self.changed:
                if self.changed.wait_for(lambda: number in self.answers, 1):
                    answer = self.answers.pop(number)
                    if "error" in answer:
                        raise Refused(answer)
                    return answer.get("body")
        raise TimeoutError(kind)

    def wait_asked(self, kind, count=1, timeout=10):
        wait_for(lambda: sum(a["type"] == kind for a in self.asked) >= count, timeout, f"{count} {kind}")
        return [a["body"] for a in self.asked if a["type"] == kind]

    def wait_fact(self, kind, count=1, timeout=10):
        wait_for(lambda: sum(f["type"] == kind for f in self.facts) >= count, timeout, f"{count} {kind}")
        return [f["body"] for f in self.facts if f["type"] == kind]

    def stop(self):
        with self.wake_lock:
            self.stopping = True
        self.thread.join(5)
        self.waker.close(0)
        self.context.term()

    def restart(self):
        """Dies and comes back with the same log; copies count from 1 in a new epoch."""
        self.stop()
        self.copy_seq = {"calls": 0, "digits": 0}
        self.start()


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(f"{answer['error']}: {answer.get('detail')}")
        self.error, self.field, self.detail = answer["error"], answer.get("field"), answer.get("detail", "")
        self.state = answer.get("state")


def become_nobody_with(resolv_conf):
    """In a child of root's: a mount namespace of its own in which the file stands at /etc/resolv.conf."""
    os.seteuid(0)
    os.setegid(0)
    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, bind, private = 0x20000, 4096, 0x44000
    done = (libc.unshare(new_namespace) == 0 and libc.mount(b"none", b"/", None, private, None) == 0 and
            libc.mount(str(resolv_conf).encode(), b"/etc/resolv.conf", None, bind, None) == 0)
    if not done:
        os._exit(99)
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


class Daemon:
    """A daemon of ours under test. Its keeper is the process we start."""

    def __init__(self, name, home, configuration):
        self.name, self.home = name, pathlib.Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.config = self.home / "hookswitch.yaml"
        self.configure(configuration)
        self.keeper = None
        self.resolv_conf = None  # a file that stands at /etc/resolv.conf for this daemon; needs root

    def configure(self, configuration):
        self.config.write_text(yaml.safe_dump(configuration))
        self.config.chmod(0o600)

    @property
    def log_path(self):
        return self.home / f"{self.name}.log"

    @property
    def ready_path(self):
        return self.home / "run" / self.name / "ready"

    def start(self):
        program = next(path for path in [BUILD / "hookd" / self.name, BUILD / "hookd" / "stream" / self.name]
                       if path.exists())
        user = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
        if self.resolv_conf:
            user = {"preexec_fn": lambda: become_nobody_with(self.resolv_conf)}
        with open(self.log_path, "ab") as log:
            self.keeper = subprocess.Popen([program, "--config", self.config], stderr=log, stdout=log, **user,
                                           env={**os.environ, "HOOKSWITCH_HOME": str(self.home)})
        self.wait_ready()
        return self

    def wait_ready(self, not_pid=0):
        def look():
            assert self.keeper.poll() is None, self.log_path.read_text()[-3000:]
            try:
                pid = int(self.ready_path.read_text().split()[0])
                os.kill(pid, 0)
                return pid if pid != not_pid else 0
            except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
                return 0
        return wait_for(look, 20, f"{self.name} to be ready")

    @property
    def pid(self):
        return self.wait_ready()

    def kill(self):
        """kill -9 of the child; its keeper starts a successor."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        return self.wait_ready(not_pid=pid)

    def stop(self):
        """Ends it politely; what a sanitizer found makes the test fail."""
        if not self.keeper:
            return
        self.keeper.send_signal(signal.SIGTERM)
        code = self.keeper.wait(15)
        self.keeper = None
        text = self.log_path.read_text(errors="replace")
        assert "Sanitizer" not in text and "runtime error" not in text, text[-8000:]
        assert code == 0, f"{self.name} ended with {code}: {text[-3000:]}"


def metric(text, name, **labels):
    """Sum of the figures of this name whose labels include these."""
    found = [line for line in text.splitlines() if line.startswith((name + "{", name + " "))]
    assert found, f"no {name}"
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(float(line.split()[-1]) for line in found if all(w in line for w in wanted))


# ---- receivers ----

def sign(secret, message_id, timestamp, body):
    """Standard Webhooks, written from its description; not our C."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Attempt:
    def __init__(self, path, headers, raw):
        self.at, self.path, self.headers, self.raw = time.monotonic(), path, headers, raw
        self.id = headers.get("webhook-id")
        self.body = json.loads(raw) if raw else None

    def fits(self, secret):
        signature = sign(secret, self.id, self.headers["webhook-timestamp"], self.raw)
        return signature in self.headers["webhook-signature"].split(" ")


class Receiver:
    """answers: function (attempt, number of the attempt for this id) -> (status, headers, body). May block or raise."""

    def __init__(self, answers=None, host="127.0.0.1", tls=None):
        self.attempts, self.counts, self.changed = [], {}, threading.Condition()
        self.answers = answers or (lambda attempt, number: (204, {}, b""))
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                attempt = Attempt(self.path, self.headers, raw)
                with receiver.changed:
                    receiver.attempts.append(attempt)
                    number = receiver.counts[attempt.id] = receiver.counts.get(attempt.id, 0) + 1
                    receiver.changed.notify_all()
                status, headers, body = receiver.answers(attempt, number)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size, block_on_close = True, 128, False

            def handle_error(self, request, address):
                pass

        self.server = Server((host, 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def url(self, path="/hook", host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"

    def wait(self, count=1, timeout=15, path=None):
        def enough():
            found = [a for a in self.attempts if path is None or a.path == path]
            return found if len(found) >= count else None
        return wait_for(enough, timeout, f"{count} attempts at {path or 'any path'}, got {len(self.attempts)}")

    def ids(self):
        return {attempt.id for attempt in self.attempts}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


# ---- secrets ----

def seal(home, url, secret, role="hookd"):
    """As apid seals: crypto_box_seal(destination NUL value) to the role's public key."""
    sodium = ctypes.CDLL("libsodium.so.23")
    assert sodium.sodium_init() >= 0
    public = (pathlib.Path(home) / "keys" / f"{role}.pub").read_bytes()
    if len(public) != 32:
        public = base64.b64decode(public)
    plain = f"url:{url}".encode() + b"\0" + secret.encode()
    sealed = ctypes.create_string_buffer(len(plain) + 48)
    sodium.crypto_box_seal(sealed, plain, ctypes.c_ulonglong(len(plain)), public)
    return "sealed:" + base64.b64encode(sealed.raw).decode()


def unseal(home, url, sealed, role="hookd"):
    """As the role opens; only for this URL."""
    sodium = ctypes.CDLL("libsodium.so.23")
    assert sodium.sodium_init() >= 0
    keys = pathlib.Path(home) / "keys"
    box = base64.b64decode(sealed.removeprefix("sealed:"))
    plain = ctypes.create_string_buffer(len(box) - 48)
    assert not sodium.crypto_box_seal_open(plain, box, ctypes.c_ulonglong(len(box)), (keys / f"{role}.pub").read_bytes(),
                                           (keys / f"{role}.key").read_bytes())
    destination, _, value = plain.raw.partition(b"\0")
    assert destination.decode() == f"url:{url}"
    return value.decode()


def new_secret():
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()
