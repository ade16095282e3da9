"""Every call of the driver that dahdid makes, failing with every errno it may give: the line says so or goes on, its legs
end once, it comes back, and the other line never notices. Only dahdisim can be told to fail."""
import os

import pytest
import world
from world import until

# What the driver and its cards' modules can return, call by call; and what any of them may when a card or a signal breaks in.
ERRORS = {
    "GETEVENT": "ENODEV", "GET_PARAMS": "EINVAL ENODEV", "SET_PARAMS": "EINVAL ENODEV",
    "HOOK": "EBUSY ENODATA EINPROGRESS EINVAL ENODEV", "SETCADENCE": "EFAULT ENODEV", "SET_BUFINFO": "EINVAL ENOMEM ENODEV",
    "FLUSH": "ENODEV", "ECHOCANCEL": "EINVAL E2BIG ENOMEM ENODEV", "SETGAINS": "EINVAL ENOMEM ENODEV", "SETLAW": "EINVAL ENODEV",
    "SENDTONE": "ENODATA ENOSYS EINVAL ENODEV", "SPANSTAT": "EINVAL ENODEV",
    "ONHOOKTRANSFER": "EINVAL ENOTTY ENODEV", "SETPOLARITY": "EINVAL ENOTTY ENODEV", "VMWI": "ENOTTY EFAULT ENODEV",
    "VMWI_CONFIG": "ENOTTY EFAULT ENODEV", "WCTDM_GET_STATS": "EINVAL ENOTTY ENODEV",
    "read": "EAGAIN ELAST EINVAL ENODEV", "write": "EAGAIN ELAST EINVAL ENODEV",
}
OPENING = {"SPECIFY": "EINVAL ENXIO EBUSY ENOMEM EIO", "open": "ENXIO EBUSY ENOMEM EACCES ENFILE EIO"}
ALWAYS = "EIO EINTR"

pytestmark = pytest.mark.skipif(os.path.exists("/dev/hscard/card"), reason="a real driver fails when it likes")


def state(dahdid, line="phone1"):
    return dahdid.ask("line.port", line=line)["port"]["state"]


def idle(dahdid):
    until(lambda: state(dahdid) == "idle", 10, "idle again")


BEFORE_THE_RING = ("ONHOOKTRANSFER", "SETPOLARITY", "write")  # of caller identification, which takes its time


@pytest.fixture
def odd(start, request):
    """Everything that can be switched on is."""
    kind = "uk" if request.getfixturevalue("call") in BEFORE_THE_RING else "bellcore"
    made = start(voltage_s=1, port={"caller_id": kind, "flash_ms": 250, "lamp": "neon", "rx_gain_db": -3, "answer_reversal": True, "law": "pcma"})
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


@pytest.mark.parametrize("call", ERRORS)
def test_a_call_of_the_driver_fails(odd, phone, leg, call):
    child = odd.child()
    for error in f"{ERRORS[call]} {ALWAYS}".split():
        phone.ask(f"fault {call} {error} 2")
        try_both(odd, phone, leg)
        phone.ask("heal")
        idle(odd)
        odd.pull()
        assert not odd.facts_of("leg.ended"), error
        odd.facts.clear()
    assert odd.child() == child
    assert state(odd, "phone2") == "idle" and odd.ask("line.port", line="phone2")["port"]["opened"] == 1


def test_a_channel_that_does_not_open(dahdid, phone):
    """One error after the other, once a second; then it comes back."""
    for call, errors in OPENING.items():
        for error in errors.split():
            phone.ask(f"fault {call} {error}")
    phone.ask("fault GETEVENT EIO")
    phone.lift()
    dahdid.fact("line.changed", line="phone1", reachable=False)
    phone.put_down()
    dahdid.fact("line.changed", line="phone1", reachable=True, seconds=40)
    told = dahdid.text()
    assert all(f"trouble={word}" in told for word in ("missing", "unconfigured", "in_use", "no_resources", "device"))
    assert dahdid.ask("line.port", line="phone2")["port"]["opened"] == 1


def test_a_card_that_measures_nothing(start, phone):
    """Its voltages are unknown, not zero."""
    made = start(voltage_s=0)
    made.fact("line.changed", line="phone1", reachable=True)
    phone.ask("fault WCTDM_GET_STATS ENOTTY")
    for _ in range(2):  # it is not asked again
        port = made.ask("line.port", line="phone1")["port"]
        assert port["voltage_source"] == "unknown" and not {"tip_mv", "ring_mv", "battery_mv", "measured_at"} & set(port)
    assert made.ask("line.port", line="phone2")["port"]["voltage_source"] == "measured"


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
