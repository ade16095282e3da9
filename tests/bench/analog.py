"""Analog lines on dahdisim: from the handset's hook to the event at a WebSocket client, from a sound at the telephone to
the audio WebSocket with its parts, and what 48 channels with audio cost.

Times count from the command to dahdisim, whose millisecond of a tick is in them. The parts of the audio's way are measured
where it can be taken up: dahdid with a peer for mediad, mediad with peers for dahdid and front."""
import os
import pathlib
import random
import select
import sys
import tempfile
import time

from bank import Bank
from byhand import WebSocket
from measure import LOAD_CORE, SUITE_CORE, WORK, build, cpu_seconds, median, percentile, row, spawn_ready, stop, until

for folder in ("dahdid", "mediad"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / folder))
import peers  # noqa: E402
import world  # noqa: E402

ROUNDS, PHONES, CHANNELS, SECONDS = 200, 16, 48, 10
SILENCE, BLOCK = 0xff, 160
BURST = bytes([0x20]) * 40
noise = random.Random(7)


def report(name, values, **more):
    row(name, p50_ms=percentile(values, 0.5), p99_ms=percentile(values, 0.99), rounds=len(values), **more)


def wait_on_hook(house, count):
    until(lambda: sum(line["state"] == "on_hook" for line in house.lines()) >= count, 30, "all telephones on hook")


def next_message(client, fits, seconds=5.0):
    """(when, message) of the first one that fits."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([client.socket], [], [], 0.5)[0]:
            continue
        now = time.monotonic()
        for message in client.read():
            if fits(message):
                return now, message
    raise TimeoutError("no such message")


# ---- The hook ----

def hooks():
    with Bank(PHONES) as bank, bank.house() as house:
        wait_on_hook(house, PHONES)
        feed, latency = WebSocket(house, "/api/v1/events"), []
        for number in range(ROUNDS):
            index = number % PHONES
            telephone, line = bank.telephones[index], f"t{index + 1}"
            until(lambda: house.request("GET", f"/api/v1/lines/{line}")["line"]["state"] == "on_hook", 10, "on hook")
            began = time.monotonic()
            telephone.begin("lift")
            came, _ = next_message(feed, lambda m: m.get("new_state") == "off_hook" and m["line"] == line)
            latency.append((came - began) * 1000)
            telephone.end()
            telephone.do("hangup")
        report("hook to WebSocket", latency)
        feed.close()


# ---- The way of a sound ----

def first_loud(data):
    """Where silence ends, or None."""
    return next((at for at, byte in enumerate(data) if byte != SILENCE), None)


def collection_ms(at):
    """How long the sample waited until its block was full."""
    return (BLOCK - at % BLOCK) / 8


def pin(core, *pids):
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(task), {core})


def family(process):
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [process.pid, *map(int, children)]


def whole_way():
    """Milliseconds from the burst to its frame, and those of them in which its block was collected."""
    whole, collected = [], []
    with Bank(1) as bank, bank.house() as house:
        wait_on_hook(house, 1)
        telephone, burst = bank.telephones[0], bank.sound("burst", BURST)
        operator = WebSocket(house, "/api/v1/lines/t1/audio")
        house.request("POST", "/api/v1/lines/t1/ring", {})
        until(lambda: telephone.state("ringing"), 10, "the bell")
        telephone.do("lift")
        next_message(operator, lambda m: isinstance(m, bytes))
        for _ in range(ROUNDS):
            time.sleep(noise.uniform(0.06, 0.1))
            while select.select([operator.socket], [], [], 0)[0]:
                operator.read()
            began = time.monotonic()
            telephone.begin("speak", burst)
            came, frame = next_message(operator, lambda m: isinstance(m, bytes) and first_loud(m) is not None)
            telephone.end()
            whole.append((came - began) * 1000)
            collected.append(collection_ms(first_loud(frame)))
        operator.close()
    return whole, collected


def dahdid_alone():
    """Milliseconds of dahdid: from the block's last sample to mediad's end of the audio edge."""
    took = []
    with tempfile.TemporaryDirectory(dir=WORK) as home, Bank(1, f"{world.UID}:{world.UID}") as bank:
        dahdid = world.Dahdid(home, [{"id": "t1", "driver": "dahdi", "channel": 1}], device=bank.device)
        pin(SUITE_CORE, *family(dahdid.process))
        pin(LOAD_CORE, dahdid.peer.pid)
        dahdid.fact("line.changed", line="t1", reachable=True)
        telephone, burst = bank.telephones[0], bank.sound("burst", BURST)
        telephone.do("lift")
        leg = dahdid.fact("leg.incoming", line="t1")["leg"]
        dahdid.ask("leg.answer", leg=leg)
        until(lambda: dahdid.pull() or len(dahdid.heard.get(leg, b"")) > 8000, 10, "audio")
        for _ in range(ROUNDS):
            time.sleep(noise.uniform(0.06, 0.1))
            dahdid.pull()
            dahdid.blocks.clear()
            dahdid.heard.clear()
            began = time.monotonic()
            telephone.do("speak", burst)
            until(lambda: dahdid.pull() or first_loud(dahdid.heard.get(leg, b"")) is not None, 5, "the burst")
            at = first_loud(dahdid.heard[leg])
            came = [block[0] for block in dahdid.blocks if block[1] == world.AUDIO][at // BLOCK]
            took.append((came - began) * 1000 - collection_ms(at))
        dahdid.close()
    return took


class StampedBus(peers.Bus):
    """Its fronts note when they send."""

    class Stamped:
        def __init__(self, bus, socket):
            self.bus, self.socket = bus, socket

        def send(self, data):
            self.bus.frames.append(("sent", time.monotonic(), data))
            self.socket.send(data)

    def front(self, name, role="api-front"):
        return self.Stamped(self, super().front(name, role))


def mediad_alone():
    """Milliseconds of mediad: from the block on its audio edge to the stream's frame at the front's end of it."""
    peers.Bus = StampedBus
    with tempfile.TemporaryDirectory(dir=WORK) as home:
        mediad = peers.Mediad(home)
        pin(SUITE_CORE, *family(mediad.process))
        pin(LOAD_CORE, mediad.bus.pid)
        port = peers.Port(mediad, "l1-bench")
        port.lift()
        mediad.ask("media.open", leg="s1-bench", kind="stream")
        mediad.ask("media.join", a=port.leg, b="s1-bench")
        mediad.send(peers.ATTACH, "s1-bench")
        mediad.frame(peers.ATTACHED, "s1-bench")
        mediad.frames.clear()
        took = []
        for _ in range(ROUNDS):
            port.send(BURST * 4)
            came = mediad.frame(peers.AUDIO, "s1-bench").at
            took.append((came - max(f.at for f in mediad.frames if f.front == "sent")) * 1000)
        mediad.close()
    return took


def sounds():
    whole, collected = whole_way()
    dahdid, mediad = dahdid_alone(), mediad_alone()
    report("sound to WebSocket", whole)
    report("  its block is collected", collected)
    report("  all the rest", [a - b for a, b in zip(whole, collected)])
    report("  dahdisim's tick, dahdid alone", dahdid)
    report("  mediad alone", mediad)


# ---- Many channels ----

def dial(caller, callee):
    """A call from one telephone to another, as far as both are in it; False: a stall of this machine spoilt a key."""
    caller.do("lift")
    caller.do("wait", "sound", 10000)
    caller.do("dial", f"8{callee.port:02d}#")
    try:
        until(lambda: callee.state("ringing"), 6, "it rings")
    except TimeoutError:
        caller.do("hangup")
        caller.do("pause", 2000)
        return False
    callee.do("lift")
    return True


def shares(who):
    """CPU in per cent of a core for each, over some time; medians of three."""
    costs = {name: [] for name in who}
    for _ in range(3):
        before, began = {name: cpu_seconds(pids) for name, pids in who.items()}, time.monotonic()
        time.sleep(SECONDS)
        passed = time.monotonic() - began
        for name, pids in who.items():
            costs[name].append((cpu_seconds(pids) - before[name]) / passed * 100)
    return {name: median(values) for name, values in costs.items()}


def limit(count=CHANNELS):
    with Bank(count) as bank:
        echo = spawn_ready(SUITE_CORE, build("dahdi_echo"), bank.device, count)
        cpu = shares({"limit": [echo.pid], "dahdisim": [bank.process.pid]})
        row(f"{count} channels limit", **{f"{name}_pct": value for name, value in cpu.items()})
        stop(echo)
    return cpu["limit"]


def many(count=CHANNELS):
    bare = limit(count)
    with Bank(count) as bank, bank.house() as house:
        wait_on_hook(house, count)
        for caller, callee in zip(bank.telephones[0::2], bank.telephones[1::2]):
            until(lambda: dial(caller, callee), 60, f"a call from {caller.port} to {callee.port}")
        talk = bank.sound("talk", bytes(noise.randrange(0x80, 0xf0) for _ in range(8000 * (3 * SECONDS + 10))))
        for telephone in bank.telephones:
            telephone.begin("speak", talk)
        until(lambda: sum(line["state"] == "off_hook" for line in house.lines()) == count, 10, "all in calls")
        before = figures(house)
        cpu = shares({"dahdid": house.pids("dahdid"), "mediad": house.pids("mediad"), "dahdisim": [bank.process.pid]})
        spoilt = {name: int(value - before[name]) for name, value in figures(house).items()}
        both = cpu["dahdid"] + cpu["mediad"]
        row(f"{count} channels with audio", **{f"{name}_pct": value for name, value in cpu.items()}, both_pct=both,
            of_limit=both / bare, **spoilt)


def figures(house):
    """Audio that did not come in time, as the suite counts it."""
    wanted = {"hookswitch_analog_underruns_total": "underruns", "hookswitch_analog_overruns_total": "overruns",
              "hookswitch_analog_audio_lost_total": "lost"}
    found = {}
    for line in house.text("/api/v1/metrics").splitlines():
        name, _, value = line.rpartition(" ")
        short = wanted.get(name.partition("{")[0])
        if short:
            found[short] = found.get(short, 0) + float(value)
    return found


def main():
    hooks()
    sounds()
    many()


if __name__ == "__main__":
    main()
