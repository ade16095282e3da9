"""Registration: digest, bindings, contacts, and what survives."""
import os
import re
import statistics
import time

import pytest
import world
from world import PASSWORDS, REALM, authorize, wait_for


@pytest.mark.parametrize("user", ["alice", "bob", "carol"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_registers(house, user, transport):
    phone = house.phone(user, transport=transport)
    answer = phone.register()
    assert answer.status == 200 and phone.contact in answer.get("Contact") and "expires=300" in answer.get("Contact")
    fact = house.bus.fact("line.changed", line=f"line-{user}", reachable=True)
    assert fact["contacts"] == 1 and fact["address"] == f"127.0.0.1:{phone.port}"


def test_algorithms_offered(house):
    offered = {}
    for user in PASSWORDS:
        phone = house.phone(user)
        answer = phone.ask("REGISTER", phone.domain_uri, to=f"<sip:{user}@{REALM}>")
        offered[user] = [world.digest_params(h)["algorithm"] for h in answer.all("WWW-Authenticate")]
        assert all(world.digest_params(h)["qop"] == "auth" for h in answer.all("WWW-Authenticate"))
    assert offered == {"alice": ["MD5"], "bob": ["SHA-256", "MD5"], "carol": ["SHA-256"]}


def challenge_of(phone):
    return phone.ask("REGISTER", phone.domain_uri, to=f"<sip:{phone.user}@{REALM}>").get("WWW-Authenticate")


def try_with(phone, proof):
    return phone.ask("REGISTER", phone.domain_uri, to=f"<sip:{phone.user}@{REALM}>",
                     headers=[f"Authorization: {proof}"])


def wrong(proof, name, value):
    return re.sub(rf'{name}=("[^"]*"|[^,\s]+)', f"{name}={value}", proof)


REFUSED = {
    "password": lambda p, c: authorize(c, "alice", "wrong", "REGISTER", p.domain_uri),
    "realm": lambda p, c: authorize(c, "alice", p.password, "REGISTER", p.domain_uri, realm="other"),
    "uri": lambda p, c: authorize(c, "alice", p.password, "REGISTER", "sip:elsewhere"),
    "method": lambda p, c: authorize(c, "alice", p.password, "INVITE", p.domain_uri),
    "algorithm": lambda p, c: authorize(c, "alice", p.password, "REGISTER", p.domain_uri, algorithm="SHA-256"),
    "unknown algorithm": lambda p, c: wrong(authorize(c, "alice", p.password, "REGISTER", p.domain_uri),
                                            "algorithm", "MD5-sess"),
    "no qop": lambda p, c: authorize(c, "alice", p.password, "REGISTER", p.domain_uri).replace("qop=auth, ", ""),
    "auth-int": lambda p, c: wrong(authorize(c, "alice", p.password, "REGISTER", p.domain_uri), "qop", "auth-int"),
    "nc 0": lambda p, c: authorize(c, "alice", p.password, "REGISTER", p.domain_uri, nc=0),
    "no cnonce": lambda p, c: authorize(c, "alice", p.password, "REGISTER", p.domain_uri, cnonce=""),
    "twice": lambda p, c: authorize(c, "alice", p.password, "REGISTER", p.domain_uri) + ', username="bob"',
    "forged nonce": lambda p, c: authorize(c, "alice", p.password, "REGISTER", p.domain_uri, nonce="0" * 48),
    "garbage": lambda p, c: "Digest " + "x" * 3000,
    "basic": lambda p, c: "Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==",
    "long": lambda p, c: authorize(c, "a" * 900, p.password, "REGISTER", p.domain_uri),
    "other user": lambda p, c: authorize(c, "nobody", p.password, "REGISTER", p.domain_uri),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(house, name):
    phone = house.phone("alice")
    answer = try_with(phone, REFUSED[name](phone, challenge_of(phone)))
    assert answer.status == 401, f"never anything but 401: {answer}"
    assert phone.register().status == 200


def test_replay_and_stale(house):
    phone = house.phone("alice")
    proof = authorize(challenge_of(phone), "alice", phone.password, "REGISTER", phone.domain_uri)
    assert try_with(phone, proof).status == 200
    replayed = try_with(phone, proof)
    assert replayed.status == 401 and "stale=true" in replayed.get("WWW-Authenticate")
    assert house.phone("alice").ask("REGISTER", phone.domain_uri, to=f"<sip:alice@{REALM}>",
                                    headers=[f"Authorization: {proof}"]).status == 401
    challenge = replayed.get("WWW-Authenticate")
    assert try_with(phone, authorize(challenge, "alice", phone.password, "REGISTER", phone.domain_uri, nc=5)).status == 200
    assert try_with(phone, authorize(challenge, "alice", phone.password, "REGISTER", phone.domain_uri, nc=4)).status == 401
    assert try_with(phone, authorize(challenge, "alice", phone.password, "REGISTER", phone.domain_uri, nc=6)).status == 200


def test_nonce_is_bound_to_the_address(house):
    there = house.phone("alice", host="127.0.0.2")
    proof = authorize(challenge_of(house.phone("alice")), "alice", there.password, "REGISTER", there.domain_uri)
    answer = try_with(there, proof)
    assert answer.status == 401 and "stale=true" in answer.get("WWW-Authenticate")


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE", "OPTIONS"])
def test_no_enumeration(house, method):
    """Unknown user and wrong password: the same answer in the same time."""
    shapes, times = {}, {}
    for name in ["alice", "nobody"]:
        phone = house.phone(name, password="wrong")
        took = []
        for _ in range(60):
            uri = f"sip:{name}@{REALM}"
            more = {"to": f"<{uri}>", "body": world.SDP if method == "INVITE" else ""}
            first = phone.ask(method, uri, **more)
            if first.status != 401:
                shapes[name] = (first.start, None)
                continue
            proof = authorize(first.get("WWW-Authenticate"), name, "wrong", method, uri)
            began = time.perf_counter()
            second = phone.ask(method, uri, headers=[f"Authorization: {proof}"], **more)
            took.append(time.perf_counter() - began)
            shapes[name] = (second.start, tuple(key for key, _ in second.headers), len(second.get("WWW-Authenticate")))
        times[name] = statistics.median(took) if took else 0
    assert shapes["alice"] == shapes["nobody"]
    assert abs(times["alice"] - times["nobody"]) < 0.003


def test_only_its_own_address(house):
    phone = house.phone("alice")
    phone.pick = lambda response: response.all("WWW-Authenticate")[-1]
    assert phone.register(to=f"<sip:bob@{REALM}>").status == 403
    assert phone.register(to=f"<sip:nobody@{REALM}>").status == 403
    assert not house.bus.facts_of("line.changed", line="line-bob", reachable=True)


def test_contacts(house):
    phone = house.registered("alice")
    second = house.registered("alice")
    house.bus.fact("line.changed", line="line-alice", contacts=2)
    both = phone.register(contact="")
    assert both.status == 200 and len(both.all("Contact")) == 2
    assert phone.register(expires=0).status == 200
    assert house.bus.fact("line.changed", line="line-alice", contacts=1, count=2)["address"].endswith(str(second.port))
    assert second.register(contact="Contact: *", headers=["Expires: 60"]).status == 400
    assert second.register(contact=f"Contact: *, <{second.contact}>", headers=["Expires: 0"]).status == 400
    assert second.register(contact="Contact: *", headers=["Expires: 0"]).status == 200
    assert house.bus.fact("line.changed", line="line-alice", contacts=0)["reachable"] is False


def test_at_most_ten(house):
    phones = [house.registered("alice") for _ in range(12)]
    answer = phones[0].register(contact="")
    assert len(answer.all("Contact")) == 10
    many = ", ".join(f"<sip:alice@127.0.0.1:{6000 + i}>" for i in range(11))
    assert phones[0].register(contact=f"Contact: {many}").status == 400


def test_intervals(house):
    phone = house.phone("alice")
    brief = phone.register(expires=5)
    assert brief.status == 423 and brief.get("Min-Expires") == "60"
    assert "expires=3600" in phone.register(expires=999999).get("Contact")


@pytest.mark.parametrize("contact", ["<tel:100>", "<mailto:a@b>", "<sip:alice@127.0.0.1?Subject=x>", "<sips:alice@127.0.0.1>"])
def test_bad_contacts(house, contact):
    assert house.phone("alice").register(contact=f"Contact: {contact}").status == 400
    assert house.is_alive()


def test_old_cseq(house):
    phone = house.registered("alice")
    phone.cseq = iter([90, 91])
    assert phone.register().status == 200
    phone.cseq = iter([92, 5])
    assert phone.register().status == 500


def test_refresh_is_no_news(house):
    phone = house.registered("alice")
    house.bus.fact("line.changed", line="line-alice", reachable=True)
    for _ in range(3):
        assert phone.register().status == 200
    house.registered("bob")
    house.bus.fact("line.changed", line="line-bob", reachable=True)
    assert len(house.bus.facts_of("line.changed", line="line-alice", reachable=True)) == 1


def test_nat(house):
    """A phone that names a private address is reached where it spoke from."""
    phone = house.phone("alice")
    answer = phone.register(contact="Contact: <sip:alice@192.168.77.5:5060>")
    assert answer.status == 200
    assert house.bus.fact("line.changed", line="line-alice", reachable=True)["address"] == f"127.0.0.1:{phone.port}"
    house.ring()
    invite = phone.request("INVITE")
    assert invite.uri == "sip:alice@192.168.77.5:5060"
    phone.answer(invite, 486)


@pytest.mark.configure(sip={"keepalive_s": 1})
def test_keepalive(house):
    """OPTIONS goes to contacts behind NAT; a dead one is forgotten."""
    phone = house.phone("alice")
    phone.register(contact="Contact: <sip:alice@192.168.77.5:5060>")
    for _ in range(2):
        phone.answer(phone.request("OPTIONS"), 200)
    phone.close()
    assert house.bus.fact("line.changed", line="line-alice", contacts=0, reachable=False, why="the phone stopped answering",
                          timeout=15)


def test_tcp_pong(house):
    with world.socket.create_connection(house.server, timeout=5) as flow:
        flow.sendall(b"\r\n\r\n")
        assert flow.recv(10) == b"\r\n"


def test_bindings_survive_kill(house):
    phone = house.registered("alice")
    old = house.kill()
    house.wait_ready(old)
    house.ring()
    phone.answer(phone.request("INVITE"), 486)


def test_bindings_survive_a_restart_of_the_suite(house):
    phone = house.registered("alice")
    gone = house.registered("bob")
    gone.register(expires=0)
    house.restart_suite()
    house.bus.fact("line.changed", line="line-alice", reachable=True, why="sipd started")
    house.ring()
    phone.answer(phone.request("INVITE"), 486)
    with pytest.raises(world.Refused) as refused:
        house.ring(line="line-bob")
    assert (refused.value.error, refused.value.state) == ("wrong_state", "offline")


@pytest.mark.configure(sip={"failures": 4, "ban_s": 2, "local_networks": ["127.0.0.1/32"]})
def test_ban(house):
    phone = house.phone("alice", password="wrong", host="127.0.0.3")
    for _ in range(4):
        phone.register()
    fact = house.bus.fact("line.suspected", banned=True)
    assert fact["address"] == "127.0.0.3" and fact["line"] == "line-alice"
    text, key = phone.build("REGISTER", f"sip:{REALM}")
    phone.send(text)
    phone.nothing(lambda m: m.get("Call-ID") == key[0])
    tcp = world.socket.socket()
    tcp.bind(("127.0.0.3", 0))
    tcp.settimeout(3)
    tcp.connect(house.server)
    assert tcp.recv(10) == b""
    tcp.close()
    assert house.is_alive()

    def free_again():
        text, key = phone.build("REGISTER", f"sip:{REALM}")
        phone.send(text)
        with phone.changed:
            return phone.changed.wait_for(lambda: any(m.get("Call-ID") == key[0] for m in phone.inbox), 0.3)
    wait_for(free_again)


@pytest.mark.configure(sip={"failures": 4, "local_networks": ["10.9.9.0/24"]})
def test_no_ban_beside_a_registered_phone(house):
    good = house.registered("bob")
    bad = house.phone("alice", password="wrong")
    for _ in range(4):
        bad.register()
    house.bus.fact("line.suspected", banned=False)
    assert not house.bus.facts_of("line.suspected", banned=True)
    sent = [good.build("OPTIONS", f"sip:{REALM}") for _ in range(40)]
    for text, _ in sent:  # the bad one may ask twice a second now; its neighbour is not punished for it
        good.send(text)
    for _, key in sent:
        assert good.response(key).status == 200
    for _ in range(4):  # and a registered phone that guesses passwords answers for itself
        try_with(good, authorize(challenge_of(good), "alice", "wrong", "REGISTER", good.domain_uri))
    house.bus.fact("line.suspected", banned=False, count=2)
    before = house.metric("hookswitch_sip_dropped_total")
    for text, _ in [good.build("OPTIONS", f"sip:{REALM}") for _ in range(40)]:
        good.send(text)
    wait_for(lambda: house.metric("hookswitch_sip_dropped_total") >= before + 30)


@pytest.mark.configure(sip={"probes": 20, "local_networks": ["127.0.0.1/32"]})
def test_scan(house):
    """Who asks for name after name and proves nothing is banned, told, and never heard of an OPTIONS."""
    scanner = house.phone("x", host="127.0.0.3")
    scanner.send(scanner.build("OPTIONS", f"sip:{REALM}")[0])
    for number in range(19):
        assert scanner.ask("REGISTER", scanner.domain_uri, to=f"<sip:{number}@{REALM}>").status == 401
    fact = house.bus.fact("line.suspected", banned=True)
    assert fact["address"] == "127.0.0.3" and fact["failures"] == 20 and "line" not in fact
    heard = len(scanner.inbox)
    for number in range(20):
        scanner.send(scanner.build("REGISTER", scanner.domain_uri, to=f"<sip:{number}@{REALM}>")[0])
    scanner.nothing(lambda m: m.method == "OPTIONS" or len(scanner.inbox) > heard, 0.3)
    assert house.registered("alice").register().status == 200


@pytest.mark.configure(sip={"probes": 20, "local_networks": ["127.0.0.1/32"]})
def test_a_phone_that_always_asks_first_is_no_scanner(house):
    phone = house.registered("alice", host="127.0.0.3")
    for _ in range(40):
        assert phone.register(expires=0).status == 200
        assert phone.register().status == 200
    assert not house.bus.facts_of("line.suspected")


@pytest.mark.configure(sip={"requests_per_s": 1, "burst": 5})
def test_rate_limit(house):
    phone = house.phone("alice", host="127.0.0.4")
    sent = [phone.build("OPTIONS", f"sip:{REALM}") for _ in range(30)]
    for text, _ in sent:
        phone.send(text)
    assert house.is_alive()
    wait_for(lambda: len(phone.inbox) >= 5)
    assert len(phone.inbox) <= 7
    assert house.metric("hookswitch_sip_dropped_total") >= 20


def test_stun_is_dropped(house):
    phone = house.phone("alice")
    for first in (b"\x00\x01", b"\x01\x01", b"\x00\x00"):
        phone.send(first + b"\x00\x00\x21\x12\xa4\x42" + os.urandom(12))
    assert house.is_alive()
    phone.nothing(lambda m: True, 0.2)
