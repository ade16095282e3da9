"""Waiting messages: phones that subscribe to them (RFC 3842) and phones that are told unasked, over deaths too."""
import pathlib
import secrets
import shutil
import sys

import pytest
from test_kill import dead, die
from world import PASSWORDS, REALM, Refused, wait_for

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

EVENT = ["Event: message-summary", "Accept: application/simple-message-summary"]


class Subscription:
    """One of a phone: what it asked and what it was answered."""

    def __init__(self, phone, expires=600, headers=EVENT, user=None, status=200):
        self.phone, self.uri = phone, f"sip:{user or phone.user}@{REALM}"
        self.call_id, self.tag = secrets.token_hex(8), secrets.token_hex(4)
        self.answer = phone.ask_proven("SUBSCRIBE", self.uri, headers=[*headers, f"Expires: {expires}"],
                                       call_id=self.call_id, from_tag=self.tag)
        assert self.answer.status == status, self.answer

    def again(self, expires, tag=None):
        to = f"<{self.uri}>;tag={tag or self.answer.tag('To')}"
        uri = self.answer.contact_uri()
        return self.phone.ask_proven("SUBSCRIBE", uri, headers=[*EVENT, f"Expires: {expires}"], call_id=self.call_id,
                                     from_tag=self.tag, to=to)

    def told(self, waiting, state="active", status=200):
        """The NOTIFY that comes."""
        notify = self.phone.request("NOTIFY")
        assert (notify.get("Call-ID"), notify.tag("To"), notify.tag("From")) == (self.call_id, self.tag,
                                                                                self.answer.tag("To"))
        check(notify, waiting, state)
        self.phone.answer(notify, status)
        return notify


def check(notify, waiting, state="active"):
    body = notify.body.decode()
    assert notify.get("Event") == "message-summary" and notify.get("Subscription-State").startswith(state)
    assert notify.get("Content-Type") == "application/simple-message-summary"
    assert f"Messages-Waiting: {'yes' if waiting else 'no'}\r\n" in body and f"Voice-Message: {waiting}/0" in body


def wait_for_messages(house, waiting, line="line-alice"):
    house.bus.ask("line.messages", line=line, waiting=waiting)


def number_of(message):
    return int(message.get("CSeq").split()[0])


def test_a_phone_that_subscribes(house):
    phone = house.registered("alice")
    one = Subscription(phone)
    assert one.answer.get("Expires") == "600"
    first = one.told(0)
    wait_for_messages(house, 3)
    second = one.told(3)
    assert "Message-Account: sip:alice@" in second.body.decode() and number_of(second) > number_of(first)
    wait_for_messages(house, 3)  # known already
    wait_for_messages(house, 5, "line-bob")  # not its own
    assert one.again(300).status == 200
    one.told(3)
    assert one.again(0).status == 200
    one.told(3, "terminated")
    wait_for(lambda: house.metric("hookswitch_sip_watchers") == 0)
    assert one.again(300).status == 481
    wait_for_messages(house, 0)
    phone.nothing(lambda m: m.method == "NOTIFY")


def test_news_while_the_phone_is_slow(house):
    """One NOTIFY at a time; what it says last is the newest."""
    phone = house.registered("alice")
    one = Subscription(phone)
    slow = phone.request("NOTIFY")
    for waiting in (1, 2, 7):
        wait_for_messages(house, waiting)
    phone.answer(slow, 200)
    newest = phone.take(lambda m: m.status is None and m.get("CSeq") != slow.get("CSeq"), what="news")
    check(newest, 7)
    phone.answer(newest, 200)
    assert one.again(300).status == 200


def test_over_a_death(house):
    """Subscription, count and what the phone was told outlive us."""
    phone, bob = house.registered("alice"), house.registered("bob", transport="tcp")
    one, other = Subscription(phone), Subscription(bob)
    one.told(0)
    other.told(0)
    wait_for_messages(house, 2)
    before = one.told(2)
    wait_for(lambda: house.metric("hookswitch_sip_notifies_total") == 3)
    die(house)
    assert house.metric("hookswitch_sip_watchers") == 2
    phone.nothing(lambda m: m.method == "NOTIFY" and m.get("CSeq") != before.get("CSeq"), 0.3)
    wait_for_messages(house, 4)
    assert number_of(one.told(4)) > number_of(before)
    with dead(house):
        text, key = phone.build("SUBSCRIBE", one.answer.contact_uri(), call_id=one.call_id, from_tag=one.tag,
                                to=f"<{one.uri}>;tag={one.answer.tag('To')}", headers=[*EVENT, "Expires: 300"])
        phone.send(text)
    assert phone.response(key).status == 401  # the successor has nonces of its own
    assert one.again(300).status == 200
    one.told(4)


def test_what_was_not_confirmed_is_said_again(house):
    phone = house.registered("alice")
    one = Subscription(phone)
    one.told(0)
    wait_for_messages(house, 9)
    lost = phone.request("NOTIFY")
    die(house)
    again = phone.take(lambda m: m.status is None and m.method == "NOTIFY" and m.get("CSeq") != lost.get("CSeq"))
    check(again, 9)
    phone.answer(again, 200)


@pytest.mark.configure(sip={"min_expires_s": 10})
def test_refusals(house):
    phone = house.registered("alice")
    assert "message-summary" in Subscription(phone, headers=["Event: presence"], status=489).answer.get("Allow-Events")
    Subscription(phone, headers=[], status=489)
    Subscription(phone, headers=[EVENT[0], "Accept: text/plain"], status=406)
    Subscription(phone, user="bob", status=403)
    assert Subscription(phone, expires=9, status=423).answer.get("Min-Expires") == "10"
    assert phone.ask("SUBSCRIBE", f"sip:alice@{REALM}", headers=EVENT).status == 401
    fetch = Subscription(phone, expires=0)
    fetch.told(0, "terminated")
    with pytest.raises(Refused) as refused:
        wait_for_messages(house, 1, "line-nobody")
    assert refused.value.error == "not_found"
    wait_for(lambda: house.metric("hookswitch_sip_watchers") == 0)


def test_a_stranger_cannot_have_it(house):
    """Another line's phone, which knows all about a dialog, is not in it."""
    phone, thief = house.registered("alice"), house.registered("bob")
    one = Subscription(phone)
    one.told(0)
    stolen = Subscription(thief)
    stolen.told(0)
    stolen.call_id, stolen.tag = one.call_id, one.tag
    assert stolen.again(300, tag=one.answer.tag("To")).status == 481
    wait_for_messages(house, 1)
    one.told(1)


def test_at_most_ten(house):
    phone = house.registered("alice")
    subscriptions = []
    for _ in range(12):
        subscriptions.append(Subscription(phone))
        subscriptions[-1].told(0)
    assert house.metric("hookswitch_sip_watchers") == 10
    assert subscriptions[0].again(300).status == 481 and subscriptions[-1].again(300).status == 200


def test_a_phone_that_wants_no_more(house):
    phone = house.registered("alice")
    Subscription(phone).told(0, status=481)
    wait_for(lambda: house.metric("hookswitch_sip_watchers") == 0)


def test_unasked(house):
    """Where the line says so: each phone that registers is told, once, and again when there is news."""
    house.configuration["lines"][0]["unasked_messages"] = True
    house.reconfigure()
    phone = house.registered("alice")
    phone.nothing(lambda m: m.method == "NOTIFY", 0.2)  # nobody has said how many
    wait_for_messages(house, 2)
    first = phone.request("NOTIFY")
    check(first, 2)
    assert first.uri == phone.contact and not first.tag("To")
    phone.answer(first, 200)
    assert phone.register().status == 200
    wait_for_messages(house, 2)
    phone.nothing(lambda m: m.method == "NOTIFY" and m.get("CSeq") != first.get("CSeq"), 0.2)
    second = house.registered("alice")
    told = second.request("NOTIFY")
    check(told, 2)
    second.answer(told, 200)
    wait_for(lambda: house.metric("hookswitch_sip_notifies_total") == 2)
    die(house)
    wait_for_messages(house, 0)
    for one in (phone, second):
        dark = one.take(lambda m: m.status is None and "Messages-Waiting: no" in m.body.decode())
        one.answer(dark, 200)
    assert phone.register(expires=0).status == 200
    wait_for(lambda: house.metric("hookswitch_sip_watchers") == 1)
    one = Subscription(second)  # from now on it is told because it asked
    one.told(0)
    assert house.metric("hookswitch_sip_watchers") == 1


def in_time(check):
    try:
        return wait_for(check, 4)
    except AssertionError:
        return False


@pytest.mark.skipif(not shutil.which("baresip"), reason="needs baresip")
def test_baresip(house):
    """Its lamp over a death of ours. Now and then it subscribes in a loop and reads no answer: then it begins anew."""
    from baresip import Baresip
    for _ in range(3):
        with Baresip({"user": "alice", "password": PASSWORDS["alice"]}, house.server, REALM, [0] * 8000,
                     apps=("mwi",)) as phone:
            if not in_time(lambda: house.metric("hookswitch_sip_notifies_total") >= 1):
                continue
            die(house)
            wait_for_messages(house, 3)
            if in_time(lambda: "Voice-Message: 3/0" in phone.text()):
                return
            wait_for_messages(house, 0)
    pytest.skip("baresip read no answer to its SUBSCRIBE in three lives")
