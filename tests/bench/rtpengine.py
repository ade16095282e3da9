"""The peer whose trade relaying is: Debian's rtpengine in user space, told over its own control protocol (ng, in JSON)."""
import json
import socket

from measure import SUITE_CORE, WORK, spawn, stop, until
from rtp_calls import media_port, sdp

CONTROL = ("127.0.0.1", 22222)
PORTS = (30000, 39999)


class Rtpengine:
    """with Rtpengine(count, base_a, base_b, sockets) as peer: peer.write_streams(path), peer.pids()"""

    def __init__(self, count, base_a, base_b, sockets):
        self.count, self.bases, self.sockets = count, (base_a, base_b), sockets
        self.streams, self.asked = [], 0
        self.control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.control.settimeout(0.5)

    def __enter__(self):
        self.process = spawn(SUITE_CORE, "rtpengine", "--foreground", "--no-fallback", "--table=-1", "--interface=127.0.0.1",
                             f"--listen-ng={CONTROL[0]}:{CONTROL[1]}", f"--port-min={PORTS[0]}", f"--port-max={PORTS[1]}",
                             "--num-threads=1", "--log-level=3", "--log-stderr", f"--pidfile={WORK}/rtpengine.pid")
        until(lambda: self.ask({"command": "ping"}, "pong"), what="rtpengine")
        for i in range(self.count):
            self.call(i)
        return self

    def __exit__(self, *what):
        self.control.close()
        stop(self.process)

    def ask(self, question, result="ok"):
        self.asked += 1
        cookie = f"hs{self.asked} "
        self.control.sendto((cookie + json.dumps(question)).encode(), CONTROL)
        try:
            answer = self.control.recv(65536).decode()
        except (TimeoutError, ConnectionError):
            return None
        if not answer.startswith(cookie):
            return None
        found = json.loads(answer[len(cookie):])
        assert found["result"] == result, found
        return found

    def call(self, i):
        ports = [base + 2 * (i % self.sockets) for base in self.bases]
        both = {"call-id": f"c{i}", "from-tag": f"a{i}", "replace": ["origin"], "ICE": "remove", "flags": ["trust-address"]}
        offer = self.ask({"command": "offer", "sdp": sdp(ports[0]).decode(), **both})
        answer = self.ask({"command": "answer", "to-tag": f"b{i}", "sdp": sdp(ports[1]).decode(), **both})
        self.streams.append((media_port(answer["sdp"].encode()), media_port(offer["sdp"].encode())))

    def write_streams(self, path):
        path.write_text("".join(f"127.0.0.1 {a} 127.0.0.1 {b}\n" for a, b in self.streams))
        return path

    def pids(self):
        return [self.process.pid]
