"""A line to an exchange (FXO port): calls from it and to it, and how they end."""
import json
import os
import random
import tempfile
import time

import pytest
import world
from world import until

ON_CARD = os.path.exists("/dev/hscard/card")
PORT = 4 if ON_CARD else 1  # the machine of these tests has three telephones before its exchange line
LINE = [{"id": "trunk1", "driver": "dahdi", "channel": PORT}]


class CardExchanges(world.Card):
    def handset(self, port):
        import cardexchange  # numpy, which is not needed elsewhere
        return cardexchange.CardExchange(port)


@pytest.fixture(scope="module")
def exchange():
    if ON_CARD:
        yield CardExchanges()
        return
    with tempfile.TemporaryDirectory(prefix="hookswitch-exchange-") as folder:
        os.chmod(folder, 0o755)
        made = world.Sim(folder, "--fxo", "1")
        yield made
        made.close()


@pytest.fixture
def far(exchange):
    made = exchange.handset(PORT)
    yield made
    made.do("unring", "battery on")
    made.close()


@pytest.fixture
def trunk(start, exchange):
    def make(routes=(), **port):
        made = start(LINE, routes=routes, device=exchange.device, port={"signalling": "fxsks", "caller_id": "bellcore", **port})
        made.fact("line.changed", line="trunk1", reachable=True, seconds=10)
        return made
    return make


def state(dahdid):
    return dahdid.ask("line.port", line="trunk1")["port"]["state"]


def dial(dahdid, name, number="3"):
    return dahdid.ask("leg.originate", leg=name, call="c1", line="trunk1", ring_timeout_ms=20000, number=number,
                      description=f"channel/1 grant={name}")


def incoming(dahdid, far, *who):
    """A call from the exchange. The driver hears none within 2 s of being opened."""
    opened = time.monotonic()
    until(lambda: time.monotonic() > opened + 2.1, what="the driver's ear for rings")
    far.do(" ".join(["ring", *who]))
    return dahdid.fact("leg.incoming", line="trunk1", seconds=20)


def test_a_call_from_the_exchange(trunk, far):
    dahdid = trunk()
    call = incoming(dahdid, far, "4155550100", "Ada")
    assert (call["caller_number"], call["caller_name"]) == ("4155550100", "Ada")
    assert call["dialled"] == "0"  # nothing else is configured: to the operator
    dahdid.ask("leg.answer", leg=call["leg"])
    dahdid.fact("leg.answered", leg=call["leg"], measured=True)
    until(lambda: far.has("answered"), what="the answer at the exchange")
    until(lambda: dahdid.pull() or len(dahdid.heard.get(call["leg"], b"")) > 1600, what="audio")
    far.do("pause 1000", "battery off 700")  # the driver does not look at it sooner
    ended = dahdid.fact("leg.ended", leg=call["leg"])
    assert (ended["cause"], ended["by_far_end"]) == ("normal", True) and "battery" in ended["why"]
    until(lambda: state(dahdid) == "idle", what="idle")


def test_the_caller_gives_up(trunk, far):
    dahdid = trunk()
    call = incoming(dahdid, far)
    assert "caller_number" not in call
    far.do("unring")
    ended = dahdid.fact("leg.ended", leg=call["leg"], seconds=10)
    assert (ended["cause"], ended["by_far_end"]) == ("cancelled", True)
    assert state(dahdid) == "idle"


def test_nobody_here_wants_the_call(trunk, far):
    dahdid = trunk(caller_id="none")
    call = incoming(dahdid, far)
    dahdid.ask("leg.hangup", leg=call["leg"], cause="declined")
    assert dahdid.fact("leg.ended", leg=call["leg"])["cause"] == "declined"
    assert state(dahdid) == "ignored"
    far.do("unring")
    until(lambda: state(dahdid) == "idle", 10, "idle")
    assert not far.has("answered")


@pytest.mark.parametrize("pulse", [False, True])
def test_a_call_to_the_exchange(trunk, far, leg, pulse):
    dahdid, name = trunk(pulse_dialling=pulse), leg()
    dial(dahdid, name, "31")
    dahdid.fact("leg.answered", leg=name, seconds=20)
    until(lambda: far.has("seized"), what="seized")
    until(lambda: [d for _, e, d in far.events() if e == "digit"] == ["3", "1"], what="the digits")
    dahdid.ask("leg.hangup", leg=name, cause="normal")
    assert dahdid.fact("leg.ended", leg=name)["by_far_end"] is False
    until(lambda: far.has("released"), what="released")


def test_a_line_rests_between_two_calls(trunk, far, leg):
    """An exchange takes a short pause for a pulse or a flash in the call before."""
    dahdid = trunk()
    for number in ("31", "42"):
        name, before = leg(), len(far.events())
        dial(dahdid, name, number)
        dahdid.fact("leg.answered", leg=name, seconds=20)
        dahdid.ask("leg.hangup", leg=name, cause="normal")
        dahdid.fact("leg.ended", leg=name)
        assert [d for _, e, d in far.events()[before:] if e == "digit"] == list(number)
    until(lambda: [e for _, e, _ in far.events() if e in ("seized", "released")][-4:] ==
          ["seized", "released"] * 2, what="two calls, one after the other")


def test_a_call_from_the_exchange_while_the_line_rests(trunk, far, leg):
    dahdid, first, second = trunk(caller_id="none"), leg(), leg()
    dial(dahdid, first, "3")
    dahdid.fact("leg.answered", leg=first, seconds=20)
    opened = time.monotonic()
    until(lambda: time.monotonic() > opened + 2.1, what="the driver's ear for rings")
    dahdid.ask("leg.hangup", leg=first, cause="normal")
    dahdid.fact("leg.ended", leg=first)
    dial(dahdid, second, "4")
    until(lambda: far.has("released"), what="released")
    far.do("ring")
    until(lambda: dahdid.facts_of("leg.ended", leg=second) or dahdid.facts_of("leg.answered", leg=second), 20, "either")
    if dahdid.facts_of("leg.answered", leg=second):
        return  # this machine was slow: the line was seized again before it rang
    fact = dahdid.fact("leg.ended", leg=second)
    assert fact["cause"] == "busy" and "same moment" in fact["why"]
    call = dahdid.fact("leg.incoming", line="trunk1", seconds=20)
    dahdid.ask("leg.hangup", leg=call["leg"], cause="declined")


def babble(seconds, seed=1):
    """Noise in syllables, mu-law."""
    dice, out = random.Random(seed), bytearray()
    while len(out) < 8000 * seconds:
        out += bytes(dice.randrange(0x18, 0x30) | dice.choice((0, 0x80)) for _ in range(2400)) + b"\xff" * 800
    return bytes(out)


def test_answered_by_voice(trunk, far, leg):
    """Ringback is no answer; somebody who speaks is."""
    dahdid, name = trunk(answer="voice"), leg()
    dial(dahdid, name)
    dahdid.fact("leg.progressing", leg=name, seconds=20)
    far.do("tone ringback")
    began = len(dahdid.heard.get(name, b""))
    until(lambda: dahdid.pull() or len(dahdid.heard.get(name, b"")) > began + 8000 * 3, 20, "three seconds of ringback")
    assert not dahdid.facts_of("leg.answered")
    far.do("tone silence")
    far.speak(babble(3))
    assert dahdid.fact("leg.answered", leg=name, seconds=10)["measured"] is False


def flashes(dahdid, name):
    """False as long as the driver is busy with a flash before."""
    try:
        dahdid.ask("leg.recall", leg=name)
    except world.Error as error:
        assert error.name == "wrong_state" and "busy" in error.detail
        return False
    return True


def test_a_recall_is_a_flash_at_the_exchange(trunk, far, leg):
    """It has the configured length, and the call goes on."""
    dahdid, name = trunk(answer="polarity", recall_ms=400), leg()
    with pytest.raises(world.Error) as error:
        dahdid.ask("leg.recall", leg=name)
    assert error.value.name == "not_found"
    dial(dahdid, name)
    with pytest.raises(world.Error) as error:
        dahdid.ask("leg.recall", leg=name)
    assert error.value.name == "wrong_state" and error.value.state in ("seized", "dialling")
    dahdid.fact("leg.progressing", leg=name, seconds=20)
    dahdid.ask("leg.recall", leg=name)
    until(lambda: far.has("flash"), what="the flash")
    far.do("polarity")
    dahdid.fact("leg.answered", leg=name)
    until(lambda: flashes(dahdid, name), what="the end of the first flash")
    until(lambda: len([e for e in far.events() if e[1] == "flash"]) == 2, what="the second flash")
    lengths = [int(detail) for _, event, detail in far.events() if event == "flash"]
    assert all(350 <= ms <= 450 for ms in lengths), lengths
    kinds = [event for _, event, _ in far.events()]
    assert state(dahdid) == "up" and "released" not in kinds[kinds.index("seized"):], kinds
    dahdid.ask("leg.hangup", leg=name, cause="normal")
    dahdid.fact("leg.ended", leg=name)
    far.do("polarity")


def test_answered_by_polarity(trunk, far, leg):
    dahdid, name = trunk(answer="polarity"), leg()
    dial(dahdid, name)
    assert dahdid.fact("leg.progressing", leg=name, seconds=20)["early_media"]
    until(lambda: dahdid.pull() or len(dahdid.heard.get(name, b"")) > 1600, what="early audio")
    far.do("polarity")
    assert dahdid.fact("leg.answered", leg=name)["measured"]
    far.do("polarity")
    assert "polarity" in dahdid.fact("leg.ended", leg=name)["why"]


@pytest.mark.parametrize("tone, cause, why", [("busy", "busy", "busy tone"), ("congestion", "failed", "fast busy tone")])
def test_nobody_can_be_reached(trunk, far, leg, tone, cause, why):
    dahdid, name = trunk(answer="voice"), leg()
    dial(dahdid, name)
    dahdid.fact("leg.progressing", leg=name, seconds=20)
    far.do(f"tone {tone}")
    ended = dahdid.fact("leg.ended", leg=name, seconds=10)
    assert (ended["cause"], ended["by_far_end"]) == (cause, True) and ended["why"].startswith(why)


def test_busy_tone_ends_a_call(trunk, far, leg):
    dahdid, name = trunk(), leg()
    dial(dahdid, name)
    dahdid.fact("leg.answered", leg=name, seconds=20)
    far.do("tone busy")
    ended = dahdid.fact("leg.ended", leg=name, seconds=10)
    assert ended["cause"] == "normal" and "busy tone" in ended["why"]


def test_no_battery(trunk, far, leg):
    dahdid, name = trunk(), leg()
    dial(dahdid, name)
    dahdid.fact("leg.answered", leg=name, seconds=20)
    far.do("cut")
    assert dahdid.fact("leg.ended", leg=name)["by_far_end"] in (True, False)
    assert dahdid.fact("line.changed", reachable=False)["trouble"] == "alarm"
    far.do("mend")
    dahdid.fact("line.changed", reachable=True)


@pytest.mark.skipif(ON_CARD, reason="a real driver fails when it likes")
@pytest.mark.parametrize("call, errors, why", [("HOOK", "EBUSY EIO", "could not be seized"), ("DIAL", "ENODATA EINVAL", "refused to dial")])
def test_a_call_of_the_driver_fails(trunk, far, leg, call, errors, why):
    dahdid = trunk()
    for error in errors.split():
        far.ask(f"fault {call} {error} 1")
        name = leg()
        dial(dahdid, name)
        ended = dahdid.fact("leg.ended", leg=name, seconds=20)
        assert ended["cause"] == "failed" and why in ended["why"] and state(dahdid) == "idle"
    name = leg()
    dial(dahdid, name)
    dahdid.fact("leg.answered", leg=name, seconds=20)
    dahdid.ask("leg.hangup", leg=name, cause="normal")
    dahdid.fact("leg.ended", leg=name)


@pytest.mark.refused
def test_numbers_that_are_none(trunk, far, leg):
    dahdid = trunk()
    for number in ("12x", "1;2", "1" * 65):
        with pytest.raises(world.Error) as error:
            dial(dahdid, leg(), number)
        assert error.value.name == "invalid"


def refused(dahdid, name, number):
    with pytest.raises(world.Error) as error:
        dial(dahdid, "none", number)
    assert error.value.name == "ceiling" and name in error.value.detail


@pytest.mark.refused
def test_ceilings_hold_whoever_asks(trunk, far, leg):
    """Also an apid that was taken over: its driver looks at numbers, at calls at once and at those of an hour itself."""
    dahdid, name, help_call = trunk([{"id": "help", "pattern": "112", "lines": ["trunk1"], "emergency": True}]), leg(), leg()
    path = dahdid.home / "ceilings" / "ceilings.yaml"

    def put(**calls):
        before = dahdid.text().count("event=ceilings.read")
        path.with_suffix(".new").write_text(json.dumps({"calls": calls}))
        path.with_suffix(".new").rename(path)
        until(lambda: dahdid.text().count("event=ceilings.read") > before, what="new ceilings")

    for number in ("0049", "0W049", "0 (0) 49"):
        refused(dahdid, "calls.refused", number)
    assert dahdid.metric("hookswitch_ceilings_reached_total", 'ceiling="calls.refused"') == 3
    with pytest.raises(world.Error) as error:
        dial(dahdid, "none", "")  # what is keyed in on a line that was only seized, nobody sees
    assert error.value.name == "invalid" and not far.has("seized")
    put(at_once=0)
    refused(dahdid, "calls.at_once", "3")
    put(per_hour=1)
    dial(dahdid, name)
    dahdid.fact("leg.answered", leg=name, seconds=20)
    dahdid.ask("leg.hangup", leg=name, cause="normal")
    dahdid.fact("leg.ended", leg=name)
    refused(dahdid, "calls.per_hour", "4")
    dahdid.kill()
    dahdid.fact("driver.started", keeps=True)
    refused(dahdid, "calls.per_hour", "4")
    path.unlink()
    until(lambda: "event=ceilings.unusable" in dahdid.text(), what="no ceilings")
    refused(dahdid, "nothing new goes out", "4")
    dial(dahdid, help_call, "112")
    dahdid.fact("leg.answered", leg=help_call, seconds=20)
    assert [d for _, e, d in far.events() if e == "digit"] == list("3112")
    dahdid.ask("leg.hangup", leg=help_call, cause="normal")
    until(lambda: [e for _, e, _ in far.events()].count("released") == 2, what="released")


def test_a_call_goes_on_after_kill(trunk, far, leg):
    dahdid, name = trunk(), leg()
    dial(dahdid, name)
    dahdid.fact("leg.answered", leg=name, seconds=20)
    before = dahdid.child()
    dahdid.kill()
    dahdid.fact("driver.started", keeps=True)
    kinds = [event for _, event, _ in far.events()]
    assert dahdid.child() != before and "released" not in kinds[kinds.index("seized"):], kinds
    far.do("battery off")
    dahdid.fact("leg.ended", leg=name)
