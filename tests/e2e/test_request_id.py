"""A client's request can be followed by its id: from HTTP through every daemon's log, down to what the driver of a card was
called for."""
import re

import pytest

from handsets import need, plain_phone
from suite import DRIVERS, wait_for


@pytest.fixture(scope="module")
def shared(make_shared):
    need("dahdi")
    return make_shared(configuration={"log": {"level": "debug"}})


def wait_logged(suite, daemon, *words):
    """Until one line of the daemon's log has all these words."""
    def find():
        return [line for line in suite.log(daemon).splitlines() if all(word in line for word in words)]

    return wait_for(find, 10, lambda: f"{daemon} does not log {words}")


def driver_calls(suite, request):
    """What dahdid called the card's driver for, for this request."""
    lines = [line for line in suite.log("dahdid").splitlines() if f"request={request}" in line.split()]
    return [re.search(r" call=(\S+)", line)[1] for line in lines if "dahdi.called" in line]


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_id_goes_all_the_way(suite, driver):
    suite.driver = driver
    asker = {"sip": "sipd", "dahdi": "dahdid"}[driver]
    plain_phone(suite)
    line = suite.line()["id"]
    ring, end = f"mine-{driver}-1", f"mine-{driver}-2"
    with suite.events() as events:
        reply = suite.post(f"/api/v1/lines/{line}/ring", status=202, headers={"X-Request-Id": ring})
        assert reply.headers["X-Request-Id"] == ring
        call = reply.json()["call_id"]
        events.wait("call.ringing", call_id=call)
        suite.post(f"/api/v1/calls/{call}/hangup", status=200, headers={"X-Request-Id": end})
        events.wait("call.ended", call_id=call)
    wait_logged(suite, "apid", "call.created", f"call={call}", f"request={ring}")
    wait_logged(suite, "mediad", "bus.request", "message=media.open", f"request={ring}")
    wait_logged(suite, asker, "bus.request", "message=leg.originate", f"call={call}", f"request={ring}")
    wait_logged(suite, asker, "bus.request", "message=leg.hangup", f"request={end}")
    if driver == "dahdi":
        wait_for(lambda: "ring" in driver_calls(suite, ring), 10, lambda: driver_calls(suite, ring))
        wait_for(lambda: "stop_ring" in driver_calls(suite, end), 10, lambda: driver_calls(suite, end))


def test_without_one_the_front_makes_it(suite):
    suite.driver = "dahdi"
    plain_phone(suite)
    line = suite.line()["id"]
    with suite.events() as events:
        reply = suite.post(f"/api/v1/lines/{line}/ring", status=202)
        made = reply.headers["X-Request-Id"]
        events.wait("call.ringing", call_id=reply.json()["call_id"])
        suite.post(f"/api/v1/lines/{line}/hangup", status=200)
        events.wait("call.ended")
    wait_for(lambda: "ring" in driver_calls(suite, made), 10, lambda: driver_calls(suite, made))
