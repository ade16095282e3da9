"""Calls both ways: what phones see, what apid hears, what mediad is asked."""
import os
import re
import signal
import threading
import time

import pytest
import world
from world import OUR_SDP, REALM, SDP, wait_for


def incoming(house, phone, number="hotline", **members):
    """An INVITE up to the fact leg.incoming."""
    before = len(house.bus.facts_of("leg.incoming"))
    call = phone.call(number)
    call.fact = house.bus.fact("leg.incoming", line=f"line-{phone.user}", count=before + 1, **members)
    return call


def answered(house, phone, number="hotline"):
    """A call of a phone that is up."""
    call = incoming(house, phone, number)
    call.leg = call.fact["leg"]
    house.bus.ask("leg.answer", leg=call.leg)
    assert call.response(200).body.decode() == OUR_SDP
    call.ack()
    house.bus.fact("leg.answered", leg=call.leg)
    return call


def rung(house, phone, **more):
    """A call to a phone that is up: (leg, INVITE)."""
    leg = house.ring(line=f"line-{phone.user}", **more)
    invite = phone.request("INVITE")
    phone.answer(invite, 180)
    house.bus.fact("leg.ringing", leg=leg)
    phone.answer(invite, 200, sdp=SDP)
    phone.request("ACK")
    house.bus.fact("leg.answered", leg=leg)
    house.bus.media_asked("media.describe", leg=leg, role="answer")
    return leg, invite


# ---- a phone calls ----

def test_100_only_for_a_call_that_waits(house):
    """RFC 3261 17.2.1: within 200 ms some answer goes out, and a better one makes it needless."""
    phone = house.registered("alice")
    waits = incoming(house, phone)
    waits.response(100, timeout=0.45)  # before the phone would send its INVITE again
    house.bus.ask("leg.answer", leg=waits.fact["leg"])
    waits.response(200)
    waits.ack()
    assert any(is_decided_at_once(house, phone) for _ in range(8))


def is_decided_at_once(house, phone):
    """Whether a call that is decided at once got on without a 100; else the decision came too late."""
    decided = incoming(house, phone)
    house.bus.ask("leg.progress", leg=decided.fact["leg"], early_media=False)
    decided.response(180)
    house.bus.ask("leg.answer", leg=decided.fact["leg"])
    decided.response(200)
    decided.ack()
    house.bus.fact("leg.answered", leg=decided.fact["leg"])
    return not any(m.status == 100 and (m.get("Call-ID"), m.get("CSeq")) == decided.key for m in phone.inbox)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("user", ["alice", "carol"])
def test_hotline(house, transport, user):
    phone = house.registered(user, transport=transport)
    call = incoming(house, phone)
    assert call.fact["dialled"] == "hotline" and call.fact["measured"] is False
    asked = house.bus.media_asked("media.describe", leg=call.fact["leg"])
    assert (asked["role"], asked["description"], asked["source"], asked["nat"]) == ("offer", SDP, "127.0.0.1", False)
    assert asked["call"] == call.fact["call"]
    house.bus.ask("leg.answer", leg=call.fact["leg"])
    ok = call.response(200)
    assert ok.body.decode() == OUR_SDP and f":{house.port}" in ok.get("Contact") and "Server" in dict(ok.headers)
    assert not re.search(r"\d", ok.get("Server"))
    assert not house.bus.facts_of("leg.answered")
    call.ack()
    house.bus.fact("leg.answered", leg=call.fact["leg"])
    assert call.ask("BYE").status == 200
    ended = house.bus.fact("leg.ended", leg=call.fact["leg"])
    assert (ended["cause"], ended["by_far_end"]) == ("normal", True)


@pytest.mark.parametrize("user,dialled", [("%2343%23", "#43#"), ("+1-415-555", "+1415555"), ("101;phone-context=x", "101"),
                                          ("J%C3%B6rg", "Jörg"), ("0", "0")])
def test_dialled(house, user, dialled):
    phone = house.registered("alice")
    call = incoming(house, phone, user)
    assert call.fact["dialled"] == dialled
    house.bus.ask("leg.hangup", leg=call.fact["leg"], cause="unreachable")
    assert call.response().status == 404


@pytest.mark.parametrize("cause,status", [("busy", 486), ("declined", 603), ("unreachable", 404), ("rejected", 403),
                                          ("overloaded", 503), ("no_answer", 480), ("failed", 500)])
def test_refusals(house, cause, status):
    call = incoming(house, house.registered("alice"))
    house.bus.ask("leg.hangup", leg=call.fact["leg"], cause=cause)
    refusal = call.response()
    assert refusal.status == status
    assert bool(refusal.get("Retry-After")) == (status == 503)
    call.phone.ack(refusal, call.uri)
    assert house.bus.fact("leg.ended", leg=call.fact["leg"])["cause"] == cause
    house.bus.ask("leg.hangup", leg=call.fact["leg"], cause="normal")  # ended already: no error


def test_progress(house):
    call = incoming(house, house.registered("alice"), "101")
    leg = call.fact["leg"]
    house.bus.ask("leg.progress", leg=leg, early_media=False)
    assert not call.response(180).body
    house.bus.ask("leg.progress", leg=leg, early_media=True)
    assert call.response(183).body.decode() == OUR_SDP
    house.bus.ask("leg.answer", leg=leg)
    first = call.response(200)
    assert first.tag("To")
    house.bus.ask("leg.answer", leg=leg)  # again: safe
    with pytest.raises(world.Refused) as refused:
        house.bus.ask("leg.progress", leg=leg, early_media=False)
    assert (refused.value.error, refused.value.state) == ("wrong_state", "answering")
    with pytest.raises(world.Refused) as refused:
        house.bus.ask("leg.answer", leg="l1-unknown")
    assert refused.value.error == "not_found"
    call.ack()


def test_answer_before_mediad(house):
    """apid decides while mediad still works: the 200 waits for the description."""
    house.bus.media["media.describe"] = "silent"
    call = incoming(house, house.registered("alice"))
    asked = house.bus.media_asked("media.describe")
    house.bus.ask("leg.answer", leg=call.fact["leg"])
    call.phone.nothing(lambda m: m.status == 200 and m.method == "INVITE", 0.3)
    house.bus.answer_media(asked, description=OUR_SDP, held=False)
    assert call.response(200).body.decode() == OUR_SDP
    call.ack()
    house.bus.fact("leg.answered")


@pytest.mark.parametrize("error,status", [("invalid", 488), ("overloaded", 503)])
def test_media_refuses(house, error, status):
    house.bus.media["media.describe"] = error
    call = incoming(house, house.registered("alice"))
    assert call.response().status == status
    assert house.bus.fact("leg.ended")["cause"] == "media_failed"


def test_cancel(house):
    call = incoming(house, house.registered("alice"), "101")
    house.bus.ask("leg.progress", leg=call.fact["leg"], early_media=False)
    call.response(180)
    assert call.cancel().status == 200
    gone = call.response(487)
    call.phone.ack(gone, call.uri)
    ended = house.bus.fact("leg.ended", leg=call.fact["leg"])
    assert (ended["cause"], ended["by_far_end"], ended["status"]) == ("cancelled", True, 487)


def test_lost_ack(house):
    """Without ACK the 200 is repeated, then the call ends with BYE."""
    call = incoming(house, house.registered("alice"))
    house.bus.ask("leg.answer", leg=call.fact["leg"])
    for _ in range(3):
        call.response(200)
    bye = call.phone.request("BYE", timeout=45)
    call.phone.answer(bye, 200)
    ended = house.bus.fact("leg.ended", leg=call.fact["leg"])
    assert ended["cause"] == "failed" and "ACK" in ended["why"]


def test_hangup_waits_for_ack(house):
    call = incoming(house, house.registered("alice"))
    house.bus.ask("leg.answer", leg=call.fact["leg"])
    call.response(200)
    house.bus.ask("leg.hangup", leg=call.fact["leg"], cause="normal")
    house.bus.fact("leg.ended", leg=call.fact["leg"])
    call.phone.nothing(lambda m: m.method == "BYE", 0.2)
    call.ack()
    call.phone.answer(call.phone.request("BYE"), 200)


def test_our_hangup(house):
    call = answered(house, house.registered("alice"))
    house.bus.ask("leg.hangup", leg=call.leg, cause="time_limit")
    bye = call.phone.request("BYE")
    assert bye.tag("From") == call.last.tag("To") and bye.tag("To") == call.tag and bye.uri == call.phone.contact
    call.phone.answer(bye, 200)
    ended = house.bus.fact("leg.ended", leg=call.leg)
    assert (ended["cause"], ended["by_far_end"]) == ("time_limit", False)
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)


def test_unproven_invite_leaves_nothing(house):
    phone = house.phone("alice", password="wrong")
    for _ in range(20):
        phone.ask_proven("INVITE", f"sip:hotline@{REALM}", body=SDP)
    assert house.metric("hookswitch_sip_dialogs") == 0
    assert not house.bus.facts_of("leg.incoming") and not house.bus.asked


@pytest.mark.parametrize("more,status", [
    ({"body": ""}, 488), ({"body": "x", "content_type": "text/plain"}, 415),
    ({"body": SDP, "content_type": "multipart/mixed;boundary=x"}, 415),
])
def test_bodies(house, more, status):
    answer = house.registered("alice").ask_proven("INVITE", f"sip:hotline@{REALM}", **more)
    assert answer.status == status


def test_apid_away(house):
    """A call that nobody decides on ends in about four seconds, with Retry-After."""
    phone = house.registered("alice")
    house.bus.set_apid(False)
    wait_for(lambda: not house.bus.apid_up)
    call = phone.call("hotline")
    began = time.monotonic()
    refusal = call.response(503)
    assert 2 < time.monotonic() - began < 6 and refusal.get("Retry-After")
    house.bus.set_apid(True)
    leg = house.bus.fact("leg.incoming", timeout=15)["leg"]
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "overloaded"


def test_moved_source_must_prove(house):
    call = answered(house, house.registered("alice"))
    thief = house.phone("alice", password="wrong", host="127.0.0.9")
    text, key = thief.build("BYE", call.last.contact_uri(), to=call.last.get("To"), call_id=call.call_id,
                            from_tag=call.tag, cseq=next(call.phone.cseq))
    thief.send(text)
    assert thief.response(key).status == 401
    assert not house.bus.facts_of("leg.ended")
    assert call.ask("OPTIONS").status == 200


@pytest.mark.parametrize("method,body", [("BYE", ""), ("INVITE", SDP), ("INFO", "x" * 20000), ("FOO", "")],
                         ids=["bye", "invite", "large", "unknown"])
def test_forgery_burns_no_sequence(house, method, body):
    """What a stranger sends into a dialog leaves its CSeq alone."""
    call = answered(house, house.registered("alice"))
    thief = house.phone("alice", password="wrong", host="127.0.0.9")
    text, key = thief.build(method, call.last.contact_uri(), to=call.last.get("To"), call_id=call.call_id,
                            from_tag=call.tag, cseq=2**31 - 1, body=body)
    thief.send(text)
    assert thief.response(key).status in (401, 413, 501)
    assert call.ask("BYE").status == 200
    house.bus.fact("leg.ended", leg=call.leg, cause="normal")


def test_forgery_before_the_answer(house):
    """The same while the phone still rings."""
    phone = house.registered("alice")
    leg = house.ring()
    invite = phone.request("INVITE")
    phone.answer(invite, 180)
    house.bus.fact("leg.ringing", leg=leg)
    thief = house.phone("alice", password="wrong", host="127.0.0.9")
    assert thief.response(thief.inside("BYE", invite, cseq=2**31 - 1)).status == 481
    phone.answer(invite, 200, sdp=SDP)
    phone.request("ACK")
    house.bus.fact("leg.answered", leg=leg)
    assert phone.response(phone.inside("BYE", invite)).status == 200


def test_old_sequence(house):
    call = answered(house, house.registered("alice"))
    assert call.ask("OPTIONS").status == 200
    text, key = call.phone.build("BYE", call.last.contact_uri(), to=call.last.get("To"), call_id=call.call_id,
                                 from_tag=call.tag, cseq=1)
    call.phone.send(text)
    assert call.phone.response(key).status == 500
    assert call.ask("BYE").status == 200


# ---- Contacts that no record has room for ----

@pytest.fixture
def long_contacts(monkeypatch):
    """long_contacts(): from now on phones name a Contact of 600 bytes."""
    return lambda: monkeypatch.setattr(world.Phone, "contact", property(
        lambda phone: "sip:" + "a" * 585 + f"@127.0.0.1:{phone.port}"))


def test_long_contact_of_a_call(house, long_contacts):
    phone = house.registered("alice")
    long_contacts()
    assert phone.ask_proven("INVITE", f"sip:hotline@{REALM}", body=SDP).status == 400
    assert not house.bus.facts_of("leg.incoming") and house.metric("hookswitch_sip_dialogs") == 0


def test_long_contact_of_a_change(house, long_contacts):
    call = answered(house, house.registered("alice"))
    before = call.phone.contact
    long_contacts()
    assert call.phone.response(call.send("INVITE", body=SDP)).status == 400
    house.bus.ask("leg.hangup", leg=call.leg, cause="normal")
    bye = call.phone.request("BYE")
    assert bye.uri == before
    call.phone.answer(bye, 200)


def test_long_contact_of_an_answer(house, long_contacts):
    phone = house.registered("alice")
    leg = house.ring()
    invite = phone.request("INVITE")
    long_contacts()
    phone.answer(invite, 200, sdp=SDP)
    phone.request("ACK")
    phone.answer(phone.request("BYE"), 200)
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "failed"
    assert not house.bus.facts_of("leg.answered")
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)


# ---- within a call ----

@pytest.mark.parametrize("kind,body,digit,ms", [
    ("application/dtmf-relay", "Signal=5\r\nDuration=250\r\n", "5", 250), ("application/dtmf-relay", "Signal= #\r\n", "#", 160),
    ("application/dtmf-relay", "Signal=10\r\nDuration=100", "*", 100), ("application/dtmf", "7", "7", 160),
    ("application/dtmf-relay", "Signal=d\nDuration=99999\n", "D", 160), ("application/dtmf", "11", "#", 160),
])
def test_info_digit(house, kind, body, digit, ms):
    call = answered(house, house.registered("alice"))
    assert call.ask("INFO", body=body, content_type=kind).status == 200
    fact = house.bus.fact("leg.digit", leg=call.leg)
    assert (fact["digit"], fact["duration_ms"], fact["phase"], fact["source"]) == (digit, ms, "end", "info")


@pytest.mark.parametrize("kind,body", [("application/hook-flash", "x"), ("application/dtmf-relay", "Signal=hf\r\n"),
                                       ("application/dtmf", "16")])
def test_info_flash(house, kind, body):
    call = answered(house, house.registered("alice"))
    assert call.ask("INFO", body=body, content_type=kind).status == 200
    house.bus.fact("leg.flash", leg=call.leg)


@pytest.mark.parametrize("kind,body", [("text/plain", "hello"), ("application/dtmf-relay", "\0" * 200),
                                       ("application/dtmf", ""), ("application/dtmf-relay", "Signal=55555555555")])
def test_info_odd(house, kind, body):
    call = answered(house, house.registered("alice"))
    assert call.ask("INFO", body=body, content_type=kind).status == 200
    assert call.ask("OPTIONS").status == 200
    assert not house.bus.facts_of("leg.digit") and not house.bus.facts_of("leg.flash")


@pytest.mark.parametrize("method", ["REFER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "FOO"])
def test_refused_inside(house, method):
    call = answered(house, house.registered("alice"))
    refusal = call.ask(method)
    assert refusal.status in (405, 501) and "INVITE" in refusal.get("Allow")
    assert call.ask("OPTIONS").status == 200


def test_hold_by_phone(house):
    call = answered(house, house.registered("alice"))
    key = call.send("INVITE", body=SDP + "a=sendonly\r\n")
    call.key = key
    assert call.response(200).body
    call.ack()
    house.bus.fact("leg.held", leg=call.leg, held=True, by_far_end=True)
    call.key = call.send("INVITE", body=SDP)
    call.response(200)
    call.ack()
    house.bus.fact("leg.held", leg=call.leg, held=False, by_far_end=True)
    assert call.ask("BYE").status == 200


def test_refresh_without_offer(house):
    call = answered(house, house.registered("alice"))
    call.key = call.send("INVITE")
    assert call.response(200).body.decode() == OUR_SDP
    house.bus.media_asked("media.offer", leg=call.leg)
    call.ack(body=SDP)
    house.bus.media_asked("media.describe", leg=call.leg, role="answer")


def test_change_refused_by_mediad(house):
    call = answered(house, house.registered("alice"))
    house.bus.media["media.describe"] = "invalid"
    call.key = call.send("INVITE", body=SDP)
    refusal = call.response(488)
    call.phone.ack(refusal, call.last.contact_uri())
    assert call.ask("OPTIONS").status == 200 and not house.bus.facts_of("leg.ended")


def test_our_hold(house):
    phone = house.registered("alice")
    leg, invite = rung(house, phone)
    house.bus.ask("leg.hold", leg=leg, held=True)
    assert house.bus.media_asked("media.offer", leg=leg)["direction"] == "sendonly"
    again = phone.request("INVITE")
    assert again.get("Call-ID") == invite.get("Call-ID")
    phone.answer(again, 200, sdp=SDP)
    phone.request("ACK")
    house.bus.fact("leg.held", leg=leg, held=True, by_far_end=False)
    house.bus.ask("leg.hold", leg=leg, held=False)
    phone.answer(phone.request("INVITE"), 200, sdp=SDP)
    house.bus.fact("leg.held", leg=leg, held=False, by_far_end=False)


def test_our_hold_is_refused(house):
    phone = house.registered("alice")
    leg, _ = rung(house, phone)
    house.bus.ask("leg.hold", leg=leg, held=True)
    phone.answer(phone.request("INVITE"), 488)
    phone.request("ACK")
    assert "488" in house.bus.fact("leg.hold_failed", leg=leg, held=True)["why"]
    house.bus.media["media.offer"] = "invalid"
    house.bus.ask("leg.hold", leg=leg, held=True)
    assert house.bus.fact("leg.hold_failed", leg=leg, held=True, count=2)["why"]
    assert not house.bus.facts_of("leg.held") and not house.bus.facts_of("leg.ended")


def test_the_newest_wish_counts(house):
    phone = house.registered("alice")
    leg, _ = rung(house, phone)
    house.bus.ask("leg.hold", leg=leg, held=True)
    first = phone.request("INVITE")
    house.bus.ask("leg.hold", leg=leg, held=False)
    phone.answer(first, 200, sdp=SDP)
    phone.request("ACK")
    house.bus.fact("leg.held", leg=leg, held=True, by_far_end=False)
    phone.answer(phone.request("INVITE"), 200, sdp=SDP)
    house.bus.fact("leg.held", leg=leg, held=False, by_far_end=False)


def test_glare(house):
    phone = house.registered("alice")
    leg, invite = rung(house, phone)
    house.bus.ask("leg.hold", leg=leg, held=True)
    again = phone.request("INVITE")
    key = phone.inside("INVITE", invite, body=SDP)
    assert phone.response(key).status == 491
    phone.answer(again, 491)
    third = phone.request("INVITE", timeout=8)
    assert third.at - again.at > 2
    phone.answer(third, 200, sdp=SDP)
    house.bus.fact("leg.held", leg=leg, held=True, by_far_end=False)


def test_digits_by_info(house):
    phone = house.registered("alice")
    leg, _ = rung(house, phone)
    house.bus.ask("leg.digits", leg=leg, digits="12#", duration_ms=120)
    for digit in "12#":
        info = phone.request("INFO")
        assert info.body.decode() == f"Signal={digit}\r\nDuration=120\r\n"
        phone.answer(info, 200)


# ---- we call ----

def test_ring(house):
    phone = house.registered("alice")
    leg = house.ring(caller_number="+14155551212", caller_name='Jörg "J" \\ <sip:evil@x>')
    invite = phone.request("INVITE")
    assert invite.body.decode() == OUR_SDP and invite.uri == phone.contact
    assert "\r" not in invite.get("From") and "<sip:+14155551212@" in invite.get("From")
    assert invite.get("From").startswith('"Jörg \\"J\\" \\\\ <sip:evil@x>')
    phone.answer(invite, 100)
    phone.answer(invite, 180)
    house.bus.fact("leg.ringing", leg=leg)
    phone.answer(invite, 180)
    phone.answer(invite, 200, sdp=SDP)
    ack = phone.request("ACK")
    assert ack.get("CSeq").split()[0] == invite.get("CSeq").split()[0] and ack.tag("To") == "phonetag"
    house.bus.fact("leg.answered", leg=leg)
    assert house.bus.media_asked("media.describe", leg=leg)["description"] == SDP
    key = phone.inside("BYE", invite)
    assert phone.response(key).status == 200
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "normal"
    assert len(house.bus.facts_of("leg.ringing")) == 1
    call = next(records for call, records in house.records().items() if call == "c1-" + leg[3:])
    assert [w for w in call if "ACK" in w or "BYE" in w or "INVITE" in w][0] == "INVITE" and "200 (BYE)" in call


@pytest.mark.parametrize("field", ["caller_name", "caller_number"])
def test_label_of_one_line(house, field):
    house.registered("alice")
    with pytest.raises(world.Refused) as refused:
        house.ring(**{field: "1\r\nX-Evil: 2"})
    assert (refused.value.error, refused.value.field) == ("invalid", field)


def test_ring_over_a_connection(house):
    phone = house.registered("alice", transport="tcp")
    leg, invite = rung(house, phone)
    assert "transport=tcp" in invite.get("Contact")
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    phone.answer(phone.request("BYE"), 200)


def test_lost_200_ack(house):
    """The phone says 200 again: it hears ACK again."""
    phone = house.registered("alice")
    leg, invite = rung(house, phone)
    phone.answer(invite, 200, sdp=SDP)
    phone.request("ACK")
    assert not house.bus.facts_of("leg.ended")


@pytest.mark.parametrize("status,cause", [(486, "busy"), (600, "busy"), (603, "declined"), (403, "declined"), (480, "no_answer"),
                                          (408, "no_answer"), (404, "unreachable"), (401, "rejected"), (407, "rejected"),
                                          (302, "failed"), (488, "failed"), (500, "failed")])
def test_failures(house, status, cause):
    phone = house.registered("alice")
    leg = house.ring()
    invite = phone.request("INVITE")
    extra = [f'WWW-Authenticate: Digest realm="{REALM}", nonce="x", algorithm=MD5, qop="auth"'] if status == 401 else []
    extra += ["Contact: <sip:elsewhere@127.0.0.1:9>"] if status == 302 else []
    phone.answer(invite, status, headers=extra)
    phone.request("ACK")
    ended = house.bus.fact("leg.ended", leg=leg)
    assert (ended["cause"], ended["status"], ended["by_far_end"]) == (cause, status, True)
    phone.nothing(lambda m: m.method == "INVITE" and m.status is None and "Authorization" in dict(m.headers), 0.1)


def test_no_answer(house):
    phone = house.registered("alice")
    leg = house.ring(ring_timeout_ms=1000)
    invite = phone.request("INVITE")
    phone.answer(invite, 180)
    cancel = phone.request("CANCEL")
    assert cancel.all("Via") == invite.all("Via")
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "no_answer"
    phone.answer(cancel, 200)
    phone.answer(invite, 487)
    phone.request("ACK")
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)


def test_hangup_while_ringing_and_late_answer(house):
    """CANCEL and 200 cross: the answer is acknowledged and ended."""
    phone = house.registered("alice")
    leg = house.ring()
    invite = phone.request("INVITE")
    phone.answer(invite, 180)
    house.bus.fact("leg.ringing", leg=leg)
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    phone.request("CANCEL")
    phone.answer(invite, 200, sdp=SDP)
    phone.request("ACK")
    phone.answer(phone.request("BYE"), 200)
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "cancelled"
    assert not house.bus.facts_of("leg.answered")
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)


def test_fork(house):
    """All contacts ring; the first to lift wins, a second one hears BYE, the rest CANCEL."""
    phones = [house.registered("alice") for _ in range(3)]
    leg = house.ring()
    invites = [phone.request("INVITE") for phone in phones]
    for i, phone in enumerate(phones):
        phone.answer(invites[i], 180, tag=f"tag{i}")
    house.bus.fact("leg.ringing", leg=leg)
    phones[1].answer(invites[1], 200, sdp=SDP, tag="tag1")
    phones[1].request("ACK")
    house.bus.fact("leg.answered", leg=leg)
    phones[0].answer(phones[0].request("CANCEL"), 200)
    phones[0].answer(invites[0], 487, tag="tag0")
    phones[0].request("ACK")
    phones[2].request("CANCEL")
    phones[2].answer(invites[2], 200, sdp=SDP, tag="tag2")
    phones[2].request("ACK")
    phones[2].answer(phones[2].request("BYE"), 200)
    phones[1].nothing(lambda m: m.method == "BYE", 0.2)
    assert not house.bus.facts_of("leg.ended")
    assert len(house.bus.facts_of("leg.answered")) == 1
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    phones[1].answer(phones[1].request("BYE"), 200)


def test_fork_best_failure(house):
    phones = [house.registered("alice") for _ in range(3)]
    leg = house.ring()
    for phone, status in zip(phones, (404, 486, 480)):
        phone.answer(phone.request("INVITE"), status)
    ended = house.bus.fact("leg.ended", leg=leg)
    assert (ended["cause"], ended["status"]) == ("busy", 486)


def test_early_media(house):
    phone = house.registered("alice")
    leg = house.ring()
    invite = phone.request("INVITE")
    phone.answer(invite, 183, sdp=SDP)
    assert house.bus.fact("leg.progressing", leg=leg)["early_media"]
    house.bus.media_asked("media.describe", leg=leg, role="answer")
    phone.answer(invite, 200, sdp=SDP)
    house.bus.fact("leg.answered", leg=leg)


def test_answer_without_sdp(house):
    phone = house.registered("alice")
    leg = house.ring()
    phone.answer(phone.request("INVITE"), 200)
    phone.request("ACK")
    phone.answer(phone.request("BYE"), 200)
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "failed"


def test_media_fails_after_answer(house):
    phone = house.registered("alice")
    house.bus.media["media.describe"] = "invalid"
    leg = house.ring()
    phone.answer(phone.request("INVITE"), 200, sdp=SDP)
    phone.answer(phone.request("BYE"), 200)
    assert house.bus.fact("leg.ended", leg=leg)["cause"] == "media_failed"


def test_originate_again(house):
    phone = house.registered("alice")
    leg = house.ring()
    house.ring(leg=leg)
    invite = phone.request("INVITE")
    phone.answer(invite, 180)
    house.bus.fact("leg.ringing", leg=leg)
    phone.nothing(lambda m: m.method == "INVITE", 0.2)
    phone.answer(invite, 486)
    house.bus.fact("leg.ended", leg=leg)
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)
    house.ring(leg=leg)
    phone.nothing(lambda m: m.method == "INVITE", 0.2)


@pytest.mark.configure(sip={"max_calls": 2})
def test_calls_of_a_line(house):
    """A line that has all its calls is busy; another is not, and one that ends makes room."""
    phone = house.registered("alice")
    leg, _ = rung(house, phone)
    call = answered(house, phone)
    assert phone.ask_proven("INVITE", f"sip:hotline@{REALM}", body=SDP).status == 486
    assert house.metric("hookswitch_sip_line_full_total") == 1 and "line.full line=line-alice" in house.log()
    house.registered("bob").call("hotline")
    house.bus.fact("leg.incoming", line="line-bob")
    assert call.ask("BYE").status == 200
    phone.call("hotline")
    house.bus.fact("leg.incoming", line="line-alice", count=2)


@pytest.mark.configure(sip={"max_calls": 1})
def test_a_refused_invite_stays_refused(house):
    """Its caller knows that it is over: a repetition that comes late must not begin a call nobody knows of."""
    phone = house.registered("alice")
    call = answered(house, phone)
    refused = phone.call("hotline")
    refusal = refused.response(486)
    phone.ack(refusal, refused.uri)
    assert call.ask("BYE").status == 200
    house.bus.fact("leg.ended", leg=call.leg)
    phone.send(refused.text)
    assert refused.response().status == 486 and len(house.bus.facts_of("leg.incoming")) == 1
    phone.call("hotline")
    house.bus.fact("leg.incoming", line="line-alice", count=2)


def test_an_ack_of_something_else_ends_the_call(house):
    """The ACK of an earlier refusal has the branch of the INVITE: whoever sends it does not know of our 200."""
    phone = house.registered("alice")
    call = incoming(house, phone)
    house.bus.ask("leg.answer", leg=call.fact["leg"])
    call.response(200)
    branch = re.search(r"branch=([^;\s]+)", call.text).group(1)
    text, _ = phone.build("ACK", call.uri, to=f"<{call.uri}>;tag=another", call_id=call.call_id, from_tag=call.tag,
                          cseq=int(call.key[1].split()[0]), branch=branch)
    phone.send(text)
    phone.answer(phone.request("BYE"), 481)
    house.bus.fact("leg.ended", leg=call.fact["leg"], cause="failed")
    assert not house.bus.facts_of("leg.answered")


@pytest.mark.configure(calls={"max_active": 1})
def test_at_the_limit(house):
    """New calls get 503 and Retry-After; those that are up go on."""
    phone = house.registered("alice")
    calls = [answered(house, phone) for _ in range(2)]
    refusal = phone.ask("INVITE", f"sip:hotline@{REALM}", body=SDP)  # before it costs a digest
    assert refusal.status == 503 and int(refusal.get("Retry-After")) > 0
    with pytest.raises(world.Refused) as refused:
        house.ring()
    assert refused.value.error == "overloaded"
    assert all(call.ask("OPTIONS").status == 200 for call in calls)
    assert calls[0].ask("BYE").status == 200
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 1)
    answered(house, phone)


def test_a_call_that_takes_its_time_refuses_nobody(house):
    """Call control knows of it and waits for another phone to ring: that says nothing about the next call."""
    phone, other = house.registered("alice"), house.registered("bob")
    slow = incoming(house, phone)
    phone.nothing(lambda m: m.status and m.status > 100, 1.3)
    call = other.call("hotline")
    house.bus.fact("leg.incoming", line="line-bob")
    call.response(100)
    house.bus.ask("leg.progress", leg=slow.fact["leg"], early_media=False)
    slow.response(180)


def test_a_hiccup_of_the_machine_refuses_nobody(house):
    """The processor is gone for a moment, in the midst of a turn mostly; who calls after that finds nothing to do."""
    phone, pid = house.registered("alice"), house.wait_ready()
    for i in range(8):
        phone.send(phone.build("OPTIONS", f"sip:{REALM}")[0])
        time.sleep(i * 0.0001)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.2)  # this is the hiccup
        os.kill(pid, signal.SIGCONT)
        assert phone.response(method="OPTIONS").status == 200
        assert phone.ask("INVITE", f"sip:hotline@{REALM}", body=SDP).status == 401


def test_call_control_is_behind(house):
    """It does not even take the facts: whoever calls now would wait as well."""
    phone, other = house.registered("alice"), house.registered("bob")
    wait_for(lambda: house.metric("hookswitch_bus_facts_waiting") == 0)
    house.bus.acknowledges = False
    incoming(house, phone)
    phone.nothing(lambda m: m.status and m.status > 100, 1.3)
    assert other.ask("INVITE", f"sip:hotline@{REALM}", body=SDP).status == 503
    house.bus.acknowledges = True
    wait_for(lambda: house.metric("hookswitch_bus_facts_waiting") == 0)
    other.call("hotline")
    house.bus.fact("leg.incoming", line="line-bob")


@pytest.mark.parametrize("line,error", [("line-bob", "wrong_state"), ("nothing", "not_found")])
def test_originate_refused(house, line, error):
    with pytest.raises(world.Refused) as refused:
        house.ring(line=line)
    assert refused.value.error == error


def test_unreachable_phone(house):
    """Nobody listens there any more: the kernel says so at once."""
    phone = house.registered("alice")
    phone.close()
    leg = house.ring()
    assert house.bus.fact("leg.ended", leg=leg, timeout=5)["cause"] in ("unreachable", "no_answer")


def test_many_calls(house):
    """Two hundred calls of ten phones at once; nothing is left."""
    phones = [house.registered("alice", transport="udp" if i % 2 else "tcp") for i in range(10)]

    def run(phone):
        for _ in range(20):
            call = phone.call("hotline")
            ok = call.response(200)
            assert ok.body
            call.ack()
            assert call.ask("BYE").status == 200

    served, stop = set(), threading.Event()

    def serve():
        while not stop.is_set():
            fresh = [f["leg"] for f in house.bus.facts_of("leg.incoming") if f["leg"] not in served]
            for leg in fresh:
                served.add(leg)
                house.bus.ask("leg.answer", leg=leg)
            time.sleep(0.002)
    server = threading.Thread(target=serve, daemon=True)
    server.start()
    threads = [threading.Thread(target=run, args=[phone]) for phone in phones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    wait_for(lambda: len(house.bus.facts_of("leg.ended")) == 200)
    stop.set()
    server.join(5)
    assert all(f["cause"] == "normal" for f in house.bus.facts_of("leg.ended"))
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)
