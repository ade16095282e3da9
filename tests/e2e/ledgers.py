"""Ledgers of what was promised and done, and the judges that lay them beside what came."""
import collections
import random
import threading
import time

from suite import wait_for


class Subscriber:
    """Reads the event feed for ever: reconnects with the cursor of the last event it has."""

    def __init__(self, suite, since):
        self.suite, self.cursor, self.events, self.connections = suite, since, [], 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopping.is_set():
            try:
                feed = self.suite.events(since=self.cursor, timeout=3)
            except Exception:  # refused, cut, timed out: that is what the test does to it
                time.sleep(0.05)
                continue
            self.connections += 1
            taken = 0
            while feed.is_open or taken < len(feed.events):
                fresh = feed.events[taken:]
                taken += len(fresh)
                self.events += fresh
                if fresh:
                    self.cursor = fresh[-1]["cursor"]
                if self.stopping.is_set():
                    break
                time.sleep(0.01)
            feed.close()

    def close(self):
        self.stopping.set()
        self.thread.join(5)


class Presser:
    """Presses a digit every so often and writes it down."""

    def __init__(self, rtp):
        self.rtp, self.pressed, self.stopping = rtp, [], threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopping.wait(0.3):
            digit = random.choice("0123456789*#")
            self.pressed.append(digit)
            self.rtp.press(digit, 80)

    def close(self):
        self.stopping.set()
        self.thread.join(2)
        time.sleep(0.5)


def all_events(suite, since):
    out = []
    while True:
        page = suite.get(f"/api/v1/events?since={since}&limit=1000")
        out += page["events"]
        since = page["cursor"]
        if not page["more"]:
            return out


def judge_log(listed):
    """No event twice, none out of order."""
    seqs = [e["seq"] for e in listed]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "the log has gaps, or an event twice"
    return seqs


def judge_subscription(listed, subscriber):
    """What the subscription brought is the log, each event once and in order."""
    seqs = judge_log(listed)
    wait_for(lambda: subscriber.events and subscriber.events[-1]["seq"] >= seqs[-1], 10,
             lambda: f"the subscription is at {subscriber.events[-1]['seq'] if subscriber.events else 0} of {seqs[-1]}")
    seen = [e["seq"] for e in subscriber.events if e["seq"] <= seqs[-1]]
    assert seen == seqs, f"subscription: missing {sorted(set(seqs) - set(seen))[:5]}, twice " \
                         f"{[s for s, n in collections.Counter(seen).items() if n > 1][:5]}"
    assert all(b["prev"] == a["cursor"] for a, b in zip(subscriber.events, subscriber.events[1:]))


def judge_digit_webhooks(receiver, listed, timeout=30):
    """Each digit of the log came at least once, signed, and with one id always the same bytes."""
    promised = {(e["call_id"], e["sequence"]): e["digit"] for e in listed if e["type"] == "dtmf"}

    def came():
        return {(e["body"]["call_id"], e["body"]["sequence"]): e["body"]["digit"] for e in receiver.taken("/dtmf")}

    wait_for(lambda: promised.keys() <= came().keys(), timeout,
             lambda: f"webhooks never came: {sorted(promised.keys() - came().keys())[:10]} of {len(promised)}")
    assert {key: digit for key, digit in came().items() if key in promised} == promised
    judge_signatures(receiver)
    return len(promised)


def judge_event_webhooks(receiver, path, listed, kinds, timeout=30):
    """Each event of these kinds came at least once, whole. Returns how many there are."""
    promised = {e["seq"]: e for e in listed if e["type"] in kinds}

    def came():
        return {entry["body"]["seq"]: entry["body"] for entry in receiver.taken(path)}

    wait_for(lambda: promised.keys() <= came().keys(), timeout,
             lambda: f"webhooks never came: {sorted(promised.keys() - came().keys())[:10]} of {len(promised)}")
    got = came()
    different = [(event, got[seq]) for seq, event in promised.items()
                 if any(got[seq].get(name) != value for name, value in event.items() if name != "prev")]
    assert not different, different[:3]
    return len(promised)


def judge_signatures(receiver):
    unsigned = [e for e in receiver.ledger if not e["signature_fits"]]
    assert not unsigned, unsigned[:3]
    same = collections.defaultdict(set)
    for entry in receiver.ledger:
        same[entry["id"]].add(entry["raw"])
    assert all(len(bodies) == 1 for bodies in same.values()), "one id, several bodies"
