"""New programs take over from those that run, under calls on both drivers: nobody in a call has to dial again, no event and
no webhook is missing; and one that does not come to serve leaves everything as it was."""
import os
import pathlib
import shutil
import signal
import threading
import time

import numpy
import pytest

import audio
from handsets import handset, need
from ledgers import Presser, Subscriber, all_events, judge_digit_webhooks, judge_subscription
from suite import BUILD, DAEMONS, wait_for
from test_kill import AT_ONCE, PAUSE_MS, assert_audio_went_on, assert_no_silence, assert_one_line, start_call
from test_main_job import start_with_webhooks

PROGRAMS = {"apid": "apid/apid", "api-front": "apid/front/api-front", "sipd": "sipd/sipd", "mediad": "mediad/mediad",
            "dahdid": "dahdid/dahdid", "hookd": "hookd/hookd", "hook-stream": "hookd/stream/hook-stream"}
OTHERS = ("dahdid/sim/dahdisim", "dahdid/sim/dahdisim-phone", "proto/hookctl/hookctl")


@pytest.fixture
def build(tmp_path_factory):
    """A build folder of our own, in which programs can be replaced."""
    folder = tmp_path_factory.mktemp("build")
    for above in (folder, *folder.parents):
        if above.stat().st_uid == os.geteuid() and not above.stat().st_mode & 1:
            above.chmod(above.stat().st_mode | 0o111)
    for name in (*PROGRAMS.values(), *OTHERS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(BUILD / name)
    yield folder
    shutil.rmtree(folder)


def put_in_place(build, daemon, program=None):
    """A program as an upgrade brings it: another file, with other bytes, under the same name."""
    path = build / PROGRAMS[daemon]
    fresh = path.with_name("fresh")
    if program is None:
        shutil.copy(BUILD / PROGRAMS[daemon], fresh)
        with fresh.open("ab") as file:
            file.write(b"\n# of another day\n")
    else:
        fresh.write_text(program)
        fresh.chmod(0o755)
    os.replace(fresh, path)
    return path.stat().st_ino


def runs(pid):
    return pathlib.Path(f"/proc/{pid}/exe").stat().st_ino


def longest_silence_ms(samples):
    """In what should be a tone from beginning to end."""
    blocks = samples[:len(samples) // 160 * 160].astype(float).reshape(-1, 160)
    longest = run = 0
    for loud in numpy.sqrt((blocks ** 2).mean(axis=1)) > 200:
        run = 0 if loud else run + 1
        longest = max(longest, run)
    return longest * 20


def upgrade(suite):
    """In the background; returns what waits for its end."""
    done = []
    thread = threading.Thread(target=lambda: done.append(suite.quickstart("--upgrade", "--no-build", check=False)))
    thread.start()

    def wait():
        thread.join(150)
        return done[0]
    return wait


def test_new_programs_take_over_with_the_calls(make_suite, build):
    need("dahdi")
    suite = start_with_webhooks(make_suite, environment={"HOOKSWITCH_BUILD": str(build)})
    receiver, known_at = suite.hook_receiver, time.time()
    start = suite.get("/api/v1/events?limit=1")["cursor"]
    call, other, call_id = start_call(suite)
    with handset(suite, audio.tone((1000,), 1), 0, "dahdi") as caller, \
            handset(suite, audio.tone((700,), 120), 1, "dahdi") as callee:
        caller.dial(suite.number(callee.line))
        callee.answer()
        subscriber = Subscriber(suite, start)
        begun = len(call.rtp.received)
        other.rtp.play(audio.marked_frames(60 * 100, seed=9))
        presser = Presser(call.rtp)
        wait_for(lambda: len(call.rtp.received) > begun + 50 and presser.pressed, 10, lambda: "there is no audio")
        caller.command("wait", "sound", 8000)
        caller.record()

        before = {daemon: suite.keeper(daemon) for daemon in DAEMONS}
        fresh = {daemon: put_in_place(build, daemon) for daemon in DAEMONS}
        done = upgrade(suite)()
        assert done.returncode == 0, (done.stdout, done.stderr, suite.log("quickstart"))
        for daemon in DAEMONS:
            keeper = suite.keeper(daemon)
            assert keeper != before[daemon] and not pathlib.Path(f"/proc/{before[daemon]}").exists(), daemon
            assert runs(keeper) == runs(suite.child(daemon)) == fresh[daemon], daemon
        wait_for(lambda: suite.request("GET", "/api/v1/health").status_code == 200, 15)

        heard = len(call.rtp.received)
        wait_for(lambda: len(call.rtp.received) > heard + 50, 10, lambda: "the audio does not go on")
        presser.close()
        received = list(call.rtp.received)[begun:]
        assert call.state == other.state == "up", (call.history, other.history)
        assert_audio_went_on("phone2 -> phone1", other.rtp.sent, received)
        assert_no_silence(call.rtp, received, PAUSE_MS)
        assert_one_line(received)
        silence = longest_silence_ms(caller.heard())
        print(f"an analog telephone heard nothing for {silence} ms")
        assert silence < (PAUSE_MS + AT_ONCE * 1000)
        calls = suite.get("/api/v1/calls?active=true")["calls"]
        assert len(calls) == 2 and all(each["state"] == "up" for each in calls)
        call.hangup()
        other.wait("ended")
        caller.hangup()
        callee.wait_over()
    suite.wait_idle(10)
    listed = all_events(suite, start)
    digits = [event["digit"] for event in listed if event["type"] == "dtmf" and event["call_id"] == call_id]
    assert "".join(digits) == "".join(presser.pressed)
    assert [event["cause"] for event in listed if event["type"] == "call.ended"] == ["normal", "normal"]
    judge_subscription(listed, subscriber)
    receiver.ledger[:] = [entry for entry in receiver.ledger if entry["at"] > known_at]  # its secret, that is
    judge_digit_webhooks(receiver, listed)
    subscriber.close()
    receiver.close()


def test_a_program_that_does_not_serve_leaves_the_old_one(make_suite, build):
    suite = make_suite(environment={"HOOKSWITCH_BUILD": str(build)})
    call, other, call_id = start_call(suite)
    keeper, child = suite.keeper("sipd"), suite.child("sipd")
    put_in_place(build, "sipd", "#!/bin/sh\necho broken >&2\nexit 1\n")
    done = upgrade(suite)()
    assert done.returncode == 1 and "sipd goes on with its old program" in done.stderr, done
    assert (suite.keeper("sipd"), suite.child("sipd")) == (keeper, child), "its calls were disturbed"

    os.kill(keeper, signal.SIGHUP)  # from somebody who is no keeper
    wait_for(lambda: "keeper.no_successor" in suite.log("sipd"), 10)
    call.hangup()
    other.wait("ended", 10)
    suite.wait_idle(10)
