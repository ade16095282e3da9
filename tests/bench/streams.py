"""CPU of operator streams, both ways: what a stream costs mediad, and what the front adds, in each dialect and format."""
import base64
import os
import select
import socket
import subprocess
import threading

from house import House
from measure import LOAD_CORE, WORK, build, cpu_seconds, row, until
from rtp_calls import Calls, digest, media_port, sdp, uri_of, word

SOCKETS, BASE_A, BASE_B, SECONDS = 4, 62000, 63000, 5
WAYS = {"g711": "", "l16 16 kHz": "?format=l16&rate=16000", "twilio": "?dialect=twilio"}


class OperatorCalls(Calls):
    """Lines that call the operator; two of them make a pair for rtp_load, which sends to each."""

    def __enter__(self):
        for i, user in enumerate(self.house.users()[:2 * self.count]):
            self.call(user, None, i)
        self.streams = list(zip(self.streams[::2], self.streams[1::2]))
        return self

    def call(self, user, callee, i):
        uri, call_id = f"sip:0@{self.domain}", word()
        sender, to = f"<sip:{user}@{self.domain}>;tag={word()}", f"<{uri}>"
        port = self.bases[i % 2] + 2 * (i // 2 % self.sockets)
        headers = [("Contact", f"<sip:{user}@127.0.0.1:{self.caller.port}>"), ("Content-Type", "application/sdp")]
        branch = "z9hG4bK" + word()
        self.caller.request("INVITE", uri, sender, to, call_id, 1, headers, sdp(port), branch)
        challenge = self.final(self.caller)
        self.caller.request("ACK", uri, sender, challenge.get("to"), call_id, 1, branch=branch)
        proof = digest(challenge.get("www-authenticate") or challenge.get("proxy-authenticate"), "INVITE", uri, user,
                       self.house.password(user))
        name = "Authorization" if challenge.status == 401 else "Proxy-Authorization"
        self.caller.request("INVITE", uri, sender, to, call_id, 2, [*headers, (name, proof)], sdp(port))
        answer = self.final(self.caller)
        assert answer.status == 200, f"{user}: INVITE got {answer.status}"
        target = uri_of(answer.get("contact"))
        self.caller.request("ACK", target, sender, answer.get("to"), call_id, 2)
        self.dialogs.append((target, sender, answer.get("to"), call_id))
        self.streams.append(media_port(answer.body))


class Echo:
    """Operators who say what they hear, byte for byte: a thread, plain sockets, a mask of zeros."""

    def __init__(self, house, lines, query):
        host, port = house.facts["ws"].removeprefix("ws://").split(":")
        self.sockets, self.kept, self.messages, self.ending = [], {}, 0, False
        for line in lines:
            made = socket.create_connection((host, int(port)))
            made.sendall((f"GET /api/v1/lines/{line}/audio{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                          f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {house.facts['token']}"
                          f"\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n").encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += made.recv(65536)
            assert head.startswith(b"HTTP/1.1 101"), head
            self.kept[made] = head.split(b"\r\n\r\n", 1)[1]
            self.sockets.append(made)
        self.is_twilio = "twilio" in query
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ending:
            for ready in select.select(self.sockets, [], [], 0.1)[0]:
                self.kept[ready] += ready.recv(65536)
                ready.sendall(b"".join(self.answers(ready)))

    def answers(self, ready):
        data = self.kept[ready]
        while len(data) >= 4:
            size, head = data[1] & 0x7f, 2
            if size == 126:
                size, head = int.from_bytes(data[2:4], "big"), 4
            if len(data) < head + size:
                break
            payload = data[head:head + size]
            if data[0] == 0x82 or b'"media"' in payload[:20]:
                self.messages += 1
                yield bytes([data[0], 0xfe]) + size.to_bytes(2, "big") + bytes(4) + payload
            data = data[head + size:]
        self.kept[ready] = data

    def close(self):
        self.ending = True
        self.thread.join()
        for made in self.sockets:
            made.close()


def measure(house, calls, name, query):
    lines = house.users()[:2 * calls.count]
    daemons = {daemon: house.pids(daemon) for daemon in ("mediad", "api-front")}
    echo = Echo(house, lines, query)
    path = WORK / "streams"
    path.write_text("".join(f"127.0.0.1 {a} 127.0.0.1 {b}\n" for a, b in calls.streams))
    load = subprocess.Popen(["taskset", "-c", str(LOAD_CORE), build("rtp_load"), path, str(calls.count), str(SECONDS + 2),
                             str(BASE_A), str(BASE_B), str(SOCKETS)], stdout=subprocess.DEVNULL)
    until(lambda: echo.messages > len(lines) * 50)
    before, messages = {daemon: cpu_seconds(pids) for daemon, pids in daemons.items()}, echo.messages
    until(lambda: echo.messages > messages + len(lines) * 50 * (SECONDS - 1))
    seconds = (echo.messages - messages) / 50  # of audio, all streams together
    costs = {daemon: (cpu_seconds(pids) - before[daemon]) * 1e6 / seconds for daemon, pids in daemons.items()}
    load.wait()
    echo.close()
    row(f"streams {name}", streams=len(lines), mediad_us_stream_second=costs["mediad"], mediad_streams_core=1e6 / costs["mediad"],
        front_us_stream_second=costs["api-front"], front_streams_core=1e6 / costs["api-front"])


def main(pairs=50):
    with House(lines=2 * pairs) as house, OperatorCalls(house, pairs, BASE_A, BASE_B, SOCKETS) as calls:
        for name, query in WAYS.items():
            measure(house, calls, name, query)


if __name__ == "__main__":
    main()
