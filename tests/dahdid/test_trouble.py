"""What keeps a port from working: the line alone degrades, says why, and comes back by itself."""
import os
import pathlib
import subprocess

import pytest
import world
from test_calls import answered
from world import until


def state(dahdid, line="phone1"):
    return dahdid.ask("line.port", line=line)["port"]["state"]


def test_no_such_channel(start):
    made = start([{"id": "phone1", "driver": "dahdi", "channel": 1}, {"id": "phone9", "driver": "dahdi", "channel": 900}])
    fact = made.fact("line.changed", line="phone9", reachable=False)
    assert fact["trouble"] == "missing" and "900" in fact["why"]
    assert made.fact("line.changed", line="phone1")["reachable"]
    with pytest.raises(world.Error) as error:
        made.ring("l1", line="phone9")
    assert (error.value.name, error.value.state) == ("wrong_state", "offline")


def test_no_driver(start):
    made = start(device="/dev/nowhere")
    assert made.fact("line.changed", line="phone1")["trouble"] == "no_driver"


def test_another_program_has_it(start, card):
    channel = pathlib.Path(card.device, "1")
    with open(channel, "rb") as file:
        other = subprocess.Popen(["sleep", "60"], stdin=file)
    until(lambda: any(link.resolve() == channel.resolve() for link in pathlib.Path(f"/proc/{other.pid}/fd").iterdir()),
          what="the other program")
    made = start()
    assert made.fact("line.changed", line="phone1", reachable=False)["trouble"] == "in_use"
    assert made.fact("line.changed", line="phone2")["reachable"]
    other.kill()
    other.wait()
    made.fact("line.changed", line="phone1", reachable=True)


def test_wrong_signalling(start):
    made = start(port={"signalling": "fxols"})
    assert made.fact("line.changed", line="phone1", reachable=False)["trouble"] == "wrong_signalling"


def test_a_handset_off_the_hook_at_the_start(start, phone):
    phone.lift()
    made = start()
    assert made.fact("line.changed", line="phone1", reachable=False)["trouble"] == "off_hook"
    phone.put_down()
    made.fact("line.changed", line="phone1", reachable=True)


def test_alarm_in_a_call(dahdid, card, phone):
    name = answered(dahdid, phone)
    card.alarm(8)
    assert dahdid.fact("leg.ended", leg=name)["cause"] == "failed"
    assert dahdid.fact("line.changed", line="phone1", reachable=False)["trouble"] == "alarm"
    phone.put_down()
    card.alarm(0)
    dahdid.fact("line.changed", line="phone1", reachable=True)
    assert state(dahdid) == "idle"


def test_the_card_is_unplugged_in_a_call(dahdid, card, phone):
    name = answered(dahdid, phone)
    card.unplug()
    assert dahdid.fact("leg.ended", leg=name)["cause"] == "failed"
    fact = dahdid.fact("line.changed", line="phone1", reachable=False)
    assert fact["trouble"] == "unplugged" and "card" in fact["why"]
    dahdid.fact("line.changed", line="phone2", reachable=False)
    assert state(dahdid) == "away"
    port = dahdid.ask("line.port", line="phone1")["port"]
    assert port["settings_source"] == "unknown" and not {"echo_taps", "off_hook", "law"} & set(port)
    phone.put_down()
    card.plug()
    dahdid.fact("line.changed", line="phone1", reachable=True, seconds=10)
    dahdid.fact("line.changed", line="phone2", reachable=True)
    name = answered(dahdid, phone)
    phone.put_down()
    dahdid.fact("leg.ended", leg=name)


@pytest.mark.skipif(not os.path.exists("/dev/hscard/card"), reason="dahdi_cfg configures a real driver only")
def test_a_channel_that_is_configured_anew(dahdid, phone):
    """dahdi_cfg -f hangs every port up under us: the handset is looked at again."""
    name = answered(dahdid, phone)
    subprocess.run(["dahdi_cfg", "-f", "-c", "/etc/dahdi/system.conf"], check=True, capture_output=True)
    phone.put_down()
    dahdid.fact("leg.ended", leg=name, seconds=10)
    until(lambda: state(dahdid) == "idle", what="idle")
