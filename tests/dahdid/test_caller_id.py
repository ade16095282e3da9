"""Caller identification on the line: between the rings, or before them."""
import pytest
from world import until


def sound(data):
    """Samples that are no silence."""
    return sum(1 for byte in data if byte not in (0xff, 0x7f, 0xfe, 0x7e))


@pytest.mark.parametrize("kind", ["bellcore", "etsi"])
def test_between_the_rings(start, phone, leg, kind):
    made = start(port={"caller_id": kind, "cadence": "500 3000", "echo_taps": 0})
    made.fact("line.changed", line="phone1", reachable=True)
    phone.forget()
    name = leg()
    made.ring(name, caller_number="4155550100", caller_name="Ada")
    until(lambda: made.metric("hookswitch_analog_caller_ids_total", 'result="sent"') == 1, what="the identification")
    assert [argument for _, word, argument in phone.log() if word == "feed"][:2] == ["ring", "oht"]
    assert sound(phone.ear()) > 4000
    phone.lift()
    made.fact("leg.answered", leg=name)


@pytest.mark.parametrize("kind,feeds", [("etsi_before", ["oht", "ring"]), ("dtmf_plain", ["oht", "ring"]),
                                        ("uk", ["rev", "ohtrev", "ring"]), ("dtmf", ["rev", "ohtrev", "ring"])])
def test_before_the_first_ring(start, phone, leg, kind, feeds):
    made = start(port={"caller_id": kind, "echo_taps": 0})
    made.fact("line.changed", line="phone1", reachable=True)
    phone.forget()
    name = leg()
    made.ring(name, caller_number="4155550100", caller_name="Ada")
    made.fact("leg.ringing", leg=name)
    until(lambda: phone.has("feed", "ring"), what="the bell")
    said = [argument for _, word, argument in phone.log() if word == "feed"]
    assert [feed for feed in said if feed in feeds] == feeds, said
    assert sound(phone.ear()) > 2000
    phone.lift()
    made.fact("leg.answered", leg=name)


def test_a_lift_in_between(start, phone, leg):
    made = start(port={"caller_id": "etsi_before"})
    made.fact("line.changed", line="phone1", reachable=True)
    name = leg()
    made.ring(name, caller_number="4155550100")
    until(lambda: phone.has("feed", "oht"), what="the open line")
    phone.lift()
    made.fact("leg.answered", leg=name)


def test_a_distinctive_ring(start, phone, leg):
    made = start(cadences=[{"id": "twice", "ms": "200 200 200 2000"}], port={"caller_id": "none"})
    made.fact("line.changed", line="phone1", reachable=True)
    phone.forget()
    made.ring(leg(), cadence="twice")
    until(lambda: [a for _, w, a in phone.log() if w == "feed"].count("ring") >= 4, what="four bursts", seconds=8)
    rings = [at for at, word, argument in phone.lines if (word, argument) == ("feed", "ring")]
    assert 350 <= rings[1] - rings[0] <= 450 and 2100 <= rings[2] - rings[1] <= 2300


def test_the_lamp(start, phone):
    made = start(port={"lamp": "neon"})
    made.fact("line.changed", line="phone1", reachable=True)
    made.ask("line.messages", line="phone1", waiting=3)
    until(lambda: phone.has("vmwi", "3"), what="the lamp")
    assert made.ask("line.port", line="phone1")["port"]["messages_waiting"] == 3
    made.ask("line.messages", line="phone1", waiting=0)
    until(lambda: phone.has("vmwi", "0"), what="dark")
