"""What every benchmark needs: processes on a core of their own, their CPU time and memory, medians, a row of results."""
import atexit
import ctypes
import glob
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CORES = sorted(os.sched_getaffinity(0))
SUITE_CORE, LOAD_CORE = CORES[0], CORES[-1]
WORK = pathlib.Path(tempfile.mkdtemp(prefix="hs-bench-"))
atexit.register(shutil.rmtree, WORK, ignore_errors=True)

BUILD_PATHS = {"apid": "apid/apid", "api-front": "apid/front/api-front", "sipd": "sipd/sipd", "mediad": "mediad/mediad",
               "hookd": "hookd/hookd", "hook-stream": "hookd/stream/hook-stream"}
LIMITS = {"rtp_load": ("load/rtp_load.c", []), "rtp_forward": ("limits/rtp_forward.c", []),
          "http_hello": ("limits/http_hello.c", ["libmicrohttpd"]), "sofia_b2b": ("limits/sofia_b2b.c", ["sofia-sip-ua"]),
          "hook_post": ("limits/hook_post.c", ["libcurl", "libsodium"]),
          "dahdi_echo": ("limits/dahdi_echo.c", [])}


def build(name):
    """Compiles a load or limit program; returns its path."""
    source, libraries = LIMITS[name]
    program = WORK / name
    if not program.exists():
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", *libraries], capture_output=True, text=True,
                               check=True).stdout.split() if libraries else []
        subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-o", program, HERE / source, *flags], check=True)
    return program


def spawn(core, *command, **options):
    """Starts a program on one core; it dies with us."""
    options.setdefault("stdout", subprocess.DEVNULL)
    options.setdefault("stderr", subprocess.DEVNULL)
    death = ctypes.CDLL(None).prctl
    return subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], stdin=subprocess.DEVNULL,
                            preexec_fn=lambda: death(1, signal.SIGKILL), **options)


def spawn_ready(core, *command):
    """Starts a limit program and waits for its "ready"."""
    process = spawn(core, *command, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def stop(process):
    if process.poll() is None:
        process.terminate()
    process.wait()


def cpu_seconds(pids):
    """CPU time of all threads, to the nanosecond."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                total += int(pathlib.Path(path).read_text().split()[0])
            except OSError:
                pass
    return total / 1e9


def pss_kib(pids):
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def wakeups(pids):
    """Voluntary and involuntary context switches so far."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/status"):
            for line in pathlib.Path(path).read_text().splitlines():
                if "ctxt_switches" in line:
                    total += int(line.split()[1])
    return total


def until(condition, seconds=10, what="condition"):
    """Waits for a condition, looking often."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise TimeoutError(what)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def median(values):
    return statistics.median(values)


def row(what, **figures):
    """Prints one line of results."""
    print(f"{what:34s} " + "  ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in figures.items()),
          flush=True)
