"""CPU of a signed, durable webhook beside a bare libcurl loop with one HMAC a request. The events are the digits of one
call, by SIP INFO, as fast as each is answered; so the rate is the phone's, the CPU is ours."""
import json
import subprocess
import threading
import time

from events import Bench, Receiver
from house import House, free_port
from measure import LOAD_CORE, SUITE_CORE, WORK, build, cpu_seconds, row, spawn, stop, until
from rtp_calls import sdp

DIGITS = 2000


def sink(port):
    """nginx as a receiver that says 200 to everything."""
    config = WORK / "sink.conf"
    config.write_text(f"worker_processes 1; daemon off; pid {WORK}/sink.pid; error_log /dev/null;\n"
                      "events { worker_connections 1024; }\n"
                      f"http {{ access_log off; keepalive_requests 10000000; server {{ listen 127.0.0.1:{port}; "
                      "location / { return 200; } } }\n")
    return spawn(LOAD_CORE, "nginx", "-c", config)


def limit(port, count=20000):
    out = subprocess.run(["taskset", "-c", str(SUITE_CORE), build("hook_post"), f"http://127.0.0.1:{port}/", str(count), "16"],
                         capture_output=True, text=True, check=True).stdout
    row("webhooks limit (libcurl, not durable)", **json.loads(out))


def main():
    port, watch = free_port(), free_port()
    nginx = sink(port)
    until(lambda: subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/"]).returncode == 0, 5, "nginx")
    limit(port)
    hooks = (f"webhooks:\n  allow_networks: [127.0.0.0/8]\n  concurrency: 16\n  outgoing:\n    dtmf: "
             f"{{ url: \"http://127.0.0.1:{port}/dtmf\" }}\n")
    with House(lines=1, extra=hooks) as house:
        bench = Bench(house, Receiver(watch))
        line = house.users()[0]
        bench.register(line)
        threading.Thread(target=house.request, args=("POST", f"/api/v1/lines/{line}/ring", {})).start()
        _, invite = bench.message(lambda m: m.method == "INVITE")
        bench.phone.answer(invite, 200, "OK", line, sdp(40000))
        _, ack = bench.message(lambda m: m.method == "ACK")
        target, sender, to, call_id = invite.get("contact").strip("<>"), ack.get("to"), ack.get("from"), invite.get("call-id")

        def delivered():
            hook = next(h for h in house.request("GET", "/api/v1/webhooks")["webhooks"] if h["id"] == "dtmf")
            return hook["delivered"]

        before, began = cpu_seconds(house.pids("hookd")), time.monotonic()
        for i in range(DIGITS):
            bench.phone.request("INFO", target, sender, to, call_id, 100 + i, [("Content-Type", "application/dtmf-relay")],
                                b"Signal=5\r\nDuration=100\r\n")
            bench.message(lambda m: m.status == 200)
        until(lambda: delivered() >= DIGITS, 60, "all delivered")
        took = time.monotonic() - began
        row("webhooks hookswitch (durable, signed)", per_s=DIGITS / took,
            cpu_us=(cpu_seconds(house.pids("hookd")) - before) * 1e6 / DIGITS)
    stop(nginx)


if __name__ == "__main__":
    main()
