"""Caller identification on the line: between the rings, or before them."""
import pytest
from world import until


def hear(phone, samples):
    """Waits until so many samples were heard that are no silence."""
    count = 0

    def heard():
        nonlocal count
        count += sum(1 for byte in phone.ear() if byte not in (0xff, 0x7f, 0xfe, 0x7e))
        return count > samples
    until(heard, what=f"{samples} samples of a signal")


@pytest.mark.parametrize("kind", ["bellcore", "etsi", "dtmf_after"])
def test_between_the_rings(start, phone, leg, kind):
    made = start(port={"caller_id": kind, "cadence": "500 3000", "echo_taps": 0})
    made.fact("line.changed", line="phone1", reachable=True)
    phone.forget()
    name = leg()
    made.ring(name, caller_number="4155550100", caller_name="Ada")
    hear(phone, 2000)
    until(lambda: phone.display() in (None, ("4155550100", "" if "dtmf" in kind else "Ada")), what=f"the display; {phone.feeds()}")
    until(lambda: made.metric("hookswitch_analog_caller_ids_total", 'result="sent"') == 1, what="its end")
    assert phone.feeds()[:2] == ["ringing", "onhook_transfer"]
    phone.lift()
    made.fact("leg.answered", leg=name)


@pytest.mark.parametrize("kind,is_reversed", [("etsi_before", False), ("dtmf_plain", False), ("uk", True), ("dtmf", True),
                                              ("dtmf_hash", True)])
def test_before_the_first_ring(start, phone, leg, kind, is_reversed):
    made = start(port={"caller_id": kind, "echo_taps": 0})
    made.fact("line.changed", line="phone1", reachable=True)
    phone.forget()
    name = leg()
    made.ring(name, caller_number="4155550100", caller_name="Ada")
    made.fact("leg.ringing", leg=name)
    until(lambda: phone.has("feed", "ringing"), what="the bell")
    assert phone.has("feed", "onhook_transfer_reversed") == is_reversed, phone.feeds()
    assert phone.feeds().index("ringing") >= (2 if is_reversed else 0)  # in between it was turned back
    hear(phone, 2000)
    until(lambda: phone.display() in (None, ("4155550100", "" if "dtmf" in kind else "Ada")), what=f"the display; {phone.feeds()}")
    phone.lift()
    made.fact("leg.answered", leg=name)


def test_a_lift_in_between(start, phone, leg):
    made = start(port={"caller_id": "etsi_before"})
    made.fact("line.changed", line="phone1", reachable=True)
    name = leg()
    made.ring(name, caller_number="4155550100")
    until(lambda: phone.has("feed", "onhook_transfer"), what="the open line")
    phone.lift()
    made.fact("leg.answered", leg=name)


def test_a_distinctive_ring(start, phone, leg):
    made = start(cadences=[{"id": "twice", "ms": "200 200 200 2000"}], port={"caller_id": "none"})
    made.fact("line.changed", line="phone1", reachable=True)
    phone.forget()
    made.ring(leg(), cadence="twice")
    until(lambda: phone.feeds().count("ringing") >= 4, what="four bursts", seconds=8)
    rings = [at for at, event, detail in phone.events() if (event, detail) == ("feed", "ringing")]
    assert 350 <= rings[1] - rings[0] <= 450 and 2100 <= rings[2] - rings[1] <= 2300


def test_the_lamp(start, phone):
    made = start(port={"lamp": "neon"})
    made.fact("line.changed", line="phone1", reachable=True)
    made.ask("line.messages", line="phone1", waiting=3)
    until(lambda: phone.has("messages", "3"), what="the lamp")
    assert made.ask("line.port", line="phone1")["port"]["messages_waiting"] == 3
    made.ask("line.messages", line="phone1", waiting=0)
    until(lambda: phone.has("messages", "0"), what="dark")


ONE = [{"id": "phone1", "driver": "dahdi", "channel": 1}]


def shown(phone):
    """Message waiting as its display says; None where it has none."""
    return phone.ask("display")["message_waiting"] if hasattr(phone, "ask") else None


def test_a_lamp_that_is_told_by_data(start, phone):
    made = start(ONE, port={"lamp": "etsi", "echo_taps": 0})
    made.fact("line.changed", line="phone1", reachable=True)
    until(lambda: made.metric("hookswitch_analog_lamps_total", 'result="sent"') == 1, what="dark, for who may be lit")
    assert shown(phone) in (None, "off")
    phone.forget()
    made.ask("line.messages", line="phone1", waiting=3)
    hear(phone, 2000)
    until(lambda: made.metric("hookswitch_analog_lamps_total", 'result="sent"') == 2, what="lit")
    assert shown(phone) in (None, "on")
    assert shown(phone) is None or phone.has("message_waiting", "on 3") and phone.has("lamp_on")
    assert "ringing" not in phone.feeds()
    made.kill()
    until(lambda: "port.restored" in made.text(), what="a successor")
    made.ask("line.messages", line="phone1", waiting=3)  # as call control does when a driver starts
    made.ask("line.messages", line="phone1", waiting=0)
    until(lambda: made.metric("hookswitch_analog_lamps_total", 'result="sent"') == 1, what="dark")
    until(lambda: shown(phone) in (None, "off"), what="no lamp")
    assert shown(phone) is None or [d for _, e, d in phone.events() if e == "message_waiting"] == \
        ["on 3", "off 0"]


@pytest.mark.parametrize("kind, feeds", [("etsi_ring", ["ringing", "onhook_transfer"]), ("etsi_reversal", ["onhook_transfer_reversed"])])
def test_a_lamp_that_is_announced(start, phone, kind, feeds):
    made = start(ONE, port={"lamp": kind, "echo_taps": 0})
    made.fact("line.changed", line="phone1", reachable=True)
    phone.forget()
    made.ask("line.messages", line="phone1", waiting=3)
    until(lambda: made.metric("hookswitch_analog_lamps_total", 'result="sent"') >= 1, what="lit")
    until(lambda: shown(phone) in (None, "on"), what=lambda: f"on: {phone.news()[-9:]}")
    until(lambda: phone.feeds()[-1] == "forward" or "reversed" not in kind, what="the line at rest")
    assert set(feeds) <= set(phone.feeds()) and phone.feeds().count("ringing") == feeds.count("ringing"), phone.feeds()


def test_a_lamp_waits_for_calls(start, phone, leg):
    """A call comes first, in both directions; then the lamp is told from the beginning."""
    made = start(ONE, port={"lamp": "bellcore", "caller_id": "none"})
    made.fact("line.changed", line="phone1", reachable=True)
    until(lambda: made.ask("line.port", line="phone1")["port"]["state"] == "lighting", what="its turn")
    name = leg()
    made.ring(name)
    made.fact("leg.ringing", leg=name)
    made.ask("leg.hangup", leg=name, cause="cancelled")
    made.fact("leg.ended", leg=name)
    until(lambda: made.metric("hookswitch_analog_lamps_total", 'result="sent"') == 1, what="the lamp, afterwards")
    assert made.metric("hookswitch_analog_lamps_total", 'result="cut"') == 1
    phone.forget()
    made.ask("line.messages", line="phone1", waiting=1)
    until(lambda: made.ask("line.port", line="phone1")["port"]["state"] == "lighting", what="its turn")
    phone.lift()
    incoming = made.fact("leg.incoming", line="phone1")
    phone.put_down()
    made.fact("leg.ended", leg=incoming["leg"])
    until(lambda: made.metric("hookswitch_analog_lamps_total", 'result="sent"') == 2, what="the lamp, after the call")
    assert shown(phone) in (None, "on")
