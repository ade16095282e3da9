"""Debian's baresip as a phone: plays a WAV into the call, records what it hears, is driven over ctrl_tcp."""
import glob
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import audio
from suite import free_port, wait_for

MODULES = glob.glob("/usr/lib/*/baresip/modules") + ["/usr/lib/baresip/modules"]


class Baresip:
    """One instance with a configuration folder of its own. prefix: words put before the command (ip netns exec X)."""

    driver = "sip"
    # What a call that rang leaves in its ladder.
    rung, ended = ("INVITE", "180", "200 (INVITE)"), ("BYE",)

    def __init__(self, line, sip, domain, says, host="127.0.0.1", codec="PCMU", prefix=(), control_host=None,
                 apps=(), transport="udp"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baresip-"))
        self.line, self.codec, self.host, self.control_host = line, codec, host, control_host or host
        audio.write_wav(self.folder / "says.wav", says)
        self.output = open(self.folder / "output", "wb")
        self.prefix, self.control, self.apps = list(prefix), None, apps
        self.transport = transport
        for attempt in range(3):  # somebody else may take a port in the moment between
            self.control_port = free_port(host, 40000, 48000) if not prefix else 44444
            self.sip_port = free_port(host, 48000, 52000) if not prefix else 5060
            self._configure(sip, domain)
            self.process = subprocess.Popen([*prefix, "/usr/bin/baresip", "-f", str(self.folder), "-v"],
                                            stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT,
                                            cwd=self.folder)
            if wait_for(lambda: "baresip is ready" in self.text() or self.process.poll() is not None, 20,
                        lambda: f"baresip does not start\n{self.text()[-1500:]}") and self.process.poll() is None:
                break

    def _configure(self, sip, domain):
        rows = ["poll_method epoll", f"sip_listen {self.host}:{self.sip_port}", f"net_interface {self.host}",
                "call_local_timeout 120", "statmode_default off", "call_max_calls 4",
                f"audio_source aufile,{self.folder}/says.wav", "audio_player aubridge,nothing",
                "audio_alert aubridge,nothing", "ausrc_srate 8000", "auplay_srate 8000", "ausrc_channels 1",
                "auplay_channels 1", "audio_level no", "rtp_stats no", "jitter_buffer_delay 0-0", "rtcp_mux no",
                f"snd_path {self.folder}", f"ctrl_tcp_listen {self.control_host}:{self.control_port}",
                f"module_path {next(m for m in MODULES if os.path.isdir(m))}"]
        rows += [f"module {name}.so" for name in ("g711", "aufile", "aubridge", "sndfile", "ctrl_tcp")]
        rows += [f"module_app {name}.so" for name in ("account", "menu", "debug_cmd", *self.apps)]
        (self.folder / "config").write_text("\n".join(rows) + "\n")
        user = self.line["user"]
        address = f'<sip:{user}@{domain};transport={self.transport}>;auth_user={user};auth_pass={self.line["password"]}'
        address += f';outbound="sip:{sip[0]}:{sip[1]};transport={self.transport}";regint=120;audio_codecs={self.codec}/8000/1'
        address += f";answermode=manual;ptime=20" + (";mwi=yes" if "mwi" in self.apps else "")
        (self.folder / "accounts").write_text(address + "\n")
        (self.folder / "contacts").write_text("")

    def command(self, name, parameters=""):
        """Sends a command over ctrl_tcp and returns its answer."""
        if not self.control:
            self._connect()
        text = json.dumps({"command": name, "params": parameters, "token": name})
        self.control.sendall(f"{len(text)}:{text},".encode())
        return wait_for(lambda: self._answer(name), 5, lambda: f"baresip did not answer {name}\n{self.text()[-2000:]}")

    def _connect(self):
        self.buffer, self.messages = b"", []

        def attempt():
            try:
                self.control = socket.create_connection((self.control_host, self.control_port), 1)
                return True
            except OSError:
                return False

        wait_for(attempt, 10, lambda: f"baresip does not listen\n{self.text()[-2000:]}")
        self.control.settimeout(0.05)

    def _answer(self, token):
        try:
            self.buffer += self.control.recv(65536)
        except socket.timeout:
            pass
        while b":" in self.buffer:
            length, _, rest = self.buffer.partition(b":")
            if len(rest) <= int(length):
                break
            self.messages.append(json.loads(rest[:int(length)]))
            self.buffer = rest[int(length) + 1:]
        for message in self.messages:
            if message.get("response") and message.get("token") == token:
                self.messages.remove(message)
                return message
        return None

    def wait_registered(self, suite, timeout=10):
        """Until the suite knows its line as ready."""
        try:
            suite.wait_state(self.line["id"], "on_hook", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()[-1500:]}\n{suite.log('sipd')[-1500:]}") from None

    def wait_shown(self, number, timeout=5):
        """Until the ringing phone shows who calls."""
        wait_for(lambda: number in self.text(), timeout, lambda: f"{number} is not on the ringing phone")

    def dial(self, number):
        return self.command("dial", number)

    def answer(self):
        return self.command("accept")

    def wait_over(self, timeout=5):
        """Until the other side has hung up."""
        wait_for(lambda: "terminated" in self.text() or "closed" in self.text(), timeout)

    def hangup(self):
        return self.command("hangup")

    def press(self, digits):
        """Keys on its pad, as telephone-event."""
        for digit in digits:
            self.command("sndcode", digit)
            time.sleep(0.25)

    def text(self):
        self.output.flush()
        return (self.folder / "output").read_text(errors="replace")

    def heard(self):
        """Samples of everything it decoded, of its newest call."""
        files = sorted(glob.glob(str(self.folder / "*dec*.wav")), key=os.path.getmtime)
        assert files, f"baresip recorded nothing: {os.listdir(self.folder)}\n{self.text()[-3000:]}"
        return audio.read_wav(files[-1])

    def close(self):
        if self.control:
            self.control.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        self.output.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
