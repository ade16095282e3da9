"""What stands around dahdid in these tests: its daemon, a bus peer that plays apid and mediad, and telephones.

The suite's one-uid mode is used: daemon and bus peer run under one ordinary user, so the bus peer is a process of its own,
driven over a pipe. The telephones are those of the card in the machine of tests/kernel, or dahdisim's: a test asks for a
handset and does not care which.
"""
import json
import multiprocessing
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import time
import traceback

import zmq

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOOKSWITCH_BUILD", REPO / "build"))
UID = 64991
BUNDLE = 0  # where a frame has its version
ATTACH, ATTACHED, REFUSED, AUDIO, DETACH = 1, 2, 3, 4, 7
SILENCE = {1: b"\xff", 2: b"\xd5"}
HEAD = struct.Struct("!BBBBII32s")


PATIENCE = 20  # seconds; a machine that is wanted by others is slow, and nothing here is judged by how long it took


def until(condition, seconds=PATIENCE, what="condition"):
    """Waits for a condition; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what() if callable(what) else what} did not come within {seconds} s"
        time.sleep(0.002)


def is_sanitized():
    """Sanitizers make the daemon's start several times slower."""
    return b"__asan_init" in (BUILD / "dahdid" / "dahdid").read_bytes()


def become_ordinary():
    if os.geteuid() == 0:
        grant = int(os.environ.get("HOOKSWITCH_PRIORITY", 0))  # as a service has it
        if grant:
            resource.setrlimit(resource.RLIMIT_RTPRIO, (grant, grant))
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.setgroups([])
        os.setgid(UID)
        os.setuid(UID)


# ---- The bus peer's process ----

class Peer:
    """apid's ends of the bus, and mediad's: descriptions are answered, each block with one of what the test says."""

    def __init__(self, home):
        self.context = zmq.Context()
        self.facts, self.answers, self.asked = [], {}, []
        self.heard, self.say, self.blocks = {}, {}, []
        self.seen = set()
        self.refuses_media = False
        self.home = home
        self.hearer = self.bind("apid", "requests")
        self.media = self.bind("mediad", "requests")
        self.audio = self.bind("mediad", "audio")
        self.asker = self.context.socket(zmq.DEALER)
        self.asker.connect(f"ipc://{home}/run/dahdid/requests/socket")

    def bind(self, daemon, edge):
        folder = pathlib.Path(self.home) / "run" / daemon / edge
        folder.mkdir(parents=True, exist_ok=True)
        made = self.context.socket(zmq.ROUTER)
        made.bind(f"ipc://{folder}/socket")
        return made

    def hear_facts(self):
        route, head, *facts = self.hearer.recv_multipart()
        head = json.loads(head)
        for fact in map(json.loads, facts):
            key = head["epoch"], fact["seq"]
            if key not in self.seen:
                self.seen.add(key)
                self.facts.append({"came": time.monotonic(), **fact})
        last = json.loads(facts[-1])["seq"]
        self.hearer.send_multipart([route, json.dumps({"v": 1, "kind": "ack", "epoch": head["epoch"],
                                                       "seq": last}).encode()])

    def serve_media(self):
        route, text = self.media.recv_multipart()
        question = json.loads(text)
        self.asked.append(question)
        answer = {"v": 1, "kind": "answer", "re": question["id"]}
        body = question["body"]
        if self.refuses_media:
            answer |= {"error": "overloaded", "detail": "the test says no"}
        elif body["role"] == "offer":
            answer["body"] = {"description": f"{body['description']} grant={body['leg']}", "held": False}
        else:
            answer["body"] = {"held": False}
        self.media.send_multipart([route, json.dumps(answer).encode()])

    def hear_message(self):
        route, data = self.audio.recv_multipart()
        came = time.monotonic()
        if data[0] != BUNDLE:
            self.hear_frame(came, route, data)
            return
        at = 1
        while at < len(data):
            length = int.from_bytes(data[at:at + 2], "big")
            self.hear_frame(came, route, data[at + 2:at + 2 + length])
            at += 2 + length

    def hear_frame(self, came, route, data):
        _, kind, codec, _, sequence, timestamp, grant = HEAD.unpack(data[:44])
        if kind == ATTACH:
            self.audio.send_multipart([route, HEAD.pack(1, ATTACHED, codec, 0, 0, 0, grant)])
        if kind != AUDIO:
            self.blocks.append((came, kind, grant.rstrip(b"\0").decode(), sequence, timestamp, 0))
            return
        name, payload = grant.rstrip(b"\0").decode(), data[44:]
        self.blocks.append((came, kind, name, sequence, timestamp, len(payload)))
        self.heard[name] = self.heard.get(name, b"") + payload
        waiting = self.say.get(name, b"")
        block, self.say[name] = waiting[:len(payload)], waiting[len(payload):]
        block = block.ljust(len(payload), SILENCE[codec])
        self.audio.send_multipart([route, HEAD.pack(1, AUDIO, codec, 0, sequence, timestamp, grant) + block])

    def turn(self, pipe):
        poller = zmq.Poller()
        poller.register(pipe.fileno(), zmq.POLLIN)
        sockets = {self.hearer: self.hear_facts, self.media: self.serve_media, self.audio: self.hear_message,
                   self.asker: self.hear_answer}
        for made in sockets:
            poller.register(made, zmq.POLLIN)
        ready = dict(poller.poll(1000))
        for made, serve in sockets.items():
            if made in ready:
                serve()
        return pipe.fileno() in ready

    def hear_answer(self):
        answer = json.loads(self.asker.recv())
        self.answers[answer["re"]] = answer

    def command(self, pipe, verb, *rest):
        if verb == "request":
            kind, body, identity = rest
            self.asker.send(json.dumps({"v": 1, "kind": "request", "type": kind, "id": identity, "source": "apid",
                                        "deadline_ms": 5000, "body": body}).encode())
        elif verb == "say":
            grant, data = rest
            self.say[grant] = self.say.get(grant, b"") + data
        elif verb == "refuse":
            self.refuses_media, = rest
        elif verb == "state":
            pipe.send((self.facts, self.answers, self.asked, self.blocks, self.heard))
            self.facts, self.answers, self.asked, self.blocks, self.heard = [], {}, [], [], {}

    def run(self, pipe):
        while True:
            if not self.turn(pipe):
                continue
            verb, *rest = pipe.recv()
            if verb == "end":
                self.context.destroy(0)
                return
            self.command(pipe, verb, *rest)


def peer_process(pipe, home):
    become_ordinary()
    try:
        Peer(home).run(pipe)
    except EOFError:
        pass
    except Exception:  # the parent sees a closed pipe; the reason is here
        traceback.print_exc()


# ---- The daemon ----

class Error(Exception):
    """A refused request."""

    def __init__(self, answer):
        super().__init__(answer)
        self.name, self.detail, self.state = answer["error"], answer.get("detail", ""), answer.get("state")


def config_text(lines, routes, dahdi):
    return json.dumps({"lines": lines, "routes": list(routes), "dahdi": dahdi, "log": {"level": "debug"}})


class Dahdid:
    """The daemon and its bus peer."""

    def __init__(self, home, lines, routes=(), **dahdi):
        self.home = pathlib.Path(home)
        self.counter = 0
        self.facts, self.answers, self.asked, self.blocks, self.heard = [], {}, [], [], {}
        (self.home / "hookswitch.yaml").write_text(config_text(lines, routes, dahdi))
        if os.geteuid() == 0:
            os.chown(self.home, UID, UID)
            self.home.chmod(0o755)
        self.log = open(self.home / "log", "wb+")
        context = multiprocessing.get_context("fork")
        self.pipe, other = context.Pipe()
        self.peer = context.Process(target=peer_process, args=(other, str(self.home)), daemon=True)
        self.peer.start()
        other.close()
        self.process = None
        self.start()

    def start(self):
        environment = {**os.environ, "HOOKSWITCH_HOME": str(self.home)}
        self.process = subprocess.Popen([str(BUILD / "dahdid" / "dahdid")], env=environment, stderr=self.log,
                                        preexec_fn=become_ordinary)
        ready = self.home / "run" / "dahdid" / "ready"
        try:
            until(lambda: self.process.poll() is not None or ready.exists(), 60, "ready")
        except AssertionError:
            self.stop()  # nobody else has it yet
            raise
        assert self.process.poll() is None, self.text()

    def child(self):
        return int((self.home / "run" / "dahdid" / "ready").read_text().split()[0])

    def kill(self):
        """kill -9 of the child; its keeper starts a successor."""
        os.kill(self.child(), signal.SIGKILL)

    def text(self):
        return (self.home / "log").read_text(errors="replace")

    def tail(self):
        """The end of what it wrote, for those who wait in vain."""
        return "its log ends with:\n" + "\n".join(self.text().splitlines()[-15:])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def close(self):
        code = self.stop()
        self.pipe.send(("end",))
        self.peer.join(5)
        self.log.close()
        text = self.text()
        assert code == 0, text
        assert "Sanitizer" not in text and "runtime error" not in text, text

    # ---- Asking and hearing ----

    def pull(self):
        self.pipe.send(("state",))
        facts, answers, asked, blocks, heard = self.pipe.recv()
        self.facts += facts
        self.answers.update(answers)
        self.asked += asked
        self.blocks += blocks
        for grant, data in heard.items():
            self.heard[grant] = self.heard.get(grant, b"") + data

    def post(self, message, /, **body):
        """Asks, and does not wait for the answer."""
        self.counter += 1
        identity = f"q{os.getpid()}-{self.counter}"
        self.pipe.send(("request", message, body, identity))
        return identity

    def ask(self, message, /, **body):
        identity = self.post(message, **body)

        def answered():
            self.pull()
            return identity in self.answers
        until(answered, what=f"answer to {message}")
        answer = self.answers.pop(identity)
        if "error" in answer:
            raise Error(answer)
        return answer.get("body", {})

    def fact(self, kind, /, seconds=PATIENCE, **wanted):
        """Waits for a fact with these members and takes it."""
        def found():
            self.pull()
            for fact in self.facts:
                if fact["type"] == kind and all(fact["body"].get(k) == v for k, v in wanted.items()):
                    self.facts.remove(fact)
                    return fact
            return None
        return until(found, seconds, lambda: f"fact {kind} {wanted} (there are {[f['type'] for f in self.facts]}; "
                     f"{self.tail()})")["body"]

    def facts_of(self, kind, /, **wanted):
        self.pull()
        return [f["body"] for f in self.facts
                if f["type"] == kind and all(f["body"].get(k) == v for k, v in wanted.items())]

    def say(self, leg, data):
        self.pipe.send(("say", leg, data))

    def refuse_media(self, refuses):
        self.pipe.send(("refuse", refuses))

    def ring(self, leg, line="phone1", **more):
        return self.ask("leg.originate", leg=leg, call=f"c{leg}", line=line, ring_timeout_ms=60000,
                        description=f"channel/1 grant={leg}", **more)

    def metric(self, name, labels=""):
        """A figure by name and its own labels."""
        wanted = f'{name}{{daemon="dahdid"{"," if labels else ""}{labels}}}'
        for line in self.ask("daemon.metrics")["text"].splitlines():
            head, _, value = line.rpartition(" ")
            if head == wanted:
                return float(value)
        return 0.0


# ---- Telephones, and the card that they are attached to ----

class Handset:
    """A telephone. What it is told takes its time; what happened at its port is a list of (ms, event, detail)."""

    def __init__(self):
        self.seen, self.skip = [], 0

    def do(self, *commands):
        raise NotImplementedError

    def news(self):
        """All that happened, oldest first."""
        raise NotImplementedError

    def lift(self):
        self.do("lift")

    def put_down(self):
        self.do("hangup")

    def events(self):
        return self.news()[self.skip:]

    def forget(self):
        self.skip = len(self.news())
        self.ear()

    def ear(self):
        """G.711 that was heard since the last time."""
        raise NotImplementedError

    def display(self):
        """Number and name that it shows; None where it has no display."""
        return None

    def has(self, event, detail=None):
        return any(e[1] == event and detail in (None, e[2]) for e in self.events())

    def feeds(self):
        return [detail for _, event, detail in self.events() if event == "feed"]


class CardHandset(Handset):
    """One of tests/kernel/card, in its machine."""

    def __init__(self, port):
        super().__init__()
        self.control = os.open(f"/dev/hscard/{port}", os.O_RDWR | os.O_NONBLOCK)
        self.voice = os.open(f"/dev/hscard/{port}.voice", os.O_RDWR | os.O_NONBLOCK)
        self.rest = b""

    def close(self):
        os.close(self.control)
        os.close(self.voice)

    def do(self, *commands):
        for command in commands:
            os.write(self.control, f"{command}\n".encode())

    def news(self):
        while True:
            try:
                data = os.read(self.control, 4096)
            except BlockingIOError:
                break
            if not data:
                break
            *whole, self.rest = (self.rest + data).split(b"\n")
            for at, event, *detail in (line.decode().split(maxsplit=2) for line in whole):
                self.seen.append((int(at), event, detail[0] if detail else ""))
        return self.seen

    def speak(self, data):
        while data:
            try:
                data = data[os.write(self.voice, data):]
            except BlockingIOError:
                time.sleep(0.005)

    def ear(self):
        data = b""
        while True:
            try:
                part = os.read(self.voice, 8192)
            except BlockingIOError:
                return data
            if not part:
                return data
            data += part


class Card:
    """That of the machine."""

    device = "/dev/dahdi"

    def handset(self, port):
        return CardHandset(port)

    def do(self, command):
        with open("/dev/hscard/card", "w", encoding="ascii") as file:
            file.write(command)

    def unplug(self):
        self.do("unplug")

    def plug(self):
        """With all that udev and dahdi_cfg do on a host."""
        self.do("plug")
        subprocess.run(["configure-dahdi"], check=True, capture_output=True)
        for path in pathlib.Path("/dev/dahdi").rglob("*"):
            if not path.is_dir():
                path.chmod(0o666)

    def alarm(self, bits):
        self.do(f"alarm {bits}")

    def close(self):
        pass


class SimHandset(Handset):
    """One of dahdisim."""

    def __init__(self, sim, port):
        super().__init__()
        self.sim, self.port = sim, port
        self.hand, self.eye = sim.connect(), sim.connect()
        self.sound = sim.folder / f"heard-{port}-{time.monotonic_ns()}.raw"
        self.heard = self.said = 0
        self.ask("heal")
        self.ask(f"record {self.sound}")
        self.skip = len(self.news())

    def ask(self, command):
        self.eye.write(f"{self.port} {command}\n".encode())
        self.eye.flush()
        answer = json.loads(self.eye.readline())
        assert answer["ok"], (command, answer)
        return answer

    def close(self):
        self.ask("record off")
        self.hand.close()
        self.eye.close()

    def do(self, *commands):
        for command in commands:
            self.hand.write(f"{self.port} {command}\n".encode())
        self.hand.flush()

    def news(self):
        after = self.seen_number() if self.seen else 0
        for event in self.ask(f"events {after}")["events"]:
            self.seen.append((event["at_ms"], event["event"], event.get("detail", ""), event["seq"]))
        return [event[:3] for event in self.seen]

    def seen_number(self):
        return self.seen[-1][3]

    def display(self):
        shown = self.ask("display")
        return shown["number"], shown["name"]

    def speak(self, data):
        self.said += 1
        path = self.sim.folder / f"said-{self.port}-{self.said}.raw"
        path.write_bytes(data)
        self.do(f"speak {path}")

    def ear(self):
        data = self.sound.read_bytes() if self.sound.exists() else b""
        fresh, self.heard = data[self.heard:], len(data)
        return fresh


class Sim:
    """dahdisim, with ports as asked for."""

    def __init__(self, folder, *ports):
        self.folder = pathlib.Path(folder)
        self.device = str(self.folder / "dahdi")
        self.path = str(self.folder / "control")
        self.log = open(self.folder / "log", "wb")
        owner = UID if os.geteuid() == 0 else os.geteuid()
        self.process = subprocess.Popen(
            [str(BUILD / "dahdid" / "sim" / "dahdisim"), "--mount", self.device, "--control", self.path, *(ports or ("--fxs", "4")),
             "--owner", f"{owner}:{owner}"], stderr=self.log)
        try:
            until(lambda: self.process.poll() is not None or os.path.exists(self.path), 60, "dahdisim")
            assert self.process.poll() is None, (self.folder / "log").read_text()
        except AssertionError:
            self.give_up()
            raise
        self.hand = self.connect()

    def give_up(self):
        """Leaves no mount behind, which would hide from whoever removes the folder what really went wrong."""
        self.process.kill()
        self.process.wait()
        subprocess.run(["umount", "-l", self.device], capture_output=True)

    def connect(self):
        made = socket.socket(socket.AF_UNIX)
        made.connect(self.path)
        return made.makefile("rwb")

    def handset(self, port):
        return SimHandset(self, port)

    def ask(self, command):
        self.hand.write(f"card {command}\n".encode())
        self.hand.flush()
        return json.loads(self.hand.readline())

    def do(self, command):
        answer = self.ask(command)
        assert answer["ok"], (command, answer)

    def unplug(self):
        self.do("unplug")

    def plug(self):
        until(lambda: self.ask("plug")["ok"], what="the card's end, which the driver delays by a second")

    def alarm(self, bits):
        self.do(f"alarm {bits}")

    def close(self):
        self.hand.close()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.log.close()
        if code:
            self.give_up()
        assert code == 0, (self.folder / "log").read_text()
