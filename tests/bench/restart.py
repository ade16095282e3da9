"""kill -9 of a child to its successor's sign that it is ready, with many registrations and webhooks waiting; and the
processor time that it has used by then, which other programs disturb less."""
import os
import pathlib
import signal
import sqlite3
import time

from house import DAEMONS, House, free_port
from measure import median, row, until
from rtp_calls import Calls, digest, word

LINES, CONTACTS, WEBHOOKS = 1000, 10, 100000
REPEATS = 9


def register(calls, user):
    """One REGISTER of many contacts."""
    uri, address, call_id = f"sip:{calls.domain}", f"<sip:{user}@{calls.domain}>", word()
    rows = [("Contact", f"<sip:{user}@127.0.0.1:{30000 + n}>") for n in range(CONTACTS)] + [("Expires", "3600")]
    calls.callee.request("REGISTER", uri, f"{address};tag=1", address, call_id, 1, rows)
    challenge = calls.final(calls.callee).get("www-authenticate")
    proof = digest(challenge, "REGISTER", uri, user, calls.house.password(user))
    calls.callee.request("REGISTER", uri, f"{address};tag=1", address, call_id, 2, [*rows, ("Authorization", proof)])
    status = calls.final(calls.callee).status
    assert status == 200, f"{user}: REGISTER got {status}"


def fill_outbox(house):
    """Webhooks for a receiver that does not answer, as if it had not for a while."""
    body = b'{"type":"call.answered","seq":123456,"cursor":"1.g1.123456","call_id":"c1-0123456789abcdefghijklmnop"}' * 3
    db = sqlite3.connect(house.home / "hookd/outbox.db")
    endpoint = db.execute("SELECT number FROM endpoint").fetchone()[0]
    first = (db.execute("SELECT max(number) FROM delivery").fetchone()[0] or 0) + 1
    due = int(time.time() * 1000) + 3600_000
    db.executemany("INSERT INTO delivery(endpoint, number, state, id, type, call, line, body, created_at, due_at, tries, attempts,"
                   " last_status, last_error) VALUES(?,?,?,?,'call.answered','c1-x','phone1',?,?,?,?,?,0,'')",
                   ((endpoint, first + n, n % 2, f"msg_{n:032x}", body, due - 3600_000, due if n % 2 else 0, n % 2, n % 2)
                    for n in range(WEBHOOKS)))
    db.commit()
    db.close()  # what it had written ahead is in its place now, as it is after a while


def child_of(house, daemon):
    keeper = dict(line.split() for line in (house.home / "pids").read_text().splitlines())[daemon]
    return int(pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[0])


def restart(house, daemon):
    """From the kill to the file that names a successor, and that one's processor time: ms."""
    ready, victim = house.home / "run" / daemon / "ready", child_of(house, daemon)
    until(lambda: ready.exists() and int(ready.read_text().split()[0]) == victim, 30, f"{daemon} is ready")
    began = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    while True:
        try:
            successor = int(ready.read_text().split()[0])
            if successor != victim:
                used = pathlib.Path(f"/proc/{successor}/schedstat").read_text().split()[0]
                return (time.monotonic() - began) * 1000, int(used) / 1e6
        except (FileNotFoundError, IndexError):
            pass
        time.sleep(0.0005)


def main():
    hooks = f"webhooks:\n  allow_networks: [127.0.0.0/8]\n  outgoing:\n    state: {{ url: \"http://127.0.0.1:{free_port()}/\" }}\n"
    with House(lines=LINES, extra=hooks) as house:
        calls = Calls(house, 0, 0, 0, 1)
        for user in house.users():
            register(calls, user)
        house.quickstart("--stop")
        fill_outbox(house)
        house.quickstart("--background")
        house.registered(LINES)
        for daemon in DAEMONS:
            times = []
            for _ in range(REPEATS):
                times.append(restart(house, daemon))
                time.sleep(1.5)  # its keeper would back off
            took, used = zip(*times)
            row(f"restart to ready, {daemon}", ms=median(took), longest_ms=max(took), cpu_ms=median(used))


if __name__ == "__main__":
    main()
