"""Every call of the driver that dahdid makes, failing with every errno it may give: the line says so or goes on, its legs
end once, it comes back, and the other line never notices. Only dahdisim can be told to fail."""
import os

import pytest
import world
from world import until

CALLS = ["GETEVENT", "GET_PARAMS", "SET_PARAMS", "HOOK", "SETCADENCE", "SET_BUFINFO", "FLUSH", "ECHOCANCEL", "SETGAINS",
         "SENDTONE", "SPANSTAT", "SPECIFY", "ONHOOKTRANSFER", "SETPOLARITY", "VMWI", "WCTDM_GET_STATS", "read", "write", "open"]
ERRORS = ["EIO", "EBUSY", "ENODEV", "ENOTTY", "EINTR"]

pytestmark = pytest.mark.skipif(os.path.exists("/dev/hscard/card"), reason="a real driver fails when it likes")


def state(dahdid, line="phone1"):
    return dahdid.ask("line.port", line=line)["port"]["state"]


def idle(dahdid):
    until(lambda: state(dahdid) == "idle", 10, "idle again")


@pytest.fixture
def odd(start):
    """Everything that can be switched on is."""
    made = start(voltage_s=1, port={"caller_id": "uk", "lamp": "neon", "rx_gain_db": -3, "answer_reversal": True})
    made.fact("line.changed", line="phone1", reachable=True)
    made.fact("line.changed", line="phone2", reachable=True)
    return made


def try_both(dahdid, phone, leg):
    """A call of each kind, as far as they come."""
    name = leg()
    try:
        dahdid.ring(name, caller_number="1")
    except world.Error as error:
        assert error.name == "wrong_state"  # the port is away just now
    else:
        until(lambda: dahdid.facts_of("leg.ringing", leg=name) or dahdid.facts_of("leg.ended", leg=name), what="a ring")
        dahdid.ask("leg.hangup", leg=name, cause="normal")
        dahdid.fact("leg.ended", leg=name)
    phone.lift()
    until(lambda: dahdid.facts_of("leg.incoming") or state(dahdid) in ("away", "parked"), what="a lift")
    for incoming in dahdid.facts_of("leg.incoming"):
        try:
            dahdid.ask("leg.answer", leg=incoming["leg"])
        except world.Error as error:
            assert error.name in ("wrong_state", "not_found")
    phone.put_down()
    for incoming in dahdid.facts_of("leg.incoming"):
        dahdid.fact("leg.ended", leg=incoming["leg"], seconds=10)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_of_the_driver_fails(odd, phone, leg, call):
    child = odd.child()
    for error in ERRORS:
        phone.ask(f"fault {call} {error} 2")
        try_both(odd, phone, leg)
        phone.ask("heal")
        idle(odd)
        odd.pull()
        assert not odd.facts_of("leg.ended"), error
        odd.facts.clear()
    assert odd.child() == child
    assert state(odd, "phone2") == "idle" and odd.ask("line.port", line="phone2")["port"]["opened"] == 1


def test_events_that_do_not_end(dahdid, phone):
    """More events than the driver's queue holds: none of them may be believed, the hook is looked at."""
    phone.lift()
    name = dahdid.fact("leg.incoming")["leg"]
    dahdid.ask("leg.answer", leg=name)
    dahdid.fact("leg.answered")
    phone.ask("queue 11 200")
    phone.put_down()
    dahdid.fact("leg.ended", leg=name)
    idle(dahdid)


def test_a_storm_of_elast(dahdid, phone):
    phone.lift()
    name = dahdid.fact("leg.incoming")["leg"]
    dahdid.ask("leg.answer", leg=name)
    phone.ask("fault read ELAST 50")
    phone.ask("fault write ELAST 50")
    phone.do("pause 700", "flash 400")
    dahdid.fact("leg.flash", leg=name)
    phone.put_down()
    dahdid.fact("leg.ended", leg=name)


def test_short_reads(plain, phone):
    phone.ask("short 33")
    phone.lift()
    name = plain.fact("leg.incoming")["leg"]
    until(lambda: plain.pull() or len(plain.heard.get(name, b"")) > 330, what="short blocks")
    phone.put_down()
    plain.fact("leg.ended", leg=name)
