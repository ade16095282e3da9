"""Session timers (RFC 4028): what is agreed with each phone, who refreshes, and a phone that is gone."""
import pathlib
import shutil
import subprocess
import sys

import pytest
from test_kill import die, nothing_ended, same_request
from test_peers import CALL, answers  # noqa: F401
from world import OUR_SDP, PASSWORDS, REALM, SDP, free_port, wait_for

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

TIMER = ["Supported: timer"]
UPDATES = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE"


def called(house, phone, *headers):
    """A call of the phone that is up, and what our 200 said of the session."""
    before = len(house.bus.facts_of("leg.incoming", line=f"line-{phone.user}"))
    call = phone.call("hotline", headers=headers)
    call.leg = house.bus.fact("leg.incoming", line=f"line-{phone.user}", count=before + 1)["leg"]
    house.bus.ask("leg.answer", leg=call.leg)
    ok = call.response(200)
    call.ack()
    house.bus.fact("leg.answered", leg=call.leg)
    return call, ok.get("Session-Expires")


def lifted(house, phone, *headers):
    """A call to the phone that is up: (leg, INVITE)."""
    leg = house.ring(line=f"line-{phone.user}")
    invite = phone.request("INVITE")
    phone.answer(invite, 200, sdp=SDP, headers=headers)
    phone.request("ACK")
    house.bus.fact("leg.answered", leg=leg)
    return leg, invite


# ---- what is agreed ----

def test_what_a_caller_is_promised(house):
    phone = house.registered("alice")
    rows = [([], ""), (TIMER, "1800;refresher=uas"),
            ([*TIMER, "Session-Expires: 180;refresher=uac"], "180;refresher=uac"),
            (["Supported: replaces, timer", "Session-Expires: 7200", "Min-SE: 90"], "1800;refresher=uas"),
            (["k: timer", "x: 7200;refresher=uas", "Min-SE: 3600"], "3600;refresher=uas")]
    for headers, promised in rows:
        call, said = called(house, phone, *headers)
        assert said == promised, headers
        ok = call.last
        assert ok.get("Supported") == "timer" and ok.get("Require") == ("timer" if promised else "")
        assert "UPDATE" in ok.get("Allow")
        assert call.ask("BYE").status == 200


def test_too_brief(house):
    phone = house.registered("alice")
    refused = phone.call("hotline", headers=[*TIMER, "Session-Expires: 60"]).response()
    assert refused.status == 422 and refused.get("Min-SE") == "90"
    assert not house.bus.facts_of("leg.incoming")
    call, _ = called(house, phone, *TIMER, "Session-Expires: 90")
    for method, body in (("INVITE", SDP), ("UPDATE", ""), ("UPDATE", SDP)):
        refused = call.ask(method, body=body, headers=[*TIMER, "Session-Expires: 60"])
        assert refused.status == 422 and refused.get("Min-SE") == "90"
        if method == "INVITE":
            phone.ack(refused, call.last.contact_uri())
    # nothing has changed by that, and what somebody between us put in is no reason to refuse
    assert call.ask("BYE").status == 200
    assert called(house, phone, "Session-Expires: 60")[1] == ""


def test_required(house):
    """Require: timer is understood, anything beside it is not."""
    phone = house.registered("alice")
    call, said = called(house, phone, "Require: timer", "Session-Expires: 300")
    assert said == "300;refresher=uas"
    refused = call.ask("UPDATE", headers=["Require: timer, gruu"])
    assert refused.status == 420 and refused.get("Unsupported") == "gruu"


def test_a_phone_that_wants_it_longer(house):
    """422 is followed with the next CSeq, and the dialog goes on from there."""
    phone = house.registered("alice")
    leg = house.ring()
    first = phone.request("INVITE")
    assert (first.get("Session-Expires"), first.get("Min-SE"), first.get("Supported")) == ("1800", "90", "timer")
    phone.answer(first, 422, headers=["Min-SE: 2400"])
    assert phone.request("ACK").get("CSeq") == "1 ACK"
    again = phone.request("INVITE")
    assert (again.get("Call-ID"), again.tag("From"), again.get("CSeq")) == (first.get("Call-ID"), first.tag("From"), "2 INVITE")
    assert (again.get("Session-Expires"), again.get("Min-SE")) == ("2400", "2400") and again.body == first.body
    phone.answer(again, 180)
    house.bus.fact("leg.ringing", leg=leg)
    die(house)
    repeated = phone.request("INVITE")
    assert same_request(again, repeated)
    phone.answer(repeated, 200, sdp=SDP, headers=["Session-Expires: 2400;refresher=uac", "Require: timer"])
    assert phone.request("ACK").get("CSeq") == "2 ACK"
    house.bus.fact("leg.answered", leg=leg)
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    assert phone.request("BYE").get("CSeq") == "3 BYE"


def test_a_phone_that_is_never_content(house):
    phone = house.registered("alice")
    leg = house.ring()
    for wish in (2000, 3000, 4000, 5000):
        phone.answer(phone.request("INVITE"), 422, headers=[f"Min-SE: {wish}"])
    assert house.bus.fact("leg.ended", leg=leg)["status"] == 422


@pytest.mark.configure(sip={"session_expires_s": 0})
def test_only_where_a_phone_asks(house):
    phone = house.registered("alice")
    leg, invite = lifted(house, phone)
    assert not invite.get("Session-Expires") and invite.get("Supported") == "timer"
    house.bus.ask("leg.hangup", leg=leg, cause="normal")
    phone.answer(phone.request("BYE"), 200)
    assert called(house, phone, *TIMER)[1] == ""


# ---- refreshes ----

def test_a_phone_refreshes(house):
    phone = house.registered("alice")
    call, _ = called(house, phone, *TIMER, "Session-Expires: 180;refresher=uac")
    asked = len(house.bus.asked)
    refreshed = call.ask("UPDATE", headers=[*TIMER, "Session-Expires: 200;refresher=uac"])
    assert refreshed.status == 200 and refreshed.get("Session-Expires") == "200;refresher=uac"
    assert len(house.bus.asked) == asked and not refreshed.body  # its audio is as it was
    refreshed = call.ask("INVITE", body=SDP, headers=[*TIMER, "Session-Expires: 300;refresher=uas"])
    assert refreshed.status == 200 and refreshed.get("Session-Expires") == "300;refresher=uas"
    call.last = refreshed
    number = int(refreshed.get("CSeq").split()[0])
    phone.send(phone.build("ACK", refreshed.contact_uri(), to=refreshed.get("To"), call_id=call.call_id, from_tag=call.tag,
                           cseq=number)[0])
    # an UPDATE with a description is a change like any other, and needs no ACK
    for sdp, held in ((SDP + "a=sendonly\r\n", True), (SDP, False)):
        changed = call.ask("UPDATE", body=sdp, headers=TIMER)
        assert changed.status == 200 and changed.body.decode() == OUR_SDP
        house.bus.fact("leg.held", leg=call.leg, held=held, by_far_end=True)
    assert house.metric("hookswitch_sip_refreshes_total") == 1
    assert call.ask("BYE").status == 200


@pytest.mark.configure(sip={"session_expires_s": 8, "session_min_s": 4})
def test_we_refresh_over_a_death(house):
    """By UPDATE where the phone allows it, else by re-INVITE; when that is due outlives us, and it is sent again."""
    alice, bob, carol = (house.registered(user) for user in PASSWORDS)
    leg, _ = lifted(house, alice, UPDATES, "Require: timer", "Session-Expires: 8;refresher=uac")
    call, said = called(house, bob, *TIMER)
    assert said == "8;refresher=uas"
    plain, _ = lifted(house, carol)  # knows nothing of it, and is left alone
    die(house)
    update, invite = alice.request("UPDATE", timeout=20), bob.request("INVITE", timeout=20)
    for request in (update, invite):
        assert request.get("Session-Expires") == "8;refresher=uac" and request.get("Supported") == "timer"
    assert not update.body and invite.body.decode() == OUR_SDP
    die(house)
    assert same_request(alice.request("UPDATE"), update) and same_request(bob.request("INVITE"), invite)
    alice.answer(update, 200, headers=["Require: timer", "Session-Expires: 600;refresher=uac"])
    bob.answer(invite, 200, sdp=SDP, headers=["Require: timer", "Session-Expires: 600;refresher=uac"])
    bob.request("ACK")
    wait_for(lambda: house.metric("hookswitch_sip_refreshes_total") == 2)
    nothing_ended(house)
    assert not [f for f in house.bus.facts if f["type"] in ("leg.held", "leg.hold_failed")]
    # the record says the new time: neither is due now
    die(house)
    for phone in (alice, bob):
        phone.nothing(lambda m: m.status is None and m.method in ("UPDATE", "INVITE") and not
                      any(same_request(m, one) for one in (update, invite)), 0.3)
    carol.nothing(lambda m: m.status is None and m.method in ("UPDATE", "INVITE"), 0.1)
    assert call.ask("BYE").status == 200


@pytest.mark.configure(sip={"session_expires_s": 4, "session_min_s": 4, "session_always": True})
def test_other_ways_to_refresh(house):
    """405, 422 and glare are not the end; and a phone that knows nothing of session timers is refreshed if we are told to."""
    alice, bob, carol = (house.registered(user) for user in PASSWORDS)
    session = ["Require: timer", "Session-Expires: 4;refresher=uac"]
    lifted(house, alice, UPDATES, *session)
    lifted(house, bob, UPDATES, *session)
    lifted(house, carol)
    updates = [phone.request("UPDATE", timeout=20) for phone in (alice, bob)]
    alice.answer(updates[0], 405)
    bob.answer(updates[1], 422, headers=["Min-SE: 900"])
    plain = carol.request("INVITE", timeout=20)
    assert not plain.get("Session-Expires")
    carol.answer(plain, 491)
    carol.request("ACK")
    invite, update = alice.request("INVITE"), bob.request("UPDATE")
    assert update.get("Session-Expires") == "900;refresher=uac" and update.get("Min-SE") == "900"
    alice.answer(invite, 200, sdp=SDP, headers=["Session-Expires: 900;refresher=uac"])
    bob.answer(update, 200, headers=["Session-Expires: 900;refresher=uac"])
    plain = carol.take(lambda m: m.status is None and m.method == "INVITE" and not same_request(m, plain))
    carol.answer(plain, 200, sdp=SDP)
    wait_for(lambda: house.metric("hookswitch_sip_refreshes_total") == 3)
    nothing_ended(house)


@pytest.mark.configure(sip={"session_expires_s": 4, "session_min_s": 4})
def test_a_phone_that_is_gone(house):
    """It does not refresh, or answers no refresh, or knows nothing of the call: each call ends, with a cause that says so."""
    alice, bob, carol = (house.registered(user) for user in PASSWORDS)
    silent, _ = lifted(house, alice, UPDATES, "Session-Expires: 4;refresher=uac")
    call, said = called(house, bob, *TIMER, "Session-Expires: 4;refresher=uac")
    assert said == "4;refresher=uac"
    unknown, _ = lifted(house, carol, UPDATES, "Session-Expires: 4;refresher=uac")
    die(house)
    carol.answer(carol.request("UPDATE", timeout=20), 481)
    assert house.bus.fact("leg.ended", leg=unknown)["status"] == 481
    for leg, phone in ((silent, alice), (call.leg, bob)):
        ended = house.bus.fact("leg.ended", leg=leg, timeout=20)
        assert (ended["cause"], ended["by_far_end"]) == ("lost", False) and "session" in ended["why"]
        phone.answer(phone.request("BYE"), 200)


# ---- other people's phones ----

@pytest.mark.skipif(not shutil.which("baresip"), reason="needs baresip")
@pytest.mark.configure(sip={"session_expires_s": 4, "session_min_s": 4, "session_always": True})
def test_baresip(house):
    """It knows nothing of session timers; re-INVITEs refresh it over a death of ours."""
    from baresip import Baresip
    with Baresip({"user": "alice", "password": PASSWORDS["alice"]}, house.server, REALM, [0] * 8000 * 60) as phone:
        house.bus.fact("line.changed", line="line-alice", reachable=True, timeout=15)
        leg = house.ring()
        house.bus.fact("leg.ringing", leg=leg, timeout=10)
        phone.answer()
        house.bus.fact("leg.answered", leg=leg, timeout=10)
        die(house)
        wait_for(lambda: house.metric("hookswitch_sip_refreshes_total") >= 1, 20)
        nothing_ended(house)
        phone.hangup()
        assert house.bus.fact("leg.ended", leg=leg, timeout=10)["cause"] == "normal"


REFRESH = """<send retrans="500" start_txn="refresh"><![CDATA[
UPDATE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:alice@{realm}>;tag=[call_number]
To: <sip:hotline@{realm}>[peer_tag_param]
Call-ID: [call_id]
CSeq: 3 UPDATE
Contact: <sip:alice@[local_ip]:[local_port]>
Max-Forwards: 70
Supported: timer
Session-Expires: 240;refresher=uac
Content-Length: 0

]]></send>
<recv response="200" response_txn="refresh"><action>
<ereg regexp="240;refresher=uac" search_in="hdr" header="Session-Expires:" check_it="true" assign_to="session"/>
</action></recv>
<Reference variables="session"/>"""


@pytest.mark.skipif(not shutil.which("sipp"), reason="needs sip-tester")
@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_sipp(house, answers, transport):  # noqa: F811
    """It asks for a session of its own length, and refreshes it."""
    scenario = house.home / "call.xml"
    text = CALL.replace('<pause milliseconds="200"/>', REFRESH).replace("CSeq: 3 BYE", "CSeq: 4 BYE")
    text = text.replace("Content-Type:", "Supported: timer\nSession-Expires: 180;refresher=uac\nContent-Type:")
    scenario.write_text(text.format(realm=REALM, password=PASSWORDS["alice"]))
    result = subprocess.run(["sipp", f"127.0.0.1:{house.port}", "-sf", scenario, "-i", "127.0.0.1", "-p", str(free_port()),
                             "-m", "5", "-r", "20", "-l", "5", "-t", transport, "-nostdin", "-timeout", "30s", "-auth_uri",
                             f"hotline@{REALM}"], cwd=house.home, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stdout.decode()[-3000:]
    wait_for(lambda: len(house.bus.facts_of("leg.ended", cause="normal")) == 5)
    assert house.metric("hookswitch_sip_refreshes_total") == 5
