"""From a SIP message at the wire to the event at a WebSocket client, and to the first byte of its webhook; p50 and p99.

One call at a time, one thread that watches all sockets, so that the client adds little. The limit is a sum: a datagram
in, two bus hops, a commit, a WebSocket frame out."""
import json
import select
import socket
import threading
import time
import urllib.request

from byhand import WebSocket
from house import House, free_port
from measure import percentile, row
from rtp_calls import Side, sdp, word
from phone import digest

ROUNDS = 200


class Receiver:
    """A webhook receiver that stamps the first byte of each request and always says 200."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.connections, self.stamps = {}, []

    def sockets(self):
        return [self.listener, *self.connections]

    def ready(self, sock, now):
        if sock is self.listener:
            connection, _ = sock.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections[connection] = b""
            return
        data = sock.recv(65536)
        if not data:
            del self.connections[sock]
            sock.close()
            return
        if not self.connections[sock]:
            self.first = now
        self.connections[sock] += data
        head, _, body = self.connections[sock].partition(b"\r\n\r\n")
        length = next((int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0)
        if body is not None and len(body) >= length and b"\r\n\r\n" in self.connections[sock]:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            self.connections[sock] = b""
            self.stamps.append((self.first, json.loads(body)))


class Bench:
    def __init__(self, house, receiver):
        self.house, self.receiver = house, receiver
        self.feed, self.phone = WebSocket(house, "/api/v1/events"), Side(house.sip)
        self.messages, self.events = [], []
        self.latency = {}

    def turn(self, seconds=0.0):
        watched = [self.feed.socket, self.phone.socket, *self.receiver.sockets()]
        for sock in select.select(watched, [], [], seconds)[0]:
            now = time.perf_counter()
            if sock is self.feed.socket:
                self.events += [(now, e) for e in self.feed.read()]
            elif sock is self.phone.socket:
                self.messages.append((now, self.phone.next()))
            else:
                self.receiver.ready(sock, now)

    def until(self, find, what, seconds=5.0):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            found = find()
            if found is not None:
                return found
            self.turn(end - time.perf_counter())
        raise TimeoutError(what)

    def message(self, want):
        def find():
            for i, (now, m) in enumerate(self.messages):
                if want(m):
                    del self.messages[:i + 1]
                    return now, m
            return None
        return self.until(find, "SIP message")

    def event(self, name, since, key=None, **members):
        def find():
            return next((now for now, e in self.events if now >= since and e.get("type") == name and
                         all(e.get(k) == v for k, v in members.items())), None)
        now = self.until(find, name)
        self.latency.setdefault(key or name, []).append((now - since) * 1e6)

    def webhook(self, since, **members):
        def find():
            return next((now for now, e in self.receiver.stamps if now >= since and
                         all(e.get(k) == v for k, v in members.items())), None)
        self.latency.setdefault("webhook", []).append((self.until(find, "webhook") - since) * 1e6)

    def register(self, user):
        uri, address = f"sip:{self.house.facts['domain']}", f"<sip:{user}@{self.house.facts['domain']}>"
        contact = [("Contact", f"<sip:{user}@127.0.0.1:{self.phone.port}>"), ("Expires", "3600")]
        call_id = word()
        self.phone.request("REGISTER", uri, f"{address};tag=1", address, call_id, 1, contact)
        _, challenge = self.message(lambda m: m.status == 401)
        proof = digest(challenge.get("www-authenticate"), "REGISTER", uri, user, self.house.password(user))
        self.phone.request("REGISTER", uri, f"{address};tag=1", address, call_id, 2, [*contact, ("Authorization", proof)])
        self.message(lambda m: m.status == 200)

    def round(self, line, number):
        ring = threading.Thread(target=self.house.request, args=("POST", f"/api/v1/lines/{line}/ring", {}))
        began = time.perf_counter()
        ring.start()
        now, invite = self.message(lambda m: m.method == "INVITE")
        self.latency.setdefault("POST ring to INVITE out", []).append((now - began) * 1e6)
        ring.join()
        began = time.perf_counter()
        self.phone.answer(invite, 180, "Ringing", line)
        self.event("call.ringing", began)
        self.webhook(began, new_state="ringing")
        began = time.perf_counter()
        self.phone.answer(invite, 200, "OK", line, sdp(40000))
        self.event("call.answered", began)
        _, ack = self.message(lambda m: m.method == "ACK")
        target, sender, to, call_id = invite.get("contact").strip("<>"), ack.get("to"), ack.get("from"), invite.get("call-id")
        began = time.perf_counter()
        self.phone.request("INFO", target, sender, to, call_id, 10 + number, [("Content-Type", "application/dtmf-relay")],
                           b"Signal=5\r\nDuration=100\r\n")
        self.event("dtmf", began)
        self.message(lambda m: m.status == 200)
        began = time.perf_counter()
        self.phone.request("BYE", target, sender, to, call_id, 11 + number)
        self.event("call.ended", began)
        self.event("state_change", began, "line on_hook", new_state="on_hook")
        self.message(lambda m: m.status == 200)
        self.events.clear()
        self.receiver.stamps.clear()


def main(rounds=ROUNDS):
    port = free_port()
    hooks = (f"webhooks:\n  allow_networks: [127.0.0.0/8]\n  outgoing:\n    state: "
             f"{{ url: \"http://127.0.0.1:{port}/state\" }}\n")
    with House(lines=1, extra=hooks) as house:
        bench = Bench(house, Receiver(port))
        line = house.users()[0]
        bench.register(line)
        for number in range(rounds):
            bench.round(line, number)
        for name, values in bench.latency.items():
            row(f"latency {name}", p50_us=percentile(values, 0.5), p99_us=percentile(values, 0.99), rounds=len(values))


if __name__ == "__main__":
    main()
