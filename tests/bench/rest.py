"""REST answers a second and their latency, each with one bus round trip, beside bare libmicrohttpd. Needs wrk."""
import re
import subprocess

from house import House, free_port
from measure import LOAD_CORE, SUITE_CORE, build, cpu_seconds, row, spawn_ready, stop


def wrk(url, connections, token, seconds=5):
    out = subprocess.run(["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-H",
                          f"Authorization: Bearer {token}", url], capture_output=True, text=True, check=True).stdout
    scale = {"us": 1, "ms": 1000, "s": 1e6}

    def latency(which):
        value, unit = re.search(rf"{which}%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(value) * scale[unit]

    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return {"per_s": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), "p50_us": latency(50),
            "p99_us": latency(99), "bad": int(bad.group(1)) if bad else 0}


def main():
    port = free_port()
    limit = spawn_ready(SUITE_CORE, build("http_hello"), port)
    with House() as house:
        for connections in (1, 64):
            bare = wrk(f"http://127.0.0.1:{port}/", connections, "x")
            row(f"rest limit c={connections}", **bare)
            before = cpu_seconds(house.pids())
            ours = wrk(f"{house.api}/api/v1/phone/status", connections, house.token)
            used = cpu_seconds(house.pids()) - before
            row(f"rest phone/status c={connections}", **ours, of_limit=ours["per_s"] / bare["per_s"],
                cpu_us=used * 1e6 / max(1, ours["per_s"] * 5))
    stop(limit)


if __name__ == "__main__":
    main()
