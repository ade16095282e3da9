"""What stands around mediad in these tests: its daemon, a bus peer that plays apid, sipd and a front, phones on UDP.

The suite's one-uid mode is used: daemon and bus peer run under one ordinary user. When the tests run as root both become
an unprivileged uid; the bus peer is therefore a process of its own, driven over a pipe.
"""
import json
import multiprocessing
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import threading
import time
import traceback

import zmq

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOOKSWITCH_BUILD", REPO / "build"))
UID = 64990
PORTS = (25000, 25199)  # mediad's; phones have the rest of 25xxx
ATTACH, ATTACHED, REFUSED, AUDIO, UPLOAD, ACCEPTED, DETACH, CLEAR = range(1, 9)
PCMU, PCMA = 1, 2
METADATA = 95  # ZMQ_METADATA: under one uid a front's role comes with its connection


def until(condition, seconds=5.0, what="condition"):
    """Waits for a condition; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.002)


def become_ordinary():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(UID)
        os.setuid(UID)


# ---- The bus peer's process ----

class Bus:
    """apid's, sipd's and a front's ends of the bus."""

    def __init__(self, home):
        self.context = zmq.Context()
        self.home = home
        self.facts, self.frames, self.answers = [], [], {}
        folder = pathlib.Path(home) / "run" / "apid" / "requests"
        folder.mkdir(parents=True, exist_ok=True)
        self.hearer = self.context.socket(zmq.ROUTER)
        self.hearer.bind(f"ipc://{folder}/socket")
        self.askers, self.fronts = {}, {}
        self.seen = set()

    def asker(self, role):
        if role not in self.askers:
            self.askers[role] = self.context.socket(zmq.DEALER)
            self.askers[role].connect(f"ipc://{self.home}/run/mediad/requests/socket")
        return self.askers[role]

    def front(self, name, role="api-front"):
        if name not in self.fronts:
            made = self.context.socket(zmq.DEALER)
            made.setsockopt(METADATA, f"X-role:{role}".encode())
            made.connect(f"ipc://{self.home}/run/mediad/audio/socket")
            self.fronts[name] = made
        return self.fronts[name]

    def send_request(self, role, kind, body, identity):
        self.asker(role).send(json.dumps({"v": 1, "kind": "request", "type": kind, "id": identity, "source": role,
                                          "deadline_ms": 5000, "body": body}).encode())

    def drop_front(self, name):
        self.fronts.pop(name).close(0)

    def hear_facts(self):
        route, head, *facts = self.hearer.recv_multipart()
        head = json.loads(head)
        for fact in map(json.loads, facts):
            key = head["epoch"], fact["seq"]
            if key not in self.seen:
                self.seen.add(key)
                self.facts.append({"at": time.monotonic(), **fact})
        last = json.loads(facts[-1])["seq"]
        self.hearer.send_multipart([route, json.dumps({"v": 1, "kind": "ack", "epoch": head["epoch"],
                                                       "seq": last}).encode()])

    def turn(self, pipe):
        poller = zmq.Poller()
        poller.register(pipe.fileno(), zmq.POLLIN)
        poller.register(self.hearer, zmq.POLLIN)
        for made in [*self.askers.values(), *self.fronts.values()]:
            poller.register(made, zmq.POLLIN)
        ready = dict(poller.poll(1000))
        if self.hearer in ready:
            self.hear_facts()
        for made in self.askers.values():
            if made in ready:
                answer = json.loads(made.recv())
                self.answers[answer["re"]] = answer
        for name, made in self.fronts.items():
            while made.poll(0):
                self.frames.append((name, time.monotonic(), made.recv()))
        return pipe.fileno() in ready

    def run(self, pipe):
        while True:
            if not self.turn(pipe):
                continue
            verb, *rest = pipe.recv()
            if verb == "request":
                self.send_request(*rest)
            elif verb == "frame":
                name, role, data = rest
                self.front(name, role).send(data)
            elif verb == "drop":
                self.drop_front(*rest)
            elif verb == "state":
                pipe.send((self.facts, self.answers, self.frames))
                self.facts, self.answers, self.frames = [], {}, []
            else:
                self.context.destroy(0)
                return


def bus_process(pipe, home):
    become_ordinary()
    try:
        Bus(home).run(pipe)
    except EOFError:
        pass
    except Exception:  # the parent sees a closed pipe; the reason is here
        traceback.print_exc()


class Frame:
    HEAD = struct.Struct("!BBBBII32s")

    def __init__(self, data, name="", at=0.0):
        _, self.kind, self.codec, self.flags, self.sequence, self.timestamp, grant = self.HEAD.unpack(data[:44])
        self.grant, self.payload, self.front, self.at = grant.rstrip(b"\0").decode(), data[44:], name, at

    @classmethod
    def pack(cls, kind, grant, payload=b"", codec=0, last=False, sequence=0, timestamp=0):
        return cls.HEAD.pack(1, kind, codec, int(last), sequence, timestamp, grant.encode()) + payload


class Error(Exception):
    """A refused request."""

    def __init__(self, answer):
        super().__init__(answer)
        self.name, self.detail, self.state = answer["error"], answer.get("detail", ""), answer.get("state")


class Mediad:
    """The daemon and its bus peer."""

    def __init__(self, home, log=None, **settings):
        self.home = pathlib.Path(home)
        self.settings = {"SERVER_HOST": "0.0.0.0", "MEDIA_PORT_MIN": PORTS[0], "MEDIA_PORT_MAX": PORTS[1], **settings}
        self.counter = 0
        self.facts, self.answers, self.frames = [], {}, []
        if os.geteuid() == 0:
            os.chown(self.home, UID, UID)
            self.home.chmod(0o755)
        self.log = log or open(self.home / "log", "wb+")
        self.start()
        context = multiprocessing.get_context("fork")
        self.pipe, other = context.Pipe()
        self.bus = context.Process(target=bus_process, args=(other, str(self.home)), daemon=True)
        self.bus.start()
        other.close()

    def start(self):
        environment = {**os.environ, "HOOKSWITCH_HOME": str(self.home),
                       **{f"HOOKSWITCH_{name}": str(value) for name, value in self.settings.items()}}
        self.process = subprocess.Popen([str(BUILD / "mediad" / "mediad")], env=environment, stderr=self.log,
                                        preexec_fn=become_ordinary)
        ready = self.home / "run" / "mediad" / "ready"
        until(lambda: self.process.poll() is not None or ready.exists(), 10, "ready")
        assert self.process.poll() is None, self.text()

    def child(self):
        return int((self.home / "run" / "mediad" / "ready").read_text().split()[0])

    def text(self):
        return (self.home / "log").read_text(errors="replace")

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        self.pipe.send(("end",))
        self.bus.join(5)
        self.log.close()
        text = self.text()
        assert code == 0, text
        assert "Sanitizer" not in text and "runtime error" not in text, text

    # ---- Asking ----

    def pull(self):
        self.pipe.send(("state",))
        facts, answers, frames = self.pipe.recv()
        self.facts += facts
        self.answers.update(answers)
        self.frames += [Frame(data, name, at) for name, at, data in frames]

    def ask(self, message, /, *, by="apid", **body):
        self.counter += 1
        identity = f"q{os.getpid()}-{self.counter}"
        self.pipe.send(("request", by, message, body, identity))

        def answered():
            self.pull()
            return identity in self.answers
        until(answered, 5, f"answer to {message}")
        answer = self.answers.pop(identity)
        if "error" in answer:
            raise Error(answer)
        return answer.get("body", {})

    def fact(self, kind, /, seconds=5.0, **wanted):
        """Waits for a fact with these members and takes it."""
        def found():
            self.pull()
            for fact in self.facts:
                if fact["type"] == kind and all(fact["body"].get(k) == v for k, v in wanted.items()):
                    self.facts.remove(fact)
                    return fact
            return None
        return until(found, seconds, f"fact {kind} {wanted}")["body"]

    def facts_of(self, kind, /, **wanted):
        self.pull()
        return [f["body"] for f in self.facts
                if f["type"] == kind and all(f["body"].get(k) == v for k, v in wanted.items())]

    def send(self, kind, grant, payload=b"", front="front", role="api-front", **more):
        self.pipe.send(("frame", front, role, Frame.pack(kind, grant, payload, **more)))

    def frame(self, kind, grant, seconds=5.0):
        def found():
            self.pull()
            for frame in self.frames:
                if frame.kind == kind and frame.grant == grant:
                    self.frames.remove(frame)
                    return frame
            return None
        return until(found, seconds, f"frame {kind} of {grant}")

    def frames_of(self, kind, grant):
        self.pull()
        return [f for f in self.frames if f.kind == kind and f.grant == grant]

    def drop_front(self, name):
        self.pipe.send(("drop", name))

    def metric(self, name, labels=""):
        """A figure by name and its own labels."""
        wanted = f'{name}{{daemon="mediad"{"," if labels else ""}{labels}}}'
        for line in self.ask("daemon.metrics")["text"].splitlines():
            head, _, value = line.rpartition(" ")
            if head == wanted:
                return float(value)
        raise KeyError(wanted)


# ---- Analog ports ----

class Port:
    """dahdid's end of one channel: blocks go up when a test says so, which is the card's clock."""

    def __init__(self, mediad, leg, law="pcmu", ptime=20, name="dahdi/3", front="dahdid"):
        self.mediad, self.leg, self.law, self.ptime, self.name, self.front = mediad, leg, law, ptime, name, front
        self.codec = {"pcmu": PCMU, "pcma": PCMA}[law]
        self.silence = {"pcmu": 0xff, "pcma": 0xd5}[law]
        self.size, self.sequence, self.timestamp = ptime * 8, 0, random.getrandbits(32)
        self.blocks = []  # that came down

    def words(self, grant=""):
        return f"channel/1 codec={self.law} ptime={self.ptime} name={self.name}{grant}"

    def describe(self, role, call="c1-t", **more):
        return self.mediad.ask("media.describe", by="dahdid", leg=self.leg, call=call, role=role,
                               description=self.words(), nat=False, **more)

    def lift(self, **more):
        """Somebody lifts the handset: the leg begins here."""
        answer = self.describe("offer", **more)
        assert answer["description"] == self.words(f" grant={self.leg}")
        self.attach()
        return answer

    def ring(self, call="c1-t"):
        """apid opens the leg; the handset is not lifted yet."""
        answer = self.mediad.ask("media.open", leg=self.leg, call=call, kind="channel")
        assert answer["description"] == f"channel/1 grant={self.leg}"
        self.attach()
        return answer

    def attach(self):
        self.mediad.send(ATTACH, self.leg, front=self.front, role="dahdid", codec=self.codec)
        return self.mediad.frame(ATTACHED, self.leg)

    def send(self, payload, skip=0):
        """One block up; skip: so many before it were lost."""
        self.sequence = (self.sequence + skip) & 0xffffffff
        self.timestamp = (self.timestamp + skip * self.size) & 0xffffffff
        self.mediad.send(AUDIO, self.leg, payload, front=self.front, role="dahdid", codec=self.codec,
                         sequence=self.sequence, timestamp=self.timestamp)
        self.sequence = (self.sequence + 1) & 0xffffffff
        self.timestamp = (self.timestamp + len(payload)) & 0xffffffff

    def take(self, count):
        """Waits for so many blocks that came down since the last time."""
        fresh = []

        def came():
            self.mediad.pull()
            mine = [f for f in self.mediad.frames if f.kind == AUDIO and f.grant == self.leg and f.front == self.front]
            for frame in mine:
                self.mediad.frames.remove(frame)
            fresh.extend(mine)
            return len(fresh) >= count
        until(came, 5, f"{count} blocks, {len(fresh)} came")
        self.blocks += fresh
        return fresh

    def exchange(self, audio):
        """Sends audio block by block, each answered before the next, and returns what came down for it."""
        heard = b""
        for n in range(0, len(audio), self.size):
            block = audio[n:n + self.size]
            self.send(block.ljust(self.size, bytes([self.silence])))
            heard += b"".join(f.payload for f in self.take(1))
        return heard

    def listen(self, ms):
        return self.exchange(bytes([self.silence]) * (8 * ms))

    def talk(self, audio):
        """The same in real time."""
        start, heard = time.monotonic(), b""
        for n in range(0, len(audio), self.size):
            wait = start + n / 8000 - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            heard += self.exchange(audio[n:n + self.size])
        return heard


# ---- Phones ----

def parse_sdp(text):
    lines = text.split("\r\n")
    media = next(line for line in lines if line.startswith("m=audio"))
    host = next(line for line in lines if line.startswith("c=")).split()[2]
    return host, int(media.split()[1]), lines


class Packet:
    def __init__(self, data, source=None, at=0.0):
        first, second, self.sequence, self.timestamp, self.ssrc = struct.unpack("!BBHII", data[:12])
        self.marker, self.type, self.payload = second >> 7, second & 127, data[12:]
        self.source, self.at = source, at


class Phone:
    """A UDP socket that speaks RTP and RTCP, and notes what comes."""

    def __init__(self, host="127.0.0.1", codec=0, event=101, port=None):
        self.host, self.codec, self.event = host, codec, event
        until(lambda: self.bind(port or random.randrange(PORTS[1] + 1, 25998, 2)), 5, "a free pair of ports")
        self.packets, self.reports = [], []
        self.ssrc, self.sequence, self.timestamp = random.getrandbits(32), random.getrandbits(15), random.getrandbits(32)
        self.to = None
        self.running = True
        self.threads = [threading.Thread(target=self.listen, args=args, daemon=True)
                        for args in ((self.rtp, self.packets, True), (self.rtcp, self.reports, False))]
        for thread in self.threads:
            thread.start()

    def bind(self, port):
        """Another test may have the port: then False."""
        self.port = port
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.rtp.bind((self.host, port))
            self.rtcp.bind((self.host, port + 1))
        except OSError:
            self.rtp.close()
            self.rtcp.close()
            return False
        return True

    def listen(self, made, into, is_rtp):
        made.settimeout(0.1)
        while self.running:
            try:
                data, source = made.recvfrom(2000)
            except (TimeoutError, OSError):
                continue
            at = time.monotonic()
            into.append(Packet(data, source, at) if is_rtp else data)

    def close(self):
        if not self.running:
            return
        self.running = False
        for thread in self.threads:
            thread.join()
        self.rtp.close()
        self.rtcp.close()

    def sdp(self, host=None, port=None, codecs=None, extra="", direction="sendrecv"):
        codecs = [self.codec] if codecs is None else codecs
        names = {0: "PCMU", 8: "PCMA"}
        event = "" if self.event is None else (f"a=rtpmap:{self.event} telephone-event/8000\r\n"
                                               f"a=fmtp:{self.event} 0-15\r\n")
        types = " ".join(map(str, codecs + ([] if self.event is None else [self.event])))
        maps = "".join(f"a=rtpmap:{c} {names[c]}/8000\r\n" for c in codecs if c in names)
        return (f"v=0\r\no=phone 1 1 IN IP4 {host or self.host}\r\ns=-\r\nc=IN IP4 {host or self.host}\r\nt=0 0\r\n"
                f"m=audio {port or self.port} RTP/AVP {types}\r\n{maps}{event}a=ptime:20\r\na={direction}\r\n{extra}")

    def answered(self, description):
        """Where the description says that audio is to be sent."""
        host, port, _ = parse_sdp(description)
        self.to = host, port
        return self

    def raw(self, data, to=None):
        self.rtp.sendto(data, to or self.to)

    def send(self, payload, type=None, marker=0, timestamp=None, to=None, step=None):
        type = self.codec if type is None else type
        if timestamp is None:
            timestamp = self.timestamp
            self.timestamp = (self.timestamp + (len(payload) if step is None else step)) & 0xffffffff
        self.raw(struct.pack("!BBHII", 0x80, marker << 7 | type, self.sequence & 0xffff, timestamp, self.ssrc) + payload,
                 to)
        self.sequence += 1

    def talk(self, audio, ptime=20):
        """Sends audio in real time. Returns when its last packet went out."""
        size = ptime * 8
        start = time.monotonic()
        for n in range(0, len(audio), size):
            wait = start + n / 8000 - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self.send(audio[n:n + size])

    def digit(self, event, units=1600, ends=3, step=160, skip_end=False, packets=None):
        stamp = self.timestamp
        self.timestamp = (self.timestamp + units) & 0xffffffff
        count = units // step if packets is None else packets
        for n in range(1, count + 1):
            self.send(struct.pack("!BBH", event, 10, n * step), self.event, int(n == 1), stamp)
        for _ in range(0 if skip_end else ends):
            self.send(struct.pack("!BBH", event, 0x8a, units), self.event, 0, stamp)

    def audio(self, since=0):
        return b"".join(p.payload for p in self.packets[since:] if p.type == self.codec)

    def wait_for(self, count, seconds=5.0):
        until(lambda: len(self.packets) >= count, seconds, f"{count} packets")
        return self.packets


def noise(seconds, seed=1):
    """Bytes that never repeat and hold neither law's silence."""
    source = random.Random(seed)
    return bytes(source.choice([b for b in range(256) if b not in (0xff, 0x7f, 0xd5, 0x55)])
                 for _ in range(int(seconds * 8000)))
