"""kill -9 of sipd: phones notice nothing, apid hears of nothing twice, and what cannot go on ends politely."""
import contextlib
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import sys

import pytest
from test_calls import answered, incoming, rung
from world import OUR_SDP, PASSWORDS, REALM, SDP, wait_for

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))


def die(house):
    """Its successor serves when this returns."""
    deaths = len(house.bus.facts_of("driver.started", clean=False))
    house.wait_ready(house.kill())
    assert house.bus.fact("driver.started", count=deaths + 1, clean=False)["keeps"] is True


@contextlib.contextmanager
def dead(house):
    """Nobody is there meanwhile."""
    os.kill(house.keeper.pid, signal.SIGSTOP)
    old = house.kill()
    try:
        yield
    finally:
        os.kill(house.keeper.pid, signal.SIGCONT)
    house.wait_ready(old)


def branch(message):
    return re.search(r"branch=([^;\s]+)", message.get("Via")).group(1)


def same_request(first, again):
    return (branch(first), first.get("CSeq"), first.get("Call-ID")) == (branch(again), again.get("CSeq"),
                                                                        again.get("Call-ID"))


def nothing_ended(house):
    assert not house.bus.facts_of("leg.ended"), house.bus.facts_of("leg.ended")


# ---- established ----

@pytest.mark.parametrize("side", ["caller", "callee"])
def test_a_call_goes_on(house, side):
    """Requests both ways, and the end, as if nobody had died."""
    phone = house.registered("alice")
    if side == "caller":
        call = answered(house, phone)
        leg = call.leg

        def ask(method, **more):
            return call.ask(method, **more)
    else:
        leg, invite = rung(house, phone)
        numbers = iter(range(500, 600))

        def ask(method, **more):
            return phone.response(phone.inside(method, invite, cseq=next(numbers), **more))
    die(house)
    assert ask("INFO", body="Signal=5\r\nDuration=100\r\n", content_type="application/dtmf-relay").status == 200
    assert house.bus.fact("leg.digit", leg=leg)["digit"] == "5"
    held = ask("INVITE", body=SDP + "a=sendonly\r\n")
    assert held.status == 200 and held.body.decode() == OUR_SDP
    house.bus.fact("leg.held", leg=leg, held=True, by_far_end=True)
    die(house)
    house.bus.ask("leg.digits", leg=leg, digits="9", duration_ms=100)
    phone.answer(phone.request("INFO"), 200)
    house.bus.ask("leg.hold", leg=leg, held=True)
    phone.answer(phone.request("INVITE"), 200, sdp=SDP)
    phone.request("ACK")
    house.bus.fact("leg.held", leg=leg, held=True, by_far_end=False)
    die(house)
    nothing_ended(house)
    assert ask("BYE").status == 200
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "normal"
    told = house.bus.facts_of("leg.answered")  # again where the record did not know, and the same
    assert all(f == told[0] for f in told) and len(told) <= 2
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)


def test_our_hangup_after_a_death(house):
    caller, callee = house.registered("alice"), house.registered("bob")
    call = answered(house, caller)
    leg, invite = rung(house, callee)
    die(house)
    for one in (call.leg, leg):
        house.bus.ask("leg.hangup", leg=one, cause="normal")
    bye = caller.request("BYE")
    assert (bye.tag("From"), bye.tag("To"), bye.get("Call-ID")) == (call.last.tag("To"), call.tag, call.call_id)
    caller.answer(bye, 200)
    bye = callee.request("BYE")
    assert (bye.tag("From"), bye.tag("To")) == (invite.tag("From"), "phonetag")
    assert int(bye.get("CSeq").split()[0]) > int(invite.get("CSeq").split()[0])
    callee.answer(bye, 200)
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)


def test_a_change_under_way(house):
    """Our re-INVITE is out: the phone gets it again, not a second one."""
    phone = house.registered("alice")
    leg, _ = rung(house, phone)
    house.bus.ask("leg.hold", leg=leg, held=True)
    first = phone.request("INVITE")
    die(house)
    again = phone.request("INVITE")
    assert same_request(first, again)
    phone.answer(again, 200, sdp=SDP)
    phone.request("ACK")
    house.bus.fact("leg.held", leg=leg, held=True, by_far_end=False)
    nothing_ended(house)


def test_digits_under_way(house):
    phone = house.registered("alice")
    leg, _ = rung(house, phone)
    house.bus.ask("leg.digits", leg=leg, digits="12#", duration_ms=120)
    first = phone.request("INFO")
    die(house)
    again = phone.request("INFO")
    assert same_request(first, again) and "Signal=1" in again.body.decode()
    phone.answer(again, 200)
    for digit in "2#":
        info = phone.take(lambda m: m.method == "INFO" and f"Signal={digit}" in m.body.decode(), what=f"INFO {digit}")
        phone.answer(info, 200)
    nothing_ended(house)


def test_a_digit_that_is_repeated_is_told_once(house):
    phone = house.registered("alice")
    call = answered(house, phone)
    text, key = phone.build("INFO", call.last.contact_uri(), to=call.last.get("To"), call_id=call.call_id,
                            from_tag=call.tag, body="Signal=5\r\n", content_type="application/dtmf-relay")
    phone.send(text)
    assert phone.response(key).status == 200
    die(house)
    phone.send(text)  # as if the answer had been lost
    assert phone.response(key).status == 200
    assert call.ask("OPTIONS").status == 200
    assert len(house.bus.facts_of("leg.digit", leg=call.leg)) == 1


def test_a_hangup_while_nobody_is_there(house):
    phone = house.registered("alice")
    call = answered(house, phone)
    with dead(house):
        key = call.send("BYE")
    assert phone.response(key).status == 200
    assert house.bus.fact("leg.ended", leg=call.leg)["cause"] == "normal"


def test_a_bye_under_way(house):
    phone = house.registered("alice")
    leg, _ = rung(house, phone)
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    first = phone.request("BYE")
    die(house)
    again = phone.request("BYE")
    assert same_request(first, again)
    phone.answer(again, 200)
    assert len(house.bus.facts_of("leg.ended", leg=leg)) == 1


# ---- ringing ----

def test_a_phone_that_rings_is_answered(house):
    """It rings on; what it gets again is a repetition, and what it says counts."""
    phone = house.registered("alice")
    leg = house.ring()
    invite = phone.request("INVITE")
    phone.answer(invite, 180)
    house.bus.fact("leg.ringing", leg=leg)
    die(house)
    again = phone.request("INVITE")
    assert same_request(invite, again) and again.body == invite.body
    phone.answer(again, 180)
    phone.answer(again, 200, sdp=SDP)
    ack = phone.request("ACK")
    assert ack.tag("To") == "phonetag"
    house.bus.fact("leg.answered", leg=leg)
    assert house.bus.media_asked("media.describe", leg=leg)["description"] == SDP
    key = phone.inside("BYE", invite)
    assert phone.response(key).status == 200
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "normal"


def test_a_phone_that_is_lifted_while_nobody_is_there(house):
    """Its 200 waited; no INVITE is repeated to a phone that has answered."""
    phone = house.registered("alice")
    leg = house.ring()
    invite = phone.request("INVITE")
    phone.answer(invite, 180)
    house.bus.fact("leg.ringing", leg=leg)
    with dead(house):
        phone.answer(invite, 200, sdp=SDP)
    phone.request("ACK")
    house.bus.fact("leg.answered", leg=leg)
    phone.nothing(lambda m: m.method == "INVITE" and m.status is None, 1)
    nothing_ended(house)


@pytest.mark.parametrize("status,cause", [(486, "busy"), (603, "declined")])
def test_a_phone_that_refuses_while_nobody_is_there(house, status, cause):
    phone = house.registered("alice")
    leg = house.ring()
    invite = phone.request("INVITE")
    with dead(house):
        phone.answer(invite, status)
    assert phone.request("ACK").tag("To") == "phonetag"
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == cause


def test_hangup_of_what_rings(house):
    phone = house.registered("alice")
    leg = house.ring()
    invite = phone.request("INVITE")
    phone.answer(invite, 180)
    house.bus.fact("leg.ringing", leg=leg)
    die(house)
    phone.answer(phone.request("INVITE"), 180)
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    cancel = phone.request("CANCEL")
    assert branch(cancel) == branch(invite) and cancel.get("CSeq").split()[0] == invite.get("CSeq").split()[0]
    phone.answer(cancel, 200)
    phone.answer(invite, 487)
    assert branch(phone.request("ACK")) == branch(invite)
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "cancelled"
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)


def test_the_time_to_ring_goes_on(house):
    phone = house.registered("alice")
    leg = house.ring(ring_timeout_ms=2500)
    phone.answer(phone.request("INVITE"), 180)
    house.bus.fact("leg.ringing", leg=leg)
    die(house)
    phone.answer(phone.request("INVITE"), 180)
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "no_answer"
    phone.request("CANCEL")


def test_a_cancel_under_way(house):
    """Both died with the predecessor, the INVITE and its CANCEL: the phone hears CANCEL again, and ACK."""
    phone = house.registered("alice")
    leg = house.ring()
    invite = phone.request("INVITE")
    phone.answer(invite, 180)
    house.bus.fact("leg.ringing", leg=leg)
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    phone.request("CANCEL")
    die(house)
    cancel = phone.request("CANCEL")
    assert branch(cancel) == branch(invite)
    phone.answer(cancel, 200)
    phone.answer(invite, 487)
    assert branch(phone.request("ACK")) == branch(invite)
    phone.nothing(lambda m: m.method == "INVITE" and m.status is None, 1)
    assert len(house.bus.facts_of("leg.ended", leg=leg)) == 1


# ---- over a connection of the phone's own ----

@pytest.mark.parametrize("side", ["caller", "callee"])
def test_a_call_over_a_connection_goes_on(house, side):
    """The connection is the same one, and neither side sees a gap in it."""
    phone = house.registered("alice", transport="tcp")
    if side == "caller":
        call = answered(house, phone)
        leg = call.leg

        def ask(method, **more):
            return call.ask(method, **more)
    else:
        leg, invite = rung(house, phone)
        numbers = iter(range(500, 600))

        def ask(method, **more):
            return phone.response(phone.inside(method, invite, cseq=next(numbers), **more))
    for digit in "12":
        die(house)
        info = ask("INFO", body=f"Signal={digit}\r\nDuration=100\r\n", content_type="application/dtmf-relay")
        assert info.status == 200 and house.bus.fact("leg.digit", leg=leg, digit=digit)
    assert ask("INVITE", body=SDP + "a=sendonly\r\n").body.decode() == OUR_SDP
    die(house)
    house.bus.ask("leg.hold", leg=leg, held=True)
    phone.answer(phone.request("INVITE"), 200, sdp=SDP)
    phone.request("ACK")
    house.bus.fact("leg.held", leg=leg, held=True, by_far_end=False)
    die(house)
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    phone.answer(phone.request("BYE"), 200)
    assert phone.register().status == 200 and not phone.closed
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)


def test_a_phone_that_rings_over_a_connection_is_answered(house):
    phone = house.registered("alice", transport="tcp")
    leg = house.ring()
    invite = phone.request("INVITE")
    phone.answer(invite, 180)
    house.bus.fact("leg.ringing", leg=leg)
    die(house)
    again = phone.request("INVITE")  # known by its branch: a repetition
    assert same_request(invite, again)
    phone.answer(again, 200, sdp=SDP)
    phone.request("ACK")
    house.bus.fact("leg.answered", leg=leg)
    nothing_ended(house)


@pytest.mark.parametrize("decided", [False, True])
def test_a_caller_who_waits_on_a_connection_is_answered(house, decided):
    """Who had 100 gets a final answer, on the connection on which he asked."""
    call = incoming(house, house.registered("alice", transport="tcp"), "101")
    leg = call.fact["leg"]
    if decided:
        house.bus.ask("leg.progress", leg=leg, early_media=False)
        call.response(180)
    else:
        call.response(100)
    die(house)
    house.bus.ask("leg.answer", leg=leg)
    assert call.response(200).body.decode() == OUR_SDP
    call.ack()
    house.bus.fact("leg.answered", leg=leg)
    assert call.ask("BYE").status == 200


def test_what_was_sent_over_a_connection_while_nobody_was_there(house):
    """All of it is answered, in order: also a message of which a part came before the death, and a part after it."""
    phone = house.registered("alice", transport="tcp")
    call = answered(house, phone)
    built = [phone.build("OPTIONS", f"sip:{REALM}") for _ in range(5)]
    half, key = phone.build("INFO", call.last.contact_uri(), to=call.last.get("To"), call_id=call.call_id,
                            from_tag=call.tag, body="Signal=7\r\n", content_type="application/dtmf-relay")
    phone.send(half[:100])
    assert house.is_alive()  # another one is served: what came before has been looked at
    with dead(house):
        phone.send(half[100:250])
    assert house.is_alive()
    phone.send(half[250:-4])
    with dead(house):
        phone.send(half[-4:])
        for text, _ in built[:4]:
            phone.send(text)
        phone.send(built[4][0][:60])
    assert phone.response(key).status == 200
    phone.send(built[4][0][60:])
    for _, number in built:
        assert phone.response(number).status == 200
    house.bus.fact("leg.digit", leg=call.leg, digit="7")
    assert not phone.closed and call.ask("BYE").status == 200
    house.bus.fact("leg.ended", leg=call.leg)
    assert len(house.bus.facts_of("leg.digit", leg=call.leg)) == 1


def test_a_connection_that_ends_while_nobody_is_there(house):
    """The phone opens another one and registers: its call is reached there."""
    phone = house.registered("alice", transport="tcp")
    leg, invite = rung(house, phone)
    with dead(house):
        phone.socket.shutdown(socket.SHUT_RDWR)
    again = house.registered("alice", transport="tcp")
    nothing_ended(house)
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    bye = again.request("BYE")
    assert (bye.get("Call-ID"), bye.tag("From")) == (invite.get("Call-ID"), invite.tag("From"))
    again.answer(bye, 200)


def test_a_hangup_while_the_phone_has_no_connection(house):
    """It hears of it on the one that it opens, and another phone of the line at the same address does not."""
    other, phone = (house.registered("alice", transport="tcp") for _ in range(2))
    call = answered(house, phone)
    phone.socket.shutdown(socket.SHUT_WR)
    wait_for(lambda: phone.closed)
    house.bus.ask("leg.hangup", leg=call.leg, cause="normal")
    house.bus.fact("leg.ended", leg=call.leg)
    again = house.registered("alice", transport="tcp")
    bye = again.request("BYE")
    assert (bye.get("Call-ID"), bye.tag("To")) == (call.call_id, call.tag)
    again.answer(bye, 200)
    assert not [m for m in other.inbox if m.method == "BYE"]
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)


@pytest.mark.skipif(not shutil.which("baresip"), reason="needs baresip")
def test_baresip_over_tcp(house):
    """Its connection and its call go on over deaths, both ways."""
    from baresip import Baresip
    with Baresip({"user": "alice", "password": PASSWORDS["alice"]}, house.server, REALM, [0] * 8000 * 60,
                 transport="tcp") as phone:
        house.bus.fact("line.changed", line="line-alice", reachable=True, timeout=15)
        leg = house.ring()
        house.bus.fact("leg.ringing", leg=leg, timeout=10)
        die(house)
        phone.answer()
        house.bus.fact("leg.answered", leg=leg, timeout=10)
        die(house)
        for held in (True, False):
            house.bus.ask("leg.hold", leg=leg, held=held)
            house.bus.fact("leg.held", leg=leg, held=held, by_far_end=False, timeout=10)
        phone.hangup()
        assert house.bus.fact("leg.ended", leg=leg, timeout=10)["cause"] == "normal"
        phone.dial("hotline")
        leg = house.bus.fact("leg.incoming", line="line-alice", timeout=10)["leg"]
        die(house)
        house.bus.ask("leg.answer", leg=leg)
        house.bus.fact("leg.answered", leg=leg, timeout=10)
        house.bus.ask("leg.hangup", leg=leg, cause="normal")
        phone.wait_over()


def test_connections_end_when_phones_end_them(house):
    """The keeper holds none that is over, and the phone sees that we closed."""
    def held():
        die(house)
        return int(re.findall(r"event=keeper.died .* held=(\d+)", house.log())[-1])
    before = held()
    phones = [house.registered("alice", transport="tcp") for _ in range(5)]
    assert held() == before + 5
    for phone in phones[:3]:
        phone.socket.shutdown(socket.SHUT_WR)
    wait_for(lambda: all(phone.closed for phone in phones[:3]))
    assert held() == before + 2
    phones[3].socket.shutdown(socket.SHUT_WR)
    with contextlib.suppress(OSError):
        phones[4].send("INVITE sip:x SIP/2.0\r\n" + "Via: SIP/2.0/TCP x\r\n" * 400 + "\r\n")
    wait_for(lambda: phones[3].closed and phones[4].closed)
    assert held() == before


# ---- a phone calls ----

@pytest.mark.parametrize("decided", [False, True])
def test_a_caller_who_waits_is_answered(house, decided):
    phone = house.registered("alice")
    call = incoming(house, phone, "101")
    leg, early = call.fact["leg"], None
    if decided:
        house.bus.ask("leg.progress", leg=leg, early_media=False)
        early = call.response(180)
    else:
        call.response(100)
    die(house)
    assert len(house.bus.media_asked("media.describe", leg=leg, count=2)["description"]) == len(SDP)
    house.bus.ask("leg.answer", leg=leg)
    answer = call.response(200)
    assert answer.body.decode() == OUR_SDP and (not early or answer.tag("To") == early.tag("To"))
    call.ack()
    house.bus.fact("leg.answered", leg=leg)
    facts = house.bus.facts_of("leg.incoming")
    assert all(f == facts[0] for f in facts) and len(facts) <= 2  # told again at most as it was
    assert call.ask("BYE").status == 200
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "normal"


def test_a_caller_who_waits_is_refused(house):
    call = incoming(house, house.registered("alice"), "101")
    call.response(100)
    die(house)
    house.bus.ask("leg.hangup", leg=call.fact["leg"], cause="busy")
    assert call.response(486)
    call.phone.send(call.text)  # its ACK was lost
    assert call.response().status == 486
    assert len({f["leg"] for f in house.bus.facts_of("leg.incoming")}) == 1


def test_a_caller_who_gives_up(house):
    call = incoming(house, house.registered("alice"), "101")
    house.bus.ask("leg.progress", leg=call.fact["leg"], early_media=False)
    call.response(180)
    die(house)
    assert call.cancel().status == 200
    assert call.response(487)
    assert house.bus.fact("leg.ended", leg=call.fact["leg"])["cause"] == "cancelled"


def test_an_invite_that_nobody_answered(house):
    """It was taken, and its sender repeats it to the successor: one call."""
    phone = house.registered("alice")
    call = incoming(house, phone, "101")
    die(house)
    phone.send(call.text)
    call.response(100)
    assert len({f["leg"] for f in house.bus.facts_of("leg.incoming")}) == 1
    house.bus.ask("leg.answer", leg=call.fact["leg"])
    call.response(200)
    call.ack()
    house.bus.fact("leg.answered", leg=call.fact["leg"])


def test_an_answer_whose_ack_is_awaited(house):
    """200 is repeated until the ACK comes, whoever sends it."""
    phone = house.registered("alice")
    call = incoming(house, phone)
    house.bus.ask("leg.answer", leg=call.fact["leg"])
    first = call.response(200)
    die(house)
    again = call.response(200)
    assert (again.tag("To"), again.body) == (first.tag("To"), first.body)
    call.ack()
    house.bus.fact("leg.answered", leg=call.fact["leg"])
    assert call.ask("BYE").status == 200


def test_an_ack_while_nobody_is_there(house):
    phone = house.registered("alice")
    call = incoming(house, phone)
    house.bus.ask("leg.answer", leg=call.fact["leg"])
    call.response(200)
    with dead(house):
        call.ack()
    house.bus.fact("leg.answered", leg=call.fact["leg"])
    assert call.ask("BYE").status == 200


def test_an_answer_that_waits_for_mediad(house):
    """apid decided, mediad had not answered: the successor asks it again and answers."""
    house.bus.media["media.describe"] = "silent"
    call = incoming(house, house.registered("alice"))
    house.bus.ask("leg.answer", leg=call.fact["leg"])
    call.response(100)
    house.bus.media.clear()
    die(house)
    assert call.response(200).body.decode() == OUR_SDP
    call.ack()
    house.bus.fact("leg.answered", leg=call.fact["leg"])


# ---- the rest ----

def test_packets_wait_for_the_successor(house):
    """What arrives while nobody is there is answered by the successor."""
    phone = house.registered("alice")
    with dead(house):
        sent = [phone.build("OPTIONS", f"sip:{REALM}") for _ in range(5)]
        for text, _ in sent:
            phone.send(text)
    for _, key in sent:
        assert phone.response(key).status == 200


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_who_calls_while_nobody_is_there(house, transport):
    phone = house.registered("alice", transport=transport)
    with dead(house):
        text, key = phone.build("INVITE", f"sip:101@{REALM}", body=SDP)
        phone.send(text)
    challenge = phone.response(key)
    assert challenge.status == 401
    phone.ack(challenge, f"sip:101@{REALM}")
    call = incoming(house, phone, "101")
    house.bus.ask("leg.hangup", leg=call.fact["leg"], cause="busy")
    assert call.response().status == 486


def test_many_deaths_in_one_call(house):
    phone = house.registered("alice")
    call = answered(house, phone)
    for number in range(5):
        die(house)
        assert call.ask("INFO", body=f"Signal={number}\r\n", content_type="application/dtmf-relay").status == 200
    house.bus.fact("leg.digit", leg=call.leg, digit="4")
    assert [f["digit"] for f in house.bus.facts_of("leg.digit", leg=call.leg)] == list("01234")
    nothing_ended(house)
    assert call.ask("BYE").status == 200
    assert phone.register().status == 200


def test_a_request_that_comes_twice_over_a_death(house):
    """apid got no answer and asks again: the same digits are not sent twice."""
    phone = house.registered("alice")
    leg, _ = rung(house, phone)
    number = f"q-{secrets.token_hex(4)}"
    house.bus.ask("leg.digits", number=number, leg=leg, digits="7", duration_ms=100)
    info = phone.request("INFO")
    phone.answer(info, 200)
    die(house)
    house.bus.ask("leg.digits", number=number, leg=leg, digits="7", duration_ms=100)
    phone.nothing(lambda m: m.method == "INFO" and m.status is None and not same_request(info, m))
