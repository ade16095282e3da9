"""kill -9 of dahdid: its keeper holds the channels, its successor goes on."""
import os
import random
import time

import pytest
import world
from test_calls import answered, lift
from world import until


def kill(dahdid):
    """Kills the child and waits for its successor; returns when it was killed."""
    before, at = dahdid.child(), time.monotonic()
    dahdid.kill()

    def reborn():
        try:
            return dahdid.child() != before
        except FileNotFoundError:
            return False
    until(reborn, what="a successor")
    dahdid.fact("driver.started", clean=False, keeps=True)
    return at


def gap(dahdid):
    """Kills it in a call with audio; seconds until there is audio again."""
    until(lambda: dahdid.pull() or any(b[1] == world.AUDIO and b[3] == 2 for b in dahdid.blocks), what="audio")
    dahdid.blocks.clear()
    at = kill(dahdid)
    until(lambda: dahdid.pull() or any(b[0] > at and b[1] == world.AUDIO and b[3] == 0 for b in dahdid.blocks),
          what="audio of the successor")
    return min(b[0] for b in dahdid.blocks if b[0] > at and b[1] == world.AUDIO and b[3] == 0) - at


def test_a_call_goes_on(dahdid, phone):
    name = answered(dahdid, phone)
    phone.forget()
    assert os.sched_getscheduler(dahdid.process.pid) != os.SCHED_BATCH, "its keeper must not give way: a death is a silence"
    gaps = [gap(dahdid) for _ in range(5)]
    print("audio after", [f"{one * 1000:.0f} ms" for one in gaps])
    assert min(gaps) < (1.5 if world.is_sanitized() else 0.3)  # others may be the host's own stalls
    assert not phone.feeds(), "the loop was dropped"
    phone.do("pause 700", "flash 400")  # not within the driver's debounce
    dahdid.fact("leg.flash", leg=name)
    phone.put_down()
    assert dahdid.fact("leg.ended", leg=name)["cause"] == "normal"


def test_what_happens_meanwhile_is_told(dahdid, phone):
    name = answered(dahdid, phone)
    phone.do("pause 700", "flash 400")
    until(lambda: phone.has("hook_on"), what="the flash")
    kill(dahdid)
    dahdid.fact("leg.flash", leg=name)
    phone.put_down()
    dahdid.fact("leg.ended", leg=name, cause="normal")


def test_a_handset_put_down_meanwhile_ends_the_call(dahdid, phone):
    name = answered(dahdid, phone)
    time.sleep(0.7)  # of the driver's debounce
    dahdid.kill()
    phone.put_down()
    assert dahdid.fact("leg.ended", leg=name)["cause"] == "normal"
    until(lambda: dahdid.ask("line.port", line="phone1")["port"]["state"] == "idle", what="idle")


def test_ringing_goes_on(dahdid, phone, leg):
    name = leg()
    dahdid.ring(name)
    dahdid.fact("leg.ringing", leg=name)
    kill(dahdid)
    phone.lift()
    dahdid.fact("leg.answered", leg=name)
    until(lambda: dahdid.pull() or any(b[1] == world.AUDIO for b in dahdid.blocks), what="audio")
    phone.put_down()
    dahdid.fact("leg.ended", leg=name, cause="normal")


def test_a_lift_before_the_answer(dahdid, phone):
    name = lift(dahdid, phone)["leg"]
    kill(dahdid)
    dahdid.ask("leg.answer", leg=name)
    dahdid.fact("leg.answered", leg=name)
    phone.put_down()
    dahdid.fact("leg.ended", leg=name)


@pytest.mark.skipif(os.path.exists("/dev/hscard/card"), reason="test_kill_often.py does more of it")
def test_at_any_moment(dahdid, phone, leg):
    """Calls of both kinds with a kill somewhere in them: each leg ends exactly once, and the port is idle again."""
    chance = random.Random(4)
    for _ in range(12):
        outgoing = chance.random() < 0.5
        if outgoing:
            name = leg()
            dahdid.ring(name)
        moment = chance.uniform(0, 1.6)
        end = time.monotonic() + moment
        if outgoing:
            dahdid.fact("leg.ringing", leg=name)
        phone.lift()
        if not outgoing:
            name = dahdid.fact("leg.incoming")["leg"]
            dahdid.ask("leg.answer", leg=name)
        phone.do("pause 800", "hangup")
        until(lambda: time.monotonic() >= end, what="the moment")
        kill(dahdid)
        dahdid.fact("leg.ended", leg=name, seconds=8)
        until(lambda: dahdid.ask("line.port", line="phone1")["port"]["state"] == "idle", what="idle")
        assert not dahdid.facts_of("leg.ended")
        dahdid.facts.clear()
