"""What stands around sipd in these tests: a bus with an apid and a mediad, phones, and the daemon itself."""
import base64
import collections
import ctypes
import ctypes.util
import hashlib
import itertools
import json
import os
import pathlib
import re
import secrets
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

BUILD = pathlib.Path(os.environ.get("HOOKSWITCH_BUILD", REPO / "build"))
# In memory where that can be had: a disk on which others write may hold up who saves something at his end for seconds.
FOLDER = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
REALM = "phones.test"
SDP = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
       "m=audio 16000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n")
OUR_SDP = SDP.replace("16000", "26000").replace("o=- 1", "o=- 77")
PASSWORDS = {"alice": "correct-horse", "bob": "battery staple", "carol": "sha only"}
DIGESTS = {"alice": "md5", "bob": "both", "carol": "sha256"}


def wait_for(check, timeout=8, what="a condition"):
    """Calls check until it is true; returns what it returned."""
    until = time.monotonic() + timeout
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < until, f"waited {timeout} s for {what}"
        time.sleep(0.002)


# ---- secrets ----

def ha1(user, password, algorithm="md5"):
    return hashlib.new(algorithm, f"{user}:{REALM}:{password}".encode()).hexdigest()


class Sealer:
    """Makes sipd's key pair as its keeper would, and seals to it."""

    def __init__(self, home):
        self.sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))
        self.sodium.sodium_init()
        self.public, private = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
        self.sodium.crypto_box_keypair(self.public, private)
        keys = home / "keys"
        keys.mkdir(mode=0o700)
        (keys / "sipd.pub").write_bytes(self.public.raw)
        (keys / "sipd.key").write_bytes(private.raw)
        (keys / "sipd.key").chmod(0o400)

    def seal(self, destination, value):
        plain = destination.encode() + b"\0" + value.encode()
        sealed = ctypes.create_string_buffer(len(plain) + 48)
        self.sodium.crypto_box_seal(sealed, plain, ctypes.c_ulonglong(len(plain)), self.public)
        return "sealed:" + base64.b64encode(sealed.raw).decode()

    def user(self, user, realm=REALM):
        value = f"md5:{ha1(user, PASSWORDS[user])} sha256:{ha1(user, PASSWORDS[user], 'sha256')}"
        return self.seal(f"sip:{realm}:{user}", value)


# ---- the bus ----

class Bus:
    """Plays apid and mediad. One thread owns the sockets; tests wait on conditions."""

    def __init__(self, home):
        self.home, self.facts, self.asked = home, [], []
        self.changed = threading.Condition()
        self.answers, self.numbers = {}, itertools.count(1)
        self.acknowledges = True
        self.media = {}          # message -> error name, "silent", or the answer's body
        self.apid_up = False
        self.start()

    def start(self):
        self.context, self.stopping = zmq.Context(), False
        wake = f"inproc://wake-{id(self)}-{time.monotonic()}"
        self.inner = self.context.socket(zmq.PULL)
        self.inner.bind(wake)
        self.waker = self.context.socket(zmq.PUSH)
        self.waker.connect(wake)
        self.lock, self.ready = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait(5)

    def bind(self, role):
        path = self.home / "run" / role / "requests"
        path.mkdir(parents=True, exist_ok=True)
        (path / "socket").unlink(missing_ok=True)
        made = self.context.socket(zmq.ROUTER)
        made.linger = 0
        made.bind(f"ipc://{path}/socket")
        self.poller.register(made, zmq.POLLIN)
        return made

    def run(self):
        self.poller = zmq.Poller()
        self.apid, self.apid_up = self.bind("apid"), True
        self.mediad = self.bind("mediad")
        self.sipd = self.context.socket(zmq.DEALER)
        self.sipd.linger = 0
        self.sipd.connect(f"ipc://{self.home}/run/sipd/requests/socket")
        self.poller.register(self.sipd, zmq.POLLIN)
        self.poller.register(self.inner, zmq.POLLIN)
        self.ready.set()
        while not self.stopping:
            for made, _ in self.poller.poll(100):
                if made is self.inner:
                    self.order(json.loads(made.recv()))
                elif made is self.sipd:
                    self.answered(json.loads(made.recv()))
                elif made is self.mediad:
                    self.serve_media(made.recv_multipart())
                elif made is self.apid:
                    self.hear(made.recv_multipart())
        for made in [self.apid, self.mediad, self.sipd, self.inner]:
            if made is not None:
                made.close(0)

    def order(self, order):
        if order["what"] == "ask":
            self.sipd.send_json(order["envelope"])
        elif order["what"] == "answer":
            self.mediad.send_multipart([bytes.fromhex(order["peer"]), json.dumps(order["answer"]).encode()])
        elif order["what"] == "apid" and self.apid_up != order["up"]:
            self.apid_up = order["up"]
            if order["up"]:
                self.apid = self.bind("apid")
            else:
                self.poller.unregister(self.apid)
                self.apid.close(0)
                (self.home / "run/apid/requests/socket").unlink(missing_ok=True)
                self.apid = None

    def push(self, **order):
        with self.lock:
            self.waker.send(json.dumps(order).encode())

    def answered(self, answer):
        with self.changed:
            self.answers[answer["re"]] = answer
            self.changed.notify_all()

    def hear(self, frames):
        peer, head = frames[0], json.loads(frames[1])
        if head["kind"] != "facts":
            return
        with self.changed:
            known = {(f["epoch"], f["seq"]) for f in self.facts}
            for fact in map(json.loads, frames[2:]):
                if (head["epoch"], fact["seq"]) not in known:
                    self.facts.append({"epoch": head["epoch"], "at_s": time.monotonic(), **fact})
            self.changed.notify_all()
        if self.acknowledges:
            last = json.loads(frames[-1])["seq"]
            self.apid.send_multipart([peer, json.dumps(
                {"v": 1, "kind": "ack", "epoch": head["epoch"], "seq": last}).encode()])

    def serve_media(self, frames):
        peer, question = frames[0], json.loads(frames[1])
        body = question["body"]
        with self.changed:
            self.asked.append({"type": question["type"], "peer": peer.hex(), "id": question["id"], **body})
            self.changed.notify_all()
        rule = self.media.get(question["type"], {})
        if rule == "silent":
            return
        answer = {"v": 1, "kind": "answer", "re": question["id"]}
        if isinstance(rule, str):
            answer.update(error=rule, detail="the test says so")
        else:
            made = {}
            if question["type"] == "media.describe":
                made["held"] = "a=sendonly" in body["description"] or "a=inactive" in body["description"]
            if question["type"] == "media.offer" or body.get("role") == "offer":
                made["description"] = OUR_SDP
            answer["body"] = {**made, **rule}
        self.mediad.send_multipart([peer, json.dumps(answer).encode()])

    # ---- what tests do ----

    def ask(self, kind, number=None, **body):
        """Answer's body, or raises Refused. number: of the question; the same one is the same question."""
        number = number or f"q-{next(self.numbers)}"
        self.push(what="ask", envelope={"v": 1, "kind": "request", "type": kind, "id": number, "source": "apid",
                                        "incarnation": "i1-test", "deadline_ms": 5000, "body": body})
        with self.changed:
            assert self.changed.wait_for(lambda: number in self.answers, 8), f"no answer to {kind}"
            answer = self.answers.pop(number)
        if "error" in answer:
            raise Refused(answer)
        return answer.get("body")

    def fact(self, kind, count=1, timeout=8, **members):
        """Waits for the count-th fact of this kind with these members."""
        def found():
            same = [f for f in self.facts if f["type"] == kind and members.items() <= f["body"].items()]
            return same[count - 1]["body"] if len(same) >= count else None
        with self.changed:
            value = self.changed.wait_for(found, timeout)
            assert value, f"no {kind} {members}: {[(f['type'], f['body']) for f in self.facts]}"
            return value

    def facts_of(self, kind, **members):
        return [f["body"] for f in self.facts if f["type"] == kind and members.items() <= f["body"].items()]

    def media_asked(self, kind, count=1, timeout=8, **members):
        def found():
            same = [a for a in self.asked if a["type"] == kind and members.items() <= a.items()]
            return same[count - 1] if len(same) >= count else None
        with self.changed:
            value = self.changed.wait_for(found, timeout)
            assert value, f"mediad was not asked {kind}: {self.asked}"
            return value

    def answer_media(self, asked, **body):
        self.push(what="answer", peer=asked["peer"],
                  answer={"v": 1, "kind": "answer", "re": asked["id"], "body": body})

    def set_apid(self, up):
        self.push(what="apid", up=up)

    def stop(self):
        self.stopping = True
        self.thread.join(5)
        self.waker.close(0)
        self.context.term()


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(f"{answer['error']}: {answer.get('detail')}")
        self.error, self.state, self.field = answer["error"], answer.get("state"), answer.get("field")


# ---- SIP ----

class Message:
    """A SIP message as received: start line, headers in order, body."""

    def __init__(self, data, source=None):
        self.raw, self.source, self.at = data, source, time.monotonic()
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        self.start = lines[0]
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if ":" in line]
        self.status = int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else None
        self.method = self.start.split()[0] if self.status is None else (self.get("CSeq").split() + ["", ""])[1]

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name, default=""):
        return (self.all(name) or [default])[0]

    @property
    def uri(self):
        return self.start.split()[1]

    def tag(self, name):
        found = re.search(r";tag=([^;,\s]+)", self.get(name))
        return found and found.group(1)

    def contact_uri(self):
        return re.search(r"<([^>]+)>", self.get("Contact")).group(1)

    def __repr__(self):
        return f"<{self.start}>"


def digest_params(header):
    return dict((key.lower(), value.strip('"')) for key, value in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', header))


def authorize(challenge, user, password, method, uri, nc=1, cnonce="abc", **overrides):
    """Authorization for a challenge (a WWW-Authenticate value)."""
    given = {**digest_params(challenge), **overrides}
    algorithm = "sha256" if given.get("algorithm", "MD5").upper() == "SHA-256" else "md5"

    def hashed(text):
        return hashlib.new(algorithm, text.encode()).hexdigest()
    first = hashed(f"{user}:{given['realm']}:{password}")
    second = hashed(f"{method}:{uri}")
    count = f"{nc:08x}"
    response = hashed(f"{first}:{given['nonce']}:{count}:{cnonce}:auth:{second}")
    word = "SHA-256" if algorithm == "sha256" else "MD5"
    return (f'Digest username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}", '
            f'response="{response}", algorithm={word}, cnonce="{cnonce}", qop=auth, nc={count}')


class Phone:
    """A phone on a raw socket. Every message it gets waits in a list until a test takes it."""

    def __init__(self, server, user="alice", password=None, host="127.0.0.1", transport="udp"):
        self.server, self.user, self.host, self.transport = server, user, host, transport
        self.password = PASSWORDS.get(user, "none") if password is None else password
        self.inbox, self.changed = [], threading.Condition()
        self.cseq = itertools.count(1)
        self.socket = socket.socket(type=socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
        self.socket.bind((host, 0))
        if transport == "tcp":
            self.socket.connect(server)
        self.port = self.socket.getsockname()[1]
        self.closed = False
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def close(self):
        self.closed = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    # ---- wire ----

    def listen(self):
        kept = b""
        while not self.closed:
            try:
                data, source = self.socket.recvfrom(65536)
            except OSError:
                self.closed = True
                with self.changed:
                    self.changed.notify_all()
                return
            if self.transport == "udp":
                if data.strip():
                    self.arrived(Message(data, source))
                continue
            if not data:
                self.closed = True
                with self.changed:
                    self.changed.notify_all()
                return
            kept += data
            while b"\r\n\r\n" in kept:
                head, rest = kept.split(b"\r\n\r\n", 1)
                if not head.strip():
                    kept = rest
                    continue
                length = re.search(rb"(?i)content-length:\s*(\d+)", head)
                size = int(length.group(1)) if length else 0
                if len(rest) < size:
                    break
                self.arrived(Message(head + b"\r\n\r\n" + rest[:size]))
                kept = rest[size:]

    def arrived(self, message):
        with self.changed:
            self.inbox.append(message)
            self.changed.notify_all()

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        if self.transport == "udp":
            self.socket.sendto(data, self.server)
        else:
            self.socket.sendall(data)

    def take(self, check, timeout=8, what="message"):
        """The first waiting message for which check is true, taken out of the list."""
        def found():
            return next((m for m in self.inbox if check(m)), None)
        with self.changed:
            message = self.changed.wait_for(found, timeout)
            assert message, f"no {what}; there are {self.inbox}"
            self.inbox.remove(message)
            return message

    def response(self, request=None, status=None, timeout=8, method=None):
        """A response to a request of ours (text or its Call-ID and CSeq), by default a final one."""
        def check(message):
            if message.status is None or (method and message.method != method):
                return False
            if request and (message.get("Call-ID"), message.get("CSeq")) != request:
                return False
            return message.status == status if status else message.status >= 200
        return self.take(check, timeout, f"response {status or 'final'} to {request or method}")

    def request(self, method, timeout=8):
        return self.take(lambda m: m.status is None and m.method == method, timeout, method)

    def nothing(self, check, seconds=0.4):
        """Asserts that no such message comes for so long."""
        with self.changed:
            assert not self.changed.wait_for(lambda: any(check(m) for m in self.inbox), seconds), self.inbox

    # ---- building ----

    @property
    def contact(self):
        return f"sip:{self.user}@{self.host}:{self.port}" + (";transport=tcp" if self.transport == "tcp" else "")

    def via(self, branch=None):
        branch = branch or "z9hG4bK" + secrets.token_hex(8)
        return f"SIP/2.0/{self.transport.upper()} {self.host}:{self.port};branch={branch};rport"

    def build(self, method, uri, to=None, headers=(), body="", call_id=None, cseq=None, from_tag=None, branch=None,
              from_uri=None, content_type="application/sdp"):
        call_id = call_id or secrets.token_hex(8)
        cseq = cseq or next(self.cseq)
        lines = [f"{method} {uri} SIP/2.0", f"Via: {self.via(branch)}", "Max-Forwards: 70",
                 f"From: <{from_uri or f'sip:{self.user}@{REALM}'}>;tag={from_tag or secrets.token_hex(4)}",
                 f"To: {to or f'<{uri}>'}", f"Call-ID: {call_id}", f"CSeq: {cseq} {method}",
                 f"Contact: <{self.contact}>", *headers]
        if body:
            lines.append(f"Content-Type: {content_type}")
        lines.append(f"Content-Length: {len(body.encode())}")
        return "\r\n".join(lines) + "\r\n\r\n" + body, (call_id, f"{cseq} {method}")

    def ask(self, method, uri, timeout=8, **more):
        """Sends a request and returns the final response."""
        text, key = self.build(method, uri, **more)
        self.send(text)
        return self.response(key, timeout=timeout)

    def ask_proven(self, method, uri, headers=(), password=None, nc=1, **more):
        """Same, answering a challenge once."""
        more.setdefault("call_id", secrets.token_hex(8))
        more.setdefault("from_tag", secrets.token_hex(4))
        first = self.ask(method, uri, headers=headers, **more)
        if first.status != 401:
            return first
        if method == "INVITE":
            self.ack(first, uri, **more)
        more.pop("cseq", None)
        proof = authorize(first.get("WWW-Authenticate"), self.user, password or self.password, method, uri, nc=nc)
        return self.ask(method, uri, headers=[*headers, f"Authorization: {proof}"], **more)

    def ack(self, response, uri, **more):
        """ACK of a non-2xx: same branch."""
        branch = re.search(r"branch=([^;\s]+)", response.get("Via")).group(1)
        number = int(response.get("CSeq").split()[0])
        text, _ = self.build("ACK", uri, to=response.get("To"), call_id=response.get("Call-ID"), cseq=number,
                             from_tag=response.tag("From"), branch=branch)
        self.send(text)

    # ---- registering ----

    @property
    def domain_uri(self):
        return f"sip:{REALM}"

    def register(self, expires=300, contact=None, headers=(), call_id=None, to=None):
        contact = contact if contact is not None else f"Contact: <{self.contact}>;expires={expires}"
        call_id = call_id or getattr(self, "register_id", None) or secrets.token_hex(8)
        self.register_id = call_id

        def build(extra):
            text, key = self.build("REGISTER", self.domain_uri, to=to or f"<sip:{self.user}@{REALM}>",
                                   headers=[*extra, *headers], call_id=call_id)
            own = f"Contact: <{self.contact}>"
            text = text.replace(own + "\r\n", contact + "\r\n" if contact else "", 1)
            return text, key
        text, key = build([])
        self.send(text)
        first = self.response(key)
        if first.status != 401:
            return first
        text, key = build(["Authorization: " + authorize(self.pick(first), self.user, self.password, "REGISTER",
                                                         self.domain_uri)])
        self.send(text)
        return self.response(key)

    def pick(self, response):
        return response.all("WWW-Authenticate")[0]

    # ---- calling ----

    def call(self, number, sdp=SDP, headers=()):
        """An INVITE that proves who it is; returns the Call to go on with."""
        return Call(self, number, sdp, headers)

    def answer(self, request, status, reason="x", sdp=None, tag="phonetag", headers=()):
        """A response to a request that came."""
        lines = [f"SIP/2.0 {status} {reason}", *[f"Via: {v}" for v in request.all("Via")],
                 f"From: {request.get('From')}",
                 f"To: {request.get('To')}" + ("" if request.tag("To") or status == 100 else f";tag={tag}"),
                 f"Call-ID: {request.get('Call-ID')}", f"CSeq: {request.get('CSeq')}",
                 f"Contact: <{self.contact}>", *headers]
        if sdp:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(sdp or '')}")
        self.send("\r\n".join(lines) + "\r\n\r\n" + (sdp or ""))

    def inside(self, method, invite, tag="phonetag", cseq=500, body="", headers=(), content_type="application/sdp"):
        """A request in the dialog of an INVITE that came to us."""
        uri = invite.contact_uri()
        text, key = self.build(method, uri, to=invite.get("From"), call_id=invite.get("Call-ID"), cseq=cseq,
                               from_tag=tag, from_uri=re.search(r"<([^>]+)>", invite.get("To")).group(1), body=body,
                               headers=headers, content_type=content_type)
        self.send(text)
        return key


class Call:
    """A call that the phone makes."""

    def __init__(self, phone, number, sdp, headers):
        self.phone, self.uri = phone, f"sip:{number}@{REALM}"
        self.call_id, self.tag, self.sdp = secrets.token_hex(8), secrets.token_hex(4), sdp
        text, key = self.invite(headers)
        phone.send(text)
        challenge = phone.response(key)
        assert challenge.status == 401, challenge
        phone.ack(challenge, self.uri)
        proof = authorize(phone.pick(challenge), phone.user, phone.password, "INVITE", self.uri)
        self.text, self.key = self.invite([*headers, f"Authorization: {proof}"])
        phone.send(self.text)

    def invite(self, headers):
        return self.phone.build("INVITE", self.uri, call_id=self.call_id, from_tag=self.tag, body=self.sdp,
                                headers=headers)

    def response(self, status=None, timeout=8):
        found = self.phone.response(self.key, status, timeout)
        if 180 <= found.status < 300:
            self.last = found
        return found

    def ack(self, body=""):
        """Of the 200."""
        number = int(self.key[1].split()[0])
        text, _ = self.phone.build("ACK", self.last.contact_uri(), to=self.last.get("To"), call_id=self.call_id,
                                   from_tag=self.tag, cseq=number, body=body)
        self.phone.send(text)

    def cancel(self):
        branch = re.search(r"branch=([^;\s]+)", self.text).group(1)
        number = int(self.key[1].split()[0])
        text, key = self.phone.build("CANCEL", self.uri, call_id=self.call_id, from_tag=self.tag, cseq=number,
                                     branch=branch)
        self.phone.send(text)
        return self.phone.response(key)

    def send(self, method, body="", headers=(), content_type="application/sdp"):
        text, key = self.phone.build(method, self.last.contact_uri(), to=self.last.get("To"), call_id=self.call_id,
                                     from_tag=self.tag, body=body, headers=headers, content_type=content_type)
        self.phone.send(text)
        return key

    def ask(self, method, **more):
        return self.phone.response(self.send(method, **more))


# ---- the daemon ----

class House:
    def __init__(self, home, more):
        self.home, self.port, self.keeper, self.phones = home, free_port(), None, []
        sealer = Sealer(home)
        self.configuration = {
            "server": {"host": "127.0.0.1", "sip_port": self.port, "domain": REALM},
            "lines": [{"id": f"line-{user}", "user": user, "number": str(100 + i), "name": user.title(),
                       "digest": DIGESTS[user], "secret": sealer.user(user)} for i, user in enumerate(PASSWORDS)],
            "sip": {"requests_per_s": 5000, "burst": 5000, "failures": 1000, "probes": 1000000},
            "log": {"level": "debug"},
        }
        for key, value in more.items():
            self.configuration.setdefault(key, {}).update(value)
        self.write()
        self.bus = Bus(home)

    @property
    def server(self):
        return ("127.0.0.1", self.port)

    def log(self):
        return (self.home / "sipd.log").read_text(errors="replace")

    def start(self):
        with open(self.home / "sipd.log", "ab") as log:
            self.keeper = subprocess.Popen([BUILD / "sipd" / "sipd"], stderr=log, stdout=log,
                                           env={**os.environ, "HOOKSWITCH_HOME": str(self.home)})
        self.wait_ready()

    def wait_ready(self, not_pid=0):
        def look():
            assert self.keeper.poll() is None, self.log()[-3000:]
            try:
                pid = int((self.home / "run/sipd/ready").read_text().split()[0])
                os.kill(pid, 0)
                return pid if pid != not_pid else 0
            except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
                return 0
        return wait_for(look, 20, "sipd to be ready")

    def kill(self):
        """kill -9 of the child."""
        pid = self.wait_ready()
        os.kill(pid, signal.SIGKILL)
        return pid

    def write(self):
        (self.home / "hookswitch.yaml").write_text(yaml.safe_dump(self.configuration))
        (self.home / "hookswitch.yaml").chmod(0o600)

    def reconfigure(self):
        """Starts the suite with self.configuration as it is now."""
        self.write()
        self.restart_suite()

    def restart_suite(self):
        """Ends keeper and child, and starts them again."""
        self.end()
        self.start()

    def phone(self, *arguments, **more):
        self.phones.append(Phone(self.server, *arguments, **more))
        return self.phones[-1]

    def registered(self, *arguments, **more):
        phone = self.phone(*arguments, **more)
        answer = phone.register()
        assert answer.status == 200, answer
        return phone

    def ring(self, line="line-alice", leg=None, ring_timeout_ms=20000, **more):
        leg = leg or "l1-" + secrets.token_hex(8)
        self.bus.ask("leg.originate", leg=leg, call="c1-" + leg[3:], line=line, description=OUR_SDP,
                     ring_timeout_ms=ring_timeout_ms, **more)
        return leg

    def is_alive(self):
        """OPTIONS is answered."""
        phone = Phone(self.server, "probe")
        try:
            return phone.ask("OPTIONS", f"sip:{REALM}").status == 200
        finally:
            phone.close()

    def metric(self, name):
        """Sum of a figure over its labels."""
        text = self.bus.ask("daemon.metrics")["text"]
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if re.match(re.escape(name) + r"[{ ]", line))

    def records(self):
        """Trace by call id."""
        made = collections.defaultdict(list)
        for record in self.bus.ask("daemon.trace")["records"]:
            made[record.get("call")].append(record["what"])
        return made

    def end(self):
        if not self.keeper:
            return
        self.keeper.send_signal(signal.SIGTERM)
        code = self.keeper.wait(15)
        self.keeper = None
        text = self.log()
        assert "Sanitizer" not in text and "runtime error" not in text, text[-8000:]
        assert code == 0, f"sipd ended with {code}: {text[-3000:]}"

    def stop(self):
        for phone in self.phones:
            phone.close()
        try:
            self.end()
        finally:
            if self.keeper:
                self.keeper.kill()
            self.bus.stop()
