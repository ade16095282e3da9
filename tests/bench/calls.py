"""Calls a second from line to line (digest on every INVITE), CPU and memory a call, behaviour at twice the highest rate,
beside a bare two-leg Sofia program that asks nobody.

SIPp cannot put the dialled number into the uri of a digest. So each call's answer is computed here, just before the run,
with a nonce of its own that a bare REGISTER was given; the INVITE without it is still challenged, as a phone's is."""
import contextlib
import csv
import itertools
import subprocess
import time

from house import House, free_port, sipp
from measure import LOAD_CORE, SUITE_CORE, WORK, build, cpu_seconds, pss_kib, row, spawn, spawn_ready, stop, until
from rtp_calls import Side, word
from phone import digest

SECONDS = 6


def statistics(path):
    """SIPp's rows, one a second, as dictionaries."""
    return list(csv.DictReader(path.open(), delimiter=";"))


def refused(figures):
    """Calls that got 486 or 503; SIPp counts them among the good ones."""
    return int(figures.get("GenericCounter1(C)") or 0)


def seconds(text):
    hours, minutes, rest = text.split(":")[:3]
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def run(command, pids, rate, calls, hold_ms=0):
    """One SIPp run; its figures and the CPU of pids. per_s: calls completed a second while new ones were offered."""
    path = WORK / "sipp.csv"
    path.unlink(missing_ok=True)
    before, began = cpu_seconds(pids), time.monotonic()
    process = spawn(LOAD_CORE, *command, "-r", rate, "-m", calls, "-l", max(2000, rate * 4), "-d", hold_ms, "-trace_stat",
                    "-stf", path, "-fd", 1, "-recv_timeout", 8000, "-timeout", SECONDS + 30)
    process.wait()
    used, took = cpu_seconds(pids) - before, time.monotonic() - began
    rows = statistics(path)
    got = rows[-1]
    while_offered = [r for r in rows if seconds(r["ElapsedTime(C)"]) <= SECONDS][-1]
    done = int(got["SuccessfulCall(C)"]) - refused(got)
    in_time = int(while_offered["SuccessfulCall(C)"]) - refused(while_offered)
    return {"rate": rate, "done": done, "refused": refused(got), "lost": calls - done - refused(got),
            "per_s": in_time / SECONDS, "took_s": took, "retransmissions": int(got["Retransmissions(C)"]),
            "cpu_us_call": used * 1e6 / max(1, done)}


def good(figures, calls):
    return calls - figures["done"] <= calls * 0.001 and figures["retransmissions"] <= calls * 0.001


def climb(name, command, pids, rates):
    """The highest rate with less than 0.1 % refusals, losses and retransmissions."""
    best = None
    for rate in rates:
        calls = rate * SECONDS
        figures = run(command(rate), pids(), rate, calls)
        row(name, **figures)
        if not good(figures, calls):
            break
        best = figures
    return best


def write_users(path, rows):
    path.write_text("SEQUENTIAL\n" + "".join(";".join(map(str, r)) + "\n" for r in rows))
    return path


def register(house, users, contact):
    path = write_users(WORK / "register.csv", [(u, f"[authentication username={u} password={house.password(u)}]", contact)
                                               for u in users])
    before = cpu_seconds(house.pids())
    began = time.monotonic()
    subprocess.run(["taskset", "-c", str(LOAD_CORE), *map(str, sipp("register.xml", house.sip, free_port())), "-inf", path,
                    "-r", "1000", "-m", str(len(users)), "-timeout", "60"], stdout=subprocess.DEVNULL, check=True,
                   stdin=subprocess.DEVNULL)
    row("digest REGISTER", count=len(users), seconds=time.monotonic() - began,
        cpu_us=(cpu_seconds(house.pids()) - before) * 1e6 / len(users))


class Callers:
    """Writes SIPp's rows: caller, proof, number, for so many calls."""

    def __init__(self, house):
        self.house, self.side = house, Side(house.sip)
        users = house.users()
        self.pairs = itertools.cycle([(a, f"7{b[1:]}") for a, b in zip(users[0::2], users[1::2])])

    def challenge(self, user):
        uri, address = f"sip:{self.house.facts['domain']}", f"<sip:{user}@{self.house.facts['domain']}>"
        self.side.request("REGISTER", uri, f"{address};tag=1", address, word(), 1)
        return self.side.next().get("www-authenticate")

    def write(self, count):
        rows = []
        for user, number in itertools.islice(self.pairs, count):
            proof = digest(self.challenge(user), "INVITE", f"sip:{number}@{self.house.sip[0]}:{self.house.sip[1]}", user,
                           self.house.password(user))
            rows.append((user, f"Authorization: {proof}", number))
        return write_users(WORK / "callers.csv", rows)


def settled(house, name):
    """After load nothing may hang: no call, no phone off its hook."""
    began = time.monotonic()
    until(lambda: not house.request("GET", "/api/v1/calls?active=true")["calls"], 40, "calls over")
    until(lambda: all(x["state"] in ("on_hook", "offline") for x in house.lines()), 10, "all phones idle")
    row(name, idle_after_s=time.monotonic() - began)


@contextlib.contextmanager
def phones(house):
    """Every second line answers; gives what makes the command for so many callers."""
    users, contact, callers = house.users(), free_port(), Callers(house)
    callees = spawn(LOAD_CORE, *sipp("callee.xml", ("127.0.0.1", house.sip[1]), contact))
    register(house, users[1::2], contact)
    house.registered(len(users) // 2)
    yield lambda calls: [*sipp("caller.xml", house.sip, free_port()), "-inf", callers.write(calls)]
    stop(callees)


def ours(lines, rates):
    with House(lines=lines) as house, phones(house) as callers:
        def ready(rate):
            return callers(rate * SECONDS)

        best = climb("calls hookswitch", ready, house.pids, rates)
        if best:
            peak = best["rate"]
            overload = run(ready(2 * peak), house.pids(), 2 * peak, 2 * peak * SECONDS)
            row("calls hookswitch at twice that", **overload, of_peak=overload["per_s"] / best["per_s"])
            settled(house, "after twice that")
            row("calls hookswitch afterwards", **run(ready(peak), house.pids(), peak, peak * SECONDS))
            settled(house, "after that")


def held(calls=400):
    """Memory of calls that stay up, in a suite that has carried none before."""
    with House(lines=2 * calls) as house, phones(house) as callers:
        base = pss_kib(house.pids())
        process = spawn(LOAD_CORE, *callers(calls), "-r", 50, "-m", calls, "-l", calls, "-d", 20000, "-timeout", 60)
        until(lambda: sum(line["state"] == "off_hook" for line in house.lines()) >= 2 * calls, 30, "calls up")
        row("memory a held call", calls=calls, kib=(pss_kib(house.pids()) - base) / calls)
        process.wait()


def limit(rates):
    port, contact = free_port(), free_port()
    callees = spawn(LOAD_CORE, *sipp("callee.xml", ("127.0.0.1", port), contact))
    bare = spawn_ready(SUITE_CORE, build("sofia_b2b"), port, contact)
    climb("calls limit (no digest)", lambda rate: sipp("plain_caller.xml", ("127.0.0.1", port), free_port()),
          lambda: [bare.pid], rates)
    stop(bare)
    stop(callees)


def main(lines=2000, rates=(50, 100, 200, 400, 600, 800, 1000, 1200, 1400, 1600)):
    limit((500, 1000, 2000, 3000))
    ours(lines, rates)
    held()


if __name__ == "__main__":
    main()
