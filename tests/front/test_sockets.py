"""RFC 6455 on both WebSocket paths: handshakes and frames as they should not be."""
import base64
import os
import struct
import time

import peers
import pytest
import sockets
from sockets import BINARY, CLOSE, PING, PONG, TEXT, Client, frame

EVENTS = "/api/v1/events"
AUDIO = "/api/v1/lines/phone1/audio"
GOOD = sockets.handshake(EVENTS)

HANDSHAKES = {
    "plain GET": (GOOD.replace(b"Upgrade: websocket\r\n", b""), 426),
    "no connection": (GOOD.replace(b"Connection: Upgrade\r\n", b""), 426),
    "POST": (GOOD.replace(b"GET", b"POST"), 426),
    "old version": (GOOD.replace(b"Version: 13", b"Version: 8"), 426),
    "no version": (GOOD.replace(b"Sec-WebSocket-Version: 13\r\n", b""), 426),
    "short key": (sockets.handshake(EVENTS, Sec_WebSocket_Key="YWJj"), 400),
    "no key": (sockets.handshake(EVENTS, Sec_WebSocket_Key=None), 400),
    "two keys": (GOOD[:-2] + b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n", 400),
    "two tokens": (GOOD[:-2] + b"Authorization: Bearer x\r\n\r\n", 400),
    "two origins": (GOOD[:-2] + b"Origin: a\r\nOrigin: a\r\n\r\n", 400),
    "no host": (GOOD.replace(b"Host: localhost\r\n", b""), 400),
    "HTTP/1.0": (GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a length": (GOOD[:-2] + b"Content-Length: 0\r\n\r\n", 400),
    "chunked": (GOOD[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", 400),
    "folded": (GOOD[:-2] + b"X-A: b\r\n c\r\n\r\n", 400),
    "NUL": (GOOD[:-2] + b"X-A: b\0c\r\n\r\n", 400),
    "control": (GOOD[:-2] + b"X-A: b\x02c\r\n\r\n", 400),
    "lone LF": (GOOD[:-2] + b"X-A: b\nX-B: c\r\n\r\n", 400),
    "blank in a name": (GOOD[:-2] + b"X A: b\r\n\r\n", 400),
    "too many lines": (GOOD[:-2] + b"".join(b"X-%d: a\r\n" % i for i in range(101)) + b"\r\n", 400),
    "too large": (GOOD[:-2] + b"X-A: " + b"a" * 17000 + b"\r\n\r\n", 431),
    "absolute target": (GOOD.replace(b"/api", b"http://localhost/api", 1), 400),
    "frames before the answer": (GOOD + frame(TEXT, b"x"), 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    "odd line": (sockets.handshake("/api/v1/lines/a%2Fb/audio"), 404),
    "no line": (sockets.handshake("/api/v1/lines//audio"), 404),
    "query on audio": (sockets.handshake(AUDIO + "?token=x"), 422),
}


@pytest.mark.parametrize("name", HANDSHAKES)
def test_handshake(suite, front, name):
    head, status = HANDSHAKES[name]
    raw = peers.Raw(front.ws, head)
    found, fields, body = raw.response()
    assert found == status, body
    assert fields["content-type"] == "application/problem+json" and b"urn:hookswitch:" in body
    assert fields["connection"] == "close" and raw.is_closed()
    if status == 426:
        assert fields["upgrade"] == "websocket"
    assert suite.requests() == []


def test_a_handshake_has_ten_seconds(front):
    begun = time.monotonic()
    slow = peers.Raw(front.ws, GOOD[:50])
    idle = peers.Raw(front.ws)
    slow.socket.settimeout(15)
    assert slow.response()[0] == 408 and 8 < time.monotonic() - begun < 13
    assert idle.is_closed(5)


def test_clients_that_leave_during_the_handshake(suite, front):
    suite.delay("events.open", 0.1)
    for length in (1, 30, len(GOOD) - 1, len(GOOD)):
        for _ in range(10):
            peers.Raw(front.ws, GOOD[:length]).close()
    suite.relent()
    assert Client(front, EVENTS).status == 101


@pytest.fixture(params=[EVENTS + "?hello=true", AUDIO], ids=["events", "audio"])
def client(request, suite, front):
    made = Client(front, request.param)
    assert made.status == 101 and made.json()["type"] == "hello"
    yield made
    made.close()


BAD = {
    "without mask": (frame(TEXT, b"hi", masked=False), 1002),
    "control without mask": (frame(PING, b"hi", masked=False), 1002),
    "empty without mask": (frame(TEXT, b"", masked=False), 1002),
    "reserved bit 1": (frame(TEXT, b"hi", reserved=0x40), 1002),
    "reserved bit 3": (frame(BINARY, b"hi", reserved=0x10), 1002),
    "opcode 3": (frame(3, b"hi"), 1002),
    "opcode 15": (frame(15, b"hi"), 1002),
    "bad UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "overlong UTF-8": (frame(TEXT, b"\xc0\xaf"), 1007),
    "surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "cut UTF-8": (frame(TEXT, b"ab\xc3"), 1007),
    "cut UTF-8 in fragments": (frame(TEXT, b"ab\xc3", fin=False) + frame(0, b""), 1007),
    "long control frame": (frame(PING, b"x" * 126), 1002),
    "fragment of a control frame": (frame(PING, b"x", fin=False), 1002),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "a message in a message": (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
    "length not shortest, 16 bits": (frame(BINARY, b"hello", length=b"\xfe\0\x05"), 1002),
    "length not shortest, 64 bits": (frame(BINARY, b"hello", length=b"\xff" + b"\0" * 7 + b"\x05"), 1002),
    "length of 2^63": (frame(BINARY, b"hello", length=b"\xff\x80" + b"\0" * 7), 1002),
    "oversized": (frame(BINARY, b"x" * 65537), 1009),
    "oversized announced": (frame(BINARY, b"x", length=b"\xff\0\0\0\0\x40\0\0\0"), 1009),
    "oversized in fragments": (frame(BINARY, b"x" * 40000, fin=False) + frame(0, b"x" * 40000), 1009),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("whole", [True, False], ids=["at once", "byte by byte"])
def test_bad_frame(client, name, whole):
    data, code = BAD[name]
    try:
        for at in range(0, len(data), len(data) if whole else 1):
            client.socket.sendall(data[at:at + (len(data) if whole else 1)])
            if not whole and at > 200:
                client.socket.sendall(data[at + 1:])
                break
    except OSError:
        pass
    assert client.closed() == code


def test_good_frames(client):
    client.send(TEXT, b"he", fin=False)
    client.send(PING, b"between")
    client.send(0, b"llo \xc3", fin=False)
    client.send(0, b"\xa9")
    assert client.read() == (PONG, b"between")
    client.send(BINARY, b"x" * 65536)
    client.send(TEXT, b"")
    client.send(PING)
    assert client.read() == (PONG, b"")
    client.send(CLOSE, struct.pack("!H", 1000) + b"bye")
    assert client.closed() == 1000


@pytest.mark.parametrize("code,answer", [(1000, 1000), (1001, 1001), (3000, 3000), (4999, 4999), (999, 1002), (1005, 1002),
                                         (1006, 1002), (1015, 1002), (2999, 1002)])
def test_close_codes(client, code, answer):
    client.send(CLOSE, struct.pack("!H", code))
    assert client.closed() == answer
