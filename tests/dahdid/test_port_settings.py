"""What a port's settings do at the telephone: polarity, disconnect, gain, law, echo canceller, blocks, flashes, lamp."""
import os

import pytest
import world
from test_calls import answered
from world import until

ONE = [{"id": "phone1", "driver": "dahdi", "channel": 1}]
ON_CARD = os.path.exists("/dev/hscard/card")
only_simulated = pytest.mark.skipif(ON_CARD, reason="what dahdid asks the driver for is the same")


@pytest.fixture
def one(start, phone):
    def make(block_ms=20, **port):
        made = start(ONE, block_ms=block_ms, port=port)
        made.fact("line.changed", line="phone1", reachable=True)
        phone.forget()
        return made
    return make


def idle(dahdid):
    until(lambda: dahdid.ask("line.port", line="phone1")["port"]["state"] == "idle", what="idle")


def seen(phone):
    """Since it was lifted, which ends an on-hook transmission of before."""
    events = [(event, detail) for _, event, detail in phone.events()]
    feeds = [detail for event, detail in events[events.index(("hook_off", "")):] if event == "feed"]
    return feeds[feeds[:1] == ["forward"]:]


@pytest.mark.parametrize("settings, feeds", [
    ({"answer_reversal": True}, ["reversed", "open", "reversed", "forward"]), ({"disconnect": "reversal"}, ["reversed"]),
    ({"disconnect": "none"}, []), ({}, ["open", "forward"])])
def test_what_a_telephone_sees_of_answer_and_end(one, phone, settings, feeds):
    """We answer its call, and hang up first."""
    dahdid = one(**settings)
    name = answered(dahdid, phone)
    if "answer_reversal" in settings:
        until(lambda: "reversed" in phone.feeds(), what="the answer")
    dahdid.ask("leg.hangup", leg=name, cause="normal")
    dahdid.fact("leg.ended", leg=name)
    until(lambda: seen(phone) == feeds, what=lambda: f"{feeds}: {phone.news()[-12:]}")
    phone.put_down()
    idle(dahdid)
    until(lambda: phone.feeds()[-1:] != ["reversed"], what="the polarity of a line at rest")


def loudness(code):
    """Of a sample in mu-law."""
    code = ~code & 0x7f
    return (((code & 0x0f) << 3) + 0x84 << (code >> 4)) - 0x84


@only_simulated
def test_gain(one, phone):
    """What it says is 6 dB softer, what it hears 6 dB louder."""
    dahdid = one(rx_gain_db=-6, tx_gain_db=6, echo_taps=0)
    name = answered(dahdid, phone)
    phone.speak(b"\xb0" * 3200)
    dahdid.say(name, b"\xb0" * 3200)
    heard, said = bytearray(), loudness(0xb0)

    def both():
        dahdid.pull()
        heard.extend(phone.ear())
        return [max(map(loudness, samples), default=0) / said for samples in (dahdid.heard.get(name, b""), heard)]
    until(lambda: min(both()) > 0, what="both")
    softer, louder = both()
    assert 0.47 < softer < 0.53 and 1.88 < louder < 2.12


@only_simulated
def test_law_and_echo_canceller(one, phone):
    dahdid = one(law="pcma", echo_taps=64)
    assert dahdid.ask("line.port", line="phone1")["port"]["law"] == "pcma"
    name = answered(dahdid, phone)
    until(lambda: phone.ask("state")["echo_taps"] == 64, what="the echo canceller")
    phone.put_down()
    dahdid.fact("leg.ended", leg=name)
    until(lambda: phone.ask("state")["echo_taps"] == 0, what="its end")


@only_simulated
@pytest.mark.parametrize("block_ms", [10, 60])
def test_length_of_blocks(one, phone, block_ms):
    dahdid = one(block_ms=block_ms)
    name = answered(dahdid, phone)
    until(lambda: dahdid.pull() or sum(b[1] == world.AUDIO for b in dahdid.blocks) > 5, what="blocks")
    assert {b[5] for b in dahdid.blocks if b[1] == world.AUDIO} == {block_ms * 8}
    phone.put_down()
    dahdid.fact("leg.ended", leg=name)


BREAKS = {"flash": ["leg.flash"], "ignored": [], "digits": ["leg.digit"]}


@only_simulated
def test_short_breaks_and_flashes(start, card):
    """What follows shows that nothing else was told of a break of 100 ms; longer than a flash may be is down."""
    phones = {f"phone{port}": card.handset(port) for port in (1, 2, 3)}
    made = start([{"id": line, "driver": "dahdi", "channel": port, "port": {"short_break": kind}}
                  for port, (line, kind) in enumerate(zip(phones, BREAKS), 1)], port={"flash_ms": 400})
    for line, phone in phones.items():
        made.fact("line.changed", line=line, reachable=True)
        answered(made, phone, line)
        phone.do("pause 650", "flash 100", "pause 400", "flash 300", "pause 300", "hangup")
    for told in BREAKS.values():
        for kind in [*told, "leg.flash"]:
            made.fact(kind)
        made.fact("leg.ended", cause="normal")
    assert not made.facts_of("leg.flash") and not made.facts_of("leg.digit")
    for phone in phones.values():
        phone.close()


@only_simulated
@pytest.mark.parametrize("kind, feed", [("reversal", "reversed"), ("dc", None), ("neon", None)])
def test_a_lamp_that_is_lit_by_voltage(one, phone, kind, feed):
    dahdid = one(lamp=kind)
    dahdid.ask("line.messages", line="phone1", waiting=3)
    until(lambda: phone.has("messages", "3"), what="the lamp")
    until(lambda: not feed or feed in phone.feeds(), what="the line's voltage")
    dahdid.ask("line.messages", line="phone1", waiting=0)
    until(lambda: phone.has("messages", "0"), what="dark")
    until(lambda: not feed or phone.feeds()[-1] == "forward", what="the line at rest")
