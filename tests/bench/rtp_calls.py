"""Calls from line to line whose audio ends are somebody else's (rtp_load): one socket for all callers, one for all callees."""
import pathlib
import re
import select
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from phone import Message, digest, uri_of, word  # noqa: E402


def sdp(port):
    return (f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n"
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n").encode()


def media_port(body):
    return int(re.search(rb"m=audio (\d+)", body).group(1))


class Side:
    """A socket that speaks for many lines."""

    def __init__(self, server):
        self.server, self.patience = server, 5.0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def request(self, method, uri, sender, to, call_id, cseq, headers=(), body=b"", branch=None):
        rows = [("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch={branch or 'z9hG4bK' + word()}"),
                ("Max-Forwards", "70"), ("From", sender), ("To", to), ("Call-ID", call_id), ("CSeq", f"{cseq} {method}"),
                *headers]
        self.socket.sendto(Message(f"{method} {uri} SIP/2.0", rows, body).bytes(), self.server)

    def answer(self, request, status, phrase, user, body=b""):
        to = request.get("to") + ("" if "tag=" in request.get("to") else f";tag={word()}")
        rows = [("Via", v) for v in request.all("via")] + [
            ("From", request.get("from")), ("To", to), ("Call-ID", request.get("call-id")), ("CSeq", request.get("cseq")),
            ("Contact", f"<sip:{user}@127.0.0.1:{self.port}>")] + ([("Content-Type", "application/sdp")] if body else [])
        self.socket.sendto(Message(f"SIP/2.0 {status} {phrase}", rows, body).bytes(), self.server)

    def next(self):
        if not select.select([self.socket], [], [], self.patience)[0]:
            raise TimeoutError("no SIP answer")
        return Message.parse(self.socket.recv(65536))


class Calls:
    """with Calls(house, count, ...) as calls: calls.write_streams(path)"""

    def __init__(self, house, count, base_a, base_b, sockets):
        self.house, self.count = house, count
        self.bases, self.sockets = (base_a, base_b), sockets
        self.domain = house.facts["domain"]
        self.caller, self.callee = Side(house.sip), Side(house.sip)
        self.streams, self.dialogs = [], []

    def __enter__(self):
        users = self.house.users()
        for i in range(self.count):
            self.register(users[2 * i + 1])
        for i in range(self.count):
            self.call(users[2 * i], users[2 * i + 1], i)
        return self

    def __exit__(self, *what):
        for target, sender, to, call_id in self.dialogs:
            self.caller.request("BYE", target, sender, to, call_id, 3)
        end = time.monotonic() + 2
        while time.monotonic() < end and select.select([self.callee.socket], [], [], 0.3)[0]:
            message = self.callee.next()
            if message.method == "BYE":
                self.callee.answer(message, 200, "OK", "x")

    def register(self, user):
        uri, address, call_id = f"sip:{self.domain}", f"<sip:{user}@{self.domain}>", word()
        contact = [("Contact", f"<sip:{user}@127.0.0.1:{self.callee.port}>"), ("Expires", "3600")]
        self.callee.request("REGISTER", uri, f"{address};tag=1", address, call_id, 1, contact)
        challenge = self.final(self.callee).get("www-authenticate")
        proof = digest(challenge, "REGISTER", uri, user, self.house.password(user))
        self.callee.request("REGISTER", uri, f"{address};tag=1", address, call_id, 2, [*contact, ("Authorization", proof)])
        status = self.final(self.callee).status
        assert status == 200, f"{user}: REGISTER got {status}"

    def final(self, side):
        while True:
            message = side.next()
            if message.status >= 200:
                return message

    def call(self, user, callee, i):
        number = f"7{callee[1:]}"
        uri, call_id = f"sip:{number}@{self.domain}", word()
        sender, to = f"<sip:{user}@{self.domain}>;tag={word()}", f"<{uri}>"
        ports = [base + 2 * (i % self.sockets) for base in self.bases]
        headers = [("Contact", f"<sip:{user}@127.0.0.1:{self.caller.port}>"), ("Content-Type", "application/sdp")]
        branch = "z9hG4bK" + word()
        self.caller.request("INVITE", uri, sender, to, call_id, 1, headers, sdp(ports[0]), branch)
        challenge = self.final(self.caller)
        self.caller.request("ACK", uri, sender, challenge.get("to"), call_id, 1, branch=branch)
        proof = digest(challenge.get("www-authenticate") or challenge.get("proxy-authenticate"), "INVITE", uri, user,
                       self.house.password(user))
        name = "Authorization" if challenge.status == 401 else "Proxy-Authorization"
        self.caller.request("INVITE", uri, sender, to, call_id, 2, [*headers, (name, proof)], sdp(ports[0]))
        invite = self.callee.next()
        self.callee.answer(invite, 180, "Ringing", callee)
        self.callee.answer(invite, 200, "OK", callee, sdp(ports[1]))
        answer = self.final(self.caller)
        assert answer.status == 200, f"{user}: INVITE got {answer.status}"
        target = uri_of(answer.get("contact"))
        self.caller.request("ACK", target, sender, answer.get("to"), call_id, 2)
        self.callee.next()  # its ACK
        self.dialogs.append((target, sender, answer.get("to"), call_id))
        self.streams.append((media_port(answer.body), media_port(invite.body)))

    def write_streams(self, path):
        path.write_text("".join(f"127.0.0.1 {a} 127.0.0.1 {b}\n" for a, b in self.streams))
        return path
