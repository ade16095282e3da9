"""A SIP phone for exact measurements: every packet it sends or gets is on record with its time.

One thread per socket, blocking calls for tests. UDP, digest (MD5 or SHA-256), PCMU/PCMA, RFC 4733 and INFO digits,
hold by re-INVITE. It does what a small ATA does, no more.
"""
import hashlib
import queue
import random
import re
import socket
import struct
import threading
import time

import audio

PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8}
DIGITS = "0123456789*#ABCD"
SO_TIMESTAMPNS = 35


def word(length=12):
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))


class Message:
    """A SIP message: start line, headers in order, body."""

    def __init__(self, start, headers=(), body=b""):
        self.start, self.headers, self.body = start, list(headers), body

    @classmethod
    def parse(cls, data):
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers.append((name.strip().lower(), value.strip()))
        return cls(lines[0], headers, body)

    def get(self, name, default=""):
        short = {"via": "v", "from": "f", "to": "t", "call-id": "i", "contact": "m", "content-type": "c"}.get(name)
        return next((v for k, v in self.headers if k in (name, short)), default)

    def all(self, name):
        return [v for k, v in self.headers if k == name]

    @property
    def status(self):
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self):
        return "" if self.status else self.start.split(" ")[0]

    @property
    def cseq(self):
        number, _, method = self.get("cseq").partition(" ")
        return int(number), method.strip()

    @property
    def branch(self):
        found = re.search(r"branch=([^;,\s]+)", self.get("via"))
        return found.group(1) if found else ""

    def tag(self, header):
        found = re.search(r"tag=([^;\s>]+)", self.get(header))
        return found.group(1) if found else ""

    def bytes(self):
        lines = [self.start] + [f"{k}: {v}" for k, v in self.headers] + [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


def uri_of(value):
    found = re.search(r"<([^>]+)>", value)
    return found.group(1) if found else value.split(";")[0].strip()


def digest(challenge, method, uri, user, password, count=1):
    """The Authorization value that answers a challenge (RFC 7616, qop=auth)."""
    fields = {k.lower(): a or b for k, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', challenge)}
    algorithm = fields.get("algorithm", "MD5")
    hasher = hashlib.sha256 if algorithm.upper() == "SHA-256" else hashlib.md5

    def h(text):
        return hasher(text.encode()).hexdigest()

    cnonce, nc = word(), f"{count:08x}"
    ha1, ha2 = h(f"{user}:{fields['realm']}:{password}"), h(f"{method}:{uri}")
    response = h(f"{ha1}:{fields['nonce']}:{nc}:{cnonce}:auth:{ha2}")
    out = (f'Digest username="{user}", realm="{fields["realm"]}", nonce="{fields["nonce"]}", uri="{uri}", '
           f'response="{response}", algorithm={algorithm}, cnonce="{cnonce}", qop=auth, nc={nc}')
    return out + (f', opaque="{fields["opaque"]}"' if "opaque" in fields else "")


class Rtp:
    """An RTP end: sends a frame each 20 ms, records what comes."""

    def __init__(self, host, codec="PCMU", event_type=101):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(0.2)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # what we do meanwhile delays no packet
        self.port = self.socket.getsockname()[1]
        self.codec, self.event_type = codec, event_type
        self.remote = None
        self.received = []  # (time, sequence, timestamp, payload type, marker, ssrc, payload)
        self.sent = []  # (time, sequence, timestamp, payload)
        self.source = None  # iterator of payloads; silence when None or at its end
        self.ssrc = random.getrandbits(32)
        self.sequence, self.timestamp = random.getrandbits(15), random.getrandbits(30)
        self.events = queue.Queue()
        self.muted = False
        self.closed = threading.Event()
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._send_loop, self._receive_loop)]
        self.running = False

    def start(self, remote, codec):
        self.remote, self.codec = remote, codec
        if not self.running:
            self.running = True
            for thread in self.threads:
                thread.start()

    def play(self, payloads):
        """From now on these frames, then silence."""
        self.source = iter(payloads)

    def press(self, digit, duration_ms=160, packets_lost=(), end_copies=3):
        """Queues a digit as telephone-event. packets_lost: numbers of its packets that are never sent."""
        self.events.put((DIGITS.index(digit), duration_ms, set(packets_lost), end_copies))

    def _packet(self, kind, marker, timestamp, payload):
        head = struct.pack("!BBHII", 0x80, kind | (0x80 if marker else 0), self.sequence & 0xFFFF,
                           timestamp & 0xFFFFFFFF, self.ssrc)
        self.sequence += 1
        return head + payload

    def _send(self, packet):
        try:
            if self.remote and not self.muted:
                self.socket.sendto(packet, self.remote)
        except OSError:
            pass

    def _send_loop(self):
        due = time.monotonic()
        event = None
        while not self.closed.is_set():
            if event is None and not self.events.empty():
                event = {"at": self.timestamp, "spec": self.events.get(), "packets": 0}
            if event:
                event = self._send_event(event)
            else:
                self._send_audio()
            self.timestamp += audio.FRAME
            due += 0.02
            time.sleep(max(0, due - time.monotonic()))

    def _send_audio(self):
        payload = next(self.source, None) if self.source else None
        if payload is None:
            self.source = None
            payload = bytes([audio.SILENCE[self.codec]]) * audio.FRAME
        packet = self._packet(PAYLOAD_TYPES[self.codec], False, self.timestamp, payload)
        self.sent.append((time.time(), self.sequence - 1, self.timestamp, payload))
        self._send(packet)

    def _send_event(self, event):
        number, duration_ms, lost, end_copies = event["spec"]
        units = (event["packets"] + 1) * audio.FRAME
        last = units >= duration_ms * 8
        for _ in range(end_copies if last else 1):
            body = struct.pack("!BBH", number, (0x80 if last else 0) | 10, min(units, duration_ms * 8))
            packet = self._packet(self.event_type, event["packets"] == 0, event["at"], body)
            if event["packets"] not in lost:
                self._send(packet)
            event["packets"] += 1
        return None if last else event

    def _receive_loop(self):
        while not self.closed.is_set():
            try:
                data, stamp, _, _ = self.socket.recvmsg(4096, 64)
            except socket.timeout:
                continue
            except OSError:
                return
            if len(data) >= 12 and data[0] >> 6 == 2:
                kind, sequence, timestamp, ssrc = struct.unpack("!xBHII", data[:12])
                seconds, nanoseconds = struct.unpack("qq", stamp[0][2])
                self.received.append((seconds + nanoseconds / 1e9, sequence, timestamp, kind & 0x7F, bool(kind & 0x80), ssrc, data[12:]))

    def heard(self, since=0):
        """Payload bytes of the codec, in the order of their sequence numbers."""
        kind = PAYLOAD_TYPES[self.codec]
        return b"".join(p[6] for p in list(self.received)[since:] if p[3] == kind)

    def close(self):
        self.closed.set()
        if self.running:
            for thread in self.threads:
                thread.join(1)
        self.socket.close()


class Call:
    """A dialog of the phone. state: trying, ringing, up, ended."""

    def __init__(self, phone, call_id, codec=None):
        self.phone, self.call_id = phone, call_id
        self.state, self.status, self.changed = "trying", 0, threading.Condition()
        self.rtp = Rtp(phone.host)
        self.codecs = [codec] if codec else list(phone.codecs)
        self.local_tag, self.remote_tag = word(), ""
        self.remote_target, self.peer, self.local = "", "", ""
        self.cseq, self.invite, self.by_us = 1, None, False
        self.version = 1
        self.caller = ""
        self.history = [(time.time(), "trying")]

    def set_state(self, state, status=0):
        with self.changed:
            if self.state == "ended":
                return
            self.state, self.status = state, status or self.status
            self.history.append((time.time(), state))
            self.changed.notify_all()
        if state == "ended":
            self.rtp.close()

    def wait(self, state, timeout=5):
        """Until this state was reached; asserts that it was."""
        with self.changed:
            fine = self.changed.wait_for(lambda: state in [s for _, s in self.history] or self.state == "ended", timeout)
        assert fine and state in [s for _, s in self.history], \
            f"{self.phone.user}: waited {timeout} s for {state}, is {self.state} ({self.status})"
        return self

    def sdp(self, direction="sendrecv"):
        kinds = [PAYLOAD_TYPES[c] for c in self.codecs]
        lines = ["v=0", f"o=- 1 {self.version} IN IP4 {self.phone.shown_host}", "s=-", f"c=IN IP4 {self.phone.shown_host}",
                 "t=0 0", f"m=audio {self.rtp.port} RTP/AVP {' '.join(map(str, kinds))} 101"]
        lines += [f"a=rtpmap:{PAYLOAD_TYPES[c]} {c}/8000" for c in self.codecs]
        lines += ["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=ptime:20", f"a={direction}", ""]
        return "\r\n".join(lines).encode()

    def media(self, body):
        """Begins audio towards what an SDP names."""
        text = body.decode("utf-8", "replace")
        line = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", text, re.M)
        host = re.search(r"^c=IN IP4 (\S+)", text, re.M)
        if not line or not host:
            return
        names = {v: k for k, v in PAYLOAD_TYPES.items()}
        codec = next((names[int(k)] for k in line.group(2).split() if int(k) in names and names[int(k)] in self.codecs), None)
        event = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", text, re.M)
        if event:
            self.rtp.event_type = int(event.group(1))
        if codec:
            self.rtp.start((host.group(1), int(line.group(1))), codec)

    def request(self, method, headers=(), body=b"", cseq=None):
        number = cseq or self.next_cseq()
        return self.phone.build(method, self.remote_target, self.local + f";tag={self.local_tag}",
                                self.peer + (f";tag={self.remote_tag}" if self.remote_tag else ""), self.call_id,
                                number, headers, body)

    def next_cseq(self):
        self.cseq += 1
        return self.cseq

    def answer(self):
        assert self.invite is not None
        self.media(self.invite.body)
        if self.rtp.running:
            self.codecs = [self.rtp.codec]
        self.phone.respond(self.invite, 200, "OK", self, [("Content-Type", "application/sdp")], self.sdp())
        self.set_state("up")
        return self

    def reject(self, status=486, reason="Busy Here"):
        self.phone.respond(self.invite, status, reason, self)
        self.set_state("ended", status)

    def hangup(self):
        if self.state == "ended":
            return
        self.by_us = True
        if self.state == "up":
            self.phone.transact(self.request("BYE"))
            self.set_state("ended")
        elif self.invite is not None:
            self.reject()
        else:
            self.phone.cancel(self)

    def keys(self, digits):
        """Presses keys, one after the other."""
        for digit in digits:
            self.rtp.press(digit, 120)

    def info(self, digit, duration_ms=160):
        """A digit as SIP INFO; the status that answers it."""
        body = f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode()
        return self.phone.transact(self.request("INFO", [("Content-Type", "application/dtmf-relay")], body)).status

    def hold(self, held=True):
        self.version += 1
        request = self.request("INVITE", [("Contact", f"<{self.phone.contact}>"), ("Content-Type", "application/sdp")],
                               self.sdp("sendonly" if held else "sendrecv"))
        reply = self.phone.transact(request)
        if reply.status == 200:
            self.phone.send(self.request("ACK", cseq=reply.cseq[0]))
        return reply


class Phone:
    """A user agent on a UDP socket of its own."""

    def __init__(self, user, password, server, domain, host="127.0.0.1", shown_host=None, codecs=("PCMU", "PCMA"),
                 agent="test phone", answers=None):
        self.user, self.password, self.server, self.domain = user, password, server, domain
        self.host, self.shown_host, self.codecs, self.agent = host, shown_host or host, codecs, agent
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.contact = f"sip:{user}@{self.shown_host}:{self.port}"
        self.calls, self.incoming, self.waiting, self.replies = {}, queue.Queue(), {}, {}
        self.log = []  # (time, "in" or "out", start line)
        self.answers = answers  # seconds until an incoming call is answered by itself
        self.busy = False
        self.silent = False  # behaves as if it had lost power
        self.register_id, self.register_cseq = word(), 0
        self.closed = threading.Event()
        self.summaries = []
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    # ---- Messages ----

    def build(self, method, uri, sender, to, call_id, cseq, headers=(), body=b""):
        branch = "z9hG4bK" + word()
        lines = [("Via", f"SIP/2.0/UDP {self.shown_host}:{self.port};rport;branch={branch}"), ("Max-Forwards", "70"),
                 ("From", sender), ("To", to), ("Call-ID", call_id), ("CSeq", f"{cseq} {method}"),
                 ("User-Agent", self.agent)] + list(headers)
        return Message(f"{method} {uri} SIP/2.0", lines, body)

    def send(self, message):
        self.log.append((time.time(), "out", message.start))
        if not self.silent:
            self.socket.sendto(message.bytes(), self.server)

    def transact(self, message, timeout=8, provisional=None):
        """Sends a request until a final answer comes."""
        normal = Message.parse(message.bytes())
        inbox = queue.Queue()
        self.waiting[(normal.branch, normal.cseq[1])] = inbox
        until, wait = time.monotonic() + timeout, 0.5
        self.send(message)
        heard = False
        while time.monotonic() < until:
            try:
                reply = inbox.get(timeout=min(wait, max(0.01, until - time.monotonic())))
            except queue.Empty:
                if not heard:
                    self.send(message)
                    wait = min(wait * 2, 4)
                continue
            heard = True
            if reply.status >= 200:
                return reply
            if provisional:
                provisional(reply)
        raise TimeoutError(f"{self.user}: no answer to {message.start}")

    def respond(self, request, status, reason, call=None, headers=(), body=b""):
        to = request.get("to")
        if "tag=" not in to and call:
            to += f";tag={call.local_tag}"
        lines = [("Via", v) for v in request.all("via")] + [("From", request.get("from")), ("To", to),
                 ("Call-ID", request.get("call-id")), ("CSeq", request.get("cseq")), ("Contact", f"<{self.contact}>"),
                 ("User-Agent", self.agent)] + list(headers)
        message = Message(f"SIP/2.0 {status} {reason}", lines, body)
        self.replies[(request.branch, request.cseq)] = message
        self.send(message)

    def _loop(self):
        self.socket.settimeout(0.2)
        while not self.closed.is_set():
            try:
                data, _ = self.socket.recvfrom(65536)
            except socket.timeout:
                continue
            except OSError:
                return
            if self.silent or len(data) < 16:
                continue
            message = Message.parse(data)
            self.log.append((time.time(), "in", message.start))
            if message.status:
                self._response(message)
            else:
                self._request(message)

    def _response(self, message):
        inbox = self.waiting.get((message.branch, message.cseq[1]))
        if inbox:
            inbox.put(message)
        call = self.calls.get(message.get("call-id"))
        if call and message.cseq[1] == "INVITE" and message.status >= 300:
            self._acknowledge(call, message)

    def _acknowledge(self, call, message):
        """ACK of a failed INVITE, in its transaction."""
        ack = self.build("ACK", uri_of(message.get("to")), message.get("from"), message.get("to"), call.call_id,
                         message.cseq[0])
        ack.headers[0] = ("Via", message.get("via"))
        self.send(ack)

    def _request(self, message):
        again = self.replies.get((message.branch, message.cseq))
        if again and message.method != "ACK":
            self.send(again)
            return
        call = self.calls.get(message.get("call-id"))
        handler = getattr(self, "_on_" + message.method.lower(), None)
        if handler:
            handler(message, call)
        else:
            self.respond(message, 200, "OK", call)

    def _on_invite(self, message, call):
        if call and call.state == "up":
            call.media(message.body)
            call.version += 1
            direction = "recvonly" if b"a=sendonly" in message.body else "sendrecv"
            self.respond(message, 200, "OK", call, [("Content-Type", "application/sdp")], call.sdp(direction))
            return
        if self.busy:
            self.respond(message, 486, "Busy Here", Call(self, "x"))
            return
        call = Call(self, message.get("call-id"))
        call.invite, call.remote_tag = message, message.tag("from")
        call.peer, call.local = message.get("from").split(";tag=")[0], message.get("to")
        call.remote_target, call.caller = uri_of(message.get("contact")), message.get("from")
        self.calls[call.call_id] = call
        self.respond(message, 180, "Ringing", call)
        call.set_state("ringing")
        self.incoming.put(call)
        if self.answers is not None:
            threading.Timer(self.answers, lambda: call.state == "ringing" and call.answer()).start()

    def _on_ack(self, message, call):
        pass

    def _on_bye(self, message, call):
        if not call:
            self.respond(message, 481, "No such call")
            return
        self.respond(message, 200, "OK", call)
        call.set_state("ended")

    def _on_notify(self, message, call):
        self.summaries.append(message.body.decode())
        self.respond(message, 200, "OK")

    def _on_cancel(self, message, call):
        self.respond(message, 200, "OK", call)
        if call and call.state == "ringing":
            self.respond(call.invite, 487, "Request Terminated", call)
            call.set_state("ended", 487)

    # ---- What a person does ----

    def register(self, expires=300, password=None, user=None, timeout=8):
        """Registers (0: unregisters). The final answer."""
        uri = f"sip:{self.domain}"
        address = f"<sip:{self.user}@{self.domain}>"
        extra = []
        for attempt in range(3):
            self.register_cseq += 1
            request = self.build("REGISTER", uri, f"{address};tag={self.register_id}", address, self.register_id,
                                 self.register_cseq, [("Contact", f"<{self.contact}>"), ("Expires", str(expires))] + extra)
            reply = self.transact(request, timeout)
            if reply.status not in (401, 407) or attempt == 2 or (extra and "stale=true" not in reply.get("www-authenticate").lower()):
                return reply
            extra = [("Authorization", digest(reply.get("www-authenticate"), "REGISTER", uri, user or self.user,
                                              password or self.password))]
        return reply

    def subscribe(self, expires=300, timeout=8):
        """To the messages that wait for it. The final answer; what it is told is in self.summaries."""
        uri = f"sip:{self.user}@{self.domain}"
        name, extra = word(), []
        for cseq in (1, 2):
            request = self.build("SUBSCRIBE", uri, f"<{uri}>;tag={name}", f"<{uri}>", name, cseq,
                                 [("Contact", f"<{self.contact}>"), ("Event", "message-summary"), ("Expires", str(expires))] + extra)
            reply = self.transact(request, timeout)
            if reply.status != 401:
                return reply
            extra = [("Authorization", digest(reply.get("www-authenticate"), "SUBSCRIBE", uri, self.user, self.password))]
        return reply

    def call(self, number, codec=None, body=None):
        """Dials. Returns at once; wait() for ringing or up."""
        call = Call(self, word(20), codec)
        call.remote_target = f"sip:{number}@{self.domain}"
        call.peer, call.local = f"<sip:{number}@{self.domain}>", f"<sip:{self.user}@{self.domain}>"
        self.calls[call.call_id] = call
        call.body = body
        threading.Thread(target=self._dial, args=(call,), daemon=True).start()
        return call

    def lift(self):
        """What an ATA with off-hook auto-dial does when its handset is lifted; the call, with dial tone."""
        call = self.call("hotline").wait("up")
        end = time.monotonic() + 10
        while len(set(call.rtp.heard()[-800:])) < 10:  # silence is one code or two
            assert time.monotonic() < end, f"{self.user}: no dial tone"
            time.sleep(0.02)
        return call

    def _dial(self, call):
        extra = []
        try:
            for _ in range(3):
                headers = [("Contact", f"<{self.contact}>"), ("Content-Type", "application/sdp")] + extra
                call.outgoing = call.request("INVITE", headers, call.body or call.sdp())
                reply = self.transact(call.outgoing, 40, lambda r: self._provisional(call, r))
                if reply.status not in (401, 407):
                    break
                name = "authorization" if reply.status == 401 else "proxy-authorization"
                challenge = reply.get("www-authenticate") or reply.get("proxy-authenticate")
                extra = [(name.title(), digest(challenge, "INVITE", call.remote_target, self.user, self.password))]
        except TimeoutError:
            call.set_state("ended", 408)
            return
        if reply.status >= 300:
            call.set_state("ended", reply.status)
            return
        call.remote_tag = reply.tag("to")
        call.remote_target = uri_of(reply.get("contact")) or call.remote_target
        call.media(reply.body)
        self.send(call.request("ACK", cseq=reply.cseq[0]))
        call.set_state("up")

    def _provisional(self, call, reply):
        if reply.status in (180, 183):
            if reply.body:
                call.media(reply.body)
            call.set_state("ringing", reply.status)

    def cancel(self, call):
        cancel = self.build("CANCEL", call.remote_target, "", "", call.call_id, 1)
        sent = Message.parse(call.outgoing.bytes())
        cancel = Message(call.outgoing.start.replace("INVITE", "CANCEL", 1),
                         [("Via", sent.get("via")), ("Max-Forwards", "70"), ("From", sent.get("from")),
                          ("To", sent.get("to")), ("Call-ID", call.call_id), ("CSeq", f"{sent.cseq[0]} CANCEL")])
        self.transact(cancel)

    def wait_call(self, timeout=5):
        """The next incoming call."""
        try:
            return self.incoming.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"{self.user}: no call came within {timeout} s") from None

    def requests(self, method):
        """Times at which requests of this method came in."""
        return [t for t, way, start in self.log if way == "in" and start.startswith(method + " ")]

    def close(self):
        for call in list(self.calls.values()):
            call.rtp.close()
        self.closed.set()
        self.thread.join(1)
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
