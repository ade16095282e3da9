"""CPU a relayed RTP packet and the latency it adds, line to line through the suite, beside bare connected sockets and
Debian's rtpengine. What is added is counted from the generator sending to itself, in the same run."""
import json
import os
import subprocess

from house import House
from measure import LOAD_CORE, SUITE_CORE, WORK, build, cpu_seconds, row, spawn, spawn_ready, stop
from rtp_calls import Calls
from rtpengine import Rtpengine

SOCKETS, BASE_A, BASE_B, SECONDS = 4, 62000, 63000, 5
BURST, AFTER = 1000, 250  # calls


def load(streams, calls, pids):
    before = cpu_seconds(pids)
    out = subprocess.run(["taskset", "-c", str(LOAD_CORE), build("rtp_load"), streams, str(calls), str(SECONDS), str(BASE_A),
                          str(BASE_B), str(SOCKETS)], capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pids) - before
    figures = json.loads(out)
    packets = figures["sent"] * (SECONDS + 1) / SECONDS
    return {"loss_pct": figures["loss_pct"], "p50_us": figures["p50_us"], "p99_us": figures["p99_us"],
            "cpu_us_packet": used * 1e6 / max(1, packets)}


def direct(calls):
    """The generator's two sides send to each other: nothing is between them."""
    streams = WORK / "direct-streams"
    streams.write_text("".join(f"127.0.0.1 {BASE_B + 2 * (i % SOCKETS)} 127.0.0.1 {BASE_A + 2 * (i % SOCKETS)}\n"
                               for i in range(calls)))
    figures = load(streams, calls, [])
    row(f"relay none {calls} calls", **{k: figures[k] for k in ("loss_pct", "p50_us", "p99_us")})
    return figures


def tell(what, figures, alone, **more):
    row(what, **figures, added_p50_us=figures["p50_us"] - alone["p50_us"], added_p99_us=figures["p99_us"] - alone["p99_us"],
        **more)


def overload():
    """More audio than the core has time for, as others want it; afterwards each call is heard again, a quarter at a time. At
    an ordinary priority: nobody wants a processor that he does not get."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with House(lines=2 * BURST) as house, Calls(house, BURST, BASE_A, BASE_B, SOCKETS) as open_calls:
        path, pids = open_calls.write_streams(WORK / "streams"), house.pids("mediad")
        rivals = [spawn(SUITE_CORE, "sh", "-c", "while :; do :; done") for _ in range(4)]
        row(f"relay burst of {BURST} calls", **load(path, BURST, pids))
        for rival in rivals:
            stop(rival)
        lines, part = path.read_text().splitlines(keepends=True), WORK / "part-streams"
        for first in range(0, BURST, AFTER):
            part.write_text("".join(lines[first:first + AFTER]))
            row(f"relay after it, calls from {first}", **load(part, AFTER, pids))


def main(steps=(50, 100, 200)):
    for calls in steps:
        alone = direct(calls)
        streams = WORK / "limit-streams"
        limit = spawn_ready(SUITE_CORE, build("rtp_forward"), calls, 40000, BASE_A, BASE_B, SOCKETS, streams)
        bare = load(streams, calls, [limit.pid])
        stop(limit)
        tell(f"relay limit {calls} calls", bare, alone)
        with Rtpengine(calls, BASE_A, BASE_B, SOCKETS) as peer:
            theirs = load(peer.write_streams(WORK / "peer-streams"), calls, peer.pids())
            tell(f"relay rtpengine {calls} calls", theirs, alone, of_limit=theirs["cpu_us_packet"] / bare["cpu_us_packet"])
        with House(lines=2 * calls) as house, Calls(house, calls, BASE_A, BASE_B, SOCKETS) as open_calls:
            ours = load(open_calls.write_streams(WORK / "streams"), calls, house.pids("mediad"))
            tell(f"relay hookswitch {calls} calls", ours, alone, of_limit=ours["cpu_us_packet"] / bare["cpu_us_packet"],
                 of_rtpengine=ours["cpu_us_packet"] / theirs["cpu_us_packet"])
    overload()


if __name__ == "__main__":
    main()
