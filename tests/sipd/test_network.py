"""Addresses: listening everywhere, advertised hosts, IPv6, connections that are gone."""
import re
import socket

import pytest
import world
from world import REALM, SDP


@pytest.mark.configure(server={"host": "0.0.0.0"})
def test_listens_everywhere(house):
    """Contact and Via name the address that the route to the phone has."""
    for host in ("127.0.0.1", "127.0.0.5"):
        for transport in ("udp", "tcp"):
            phone = house.registered("alice", host=host, transport=transport)
            leg = house.ring()
            invite = phone.request("INVITE")
            assert "0.0.0.0" not in invite.raw.decode()
            assert f"@127.0.0." in invite.contact_uri() and f":{house.port}" in invite.contact_uri()
            phone.answer(invite, 200, sdp=SDP)
            phone.request("ACK")
            house.bus.fact("leg.answered", leg=leg)
            assert house.bus.media_asked("media.describe", leg=leg)["source"] == host
            assert phone.response(phone.inside("BYE", invite)).status == 200
            phone.register(expires=0)


@pytest.mark.configure(server={"host": "0.0.0.0", "advertised_host": "203.0.113.9"})
def test_advertised(house):
    phone = house.registered("alice")
    house.ring()
    invite = phone.request("INVITE")
    assert f"@203.0.113.9:{house.port}" in invite.contact_uri()
    phone.answer(invite, 486)


@pytest.mark.parametrize("listens", [True, False])
def test_connection_is_gone(house, listens):
    """A phone whose TCP connection broke is called where it listens, and nowhere else."""
    phone = house.phone("alice", transport="tcp")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        if listens:
            listener.listen()
        port = listener.getsockname()[1]
        phone.register(contact=f"Contact: <sip:alice@127.0.0.1:{port};transport=tcp>")
        phone.close()
        for _ in range(3):
            house.bus.ask("daemon.status")  # so many turns of its loop later, sipd has seen the end
        leg = house.ring(ring_timeout_ms=3000)
        if listens:
            stream, _ = listener.accept()
            stream.settimeout(5)
            assert stream.recv(65536).startswith(b"INVITE ")
            stream.close()
        assert house.bus.fact("leg.ended", leg=leg, timeout=40)["cause"] in ("unreachable", "no_answer", "failed")


def test_third_parties_are_left_alone(house):
    """Whatever a phone names in Contact and Record-Route, our requests go where it spoke from."""
    victim = house.phone("victim", host="127.0.0.66")
    phone = house.registered("alice")
    call = phone.call("hotline", headers=[f"Record-Route: <sip:127.0.0.66:{victim.port};lr>"])
    leg = house.bus.fact("leg.incoming")["leg"]
    house.bus.ask("leg.answer", leg=leg)
    call.response(200)
    call.ack()
    house.bus.fact("leg.answered", leg=leg)
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    bye = phone.request("BYE")
    assert "127.0.0.66" in bye.get("Route")
    phone.answer(bye, 200)
    phone.register(contact=f"Contact: <sip:x@127.0.0.66:{victim.port}>")
    house.ring()
    phone.answer(phone.request("INVITE"), 486)
    victim.nothing(lambda m: True, 0.2)


@pytest.mark.configure(server={"host": "::1"})
def test_ipv6(house):
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.bind(("::1", 0))
    made.settimeout(5)
    port = made.getsockname()[1]

    def ask(method, number, extra=""):
        made.sendto((f"{method} sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:{port};branch=z9hG4bK{number};rport\r\n"
                     f"From: <sip:alice@{REALM}>;tag=1\r\nTo: <sip:alice@{REALM}>\r\nCall-ID: six\r\n"
                     f"CSeq: {number} {method}\r\nContact: <sip:alice@[::1]:{port}>\r\n{extra}Content-Length: 0\r\n\r\n").encode(),
                    ("::1", house.port))
        return world.Message(made.recv(65536))
    assert ask("OPTIONS", 1).status == 200
    challenge = ask("REGISTER", 2).get("WWW-Authenticate")
    proof = world.authorize(challenge, "alice", world.PASSWORDS["alice"], "REGISTER", f"sip:{REALM}")
    assert ask("REGISTER", 3, f"Authorization: {proof}\r\n").status == 200
    assert house.bus.fact("line.changed", line="line-alice", reachable=True)["address"] == f"[::1]:{port}"
    house.ring()
    invite = world.Message(made.recv(65536))
    assert invite.method == "INVITE" and re.search(rf"@\[::1\]:{house.port}", invite.get("Contact"))
    made.close()


def test_port_in_use_is_said(house):
    """A second suite on the same port ends at once and names port and setting."""
    import os
    import pathlib
    import shutil
    import subprocess
    import tempfile
    home = pathlib.Path(tempfile.mkdtemp(prefix="hs-", dir=world.FOLDER))
    shutil.copy(house.home / "hookswitch.yaml", home)
    result = subprocess.run([world.BUILD / "sipd" / "sipd"], capture_output=True, timeout=20,
                            env={**os.environ, "HOOKSWITCH_HOME": str(home)})
    shutil.rmtree(home)
    text = result.stderr.decode()
    assert result.returncode != 0 and "server.sip_port" in text and str(house.port) in text
