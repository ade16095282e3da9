"""dahdisim as its users see it: device files under a folder, telephones on a socket."""
import array
import errno
import fcntl
import json
import math
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import time
import wave

import pytest

BUILD = pathlib.Path(os.environ.get("HOOKSWITCH_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
PROGRAM, PHONE = BUILD / "dahdid/sim/dahdisim", BUILD / "dahdid/sim/dahdisim-phone"


def number_of(direction, number, size):
    return direction << 30 | size << 16 | 0xDA << 8 | number


HOOK, GETEVENT, SET_BUFINFO = number_of(1, 7, 4), number_of(2, 8, 4), number_of(1, 27, 24)
SPECIFY, SETCADENCE, DIAL = number_of(1, 38, 4), number_of(1, 42, 64), number_of(1, 31, 260)
OFF_HOOK, RING = 1, 5
ONHOOK_EVENT, LIFTED, RINGER_OFF, REMOVED, RING_BEGIN = 1, 2, 11, 20, 18


class Simulator:
    def __init__(self, folder, *options):
        self.folder, self.socket = folder / "dahdi", folder / "phone"
        self.process = subprocess.Popen([PROGRAM, "--mount", self.folder, "--control", self.socket, *options],
                                        stderr=subprocess.PIPE)
        while not self.socket.exists():
            if self.process.poll() is not None:
                pytest.skip("dahdisim cannot mount here: " + self.process.stderr.read().decode())
            time.sleep(0.005)
        self.connection = socket.socket(socket.AF_UNIX)
        try:
            self.connection.connect(str(self.socket))
        except OSError:
            self.process.terminate()
            raise
        self.answers = self.connection.makefile("r")

    def tell(self, line):
        self.connection.sendall(line.encode() + b"\n")
        return json.loads(self.answers.readline())

    def must(self, line):
        answer = self.tell(line)
        assert answer["ok"], (line, answer)
        return answer

    def stop(self):
        self.answers.close()
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        errors = self.process.communicate(timeout=20)[1].decode()
        assert self.process.returncode == 0 and "ERROR" not in errors and "error:" not in errors, errors
        assert not os.path.ismount(self.folder) and not self.socket.exists()


class Channel:
    def __init__(self, simulator, number, flags=os.O_NONBLOCK):
        self.file = os.open(simulator.folder / str(number), os.O_RDWR | flags)
        fcntl.ioctl(self.file, SET_BUFINFO, struct.pack("6i", 0, 0, 4, 160, 0, 0))

    def hook(self, value):
        try:
            fcntl.ioctl(self.file, HOOK, struct.pack("i", value))
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise

    def take(self):
        return struct.unpack("i", fcntl.ioctl(self.file, GETEVENT, struct.pack("i", 0)))[0]

    def wait(self, event, seconds=5):
        """Waits for an event by poll; others are dropped."""
        poll, end = select.poll(), time.monotonic() + seconds
        poll.register(self.file, select.POLLPRI)
        while time.monotonic() < end:
            if poll.poll(100) and self.take() == event:
                return
        raise AssertionError(f"no event {event}")

    def read_for(self, seconds):
        heard, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.file], [], [], 0.1)[0]:
                heard += os.read(self.file, 160)
        return heard

    def close(self):
        os.close(self.file)


@pytest.fixture
def simulator(tmp_path):
    made = Simulator(tmp_path, "--fxs", "2", "--fxo", "1")
    yield made
    made.stop()


@pytest.fixture
def channel(simulator):
    made = Channel(simulator, 1)
    yield made
    made.close()


def test_two_commands_to_a_ringing_phone(simulator, channel):
    channel.hook(RING)
    for words in (["1", "wait", "ringing"], ["1", "lift"]):
        outcome = subprocess.run([PHONE, "--socket", simulator.socket, *words], capture_output=True, text=True)
        assert outcome.returncode == 0 and json.loads(outcome.stdout)["ok"], outcome
    channel.wait(LIFTED)
    outcome = subprocess.run([PHONE, "--socket", simulator.socket], input="1 state\n1 nonsense\n", capture_output=True,
                             text=True)
    first, second = (json.loads(line) for line in outcome.stdout.splitlines())
    assert first["hook"] == "off" and not second["ok"] and outcome.returncode == 1


def test_files_look_like_the_device(simulator):
    names = set(os.listdir(simulator.folder))
    assert names == {"ctl", "timer", "channel", "1", "2", "3"}
    assert os.stat(simulator.folder / "1").st_mode & 0o777 == 0o660
    with pytest.raises(OSError) as missing:
        os.open(simulator.folder / "4", os.O_RDWR)
    assert missing.value.errno == errno.ENOENT


def test_speaking_and_recording(simulator, channel, tmp_path):
    samples = array.array("h", (int(8000 * math.sin(2 * math.pi * 1000 * i / 16000)) for i in range(16000)))
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    simulator.must("1 lift")
    channel.wait(LIFTED)
    channel.hook(OFF_HOOK)
    simulator.must(f"1 record {tmp_path}/heard.wav")
    simulator.connection.sendall(f"1 speak {tmp_path}/tone.wav\n".encode())
    heard = channel.read_for(0.9)
    assert json.loads(simulator.answers.readline())["ok"]
    assert len(heard) > 6000 and len(set(heard[4000:4160])) > 4, "no tone of 16000 a second came through"
    for _ in range(20):
        select.select([], [channel.file], [], 1)
        os.write(channel.file, bytes([0x20] * 160))
    simulator.must("1 wait sound")
    simulator.must("1 wait silence")
    assert simulator.must("1 record off")["samples"] > 3200
    with wave.open(str(tmp_path / "heard.wav")) as file:
        assert file.getframerate() == 8000 and file.getnchannels() == 1 and any(file.readframes(file.getnframes()))


def test_tones_dialled_and_heard(simulator, channel):
    simulator.must("1 lift")
    channel.wait(LIFTED)
    channel.hook(OFF_HOOK)
    fcntl.ioctl(channel.file, number_of(1, 21, 4), struct.pack("i", 0))  # dial tone
    simulator.must("1 wait sound")
    deadline = time.monotonic() + 5
    while simulator.must("1 heard")["tones_hz"] != [350, 440]:
        assert time.monotonic() < deadline, simulator.must("1 heard")
    simulator.connection.sendall(b"1 dial 5 2000\n")
    deadline = time.monotonic() + 5
    while len(set(channel.read_for(0.05))) < 2:
        assert time.monotonic() < deadline, "the key is not heard"
    assert json.loads(simulator.answers.readline())["ok"]


def test_faults(simulator, channel):
    simulator.must("1 fault HOOK EIO 2 1")
    channel.hook(6)
    for _ in range(2):
        with pytest.raises(OSError) as failed:
            channel.hook(6)
        assert failed.value.errno == errno.EIO
    channel.hook(6)
    simulator.must("1 fault read ELAST 3")
    time_left = time.monotonic() + 5
    storms = 0
    while storms < 3 and time.monotonic() < time_left:
        try:
            os.read(channel.file, 160)
        except OSError as error:
            storms += error.errno == 500
    assert storms == 3 and channel.take() == 0
    simulator.must("1 queue 11 200")
    kept = 0
    while channel.take() == RINGER_OFF:
        kept += 1
    assert kept == 63 and simulator.must("1 state")["events_lost"] == 137
    simulator.must("1 short 7")
    select.select([channel.file], [], [], 1)
    assert len(os.read(channel.file, 160)) == 7
    simulator.must("1 heal")
    simulator.must("2 fault open EBUSY")
    with pytest.raises(OSError) as busy:
        Channel(simulator, 2)
    assert busy.value.errno == errno.EBUSY
    Channel(simulator, 2).close()


def test_card_goes_and_comes(simulator, channel):
    simulator.must("card unplug")
    channel.wait(REMOVED)
    deadline = time.monotonic() + 5
    while True:
        try:
            channel.take()
        except OSError as error:
            assert error.errno == errno.ENODEV
            break
        assert time.monotonic() < deadline
        time.sleep(0.01)
    poll = select.poll()
    poll.register(channel.file, select.POLLPRI | select.POLLIN)
    assert poll.poll(1000)[0][1] & select.POLLERR
    assert set(os.listdir(simulator.folder)) == {"ctl", "timer", "channel"}
    assert not simulator.tell("card unplug")["ok"]
    simulator.must("card plug unconfigured")
    with pytest.raises(OSError) as bare:
        Channel(simulator, 1)
    assert bare.value.errno == errno.ENXIO
    simulator.must("card unplug")
    simulator.must("card plug")
    second = Channel(simulator, 1)  # the first descriptor is still open, and dead
    simulator.must("1 lift")
    second.wait(LIFTED)
    second.close()


def test_clock_stops_and_skews(simulator, channel):
    simulator.must("card lose 300")
    before = simulator.must("card state")["clock_ms"]
    assert simulator.must("card state")["clock_ms"] - before < 50
    simulator.must("1 pause 20")
    simulator.must("card clockstop 200")
    began = time.monotonic()
    assert len(channel.read_for(0.5)) > 0
    simulator.must("card skew 200")
    simulator.must("card burst 4")
    simulator.must("1 pause 40")
    assert time.monotonic() - began < 3


def test_exchange_line(simulator):
    line = Channel(simulator, 3)
    # ringing counts two seconds after the last hang-up, and opening is one
    simulator.must("3 pause 2100")
    simulator.must('3 ring 4155550100 "Ann Lee"')
    line.wait(RING_BEGIN)
    line.hook(OFF_HOOK)
    simulator.must("3 expect answered")
    assert simulator.must("3 state")["seized"]
    simulator.must("3 pause 700")  # the loop is not stable before, and what the battery does is not looked at
    fcntl.ioctl(line.file, DIAL, struct.pack("i256s", 2, b"T42"))
    for digit in "42":
        assert simulator.must("3 expect digit")["detail"] == digit
    simulator.must("3 battery off 400")
    line.wait(ONHOOK_EVENT)
    line.close()
    simulator.must("3 expect released")


def test_blocking_reader_is_interrupted(simulator):
    line = Channel(simulator, 2, flags=0)
    fcntl.ioctl(line.file, number_of(1, 1, 4), struct.pack("i", 8000))
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(TimeoutError):
        os.read(line.file, 8000)
    line.close()


def test_hostile_callers(simulator, channel):
    assert not simulator.tell("\x01\x02")["ok"]
    assert not simulator.tell("1 dial " + "1" * 1500)["ok"]
    other = socket.socket(socket.AF_UNIX)
    other.connect(str(simulator.socket))
    try:
        other.sendall(b"x" * 5000)
        answer = other.recv(4096)
        assert b"too long" in answer
        assert other.recv(10) == b""
    except OSError:
        pass  # closed on us while we were still sending
    other.close()
    nul = socket.socket(socket.AF_UNIX)
    nul.connect(str(simulator.socket))
    nul.sendall(b"1 li\0ft\n")
    assert b'"ok":false' in nul.recv(4096)
    nul.close()
    many = [socket.socket(socket.AF_UNIX) for _ in range(150)]
    for one in many:
        one.connect(str(simulator.socket))
    for one in many:
        one.close()
    for size in (0, 1, 4, 100, 639, 1000):
        for number in range(256):
            for direction in (0, 1, 2, 3):
                if number == 9:  # IOMUX may wait
                    continue
                try:
                    fcntl.ioctl(channel.file, number_of(direction, number, size), bytearray(size))
                except OSError:
                    pass
    assert simulator.must("card state")["plugged"]


def test_answers_that_nobody_reads(simulator):
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(str(simulator.socket))
    deaf.setblocking(False)
    taken = 0
    with pytest.raises(BlockingIOError):
        while taken < 50_000_000:
            taken += deaf.send(b"card help\n" * 1000)
    assert taken < 2_000_000
    assert simulator.must("card state")["plugged"]
    deaf.setblocking(True)
    deaf.settimeout(5)
    answers = deaf.makefile("rb")
    for _ in range(1000):  # goes on where it stopped
        assert json.loads(answers.readline())["ok"]
    answers.close()
    deaf.close()


def test_waiting_gives_up(simulator):
    began = time.monotonic()
    answer = simulator.tell("1 expect ring_on 100")
    assert not answer["ok"] and "in time" in answer["error"] and time.monotonic() - began < 2


def test_who_may_use_it(tmp_path):
    if os.geteuid():
        pytest.skip("only root can give files away")
    made = Simulator(tmp_path, "--owner", "4321:4321", "--mode", "0600")
    try:
        status = os.stat(made.folder / "1")
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (4321, 4321, 0o600)
        assert os.stat(made.socket).st_uid == 4321
    finally:
        made.stop()


def test_after_kill_nine(tmp_path):
    """Also while the killed ones are still dying, which shows in other errors."""
    killed = []
    for _ in range(10):
        killed.append(Simulator(tmp_path))
        killed[-1].socket.unlink()
        killed[-1].process.kill()
    last = Simulator(tmp_path)
    Channel(last, 1).close()
    last.stop()
    for one in killed:
        one.process.wait()


def test_what_was_asked_before_leaving_is_done(simulator, channel):
    leaving = socket.socket(socket.AF_UNIX)
    leaving.connect(str(simulator.socket))
    leaving.sendall(b"1 pause 300\n1 lift\n")
    leaving.close()
    assert simulator.must("1 wait off_hook 10000")


@pytest.mark.parametrize("options", [[], ["--fxs", "1"], ["--mount", "/tmp/x", "--control", "y", "--fxs", "500"],
                                     ["--mount", "x", "--control", "y", "--law", "blaw"],
                                     ["--mount", "x", "--control", "y", "--owner", "me"],
                                     ["--mount", "x", "--control", "y", "--zone", "zz"],
                                     ["--mount", "x", "--control", "y", "extra"]])
def test_bad_options(options, tmp_path):
    outcome = subprocess.run([PROGRAM, *options], capture_output=True, text=True, cwd=tmp_path)
    assert outcome.returncode in (1, 2) and outcome.stderr
