"""Calls a second from line to line (digest on every INVITE), CPU and memory a call, behaviour at twice the highest rate,
beside a bare two-leg Sofia program that asks nobody."""
import csv
import subprocess
import time

from house import House, free_port, sipp
from measure import LOAD_CORE, SUITE_CORE, WORK, build, cpu_seconds, pss_kib, row, spawn, spawn_ready, stop, until

SECONDS = 6


def statistics(path):
    rows = list(csv.reader(path.open(), delimiter=";"))
    return dict(zip(rows[0], rows[-1]))


def run(command, pids, rate, calls, hold_ms=0):
    """One SIPp run; its figures and the CPU of pids."""
    path = WORK / "sipp.csv"
    path.unlink(missing_ok=True)
    before, began = cpu_seconds(pids), time.monotonic()
    process = spawn(LOAD_CORE, *command, "-r", rate, "-m", calls, "-l", max(2000, rate * 4), "-d", hold_ms, "-trace_stat",
                    "-stf", path, "-fd", 1, "-recv_timeout", 8000, "-timeout", SECONDS + 30)
    process.wait()
    used, took = cpu_seconds(pids) - before, time.monotonic() - began
    got = statistics(path)
    done, failed = int(got["SuccessfulCall(C)"]), int(got["FailedCall(C)"])
    return {"rate": rate, "done": done, "failed": failed + calls - done - failed, "per_s": done / took,
            "retransmissions": int(got["Retransmissions(C)"]), "cpu_us_call": used * 1e6 / max(1, done)}


def good(figures, calls):
    return figures["failed"] <= calls * 0.001 and figures["retransmissions"] <= calls * 0.001


def climb(name, command, pids, rates):
    """The highest rate with less than 0.1 % failures and retransmissions."""
    best = None
    for rate in rates:
        calls = rate * SECONDS
        figures = run(command, pids(), rate, calls)
        row(name, **figures)
        if not good(figures, calls):
            break
        best = figures
    return best


def write_users(path, rows):
    path.write_text("SEQUENTIAL\n" + "".join(";".join(map(str, r)) + "\n" for r in rows))
    return path


def register(house, users, contact):
    path = write_users(WORK / "register.csv", [(u, house.password(u), contact) for u in users])
    before = cpu_seconds(house.pids())
    began = time.monotonic()
    subprocess.run(["taskset", "-c", str(LOAD_CORE), *map(str, sipp("register.xml", house.sip, free_port())), "-inf", path,
                    "-r", "2000", "-m", str(len(users)), "-timeout", "60"], stdout=subprocess.DEVNULL, check=True,
                   stdin=subprocess.DEVNULL)
    row("digest REGISTER", count=len(users), seconds=time.monotonic() - began,
        cpu_us=(cpu_seconds(house.pids()) - before) * 1e6 / len(users))


def ours(lines, rates):
    with House(lines=lines) as house:
        users, contact = house.users(), free_port()
        callees = spawn(LOAD_CORE, *sipp("callee.xml", ("127.0.0.1", house.sip[1]), contact))
        register(house, users[1::2], contact)
        house.registered(lines // 2)
        pairs = [(a, house.password(a), f"7{b[1:]}") for a, b in zip(users[0::2], users[1::2])]
        inf = write_users(WORK / "callers.csv", pairs)
        command = [*sipp("caller.xml", house.sip, free_port()), "-inf", inf]
        best = climb("calls hookswitch", command, house.pids, rates)
        if best:
            peak = best["rate"]
            overload = run(command, house.pids(), 2 * peak, 2 * peak * SECONDS)
            row("calls hookswitch at twice that", **overload, of_peak=overload["per_s"] / best["per_s"])
            until(lambda: not house.request("GET", "/api/v1/calls?active=true")["calls"], 30, "calls over")
            after = run(command, house.pids(), peak, peak * SECONDS)
            row("calls hookswitch afterwards", **after)
        held = min(lines // 2, 400)
        base = pss_kib(house.pids())
        process = spawn(LOAD_CORE, *command, "-r", 50, "-m", held, "-d", 12000, "-timeout", 60)
        until(lambda: len(house.request("GET", "/api/v1/calls?active=true&limit=200")["calls"]) >= min(held, 200), 30, "calls up")
        time.sleep(held / 50)
        row("memory a held call", calls=held, kib=(pss_kib(house.pids()) - base) / held)
        process.wait()
        stop(callees)


def limit(rates):
    port, contact = free_port(), free_port()
    callees = spawn(LOAD_CORE, *sipp("callee.xml", ("127.0.0.1", port), contact))
    bare = spawn_ready(SUITE_CORE, build("sofia_b2b"), port, contact)
    climb("calls limit (no digest)", sipp("plain_caller.xml", ("127.0.0.1", port), free_port()), lambda: [bare.pid], rates)
    stop(bare)
    stop(callees)


def main(lines=2000, rates=(50, 100, 200, 400, 600, 800, 1000)):
    limit((500, 1000, 2000, 3000))
    ours(lines, rates)


if __name__ == "__main__":
    main()
