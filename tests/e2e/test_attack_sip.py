"""Strangers and thieves on the SIP port of a running suite."""
import hashlib
import re
import socket
import time

import pytest

import phone as phones
from suite import wait_for


def udp(host="127.0.0.2"):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(2)
    return made


def tcp(suite, host):
    made = socket.socket()
    made.bind((host, 0))
    made.settimeout(2)
    made.connect(suite.sip)
    return made


def message(made, method="OPTIONS", uri="sip:hookswitch.local", headers=(), end="\r\n", user="phone1", **more):
    """A request from this socket. more: cseq, call_id, sender, to, body."""
    host, port = made.getsockname()
    kind = "TCP" if made.type == socket.SOCK_STREAM else "UDP"
    body = more.get("body", b"")
    rows = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/{kind} {host}:{port};rport;branch=z9hG4bK{phones.word()}",
            "Max-Forwards: 70", f"From: {more.get('sender', f'<sip:{user}@hookswitch.local>;tag=' + phones.word())}",
            f"To: {more.get('to', f'<sip:{user}@hookswitch.local>')}",
            f"Call-ID: {more.get('call_id') or phones.word()}", f"CSeq: {more.get('cseq', 1)} {method}", *headers,
            f"Content-Length: {len(body)}", "", ""]
    return end.join(rows).encode() + body


def ask(made, suite, data):
    made.sendto(data, suite.sip)
    return phones.Message.parse(made.recv(65536))


def dropped(suite, reason):
    names = [n for n in suite.metrics() if "sip_dropped_total" in n and f'reason="{reason}"' in n]
    return sum(suite.metrics()[n] for n in names)


def is_silent(made, seconds=0.5):
    made.settimeout(seconds)
    try:
        return not made.recv(65536)
    except socket.timeout:
        return True


# ---- floods in one message ----

@pytest.mark.parametrize("reason, headers, end", [
    ("bare_cr", ["a:"] * 15000, "\r"),
    ("bare_cr", ["X:"] * 15000, "\r"),
    ("bare_cr", ["Via: SIP/2.0/UDP 192.0.2.1;maddr=192.0.2.2"], "\r"),
    ("headers", ["Require: " + "a," * 3900 + "a"] * 7, "\r\n"),
    ("headers", ["k: " + "a," * 3900 + "a"] * 7, "\r\n"),
    ("headers", ["a:"] * 129, "\r\n"),
    ("maddr", ["Via: SIP/2.0/UDP 192.0.2.1;maddr=192.0.2.2"], "\r\n"),
])
def test_a_message_that_would_cost_seconds_never_reaches_the_parser(suite, reason, headers, end):
    evil, before = udp(), dropped(suite, reason)
    evil.sendto(message(evil, headers=headers, end=end), suite.sip)
    friend, begun = udp("127.0.0.3"), time.monotonic()
    assert ask(friend, suite, message(friend)).status == 200
    assert time.monotonic() - begun < 0.5
    assert is_silent(evil, 0.1)
    wait_for(lambda: dropped(suite, reason) == before + 1, why=lambda: "it was not counted")


# ---- streams ----

@pytest.fixture(scope="module")
def limited(make_shared):
    return make_shared({"sip": {"requests_per_s": 50, "burst": 100}})


def test_messages_in_one_chunk_cost_what_datagrams_cost(limited):
    evil = tcp(limited, "127.0.0.4")
    heard = b""
    try:
        evil.sendall(b"".join(message(evil) for _ in range(2000)))
        while part := evil.recv(65536):
            heard += part
    except OSError:
        pass
    assert heard.count(b"SIP/2.0 200") <= 110


@pytest.mark.parametrize("data", [b"garbage\r\n\r\nmore", b"SIP/2.0 200 OK\r\n\r\nzzz",
                                  b"SIP/2.0 200 OK\r\nContent-Length: 999999\r\n\r\n" + b"z" * 100000])
def test_a_broken_stream_gives_its_descriptor_back(limited, data):
    evil = tcp(limited, "127.0.0.5")
    try:
        evil.sendall(data)
    except OSError:
        pass
    evil.close()

    def is_gone():
        tcp(limited, "127.0.0.6").close()  # where descriptors are taken, dead ones are looked for
        text = open("/proc/net/tcp", encoding="ascii").read()
        return not re.search(r": \w+:%04X 0500007F:" % limited.sip[1], text)
    wait_for(is_gone, 10, lambda: "the connection is still held", step=0.3)


# ---- credentials ----

def register(made, suite, authorization=None, **more):
    headers = [f"Authorization: {authorization}"] if authorization else []
    return ask(made, suite, message(made, "REGISTER", "sip:" + suite.facts["domain"], headers + more.pop("headers", []),
                                    **more))


def proof(suite, challenge, line=0, uri=None, count=1, **replaced):
    account, uri = suite.line(line), uri or "sip:" + suite.facts["domain"]
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    values = {"username": account["user"], "realm": fields["realm"], "nonce": fields["nonce"], "uri": uri,
              "cnonce": "abc", "nc": f"{count:08x}", "qop": "auth", "algorithm": "MD5", **replaced}
    def h(text):
        return hashlib.md5(text.encode()).hexdigest()
    first = h(f"{values['username']}:{values['realm']}:{account['password']}")
    values["response"] = h(f"{first}:{values['nonce']}:{values['nc']}:abc:{values['qop']}:{h('REGISTER:' + uri)}")
    bare = ("nc", "qop", "algorithm")
    return "Digest " + ", ".join(f"{k}={v}" if k in bare else f'{k}="{v}"' for k, v in values.items())


def challenge_of(made, suite):
    return register(made, suite).get("www-authenticate")


def test_a_proof_counts_once_and_from_its_own_address(suite):
    made, thief = udp(), udp("127.0.0.7")
    challenge = challenge_of(made, suite)
    good = proof(suite, challenge)
    assert register(made, suite, good).status == 200
    assert register(made, suite, good).status == 401
    assert register(thief, suite, good).status == 401
    assert register(thief, suite, proof(suite, challenge, count=9)).status == 401
    assert register(made, suite, proof(suite, challenge, count=2)).status == 200
    assert register(made, suite, proof(suite, challenge, count=1)).status == 401
    assert register(made, suite, proof(suite, challenge, count=0xffffffff)).status == 200


@pytest.mark.parametrize("replaced", [{"uri": "sip:evil.example"}, {"count": 0}, {"qop": "auth-int"},
                                      {"algorithm": "MD5-sess"}, {"algorithm": "SHA-256"}, {"realm": "evil"}])
def test_a_proof_for_something_else_is_none(suite, replaced):
    made = udp()
    assert register(made, suite, proof(suite, challenge_of(made, suite), **replaced)).status == 401


def test_nobody_binds_anothers_address(suite):
    made = udp()
    contact = [f"Contact: <sip:evil@127.0.0.2:{made.getsockname()[1]}>"]
    for user in ("phone2", "ph%6fne2"):
        reply = register(made, suite, proof(suite, challenge_of(made, suite)), user=user, headers=contact)
        assert reply.status == 403
    assert suite.get("/api/v1/lines/phone2")["line"]["contacts"] == 0


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE", "OPTIONS", "REFER"])
def test_no_answer_tells_who_exists(suite, method):
    shapes = set()
    for number, user in enumerate(("phone1", "nobody")):
        made = udp(f"127.0.1.{number + 1}")
        uri = "sip:" + suite.facts["domain"]
        first = ask(made, suite, message(made, method, uri, user=user))
        shape = [first.status, [name for name, _ in first.headers]]
        if first.status == 401:
            wrong = phones.digest(first.get("www-authenticate"), method, uri, user, "wrong")
            second = ask(made, suite, message(made, method, uri, [f"Authorization: {wrong}"], user=user, cseq=2))
            shape += [second.status, [name for name, _ in second.headers]]
        shapes.add(str(shape))
    assert len(shapes) == 1


# ---- dialogs of others ----

def inside(call, made, method, headers=(), body=b""):
    call.cseq += 1
    return message(made, method, call.remote_target, headers, call_id=call.call_id, cseq=call.cseq, body=body,
                   sender=f"{call.local};tag={call.local_tag}", to=f"{call.peer};tag={call.remote_tag}")


def test_who_knows_a_dialog_but_not_its_password_changes_nothing(suite):
    owner = suite.phone(1)
    call = owner.call("0")
    wait_for(lambda: call.state == "up")
    evil = udp("127.0.0.8")
    sdp = call.sdp() if isinstance(call.sdp(), bytes) else call.sdp().encode()
    offer = re.sub(rb"c=IN IP4 \S+", b"c=IN IP4 127.0.0.8", sdp)
    contact = [f"Contact: <sip:x@127.0.0.8:{evil.getsockname()[1]}>", "Content-Type: application/sdp"]
    for method, headers, body in (("BYE", [], b""), ("INFO", ["Content-Type: application/dtmf-relay"], b"Signal=5\r\n"),
                                  ("INVITE", contact, offer), ("UPDATE", contact, offer),
                                  ("REFER", ["Refer-To: <sip:x@192.0.2.1>"], b"")):
        assert ask(evil, suite, inside(call, evil, method, headers, body)).status == 401, method
    assert suite.get("/api/v1/lines/phone2")["line"]["state"] == "off_hook" and call.state == "up"
    call.hangup()
    suite.wait_state("phone2", "on_hook")


def test_third_parties_that_a_phone_names_hear_nothing(suite):
    victim = udp("127.0.0.9")
    named = f"<sip:v@127.0.0.9:{victim.getsockname()[1]}>"
    callee = suite.phone(0)
    respond = callee.respond

    def accept(request, status, reason, call=None, headers=(), body=b""):
        more = [("Record-Route", named.replace(">", ";lr>"))] if status == 200 else []
        callee.contact, kept = (named[1:-1], callee.contact) if status == 200 else (callee.contact,) * 2
        respond(request, status, reason, call, [*headers, *more], body)
        callee.contact = kept

    def redirect(request, status, reason, call=None, headers=(), body=b""):
        moved = request.method == "INVITE"
        more = [("Contact", named)] if moved else headers
        respond(request, 302 if moved else status, reason, call, more, b"" if moved else body)

    callee.respond = accept
    suite.post("/api/v1/phone/ring", status=202)
    callee.incoming.get(timeout=5).answer()
    suite.wait_state("phone1", "off_hook")
    suite.post("/api/v1/phone/hangup")
    suite.wait_idle(10)
    callee.respond = redirect
    suite.post("/api/v1/phone/ring", status=202)
    suite.wait_idle(10)
    callee.respond = respond
    assert is_silent(victim)
