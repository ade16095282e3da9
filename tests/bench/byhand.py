"""A WebSocket client by hand, which adds little of its own to what is measured: one thread watches all sockets."""
import base64
import json
import os
import socket
import struct


class WebSocket:
    """path: of the events, or of a line's audio. Text is taken as JSON."""

    def __init__(self, house, path):
        host, port = house.ws.split("://")[1].split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
                            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                            f"Authorization: Bearer {house.token}\r\n\r\n".encode())
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self.data += self.socket.recv(4096)
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        assert b" 101 " in head.split(b"\r\n")[0], head

    def read(self):
        """What came: objects and bytes."""
        self.data += self.socket.recv(65536)
        messages = []
        while len(self.data) >= 2:
            size, at = self.data[1] & 127, 2
            if size == 126:
                if len(self.data) < 4:
                    break
                size, at = struct.unpack(">H", self.data[2:4])[0], 4
            if len(self.data) < at + size:
                break
            kind, payload = self.data[0] & 15, self.data[at:at + size]
            if kind == 1:
                messages.append(json.loads(payload))
            elif kind == 2:
                messages.append(payload)
            self.data = self.data[at + size:]
        return messages

    def close(self):
        self.socket.close()
