"""A disk that fills: nothing is lost, health says so, and it goes on by itself. These need root: to mount a small one."""
import errno
import os
import subprocess

import pytest

import world
from test_delivery import config
from test_hostile import webhook
from world import Refused, new_secret, seal, wait_for


def as_root(*command):
    os.seteuid(0)
    try:
        subprocess.run(command, check=True)
    finally:
        os.seteuid(world.NOBODY)


@pytest.fixture
def small_disk(home):
    """64 MiB under hookd's folder."""
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    folder = home / "hookd"
    folder.mkdir(mode=0o700)
    as_root("mount", "-t", "tmpfs", "-o", f"size=64m,uid={world.NOBODY},gid={world.NOBODY},mode=0700", "none", folder)
    yield folder
    as_root("umount", "-l", folder)


def fill(folder, keep):
    """A ballast that leaves so many bytes."""
    with open(folder / "ballast", "ab", buffering=0) as ballast:
        try:
            while (disk := os.statvfs(folder)).f_bavail * disk.f_frsize > keep:
                ballast.write(b"x" * min(1 << 16, disk.f_bavail * disk.f_frsize - keep))
        except OSError as error:
            assert error.errno == errno.ENOSPC


def why(apid):
    return apid.ask("hookd", "daemon.status")["part"].get("why", "")


def test_an_almost_full_disk_stops_intake_but_not_delivery(apid, small_disk, receivers, start_daemon):
    mood = {"status": 500}
    receiver = receivers(lambda attempt, number: (mood["status"], {}, b""))
    start_daemon("hookd", config(receiver.url(), retry={"count": 20, "delay_ms": 100, "max_delay_ms": 100}))
    for number in range(5):
        apid.state("ringing", call=f"c1-{number}")
    wait_for(lambda: webhook(apid)["pending"] == 5)
    fill(small_disk, 7_500_000)

    def is_told():
        apid.state("ringing", call=f"c1-{len(apid.events)}")
        return "disk is almost full" in why(apid)
    wait_for(is_told)
    taken = webhook(apid)["pending"]
    for number in range(50):
        apid.state("ringing", call=f"c1-later-{number}")
    mood["status"] = 200
    wait_for(lambda: webhook(apid)["pending"] == 0)
    assert len(receiver.ids()) == taken
    (small_disk / "ballast").unlink()
    wait_for(lambda: len(receiver.ids()) == len(apid.events), 15, "what was left in the log")
    assert "disk" not in why(apid)


def test_a_full_disk_undoes_and_goes_on(home, apid, small_disk, receivers, start_daemon):
    receiver = receivers()
    start_daemon("hookd", config(receiver.url()))
    apid.state("ringing", call="c1-first")
    receiver.wait(1)
    fill(small_disk, 0)

    def is_told():
        for number in range(20):
            apid.state("ringing", call=f"c1-{len(apid.events)}", padding="x" * 1000)
        return "disk" in why(apid)
    wait_for(is_told)
    url = receiver.url("/more")
    with pytest.raises(Refused) as refused:
        wait_for(lambda: apid.ask("hookd", "hook.put", {"webhook": f"w1-{len(apid.asked)}", "url": url,
                                                        "secret": seal(home, url, new_secret())}) and False)
    assert refused.value.error == "unavailable"
    (small_disk / "ballast").unlink()
    wait_for(lambda: len({a.body["call_id"] for a in receiver.attempts if a.path == "/hook"}) == len(apid.events), 20,
             "every event")
    wait_for(lambda: "disk" not in why(apid))
    wait_for(lambda: not webhook(apid)["pending"])
