"""A telephone on a simulated analog line, worked as a person would: the same things that Baresip does for a SIP line."""
import json
import pathlib
import shutil
import socket
import tempfile
import threading
import time

import audio
from suite import wait_for

KEY_MS, GAP_MS = 100, 120
DOWN_S = 1.0  # a handset that comes up sooner flashed, or dialled by pulse


class SimError(AssertionError):
    """dahdisim could not do what it was told."""


class Simulator:
    """One connection to dahdisim's socket: a command a line, an answer a line."""

    def __init__(self, suite):
        self.path = str(suite.home / "run/dahdisim/socket")
        self.socket = self.file = None

    def command(self, *words, timeout=15):
        if not self.socket:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(self.path)
            self.file = self.socket.makefile("r")
        self.socket.settimeout(timeout)
        self.socket.sendall((" ".join(str(word) for word in words) + "\n").encode())
        answer = json.loads(self.file.readline() or '{"ok":false,"error":"dahdisim is gone"}')
        if not answer["ok"]:
            raise SimError(f"{words}: {answer['error']}")
        return answer

    def close(self):
        if self.socket:
            self.file.close()
            self.socket.close()
            self.socket = None


class SimPhone:
    """says: samples spoken into every call, from the moment the handset is lifted (dialled: when dialling is done)."""

    driver = "dahdi"
    # What a call that rang leaves in its ladder.
    rung, ended = ("RING", "caller identification", "event off_hook", "OFFHOOK"), ("ONHOOK",)

    def __init__(self, suite, line, says, codec="PCMU"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="simphone-"))
        self.line, self.channel, self.law = line, line["channel"], codec
        audio.write_wav(self.folder / "says.wav", says)
        self.simulator, self.speaker = Simulator(suite), Simulator(suite)
        self.recordings, self.down_at = 0, 0.0
        self.thread = None

    def command(self, *words, **more):
        return self.simulator.command(self.channel, *words, **more)

    def wait_registered(self, suite, timeout=10):
        suite.wait_state(self.line["id"], "on_hook", timeout)

    def wait_shown(self, number, timeout=8):
        """Until the display shows who calls."""
        wait_for(lambda: self.command("display")["number"] == number, timeout,
                 lambda: f"{number} is not on the display: {self.command('display')}")

    # ---- In a call ----

    def record(self):
        """A fresh recording; bytes as they come from the line."""
        if self.recordings:
            try:
                self.command("record", "off")
            except SimError:
                pass  # nothing was being recorded
        self.recordings += 1
        self.command("record", self.folder / f"heard-{self.recordings}.{'alaw' if self.law == 'PCMA' else 'ulaw'}")

    def speak(self):
        """Says what it has to say; this goes on in the background."""
        def run():
            try:
                self.speaker.command(self.channel, "speak", self.folder / "says.wav", timeout=600)
            except (SimError, OSError, ValueError, AttributeError):
                pass  # it was interrupted

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        wait_for(lambda: not self.command("state")["idle"], 2, lambda: "it does not begin to speak")

    def ringing(self):
        return self.command("state")["ringing"]

    def wait_ringing(self, timeout=5):
        self.command("wait", "ringing", int(timeout * 1000), timeout=timeout + 5)

    def off_hook(self):
        time.sleep(max(0.0, self.down_at + DOWN_S - time.monotonic()))
        self.record()
        self.command("lift")

    def answer(self):
        self.wait_ringing()
        self.off_hook()
        self.speak()

    def lift(self):
        """Off the hook, and silent: dial tone is waited for."""
        self.off_hook()
        self.command("wait", "sound", 5000)

    def dial(self, number):
        """Lifts the handset, waits for the dial tone, and keys the number in."""
        self.lift()
        self.keys(f"{number}#")
        self.speak()

    def keys(self, digits):
        self.command("dial", digits, KEY_MS, GAP_MS, timeout=60)

    def press(self, digits):
        """Keys on its pad: tones, in place of what it was saying."""
        self.command("stop")
        self.keys(digits)

    def hangup(self):
        if self.command("state")["hook"] == "off":
            self.down_at = time.monotonic()
        self.command("hangup")

    def wait_over(self, timeout=5):
        """Until the other side has hung up, which is silence here; then the handset is put down."""
        self.command("wait", "silence", int(timeout * 1000), timeout=timeout + 5)
        self.hangup()

    def heard(self):
        """Samples of everything that came over the line since it was lifted, but for the last half second."""
        path = max(self.folder.glob("heard-*"), key=lambda p: p.stat().st_mtime)
        return audio.decode(path.read_bytes(), self.law)

    def close(self):
        try:
            self.command("stop")
            self.hangup()
            time.sleep(max(0.0, self.down_at + DOWN_S - time.monotonic()))  # for whoever lifts it next
            self.command("record", "off")
        except (SimError, OSError):
            pass
        self.simulator.close()
        if self.thread:
            self.thread.join(5)
        self.speaker.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class PlainPhone:
    """The same telephone by the words of phone.Phone, for tests that only want one to ring and be lifted."""

    def __init__(self, suite, line):
        self.user, self.channel, self.simulator, self.calls = line["id"], line["channel"], Simulator(suite), {}
        self.down_at = 0.0

    def command(self, *words):
        return self.simulator.command(self.channel, *words)

    def wait_call(self, timeout=5):
        self.command("wait", "ringing", int(timeout * 1000))
        return self

    def answer(self):
        time.sleep(max(0.0, self.down_at + DOWN_S - time.monotonic()))
        self.command("lift")
        return self

    def hangup(self):
        if self.command("state")["hook"] == "off":
            self.down_at = time.monotonic()
        self.command("hangup")

    def lift(self):
        """Off the hook; dial tone is waited for."""
        self.answer()
        self.command("wait", "sound", 10000)
        return self

    def keys(self, digits):
        self.command("dial", digits, KEY_MS, GAP_MS)

    def reject(self):
        """Lifted and put down, which is all that a telephone can do about a call."""
        self.answer().hangup()

    def register(self, seconds=0):
        """A telephone on a wire is where it is."""

    def close(self):
        self.hangup()
        time.sleep(max(0.0, self.down_at + DOWN_S - time.monotonic()))
        self.simulator.close()
