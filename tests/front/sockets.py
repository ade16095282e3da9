"""A WebSocket client whose every byte is ours: RFC 6455 as it should be, and as it should not."""
import base64
import json
import os
import socket
import struct
import time

import peers

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, payload=b"", fin=True, masked=True, reserved=0, length=None):
    """A frame; length overrides the coding of the payload's length (bytes after the second)."""
    size = len(payload)
    mask = 0x80 if masked else 0
    if length is not None:
        head = length
    elif size < 126:
        head = bytes([mask | size])
    elif size < 65536:
        head = bytes([mask | 126]) + struct.pack("!H", size)
    else:
        head = bytes([mask | 127]) + struct.pack("!Q", size)
    key = os.urandom(4) if masked else b""
    body = bytes(b ^ key[i & 3] for i, b in enumerate(payload)) if masked else payload
    return bytes([(0x80 if fin else 0) | reserved | opcode]) + head + key + body


def handshake(path, token=peers.TOKEN, **fields):
    lines = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode()}
    if token:
        lines["Authorization"] = f"Bearer {token}"
    lines.update({name.replace("_", "-"): value for name, value in fields.items()})
    return (f"GET {path} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines.items() if v is not None) +
            "\r\n").encode()


class Client:
    """Connects and shakes hands. status, fields: of the answer; refused: body of a refusal."""

    def __init__(self, front, path, token=peers.TOKEN, receive_buffer=None, **fields):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", front.ws))
        self.socket.settimeout(10)
        self.socket.sendall(handshake(path, token, **fields))
        self.data, self.close_code, self.close_reason = b"", None, ""
        head = self.until(b"\r\n\r\n").decode()
        self.status = int(head.split()[1])
        self.fields = {n.lower(): v for n, v in (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)}
        if self.status != 101:
            self.refused = json.loads(self.exactly(int(self.fields["content-length"])))

    def until(self, what):
        while what not in self.data:
            more = self.socket.recv(65536)
            assert more, self.data
            self.data += more
        found, _, self.data = self.data.partition(what)
        return found

    def exactly(self, count):
        while len(self.data) < count:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the end")
            self.data += more
        found, self.data = self.data[:count], self.data[count:]
        return found

    def send(self, opcode, payload=b"", **more):
        self.socket.sendall(frame(opcode, payload, **more))

    def read(self, timeout=10):
        """(opcode, payload) of the next frame; pings are answered on the way."""
        self.socket.settimeout(timeout)
        while True:
            first, second = self.exactly(2)
            size = second & 0x7f
            assert not second & 0x80, "a server's frame has no mask"
            if size > 125:
                size = struct.unpack("!H", self.exactly(2))[0] if size == 126 else struct.unpack("!Q", self.exactly(8))[0]
            opcode, payload = first & 15, self.exactly(size)
            if opcode == PING:
                self.send(PONG, payload)
                continue
            if opcode == CLOSE:
                self.close_code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                self.close_reason = payload[2:].decode()
            return opcode, payload

    def json(self, timeout=10):
        opcode, payload = self.read(timeout)
        assert opcode == TEXT, (opcode, payload)
        return json.loads(payload)

    def events(self, count, timeout=10):
        until = time.monotonic() + timeout
        return [self.json(max(0.1, until - time.monotonic())) for _ in range(count)]

    def is_quiet(self, seconds=0.15):
        try:
            frame_read = self.read(seconds)
        except TimeoutError:
            return True
        raise AssertionError(f"not quiet: {frame_read}")

    def closed(self, timeout=10):
        """Reads to the close frame, answers it, and returns its code."""
        try:
            while self.close_code is None:
                self.read(timeout)
            self.send(CLOSE, struct.pack("!H", self.close_code))
        except (ConnectionError, OSError):
            pass
        return self.close_code

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
