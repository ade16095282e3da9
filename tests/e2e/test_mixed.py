"""Calls between phones of every kind: SIP to analog, analog to SIP, analog to analog, and what an analog phone hears."""
import itertools

import pytest

import audio
from handsets import handset, need
from suite import DRIVERS, wait_for

PAIRS = list(itertools.product(DRIVERS, DRIVERS))


@pytest.fixture(scope="module")
def shared(make_shared):
    need("dahdi")
    return make_shared()


def two_lines(pair):
    """Which line of its driver each of the two is at."""
    return (0, 0) if pair[0] != pair[1] else (0, 1)


@pytest.mark.parametrize("pair", PAIRS, ids=["-to-".join(pair) for pair in PAIRS])
def test_one_phone_calls_another(suite, pair):
    said, other = audio.speech_like(30, seed=3), audio.speech_like(30, seed=4)
    numbers = two_lines(pair)
    with handset(suite, said, numbers[0], pair[0]) as first, handset(suite, other, numbers[1], pair[1]) as second, \
            suite.events() as events:
        first.wait_registered(suite)
        second.wait_registered(suite)
        first.dial(suite.number(second.line))
        events.wait("state_change", new_state="ringing", line=second.line["id"])
        second.wait_shown(suite.number(first.line))
        second.answer()
        call = events.wait("call.answered", 5)["call_id"]
        for heard, spoken in ((first.heard, other), (second.heard, said)):
            # The one who dialled has talked to himself for a while; a second in which this machine made the card wait
            # is not judged.
            wait_for(lambda: max(audio.fits(spoken, heard(), range(8, 13))) > 0.98, 15,
                     lambda: f"{audio.fits(spoken, heard(), range(8, 13))} of {len(heard())} samples heard", step=0.2)
        second.hangup()
        ended = events.wait("call.ended", call_id=call)
        assert ended["cause"] == "normal" and ended["ended_by"] == "line"
        first.wait_over()
        suite.wait_state(first.line["id"], "on_hook")
        suite.wait_state(second.line["id"], "on_hook")
        record = suite.get(f"/api/v1/calls/{call}")["call"]
        assert [leg["line"] for leg in record["legs"]] == [first.line["id"], second.line["id"]]
