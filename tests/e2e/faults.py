"""The harm that the chaos test does, at random but by a seed: to processes, disk, run folder, clock and bus."""
import collections
import contextlib
import ctypes
import errno
import mmap
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from suite import BUILD, DAEMONS

PIDFD_GETFD = 438

Harm = collections.namedtuple("Harm", "kind victim begun ended")


class Clock:
    """The wall clock of a suite's processes, and theirs alone: tests/attack/clockstep.c."""

    STEPS_S = (-86400, -3600, -60, -1, 0, 1, 60, 3600, 86400)

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="hookswitch-clock-")
        pathlib.Path(self.folder.name).chmod(0o755)
        path = pathlib.Path(self.folder.name, "step")
        path.write_bytes(bytes(mmap.PAGESIZE))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self.environment = {"LD_PRELOAD": str(BUILD / "tests/attack/clockstep.so"), "CLOCK_STEP": str(path),
                            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def set(self, seconds):
        """So far from the real one it is from now on."""
        self.map[:8] = struct.pack("=q", round(seconds * 1e6))

    def close(self):
        self.map.close()
        self.folder.cleanup()


class RunFolder:
    """home/run as a file system in memory, small and soon full. available: whether it could be mounted."""

    def __init__(self, home):
        self.path = pathlib.Path(home) / "run"
        self.path.mkdir(parents=True)
        words = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=500,mode=0711", "tmpfs", self.path]
        self.available = os.geteuid() == 0 and subprocess.run(words, capture_output=True).returncode == 0

    def fill(self):
        """Neither a byte nor another file has room."""
        ballast = self.path / "ballast"
        ballast.mkdir(exist_ok=True)
        with contextlib.suppress(OSError), open(ballast / "bytes", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with contextlib.suppress(OSError):
            for number in range(10000):
                (ballast / str(number)).touch()

    def empty(self):
        for file in (self.path / "ballast").glob("*"):
            file.unlink()

    def close(self):
        if self.available:
            subprocess.run(["umount", "--lazy", self.path], check=True)


class Faults:
    """Does harm until so many daemons were killed. counts: what was done. harms: when, and to whom."""

    CHANCES = {"kill": 80, "pause": 10, "hang": 2, "full disk": 5, "full run": 4, "clock": 6, "cut": 8}

    def __init__(self, suite, seed, disk=None, run_folder=None, clock=None):
        self.suite, self.disk, self.run_folder, self.clock_of = suite, disk, run_folder, clock
        self.chance = random.Random(f"{seed} faults")
        self.counts, self.recent, self.timers = collections.Counter(), collections.defaultdict(collections.deque), []
        self.harms, self.relief = [], {}  # relief: who makes room again

    def run(self, kills):
        while self.counts["kill"] < kills:
            time.sleep(self.chance.uniform(0.05, 0.5))
            kind = self.chance.choices(list(self.CHANCES), list(self.CHANCES.values()))[0]
            victim = self.chance.choice(DAEMONS)
            lasts = getattr(self, kind.replace(" ", "_"))(victim)
            if lasts is not None:
                self.counts[kind] += 1
                self.harms.append(Harm(kind, victim, time.time(), time.time() + lasts))
        for timer in self.timers:
            timer.join()
        if self.clock_of:
            self.clock_of.set(0)

    def killed(self):
        return collections.Counter(harm.victim for harm in self.harms if harm.kind == "kill")

    def later(self, seconds, what, *arguments):
        timer = threading.Timer(seconds, what, arguments)
        self.timers.append(timer)
        timer.start()
        return timer

    # ---- Each returns how many seconds it lasts, or None: it was not done ----

    def kill(self, victim):
        times = self.recent[victim]
        while times and times[0] < time.monotonic() - 10:
            times.popleft()
        if len(times) >= 5:  # more than that and its keeper backs off, as it should
            return None
        times.append(time.monotonic())
        return 0 if self.suite.kill(victim) else None

    def pause(self, victim):
        """A daemon or its keeper, stopped for a moment: a peer that is late."""
        pid = self.suite.keeper(victim) if self.chance.random() < 0.3 else self.suite.child(victim)
        if not pid:
            return None
        seconds = self.chance.uniform(0.05, 1.5)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.later(seconds, go_on, pid)
        return seconds

    def hang(self, victim):
        """Stopped for good: its keeper must notice."""
        return 5 if self.suite.kill(victim, signal.SIGSTOP) else None

    def fill(self, place):
        relief, seconds = self.relief.get(place), self.chance.uniform(0.3, 1.5)
        if not place or relief and relief.is_alive():
            return None
        place.fill()
        self.relief[place] = self.later(seconds, place.empty)
        return seconds

    def full_disk(self, _):
        return self.fill(self.disk)

    def full_run(self, _):
        return self.fill(self.run_folder)

    def clock(self, _):
        if not self.clock_of:
            return None
        self.clock_of.set(self.chance.choice(Clock.STEPS_S))
        return 0

    def cut(self, victim):
        """One of its connections on the bus breaks, and both ends live."""
        pid = self.suite.child(victim)
        connections = bus_connections(self.suite, pid) if pid else []
        return 0 if connections and cut(pid, self.chance.choice(connections)) else None


def bus_connections(suite, pid):
    """Descriptors of a process's connections at the sockets of the run folder, in a lasting order."""
    inodes, found = set(), []
    for row in pathlib.Path("/proc/net/unix").read_text().splitlines():
        words = row.split()
        if len(words) == 8 and words[5] == "03" and words[7].startswith(f"{suite.home}/run/"):
            inodes.add(f"socket:[{words[6]}]")
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{name}") in inodes:
                    found.append(int(name))
    return found


def cut(pid, number):
    """Shuts a socket of another process. False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return False
    taken = libc.syscall(PIDFD_GETFD, process, number, 0)
    os.close(process)
    if taken < 0:
        assert ctypes.get_errno() in (errno.EPERM, errno.ESRCH, errno.EBADF, errno.ENOSYS), os.strerror(ctypes.get_errno())
        return False
    with socket.socket(fileno=taken) as shared:
        try:
            shared.shutdown(socket.SHUT_RDWR)
        except OSError:
            return False
    return True


def go_on(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def footprint(suite):
    """Descriptors and resident memory (MB) of each keeper and child."""
    made = {}
    for daemon in DAEMONS:
        for name, pid in ((daemon, suite.child(daemon)), (f"keeper of {daemon}", suite.keeper(daemon))):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            resident = int(status.split("VmRSS:")[1].split()[0]) // 1024
            made[name] = len(os.listdir(f"/proc/{pid}/fd")), resident
    return made
