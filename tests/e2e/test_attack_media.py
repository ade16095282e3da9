"""Thieves and rubbish on the ports of a call's audio."""
import os
import random
import socket
import struct

import pytest

from suite import wait_for


def udp(host):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(0.2)
    return made


def rtp(number, kind=0, payload=b"\xff" * 160, first=0x80, ssrc=0xdead):
    return struct.pack("!BBHII", first, kind, number & 0xffff, number * 160 & 0xffffffff, ssrc) + payload


def digit(number, event, end=True, duration=800):
    return rtp(number, 101, struct.pack("!BBH", event, 0x8a if end else 10, duration), ssrc=0xbeef)


GOODBYE = struct.pack("!BBHI", 0x81, 203, 1, 0xdead)


def heard_by(made):
    try:
        return len(made.recv(4096))
    except (socket.timeout, ConnectionRefusedError):
        return 0


def send(made, data, to):
    try:
        made.sendto(data, to)
    except ConnectionRefusedError:
        pass  # what ICMP said of the one before


def digits_since(suite, cursor):
    return [e for e in suite.get(f"/api/v1/events?limit=1000&since={cursor}")["events"] if e["type"] == "dtmf"]


@pytest.mark.parametrize("shown", [None, "10.1.1.1"], ids=["straight", "nat"])
def test_thieves_neither_hear_nor_speak(suite, shown):
    owner = suite.phone(1, shown_host=shown)
    cursor = suite.get("/api/v1/events?limit=1")["cursor"]
    call = owner.call("0")
    wait_for(lambda: call.rtp.remote, step=0.001)
    port = call.rtp.remote
    thieves = [udp("127.0.0.80")]
    for number in range(30):  # before the phone itself has said a word
        send(thieves[0], rtp(number), port)
        send(thieves[0], digit(number, 5), port)
    wait_for(lambda: call.state == "up" and len(call.rtp.received) > 5)
    thieves.append(udp("127.0.0.1"))  # the phone's host, another port
    for number in range(200):
        for thief in thieves:
            for data in (rtp(number), digit(number, number % 16), os.urandom(random.randrange(60)), GOODBYE):
                send(thief, data, port)
            send(thief, GOODBYE, (port[0], port[1] + 1))
    before = len(call.rtp.received)
    wait_for(lambda: len(call.rtp.received) > before + 10)
    assert not any(heard_by(thief) for thief in thieves)
    assert call.state == "up" and not digits_since(suite, cursor)
    call.hangup()
    suite.wait_idle()
    send(thieves[0], rtp(1), port)
    assert not heard_by(thieves[0])


def test_rubbish_from_the_phone_itself_ends_nothing(suite):
    owner = suite.phone(1)
    call = owner.call("0")
    wait_for(lambda: call.state == "up" and call.rtp.remote)
    rubbish = [b"", b"\x80", rtp(1, payload=b""), rtp(1, first=0x8f)[:20], rtp(1, first=0xb0)[:14],
               rtp(1, first=0xa0, payload=b"\0"), rtp(1, first=0x90, payload=b"\0\0\xff\xff"), rtp(1, 127),
               rtp(1, payload=b"x" * 60000), rtp(1, first=0x40)]
    rubbish += [struct.pack("!BBHI", 0x80 | count, kind, length, 1) + os.urandom(40)
                for count in (0, 1, 31) for kind in range(200, 205) for length in (0, 1, 6, 0xffff)]
    for data in rubbish:
        for port in (call.rtp.remote[1], call.rtp.remote[1] + 1):
            send(call.rtp.socket, data, (call.rtp.remote[0], port))
    before = len(call.rtp.received)
    wait_for(lambda: len(call.rtp.received) > before + 20)
    assert call.state == "up"
    call.hangup()


AUDIO = "m=audio 40000 RTP/AVP 0"


@pytest.mark.parametrize("host, lines", [
    ("127.0.0.1", [AUDIO] * 40), ("127.0.0.1", ["m=audio 0 RTP/AVP 0"]), ("127.0.0.1", ["m=audio -5 RTP/AVP 0"]),
    ("127.0.0.1", ["m=audio 65536 RTP/AVP 0"]), ("127.0.0.1", ["m=audio 99999999999999999999 RTP/AVP 0"]),
    ("255.255.255.255", [AUDIO]), ("224.0.0.1/127", [AUDIO]), ("localhost", [AUDIO]), ("0177.0.0.1", [AUDIO]),
    ("127.0.0.1", [AUDIO + " 999"]), ("127.0.0.1", [AUDIO, "a=" + "x" * 5000]),
    ("127.0.0.1", ["m=audio 40000 RTP/SAVP 0"]), ("127.0.0.1", [AUDIO, "a=rtpmap:-1 PCMU/8000"]),
])
def test_a_description_that_cannot_be_meant_is_refused(suite, host, lines):
    owner = suite.phone(1)
    rows = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", f"c=IN IP4 {host}", "t=0 0", *lines, ""]
    call = owner.call("0", body="\r\n".join(rows).encode())
    wait_for(lambda: call.state == "ended")
    assert any("488" in start for _, _, start in owner.log)
