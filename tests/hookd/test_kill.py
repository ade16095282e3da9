"""At least once, whatever dies: a ledger of what happened against a ledger of what came."""
import fcntl
import os
import random
import signal
import threading
import time

from test_delivery import config, secret_of
from world import new_secret, seal, wait_for

ROUNDS = int(os.environ.get("HOOKSWITCH_KILLS", "200"))


def kill_anything(hookd, random_numbers):
    """Mostly keeper and child at once: a keeper that sees many deaths in a row takes its time on purpose."""
    if random_numbers.random() < 0.05:
        hookd.kill()
        return
    hookd.wait_ready()
    hookd.keeper.send_signal(signal.SIGKILL)
    hookd.keeper.wait(10)

    def is_gone():  # the lock ends with the last process of the keeper's
        with open(hookd.home / "run" / "hookd.lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                return False
    wait_for(is_gone, 10, "the child to die with its keeper")
    hookd.start()


def test_every_event_arrives_over_random_kills(home, apid, receivers, start_daemon):
    numbers = random.Random(20261120)

    def answers(attempt, number):
        if numbers.random() < 0.1:
            time.sleep(numbers.random() * 0.02)
        return (500 if numbers.random() < 0.15 else 204, {}, b"")
    receiver = receivers(answers)
    hookd = start_daemon("hookd", config(receiver.url("/state"), receiver.url("/dtmf"),
                                         retry={"count": 20, "delay_ms": 10, "max_delay_ms": 100}))
    secret = new_secret()
    apid.ask("hookd", "hook.put", {"webhook": "w1-a", "url": receiver.url("/all"),
                                   "secret": seal(home, receiver.url("/all"), secret)})
    wait_for(lambda: apid.wait_asked("events.list"))
    apid.state("ringing", call="c1-begin")
    receiver.wait(1, path="/state")
    wanted, stop = {"/state": 1, "/dtmf": 0, "/all": 1}, threading.Event()

    def live():
        sequence = 0
        while not stop.is_set():
            sequence += 1
            apid.copies = numbers.random() > 0.05
            if numbers.random() < 0.5:
                apid.state(numbers.choice(["ringing", "off_hook"]), call=f"c1-{sequence}")
                wanted["/state"] += 1
            else:
                apid.digit("5", sequence, call=f"c1-{sequence % 7}")
                wanted["/dtmf"] += 1
            wanted["/all"] += 1
            time.sleep(numbers.random() * 0.02)
            while sum(wanted.values()) - len(receiver.counts) > 500 and not stop.is_set():
                time.sleep(0.01)
    living = threading.Thread(target=live)
    living.start()
    until = time.monotonic() + 240
    killed = 0
    while killed < ROUNDS and time.monotonic() < until:
        time.sleep(numbers.random() * 0.06)
        kill_anything(hookd, numbers)
        killed += 1
        if killed % 50 == 0:
            apid.restart()
    stop.set()
    living.join()
    apid.copies = True
    apid.state("off_hook", call="c1-end")
    wanted["/state"] += 1
    wanted["/all"] += 1

    def pending():
        return sum(w["pending"] for w in apid.ask("hookd", "hook.list")["webhooks"])

    def ids_of(path):
        return {a.id for a in receiver.attempts if a.path == path}
    wait_for(lambda: len(receiver.counts) >= sum(wanted.values()), 60, f"{wanted}")
    assert {path: len(ids_of(path)) for path in wanted} == wanted
    wait_for(lambda: not pending(), 30, "an empty queue")
    assert killed >= min(ROUNDS, 100)
    for path, count in wanted.items():
        attempts = [a for a in receiver.attempts if a.path == path]
        by_id, by_event = {}, {}
        for attempt in attempts:
            by_id.setdefault(attempt.id, set()).add(attempt.raw)
            by_event.setdefault(attempt.raw, set()).add(attempt.id)
        assert len(by_id) == count
        assert all(len(bodies) == 1 for bodies in by_id.values())
        assert all(len(ids) == 1 for ids in by_event.values())
    assert all(a.fits(secret) for a in receiver.attempts if a.path == "/all")
    assert all(a.fits(secret_of(home, "state")) for a in receiver.attempts if a.path == "/state")
    assert apid.ask("hookd", "hook.dead", {"limit": 10})["deliveries"] == []


def test_what_waits_survives_everything(home, apid, receivers, start_daemon):
    mood = {"up": False}
    receiver = receivers(lambda attempt, number: (204 if mood["up"] else 500, {}, b""))
    hookd = start_daemon("hookd", config(receiver.url(), retry={"count": 20, "delay_ms": 200, "max_delay_ms": 200}))
    for number in range(300):
        apid.state("ringing", call=f"c1-{number}")
    wait_for(lambda: apid.ask("hookd", "hook.list")["webhooks"][0]["pending"] == 300)
    for _ in range(3):
        hookd.kill()
    hookd.stop()
    apid.state("ringing", call="c1-300")
    hookd.start()
    mood["up"] = True
    wait_for(lambda: len({a.id for a in receiver.attempts}) == 301, 30, "all messages")
    wait_for(lambda: apid.ask("hookd", "hook.list")["webhooks"][0]["pending"] == 0, 30, "an empty queue")
