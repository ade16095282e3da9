"""Requests and frames that no honest client sends, against a running front."""
import os
import re
import resource
import socket
import struct

import pytest

from suite import wait_for

JSON = "Content-Type: application/json\r\n"
PHONE = "/api/v1/phone/hangup"


def address(suite, base):
    host, port = re.match(r"\w+://([^:]+):(\d+)", suite.facts[base]).groups()
    return host, int(port)


def exchange(suite, data, base="api", seconds=0.5):
    """All that comes back until the other side closes or is silent; whether it closed."""
    with socket.create_connection(address(suite, base), timeout=2) as made:
        heard, is_closed = b"", False
        try:
            made.sendall(data)
            made.settimeout(seconds)
            while part := made.recv(65536):
                heard += part
            is_closed = True
        except socket.timeout:
            pass
        except OSError:
            is_closed = True
    return heard, is_closed


def request(suite, method="GET", path=PHONE, headers="", body=b"", version="HTTP/1.1"):
    head = f"{method} {path} {version}\r\nHost: x\r\nAuthorization: Bearer {suite.token}\r\n{headers}\r\n"
    return head.encode() + body


def status(heard):
    found = re.match(rb"HTTP/1.1 (\d+)", heard)
    return int(found.group(1)) if found else 0


CHUNK = b"2\r\n{}\r\n0\r\n\r\n"
HIDDEN = b"0\r\n\r\nGET /api/v1/lines HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("headers, body, version", [
    ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", HIDDEN, "HTTP/1.1"),
    ("Content-Length: 2\r\nContent-Length: 2\r\n", b"{}", "HTTP/1.1"),
    ("Content-Length: 2, 2\r\n", b"{}", "HTTP/1.1"),
    ("Content-Length: +2\r\n", b"{}", "HTTP/1.1"),
    ("Content-Length: -2\r\n", b"{}", "HTTP/1.1"),
    ("Content-Length: 0x2\r\n", b"{}", "HTTP/1.1"),
    ("Transfer-Encoding: xchunked\r\n", CHUNK, "HTTP/1.1"),
    ("Transfer-Encoding: chunked, identity\r\n", CHUNK, "HTTP/1.1"),
    ("Transfer-Encoding: chunked\r\n", CHUNK, "HTTP/1.0"),
    ("Transfer-Encoding: chunked\r\n", b"-2\r\n{}\r\n0\r\n\r\n", "HTTP/1.1"),
    ("X: a\r\n b\r\n", b"", "HTTP/1.1"),
    ("X: a\0b\r\n", b"", "HTTP/1.1"),
    ("X : a\r\n", b"", "HTTP/1.1"),
    ("X: a\rY: b\r\n", b"", "HTTP/1.1"),
    ("Host: y\r\n", b"", "HTTP/1.1"),
])
def test_what_two_readers_could_read_differently_is_refused_and_closed(suite, headers, body, version):
    heard, is_closed = exchange(suite, request(suite, "POST", headers=JSON + headers, body=body, version=version))
    assert status(heard) == 400 and is_closed
    assert b'"lines"' not in heard


@pytest.mark.parametrize("method, path, headers, expected", [
    ("GET", "/" + "a" * 30000, "", 414), ("GET", "/api/v1/lines", "X: " + "a" * 20000 + "\r\n", 431),
    ("GET", "/api/v1/lines", "".join(f"X{i}: a\r\n" for i in range(5000)), 431),
    ("GET", "/api/v1/../../etc/passwd", "", 404), ("GET", "/api/v1/lines/%2e%2e", "", 404),
    ("GET", "/api/v1/lines/%00", "", 404), ("GET", "/api/v1//lines", "", 404),
    ("GET", "/api/v1/events?limit=99999999999999999999", "", 422), ("GET", "/api/v1/events?limit=5&limit=6", "", 422),
    ("GET", "/api/v1/events?" + "&".join(f"a{i}=1" for i in range(900)), "", 422),
    ("TRACE", "/api/v1/lines", "", 405), ("POST", PHONE, JSON + "Content-Length: 99999999999999999999999\r\n", 413),
    ("POST", PHONE, JSON + "Expect: 100-continue\r\nContent-Length: 9000000\r\n", 413),
    ("POST", PHONE, "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415),
])
def test_a_head_out_of_bounds_gets_its_status(suite, method, path, headers, expected):
    head, _, body = headers.partition("\r\n\r\n")
    head += "\r\n" if body else ""
    assert status(exchange(suite, request(suite, method, path, head, body.encode()))[0]) == expected


@pytest.mark.parametrize("body", [
    b'{"a":' * 5000 + b"1" + b"}" * 5000, b"[" * 100000, b'{"caller_name":"a","caller_name":"b"}',
    b'{"caller_name":"\xff"}', b'{"caller_name":"\xc0\xaf"}', b'{"caller_name":"\\ud800"}',
    b'{"caller_name":"a\\u0000b"}', b"{} {}", b'{"ring_timeout_ms":NaN}', b'{"ring_timeout_ms":1e999}', b"{/**/}",
    b"\xef\xbb\xbf{}", b"[]", b'"x"'])
def test_json_that_is_none_is_refused(suite, body):
    data = request(suite, "POST", "/api/v1/phone/ring", f"{JSON}Content-Length: {len(body)}\r\n", body)
    assert status(exchange(suite, data)[0]) == 400
    assert suite.get("/api/v1/health")["state"] == "ok"


# ---- WebSockets ----

def frame(code, payload=b"", first=0x80, mask=0x80, length=None):
    size = len(payload) if length is None else length
    head = bytes([first | code])
    head += bytes([mask | size]) if size < 126 else \
        bytes([mask | 126]) + struct.pack("!H", size) if size < 65536 else bytes([mask | 127]) + struct.pack("!Q", size)
    return head + (bytes(4) if mask else b"") + payload


def handshake(suite, path, headers=""):
    return request(suite, "GET", path, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + headers)


@pytest.mark.parametrize("headers, path, expected", [
    ("Origin: http://evil.example\r\n", "/api/v1/events", 403), ("Origin: null\r\n", "/api/v1/events", 403),
    ("", "/api/v1/../v1/events", 404), ("", "/api/v1/lines/%2e%2e/audio", 404), ("", "/api/v1/events?since=xx", 422),
    ("Content-Length: 10\r\n", "/api/v1/events", 400), ("X: " + "a" * 20000 + "\r\n", "/api/v1/events", 431),
    ("".join(f"X{i}: a\r\n" for i in range(500)), "/api/v1/events", 400)])
def test_a_door_stays_shut(suite, headers, path, expected):
    assert status(exchange(suite, handshake(suite, path, headers), "ws")[0]) == expected


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/lines/phone1/audio"], ids=["events", "audio"])
@pytest.mark.parametrize("code, data", [
    (1002, frame(1, b"{}", mask=0)), (1002, frame(1, b"{}", first=0xc0)), (1002, frame(3)), (1002, frame(11)),
    (1002, frame(0, b"x")), (1002, frame(9, first=0)), (1002, frame(9, b"x" * 200)),
    (1002, b"\x81\xfe\0\2" + bytes(6)), (1002, b"\x82\xff" + b"\xff" * 8 + bytes(4)),
    (1002, frame(1, b"a", first=0) + frame(1, b"b")), (1007, frame(1, b"\xff\xfe")),
    (1009, frame(2, b"x" * 2200000)), (1009, frame(2, b"x" * 60000, first=0) + frame(0, b"x" * 60000, first=0) * 30),
], ids=lambda value: value if isinstance(value, int) else "frame")
def test_bad_frames_end_their_connection_and_no_other(suite, path, code, data):
    heard, _ = exchange(suite, handshake(suite, path) + b"", "ws", 0.2)
    assert status(heard) == 101
    with socket.create_connection(address(suite, "ws"), timeout=2) as made:
        made.sendall(handshake(suite, path))
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += made.recv(4096)
        try:
            made.sendall(data)
            wanted = struct.pack("!H", code)
            while not re.search(rb"\x88." + re.escape(wanted), heard, re.S):
                part = made.recv(65536)
                assert part, heard[-80:]
                heard += part
        except ConnectionError:
            assert code == 1009  # it was reset while we still sent
    assert suite.get("/api/v1/health")["state"] == "ok"


# ---- crowds ----

def test_half_requests_are_cut_and_their_descriptors_come_back(suite):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    front = suite.child("api-front")

    def descriptors():
        return len(os.listdir(f"/proc/{front}/fd"))

    before, crowd = descriptors(), []
    try:
        for base in ("api", "ws"):
            for _ in range(300):
                made = socket.create_connection(address(suite, base), timeout=2)
                made.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX: ")
                crowd.append(made)
        assert suite.get("/api/v1/health")["state"] == "ok"
    finally:
        for made in crowd:
            made.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_for(lambda: descriptors() <= before + 2, 5, lambda: f"{descriptors()} descriptors, {before} before")
    assert suite.child("api-front") == front
