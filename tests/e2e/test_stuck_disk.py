"""The disk with the whole state of the suite hangs: who talks goes on talking, and phones stay registered."""
import sys
import time

import audio
import pytest

from suite import REPO, Suite, wait_for

sys.path.append(str(REPO / "tests"))
from disk import Disk  # noqa: E402

FROZEN_S = 2
LONGEST_GAP_S = FROZEN_S / 4  # this machine does other things as well


@pytest.fixture
def disk():
    made = Disk()
    made.path.chmod(0o755)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def suite(disk):
    home = disk.path / "home"
    home.mkdir()
    suite = Suite(home=home).start()
    try:
        yield suite
    finally:
        disk.thaw()
        suite.close()


def test_a_call_goes_on_while_the_disk_hangs(suite, disk):
    first, second = suite.phone(0), suite.phone(1)
    call = first.call("102")
    other = second.wait_call()
    other.answer()
    call.wait("up")
    for rtp, seed in ((call.rtp, 3), (other.rtp, 4)):
        rtp.play(audio.marked_frames(50 * 20, seed=seed))
    begun = {rtp: len(rtp.received) for rtp in (call.rtp, other.rtp)}
    wait_for(lambda: all(len(rtp.received) > begun[rtp] + 50 for rtp in begun), 5, lambda: "there is no audio")
    disk.freeze()
    try:
        frozen_at, registered = time.monotonic(), 0
        while time.monotonic() < frozen_at + FROZEN_S:
            assert first.register().status == second.register().status == 200
            registered += 1
    finally:
        disk.thaw()
    assert registered > 10
    for rtp, count in begun.items():
        at = [packet[0] for packet in rtp.received[count:]]
        assert max(later - one for one, later in zip(at, at[1:])) < LONGEST_GAP_S
    call.hangup()
    other.wait("ended", 5)
    suite.wait_idle()
