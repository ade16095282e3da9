"""Scanners and floods: they find nothing, are told of, and are in nobody's way."""
import re
import shutil
import subprocess
import sys

import pytest
from world import PASSWORDS, REALM, authorize, wait_for

THERE = "127.0.0.1"  # where they scan from
HERE = "127.0.0.60"  # and where the tests' own phones are, in a network that is never banned
OURS = {"local_networks": [HERE + "/32"]}
needs_sipvicious = pytest.mark.skipif(not shutil.which("svwar"), reason="needs sipvicious")


def begin(house, *words):
    """A tool of sipvicious at work."""
    return subprocess.Popen([*words, "-p", str(house.port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            stdin=subprocess.DEVNULL, cwd=house.home, text=True,
                            env={"HOME": str(house.home), "PATH": "/usr/bin:/bin"})


def scan(house, *words, times=1):
    """What so many of it print, all at once."""
    tools = [begin(house, *words) for _ in range(times)]
    return "\n".join(tool.communicate(timeout=60)[0] for tool in tools)


def assert_dropped(house):
    """What comes from there goes nowhere."""
    phone = house.phone("alice", host=THERE)
    text, key = phone.build("REGISTER", f"sip:{REALM}", to=f"<sip:alice@{REALM}>")
    phone.send(text)
    phone.nothing(lambda m: m.get("Call-ID") == key[0], 0.3)


@needs_sipvicious
@pytest.mark.configure(sip={**OURS, "probes": 4})
@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS"])
def test_svwar(house, method):
    """An enumerator finds nobody, gives up after a message or two, and is banned when he comes again."""
    words = house.home / "words"
    words.write_text("alice\nnobody\n100\n101\n")
    text = scan(house, "svwar", "-m", method, "-d", words, "127.0.0.1", "--force", "--maximumtime=1", times=4)
    assert not re.search(r"\|\s*(alice|nobody|10\d)\s*\|", text), text
    assert house.bus.fact("line.suspected", banned=True)["address"] == THERE
    assert_dropped(house)
    assert house.registered("alice", host=HERE).register().status == 200


@needs_sipvicious
@pytest.mark.configure(sip={**OURS, "failures": 10})
def test_svcrack(house):
    """Who guesses passwords is banned before the right one comes, and nobody learns which one it was."""
    words = house.home / "words"
    words.write_text("".join(f"{word}\n" for word in [*range(40), PASSWORDS["alice"]]))
    tool = begin(house, "svcrack", "-u", "alice", "-d", words, "127.0.0.1")
    fact = house.bus.fact("line.suspected", banned=True, timeout=30)
    assert fact["address"] == THERE and fact["line"] == "line-alice"
    assert_dropped(house)
    tool.terminate()  # it would wait for an answer
    assert PASSWORDS["alice"] not in tool.communicate(timeout=30)[0]


@needs_sipvicious
@pytest.mark.configure(sip=OURS)
def test_svmap(house):
    """Who looks for telephones finds none here."""
    text = scan(house, "svmap", "127.0.0.1")
    assert str(house.port) not in text, text
    assert house.registered("alice", host=HERE).ask("OPTIONS", f"sip:{REALM}").status == 200


FLOOD = """
import random, select, socket, sys, time
server, per_s, seconds = ("127.0.0.1", int(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3])
made = []
for number in range(2000):
    made.append(socket.socket(type=socket.SOCK_DGRAM))
    made[-1].bind((f"127.20.{number // 200}.{number % 200 + 1}", 0))
rows = [(s, (f"REGISTER sip:%s SIP/2.0\\r\\nVia: SIP/2.0/UDP {s.getsockname()[0]}:{s.getsockname()[1]};rport;branch=z9hG4bK"
             f"%d\\r\\nMax-Forwards: 70\\r\\nFrom: <sip:{n}@%s>;tag=1\\r\\nTo: <sip:{n}@%s>\\r\\nCall-ID: {n}%d\\r\\n"
             "CSeq: 1 REGISTER\\r\\nContent-Length: 0\\r\\n\\r\\n")) for n, s in enumerate(made)]
begun, sent = time.monotonic(), 0
while (now := time.monotonic() - begun) < seconds:
    while sent < now * per_s:
        s, text = rows[sent % len(rows)]
        s.sendto((text % (sys.argv[4], sent, sys.argv[4], sys.argv[4], sent)).encode(), server)
        sent += 1
    time.sleep(0.001)
print(int(sent / (time.monotonic() - begun)))
"""


def insist(phone, *words, **more):
    """A request that is sent again and again, as over UDP it must be: what the kernel's queue loses is lost."""
    text, key = phone.build(*words, **more)
    for _ in range(12):
        phone.send(text)
        try:
            return phone.response(key, timeout=0.5)
        except AssertionError:
            continue
    raise AssertionError(f"no answer to {key}")


@pytest.mark.configure(sip={"requests_per_s": 50, "burst": 100, "strangers_per_s": 300})
def test_flood(house):
    """20,000 requests a second from 2,000 addresses: phones that are registered can register again, ring and call."""
    phone, callee = house.registered("alice"), house.registered("carol")
    flood = subprocess.Popen([sys.executable, "-c", FLOOD, str(house.port), "20000", "4", REALM],
                             stdout=subprocess.PIPE, text=True)
    served = 0
    wait_for(lambda: house.metric("hookswitch_sip_dropped_total") > 1000)
    while flood.poll() is None:
        assert insist(phone, "OPTIONS", f"sip:{REALM}").status == 200
        challenge = insist(phone, "REGISTER", phone.domain_uri, to=f"<sip:alice@{REALM}>").get("WWW-Authenticate")
        proof = authorize(challenge, "alice", phone.password, "REGISTER", phone.domain_uri)
        assert insist(phone, "REGISTER", phone.domain_uri, to=f"<sip:alice@{REALM}>",
                      headers=[f"Authorization: {proof}"]).status == 200
        leg = house.ring("line-carol")
        callee.answer(callee.request("INVITE"), 486)
        assert house.bus.fact("leg.ended", leg=leg)["cause"] == "busy"
        served += 1
    print(f"{flood.stdout.read().strip()} requests a second came; {served} rounds were served meanwhile")
    assert served >= 3
    assert house.metric("hookswitch_sip_dropped_total") > 5000
    assert house.is_alive()
