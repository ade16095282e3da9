"""Somebody sets the wall clock, a day ahead and a day back, while calls are made: nothing is over for that, nothing waits for
it, and what is shown to others follows it. Machines without a battery for their clock do so at every start.
"""
import datetime
import time

import pytest

from faults import Clock
from suite import wait_for
from test_main_job import start_with_webhooks

DAY_S = 86400


@pytest.fixture(scope="module")
def clock():
    made = Clock()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(make_shared, clock):
    return start_with_webhooks(make_shared, environment=clock.environment)


@pytest.fixture(params=[DAY_S, -DAY_S])
def step(request, clock):
    yield request.param
    clock.set(0)


def ahead(text):
    """How far such a time is ahead of the real clock, in seconds."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() - time.time()


def talk(suite):
    first, second = suite.phone(0), suite.phone(1)
    call = first.call("102", codec="PCMU")
    other = second.wait_call()
    other.answer()
    call.wait("up")
    return first, second, call, other


def test_a_call_and_its_phones_go_on(suite, clock, step):
    first, second, call, other = talk(suite)
    with suite.events() as events:
        clock.set(step)
        for daemon in ("sipd", "apid", "mediad"):  # their successors judge by the same clock
            suite.wait_child(daemon, suite.kill(daemon))
        call.rtp.press("5")
        told = events.wait("dtmf", 15, digit="5")
        assert abs(ahead(told["timestamp"]) - step) < 60, "the clock was not set"
        assert call.state == other.state == "up"
        assert first.register().status == second.register().status == 200
        other.hangup()
        call.wait("ended")
        events.wait("call.ended", 10)
    for line in ("phone1", "phone2"):
        suite.wait_state(line, "on_hook")


def test_registrations_are_not_over(suite, clock, step):
    phone = suite.phone(0)
    clock.set(step)
    with suite.events() as events:
        suite.kill("sipd")
        events.wait("daemon.started", 15, daemon="sipd")
    suite.post("/api/v1/lines/phone1/ring", status=202)
    phone.wait_call(10).reject()
    suite.wait_idle(10)


def test_what_waits_for_an_answer_is_sent_again(suite, clock, step):
    """Sofia's timers and ours: an INVITE is repeated, and rings no longer than it should."""
    phone = suite.phone(0)
    phone._on_invite = lambda message, call: None
    with suite.events() as events:
        call = suite.post("/api/v1/lines/phone1/ring", {"timeout_s": 3}, status=202).json()["call_id"]
        wait_for(lambda: phone.requests("INVITE"), 5)
        clock.set(step)
        begun, sent = time.monotonic(), len(phone.requests("INVITE"))
        wait_for(lambda: len(phone.requests("INVITE")) > sent, 10, lambda: "the INVITE is not sent again")
        events.wait("call.ended", 15, call_id=call)
        assert time.monotonic() - begun > 0.7, "it was over at once"


def test_a_webhook_that_waits_is_tried_again(suite, clock, step):
    receiver = suite.hook_receiver
    receiver.answers = lambda path, count: 503
    _, _, call, other = talk(suite)
    before = len(receiver.ledger)
    call.rtp.press("7")
    wait_for(lambda: [e for e in receiver.ledger[before:] if e["path"] == "/dtmf"], 10)
    clock.set(step)
    receiver.answers = lambda path, count: 200
    came = wait_for(lambda: [e for e in receiver.ledger[before:] if e["path"] == "/dtmf" and e["status"] == 200], 20)
    assert came[0]["signature_fits"] and abs(int(came[0]["timestamp"]) - time.time() - step) < 60
    call.hangup()
    other.wait("ended")
