"""Calls of an analog telephone as facts on the bus."""
import pytest
import world
from world import until


def lift(dahdid, phone, line="phone1"):
    phone.lift()
    return dahdid.fact("leg.incoming", line=line)


def answered(dahdid, phone, line="phone1"):
    """A call that the telephone began, answered by apid."""
    incoming = lift(dahdid, phone, line)
    dahdid.ask("leg.answer", leg=incoming["leg"])
    dahdid.fact("leg.answered", leg=incoming["leg"], measured=True)
    return incoming["leg"]


def test_a_ring_is_answered_and_hung_up(dahdid, phone, leg):
    name = leg()
    dahdid.ring(name, caller_number="+14155550100", caller_name="Ada")
    dahdid.fact("leg.ringing", leg=name)
    until(lambda: phone.has("feed", "ringing"), what="the bell")
    phone.lift()
    fact = dahdid.fact("leg.answered", leg=name)
    assert fact["measured"] is True
    phone.put_down()
    ended = dahdid.fact("leg.ended", leg=name)
    assert (ended["cause"], ended["by_far_end"]) == ("normal", True)
    name = leg()  # and can be rung again at once
    dahdid.ring(name)
    dahdid.fact("leg.ringing", leg=name)
    dahdid.ask("leg.hangup", leg=name, cause="normal")
    assert dahdid.fact("leg.ended", leg=name)["cause"] == "cancelled"


def test_a_telephone_calls(dahdid, phone):
    incoming = lift(dahdid, phone)
    assert incoming["measured"] is True
    name = incoming["leg"]
    dahdid.ask("leg.answer", leg=name)
    dahdid.fact("leg.answered", leg=name, measured=True)
    phone.do("pause 700", "pulse 30")  # the driver counts nothing for 600 ms after the answer
    assert dahdid.fact("leg.digit", leg=name)["digit"] == "3"
    digit = dahdid.fact("leg.digit", leg=name)
    assert (digit["digit"], digit["phase"], digit["source"]) == ("0", "end", "pulse")
    phone.do("flash 400")
    dahdid.fact("leg.flash", leg=name)
    phone.put_down()
    assert dahdid.fact("leg.ended", leg=name)["cause"] == "normal"
    assert not dahdid.facts_of("leg.flash")


def test_we_hang_up_first(dahdid, phone, leg):
    name = answered(dahdid, phone)
    phone.forget()
    dahdid.ask("leg.hangup", leg=name, cause="normal")
    ended = dahdid.fact("leg.ended", leg=name)
    assert ended["by_far_end"] is False
    until(lambda: phone.has("feed", "open"), what="the battery drop")
    until(lambda: dahdid.ask("line.port", line="phone1")["port"]["state"] == "parked", what="parked")
    busy = leg()
    dahdid.ring(busy)
    assert dahdid.fact("leg.ended", leg=busy)["cause"] == "busy"
    phone.put_down()
    until(lambda: dahdid.ask("line.port", line="phone1")["port"]["state"] == "idle", what="idle")
    dahdid.ring(leg())


def test_put_down_within_the_battery_drop(dahdid, phone, leg):
    name = answered(dahdid, phone)
    dahdid.ask("leg.hangup", leg=name, cause="normal")
    phone.put_down()
    until(lambda: dahdid.ask("line.port", line="phone1")["port"]["state"] == "idle", what="idle")
    name = leg()
    dahdid.ring(name)
    phone.lift()
    dahdid.fact("leg.answered", leg=name)


def test_nobody_lifts(dahdid, phone, leg):
    name = leg()
    dahdid.ask("leg.originate", leg=name, call="c1", line="phone1", ring_timeout_ms=1000,
               description=f"channel/1 grant={name}")
    dahdid.fact("leg.ringing", leg=name)
    assert dahdid.fact("leg.ended", leg=name)["cause"] == "no_answer"
    assert phone.feeds()[-1] != "ringing"


def test_the_same_leg_is_not_rung_twice(dahdid, phone, leg):
    name = leg()
    dahdid.ring(name)
    dahdid.ring(name)
    dahdid.fact("leg.ringing", leg=name)
    assert not dahdid.facts_of("leg.ringing")
    dahdid.ask("leg.hangup", leg=name, cause="normal")
    dahdid.fact("leg.ended", leg=name)
    dahdid.ring(name)  # over, and known as such
    dahdid.ask("leg.hangup", leg=name, cause="normal")
    assert not dahdid.facts_of("leg.ended")


@pytest.mark.refused
def test_an_offer_that_is_none(dahdid, leg):
    for description in (None, "v=0", "channel/1", "channel/1 grant=l1 ptime=7"):
        more = {"description": description} if description else {}
        with pytest.raises(world.Error) as error:
            dahdid.ask("leg.originate", leg=leg(), call="c1", line="phone1", ring_timeout_ms=1000, **more)
        assert error.value.name == "invalid", description


@pytest.mark.refused
def test_unknown_things(dahdid, leg):
    for message, body in [("leg.answer", {"leg": "l0"}), ("leg.hold", {"leg": "l0", "held": True}),
                          ("line.port", {"line": "nobody"}), ("line.messages", {"line": "nobody", "waiting": 1}),
                          ("leg.originate", {"leg": leg(), "call": "c1", "line": "nobody", "ring_timeout_ms": 1000})]:
        with pytest.raises(world.Error) as error:
            dahdid.ask(message, **body)
        assert error.value.name == "not_found", message
    dahdid.ask("leg.hangup", leg="l0", cause="normal")  # already over: no error


def test_hold(plain, phone):
    dahdid = plain
    name = answered(dahdid, phone)
    phone.speak(b"\x10" * 1600)
    until(lambda: dahdid.pull() or b"\x10" * 160 in dahdid.heard.get(name, b""), what="speech")
    dahdid.ask("leg.hold", leg=name, held=True)
    assert dahdid.fact("leg.held", leg=name) == {"leg": name, "held": True, "by_far_end": False}
    dahdid.pull()
    dahdid.heard[name] = b""
    phone.speak(b"\x20" * 1600)
    until(lambda: dahdid.pull() or len(dahdid.heard.get(name, b"")) > 4000, what="more audio")
    assert b"\x20" not in dahdid.heard[name]
    dahdid.ask("leg.hold", leg=name, held=False)
    dahdid.fact("leg.held", leg=name, held=False)


def test_audio_goes_both_ways(plain, phone):
    dahdid = plain
    name = answered(dahdid, phone)
    phone.ear()
    blocks = [bytes([16 + n]) * 160 for n in range(40)]
    mark = b"\x7e" * 160  # the end, so often that no stall of the host takes all of it
    dahdid.say(name, b"".join(blocks) + 25 * mark)
    phone.speak(b"\x11" * 3200)
    until(lambda: dahdid.pull() or dahdid.heard.get(name, b"").count(b"\x11") > 2400, what="what the phone said")
    heard = bytearray()

    def came():
        heard.extend(phone.ear())
        return mark[:8] in heard
    until(came, what="what was said to the telephone")
    # In order and without a gap; what a host that stalls for more than 50 ms may cost is counted.
    places = [place for place in (bytes(heard).find(block[:80]) for block in blocks) if place >= 0]
    assert places == sorted(places)
    assert len(blocks) - len(places) <= dahdid.metric("hookswitch_analog_overruns_total")
    blocks = [b for b in dahdid.blocks if b[1] == world.AUDIO and b[2] == name]
    assert all(b[5] == 160 for b in blocks)
    assert [b[3] for b in blocks] == list(range(blocks[0][3], blocks[0][3] + len(blocks)))
    assert all(b[4] - a[4] == 160 for a, b in zip(blocks, blocks[1:]))


def test_nobody_decides(dahdid, phone):
    """mediad says no: the telephone hears congestion until it is put down."""
    dahdid.refuse_media(True)
    name = lift(dahdid, phone)["leg"]
    assert dahdid.fact("leg.ended", leg=name)["cause"] == "media_failed"
    assert dahdid.ask("line.port", line="phone1")["port"]["state"] == "parked"
    dahdid.refuse_media(False)
    phone.put_down()
    until(lambda: dahdid.ask("line.port", line="phone1")["port"]["state"] == "idle", what="idle")


def test_the_line_says_what_it_is(dahdid, phone):
    port = dahdid.ask("line.port", line="phone1")["port"]
    assert (port["channel"], port["state"], port["signalling"], port["off_hook"]) == (1, "idle", "fxoks", False)
    assert port["voltage_source"] == "measured" and -60000 < port["battery_mv"] < -40000
    assert port["driver"].startswith("DAHDI ")
    assert (port["settings_source"], port["echo_taps"], port["flash_ms"], port["rx_gain_db"]) == ("configured", 128, 800, 0)
