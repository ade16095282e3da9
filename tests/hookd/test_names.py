"""What a name server may say, and where it leads. These need root: a name server listens on port 53."""
import ipaddress
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

import world
from test_delivery import config
from test_hostile import put, webhook
from world import Refused, wait_for

ADDRESS = "127.0.0.77"


class Names:
    """A name server: names -> addresses; ttl 0."""

    def __init__(self):
        self.names, self.asked = {}, []
        os.seteuid(0)
        try:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((ADDRESS, 53))
        finally:
            os.seteuid(world.NOBODY)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while True:
                self.answer(*self.socket.recvfrom(512))
        except OSError:
            pass  # the test is over

    def answer(self, question, peer):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind = struct.unpack(">H", question[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append(name)
        found = [ipaddress.ip_address(a) for a in self.names.get(name, [])]
        found = [a.packed for a in found if kind == (1 if a.version == 4 else 28)]
        answers = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(a)) + a for a in found)
        code = 0 if name in self.names else 3
        self.socket.sendto(question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0) +
                           question[12:at + 5] + answers, peer)

    def stop(self):
        self.socket.close()


@pytest.fixture
def names():
    if os.getuid() != 0:
        pytest.skip("a name server needs port 53")
    made = Names()
    yield made
    made.stop()


@pytest.fixture
def resolv_conf(home):
    path = home / "resolv.conf"
    path.write_text(f"nameserver {ADDRESS}\n")
    return path


def test_names_that_lead_inside_are_refused(home, apid, names, resolv_conf, receivers, start_daemon):
    receiver = receivers()
    start_daemon("hookd", config(allow_networks=["192.0.2.0/24"]), resolv_conf)
    names.names.update({"one.example": ["127.0.0.1"], "mixed.example": ["93.184.215.14", "127.0.0.1"],
                        "six.example": ["::1"], "mapped.example": ["::ffff:127.0.0.1"],
                        "behind.example": ["93.184.215.14", "fd00::1"], "meta.example": ["169.254.169.254"]})
    for number, name in enumerate(names.names):
        with pytest.raises(Refused) as refused:
            put(apid, home, number, f"https://{name}:{receiver.port if name == 'one.example' else 443}/")
        assert refused.value.field == "url", name
    assert not receiver.attempts


def test_a_name_that_moves_inside_later_is_not_followed(home, apid, names, resolv_conf, receivers, start_daemon):
    receiver = receivers()
    names.names["moving.example"] = ["127.0.0.1"]
    start_daemon("hookd", config(retry={"count": 20, "delay_ms": 50, "max_delay_ms": 50},
                                 allow_networks=["127.0.0.1/32"]), resolv_conf)
    put(apid, home, 0, f"http://moving.example:{receiver.port}/")
    apid.state("ringing")
    assert receiver.wait(1)[0].headers["host"] == f"moving.example:{receiver.port}"
    names.names["moving.example"] = ["127.0.0.1", "10.9.9.9"]

    def press():
        apid.state("ringing", call=f"c1-{time.monotonic_ns()}")
        return "10.9.9.9" in webhook(apid).get("last_error", "")
    wait_for(press, 20, "the answer to be checked again")
    before = len(receiver.attempts)
    apid.state("off_hook")
    wait_for(lambda: webhook(apid)["pending"] >= 2)
    assert len(receiver.attempts) == before
    names.names["moving.example"] = ["127.0.0.1"]
    wait_for(lambda: webhook(apid)["pending"] == 0, 20, "all to be delivered when it is back")


def test_a_name_with_a_dead_first_address_is_reached_by_the_second(home, apid, names, resolv_conf, receivers,
                                                                   start_daemon):
    receiver = receivers(host="127.0.0.3")
    names.names["two.example"] = ["127.0.0.2", "127.0.0.3"]
    start_daemon("hookd", config(), resolv_conf)
    put(apid, home, 0, f"http://two.example:{receiver.port}/")
    apid.state("ringing")
    receiver.wait(1)
    assert webhook(apid).get("last_error") is None


def test_an_answer_is_kept_for_a_while(home, apid, names, resolv_conf, receivers, start_daemon):
    receiver = receivers()
    names.names["kept.example"] = ["127.0.0.1"]
    start_daemon("hookd", config(), resolv_conf)
    put(apid, home, 0, f"http://kept.example:{receiver.port}/")
    for number in range(100):
        apid.state("ringing", call=f"c1-{number}")
    receiver.wait(100)
    assert len(names.asked) <= 4


def certificate(home, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", home / "key.pem", "-out",
                    home / "cert.pem", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
                   check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(home / "cert.pem", home / "key.pem")
    return tls


def test_certificates_are_verified_with_their_name(home, apid, names, resolv_conf, receivers, start_daemon):
    receiver = receivers(tls=certificate(home, "good.example"))
    names.names.update({"good.example": ["127.0.0.1"], "bad.example": ["127.0.0.1"]})
    start_daemon("hookd", config(ca_file=str(home / "cert.pem")), resolv_conf)
    put(apid, home, 0, f"https://bad.example:{receiver.port}/")
    put(apid, home, 1, f"https://good.example:{receiver.port}/")
    apid.state("ringing")
    assert receiver.wait(1)[0].headers["host"] == f"good.example:{receiver.port}"
    wait_for(lambda: webhook(apid, 0).get("last_error"))
    assert len({a.id for a in receiver.attempts}) == 1


def test_an_endpoint_may_have_authorities_of_its_own(home, apid, names, resolv_conf, receivers, start_daemon):
    own, other = home / "own", home / "other"
    for folder in (own, other):
        folder.mkdir()
    mine, theirs = receivers(tls=certificate(own, "mine.example")), receivers(tls=certificate(other, "theirs.example"))
    names.names.update({"mine.example": ["127.0.0.1"], "theirs.example": ["127.0.0.1"]})
    settings = config(f"https://mine.example:{mine.port}/", f"https://theirs.example:{theirs.port}/",
                      ca_file=str(other / "cert.pem"))
    settings["webhooks"]["outgoing"]["state"]["ca_file"] = str(own / "cert.pem")
    start_daemon("hookd", settings, resolv_conf)
    put(apid, home, 0, f"https://mine.example:{mine.port}/api")
    apid.digit("1", 1)
    apid.state("ringing")
    assert mine.wait(1)[0].path == "/" and theirs.wait(1)[0].body["digit"] == "1"
    wait_for(lambda: any(w.get("last_error") for w in apid.ask("hookd", "hook.list")["webhooks"] if not w["declared"]))
    assert {a.path for a in mine.attempts} == {"/"}
