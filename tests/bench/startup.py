"""Start of the programs to the first accepted REGISTER, idle memory, threads and wake-ups of the whole suite."""
import pathlib
import time

from house import DAEMONS, House
from measure import cpu_seconds, median, pss_kib, row, spawn, stop, until, wakeups, BUILD_PATHS, SUITE_CORE
from rtp_calls import Calls

SETTLE, WATCHED = 10, 10


def tree(keepers):
    pids = []
    for keeper in keepers:
        pids.append(keeper.pid)
        pids += [int(p) for p in pathlib.Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text().split()]
    return pids


def start_all(house):
    """All daemons, started by hand at one moment, as a supervisor would."""
    build = house.environment["HOOKSWITCH_BUILD"]
    environment = dict(house.environment, HOOKSWITCH_HOME=".")
    return [spawn(SUITE_CORE, f"{build}/{BUILD_PATHS[name]}", "--config", "hookswitch.yaml", cwd=house.home, env=environment)
            for name in DAEMONS]


def first_register(house, began):
    def attempt():
        calls = Calls(house, 0, 0, 0, 1)  # a socket of its own: a late answer to the last attempt is nobody's
        calls.callee.patience = 0.02
        try:
            calls.register("u00001")
            return True
        except (TimeoutError, ConnectionError, OSError):
            return False

    until(attempt, 10, "first REGISTER")
    return (time.monotonic() - began) * 1000


def main(repeats=3):
    times, costs, figures = [], [], {}
    with House(lines=2) as house:
        house.quickstart("--stop")
        for _ in range(repeats):
            began = time.monotonic()
            keepers = start_all(house)
            times.append(first_register(house, began))
            until(lambda: all((house.home / "run" / d / "ready").exists() for d in DAEMONS), 10, "all ready")
            costs.append(cpu_seconds(tree(keepers)) * 1000)
            time.sleep(SETTLE)  # heartbeats grow rarer; what follows is measured over a fixed time
            pids = tree(keepers)
            turns, cpu = wakeups(pids), cpu_seconds(pids)
            time.sleep(WATCHED)
            figures = {"pss_mib": pss_kib(pids) / 1024, "wakeups_per_s": (wakeups(pids) - turns) / WATCHED,
                       "idle_cpu_pct": (cpu_seconds(pids) - cpu) / WATCHED * 100, "processes": len(pids)}
            for keeper in keepers:
                stop(keeper)
    row("start to first REGISTER", ms=median(times), cpu_ms_all=median(costs))
    row("idle, whole suite", **figures)


if __name__ == "__main__":
    main()
