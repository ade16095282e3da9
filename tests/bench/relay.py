"""CPU a relayed RTP packet and added latency, line to line through the suite, beside bare connected sockets."""
import json
import subprocess
import time

from house import House, free_port
from measure import LOAD_CORE, SUITE_CORE, WORK, build, cpu_seconds, row, spawn_ready, stop, until
from rtp_calls import Calls

SOCKETS, BASE_A, BASE_B, SECONDS = 4, 62000, 63000, 5


def load(streams, calls, pids):
    before = cpu_seconds(pids)
    out = subprocess.run(["taskset", "-c", str(LOAD_CORE), build("rtp_load"), streams, str(calls), str(SECONDS), str(BASE_A),
                          str(BASE_B), str(SOCKETS)], capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pids) - before
    figures = json.loads(out)
    packets = figures["sent"] * (SECONDS + 1) / SECONDS
    return {"loss_pct": figures["loss_pct"], "p50_us": figures["p50_us"], "p99_us": figures["p99_us"],
            "cpu_us_packet": used * 1e6 / max(1, packets)}


def main(steps=(50, 200)):
    for calls in steps:
        streams = WORK / "limit-streams"
        limit = spawn_ready(SUITE_CORE, build("rtp_forward"), calls, 40000, BASE_A, BASE_B, SOCKETS, streams)
        bare = load(streams, calls, [limit.pid])
        stop(limit)
        row(f"relay limit {calls} calls", **bare)
        with House(lines=2 * calls) as house, Calls(house, calls, BASE_A, BASE_B, SOCKETS) as open_calls:
            ours = load(open_calls.write_streams(WORK / "streams"), calls, house.pids("mediad"))
            row(f"relay hookswitch {calls} calls", **ours, of_limit=ours["cpu_us_packet"] / bare["cpu_us_packet"])


if __name__ == "__main__":
    main()
