"""CPU of a signed, durable webhook beside a bare libcurl loop with one HMAC a request. The events are digits by SIP INFO,
each call's next one when its last was answered. Of one call the webhooks leave one after the other, so its limit has
one request in flight; of 16 calls as many at once as the limit has then."""
import json
import re
import select
import subprocess
import threading
import time

from events import Bench, Receiver
from house import House, free_port
from measure import LOAD_CORE, SUITE_CORE, WORK, build, cpu_seconds, row, spawn, stop, until
from rtp_calls import sdp

STEPS = ((1, 3000, 500), (16, 20000, 4000))  # calls, digits in all, a second
RETRANSMIT_S = 0.5


def sink(port):
    """nginx as a receiver that says 200 to everything."""
    config = WORK / "sink.conf"
    config.write_text(f"master_process off; daemon off; pid {WORK}/sink.pid; error_log /dev/null;\n"
                      "events { worker_connections 1024; }\n"
                      f"http {{ access_log off; keepalive_requests 10000000; server {{ listen 127.0.0.1:{port}; "
                      "location / { return 200; } } }\n")
    return spawn(LOAD_CORE, "nginx", "-c", config)


def limit(port, parallel, count=20000):
    out = subprocess.run(["taskset", "-c", str(SUITE_CORE), build("hook_post"), f"http://127.0.0.1:{port}/", str(count),
                          str(parallel)], capture_output=True, text=True, check=True).stdout
    figures = json.loads(out)
    row(f"webhooks limit, {parallel} in flight", **figures)
    return figures["cpu_us"]


class Call:
    def __init__(self, text):
        self.text, self.number, self.sent_at = text, 100, None


class Calls:
    """Calls whose phones press digits. One socket, texts made beforehand: the load's core has the receiver too."""

    def __init__(self, house, count):
        self.house, self.bench = house, Bench(house, Receiver(free_port()))
        self.socket, self.calls = self.bench.phone.socket, {}
        for line in house.users():
            self.bench.register(line)
        house.registered(count)
        for number, line in enumerate(house.users()):
            self.open(line, 40000 + 2 * number)

    def open(self, line, port):
        threading.Thread(target=self.house.request, args=("POST", f"/api/v1/lines/{line}/ring", {})).start()
        _, invite = self.bench.message(lambda m: m.method == "INVITE")
        self.bench.phone.answer(invite, 200, "OK", line, sdp(port))
        _, ack = self.bench.message(lambda m: m.method == "ACK")
        call_id, body = invite.get("call-id"), b"Signal=5\r\nDuration=100\r\n"
        head = (f"INFO {invite.get('contact').strip('<>')} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{self.bench.phone.port};rport;branch=z9hG4bK{port}-NUMBER\r\n"
                f"Max-Forwards: 70\r\nFrom: {ack.get('to')}\r\nTo: {ack.get('from')}\r\nCall-ID: {call_id}\r\n"
                f"CSeq: NUMBER INFO\r\nContent-Type: application/dtmf-relay\r\nContent-Length: {len(body)}\r\n\r\n")
        self.calls[call_id.encode()] = Call(head.encode() + body)

    def press(self, now):
        """The next digit on each call whose last one was answered; the last one again where that takes too long."""
        pressed = 0
        for call in self.calls.values():
            if call.sent_at and now - call.sent_at < RETRANSMIT_S:
                continue
            if not call.sent_at:
                call.number += 1
                pressed += 1
            call.sent_at = now
            self.socket.sendto(call.text.replace(b"NUMBER", b"%d" % call.number), self.house.sip)
        return pressed

    def hear(self):
        data = self.socket.recv(65536)
        call = self.calls[re.search(rb"\r\nCall-ID: *([^\r]+)", data).group(1)] if data.startswith(b"SIP/2.0 200") else None
        if call and call.sent_at and int(re.search(rb"\r\nCSeq: *(\d+)", data).group(1)) == call.number:
            call.sent_at = None

    def run(self, digits, per_s):
        """All calls press together, at this rate in all. Returns how many digits were pressed."""
        pressed, due = 0, time.monotonic()
        while pressed < digits or any(call.sent_at for call in self.calls.values()):
            now = time.monotonic()
            if now >= due and pressed < digits:
                due += len(self.calls) / per_s
                pressed += self.press(now)
            if select.select([self.socket], [], [], max(0.0, due - now))[0]:
                self.hear()
        return pressed


def step(port, count, digits, per_s, limit_us):
    hooks = (f"webhooks:\n  allow_networks: [127.0.0.0/8]\n  concurrency: 16\n  outgoing:\n    dtmf: "
             f"{{ url: \"http://127.0.0.1:{port}/dtmf\" }}\n")
    with House(lines=count, extra=hooks) as house:
        calls = Calls(house, count)

        def delivered():
            hook = next(h for h in house.request("GET", "/api/v1/webhooks")["webhooks"] if h["id"] == "dtmf")
            return hook["delivered"]

        pids = house.pids("hookd")
        before, began = cpu_seconds(pids), time.monotonic()
        digits = calls.run(digits, per_s)
        until(lambda: delivered() >= digits, 60, "all delivered")
        took, used = time.monotonic() - began, (cpu_seconds(pids) - before) * 1e6 / digits
        row(f"webhooks hookswitch, {count} calls", per_s=digits / took, cpu_us=used, of_limit=used / limit_us)


def main():
    port = free_port()
    nginx = sink(port)
    until(lambda: subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/"]).returncode == 0, 5, "nginx")
    for count, digits, per_s in STEPS:
        step(port, count, digits, per_s, limit(port, count))
    stop(nginx)


if __name__ == "__main__":
    main()
