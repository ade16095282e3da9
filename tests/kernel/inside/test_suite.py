"""The whole suite on the real driver, under the AppArmor profiles of deploy/apparmor, which this kernel enforces: an analog call
all the way. tests/kernel/test_kernel.py runs this in the machine."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
import audio  # noqa: E402
from suite import BUILD, DAEMONS, REPO, Suite, wait_for  # noqa: E402

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/hscard/card"), reason="only in the machine of tests/kernel")
PATIENCE = 30  # seconds; an emulated processor is slow


class Handset:
    """The telephone of a port of tests/kernel/card."""

    def __init__(self, port):
        self.control = os.open(f"/dev/hscard/{port}", os.O_RDWR | os.O_NONBLOCK)
        self.voice = os.open(f"/dev/hscard/{port}.voice", os.O_RDWR | os.O_NONBLOCK)
        self.rest, self.seen, self.heard = b"", [], bytearray()
        self.said = b""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.talk, daemon=True)
        self.thread.start()

    def do(self, command):
        os.write(self.control, command.encode() + b"\n")

    def wait(self, event):
        def found():
            try:
                *lines, self.rest = (self.rest + os.read(self.control, 4096)).split(b"\n")
                self.seen += [line.decode().split()[1] for line in lines]
            except BlockingIOError:
                pass
            return event in self.seen
        wait_for(found, PATIENCE, lambda: f"no {event} at the telephone: {self.seen}")
        self.seen = self.seen[self.seen.index(event) + 1:]

    def talk(self):
        """Hears and says, as long as the test goes on."""
        while not self.over.wait(0.01):
            try:
                self.heard += os.read(self.voice, 8192)
            except BlockingIOError:
                pass
            try:
                self.said = self.said[os.write(self.voice, self.said[:2000]):] if self.said else b""
            except BlockingIOError:
                pass

    def close(self):
        self.over.set()
        self.thread.join()
        os.close(self.control)
        os.close(self.voice)


def strongest(samples):
    """The loudest frequency of the last second in Hz, 0 for silence."""
    last = samples[-8000:].astype(float)
    if len(last) < 8000 or np.abs(last).max() < 500:
        return 0
    return int(np.abs(np.fft.rfft(last * np.hanning(8000)))[1:].argmax()) + 1


@pytest.fixture
def handset():
    made = Handset(1)
    yield made
    made.do("hangup")
    made.close()


@pytest.fixture(scope="module")
def profiles():
    """Those of deploy/apparmor, for programs and homes of tests; what is written here is forgotten with the machine."""
    pathlib.Path("/proc/sys/kernel/printk_ratelimit").write_text("0\n")  # each refusal is told
    security = pathlib.Path("/sys/kernel/security")
    subprocess.run(["mount", "-t", "securityfs", "securityfs", security], check=True)
    assert "apparmor" in (security / "lsm").read_text()
    shutil.copytree(REPO / "deploy/apparmor", "/etc/apparmor.d", dirs_exist_ok=True)
    tunables = pathlib.Path("/etc/apparmor.d/tunables/hookswitch.d")
    tunables.mkdir(parents=True, exist_ok=True)
    (tunables / "here").write_text(f"@{{HOOKSWITCH}}+=/tmp/hookswitch-e2e-*\n@{{HOOKSWITCH_PROGRAMS}}+={BUILD}/**\n")
    if b"__asan_init" in (BUILD / "sipd/sipd").read_bytes():  # a sanitizer looks at itself when it ends
        (tunables.parents[1] / "local/hookswitch").write_text("ptrace (trace, read, tracedby, readby) peer=@{profile_name},\n"
                                                              "@{PROC}/** r,\ncapability sys_ptrace,\n")
    subprocess.run(["apparmor_parser", "-r", "/etc/apparmor.d/hookswitch"], check=True)


@pytest.fixture(scope="module")  # an emulated processor starts it for most of a minute
def suite(profiles):
    made = Suite({"calls": {"default_line": "phone3"}, "webhooks": {"allow_networks": ["127.0.0.0/8"]}},
                 environment={"HOOKSWITCH_ANALOG": "card"})
    made.start()
    yield made
    made.close()


def tones(seconds, hertz):
    return audio.encode(audio.tone([hertz], seconds))


def test_an_analog_call_goes_all_the_way(suite, handset):
    receiver = suite.receiver()
    suite.post("/api/v1/webhooks", {"url": receiver.url("/calls"), "events": ["call.answered", "call.ended"]}, status=201)
    line = next(line for line in suite.facts["lines"] if line["driver"] == "dahdi")
    assert line["channel"] == 1
    with suite.events() as events, suite.audio(line["id"]) as operator:
        suite.wait_state(line["id"], "on_hook", PATIENCE)
        call = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        events.wait("state_change", PATIENCE, new_state="ringing", call_id=call)
        handset.wait("ring_on")
        handset.do("lift")
        lifted = events.wait("state_change", PATIENCE, new_state="off_hook", call_id=call)
        assert lifted["state_source"] == "measured"
        events.wait("call.answered", PATIENCE, call_id=call)

        handset.said = tones(10, 1000)
        wait_for(lambda: strongest(operator.samples()) in range(995, 1006), PATIENCE,
                 lambda: f"the operator hears {strongest(operator.samples())} Hz, {len(operator.frames)} frames")
        operator.play(audio.frames(tones(10, 700)), ahead=25)
        wait_for(lambda: strongest(audio.decode(bytes(handset.heard))) in range(695, 706), PATIENCE,
                 lambda: f"the telephone hears {strongest(audio.decode(bytes(handset.heard)))} Hz")

        handset.do("pulse 42")
        told = [events.wait("dtmf", PATIENCE, count=n, call_id=call) for n in (1, 2)]
        assert [digit["digit"] for digit in told] == ["4", "2"] and {digit["source"] for digit in told} == {"pulse"}
        handset.do("hangup")
        ended = events.wait("call.ended", PATIENCE, call_id=call)
        assert ended["ended_by"] == "line"
        events.wait("state_change", PATIENCE, line=line["id"], new_state="on_hook")
        for kind in ("call.answered", "call.ended"):
            assert receiver.wait(1, "/calls", PATIENCE, type=kind, call_id=call)


def test_a_call_that_we_end_drops_the_loop(suite, handset):
    line = next(line["id"] for line in suite.facts["lines"] if line["driver"] == "dahdi")
    with suite.events() as events:
        suite.wait_state(line, "on_hook", PATIENCE)
        call = suite.post("/api/v1/phone/ring", status=202).json()["call_id"]
        handset.wait("ring_on")
        handset.do("lift")
        events.wait("call.answered", PATIENCE, call_id=call)
        time.sleep(0.7)  # what the hook does right after the answer is overlooked by the driver
        suite.post("/api/v1/phone/hangup")
        handset.wait("battery_drop")
        handset.wait("battery_back")
        assert events.wait("call.ended", PATIENCE, call_id=call)["ended_by"] == "api"


def denied():
    """What AppArmor refused: (profile, what)."""
    rows = subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [(row["profile"], row["name"]) for row in
            (dict(re.findall(r'(\w+)="([^"]*)"', row)) | {"name": row} for row in rows if 'apparmor="DENIED"' in row)]


def processes(suite):
    """Keepers, children and scribes: (name, what AppArmor says of it)."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            program = pathlib.Path(os.readlink(entry / "exe")).name
            if program in DAEMONS:
                yield program, (entry / "attr/current").read_text().strip()
        except OSError:
            pass


def test_every_process_is_confined_and_nothing_it_needs_is_denied(suite):
    found = list(processes(suite))
    assert len(found) >= 3 * len(DAEMONS) and all(label == f"hookswitch-{name} (enforce)" for name, label in found), found
    assert not denied()


def test_a_profile_holds_also_root(suite):
    """Without users, seccomp and landlock, which have their own tests: root under each profile reads and runs nothing."""
    for daemon in DAEMONS:
        other = "hookd" if daemon == "sipd" else "sipd"
        foreign = ["/etc/shadow", *(suite.home / name for name in ("quickstart.json", f"keys/{other}.key", f"{other}/", "logs/apid.log"))]
        before = len(denied())
        for words in (["cat", *foreign], ["env", "true"]):
            done = subprocess.run(["aa-exec", "-p", f"hookswitch-{daemon}", "--", *words], capture_output=True, text=True)
            assert done.returncode and not done.stdout and done.stderr.count("Permission denied") == len(words) - 1, done
        told = denied()[before:]
        assert len(told) > len(foreign) and {profile for profile, _ in told} == {f"hookswitch-{daemon}"}, told
