"""The gate (tokens, scopes, rate, repetition), the event log, webhooks, health and figures."""
import collections
import json
import os
import re
import sqlite3
import time

import zmq

from house import House, decode_secret, make_token, ordinary


@ordinary
def test_tokens_and_scopes():
    with House() as house:
        assert house.ask("phone.status", token=None)["error"] == "unauthorized"
        assert house.ask("phone.status", token=make_token())["error"] == "unauthorized"
        assert house.ask("phone.status", token="x" * 63)["error"] == "unauthorized"
        assert house.ask("phone.status", token="reader")["state"] == "offline"
        assert house.ask("phone.ring", token="reader")["error"] == "forbidden"
        assert house.ask("phone.status", role="hook-stream", token=None)["error"] == "unauthorized"
        assert house.ask("stream.open", role="hook-stream", token=None, line="phone1", via="dialled")["stream"]
        assert house.ask("phone.status", role="ops", token=None)["error"] == "unauthorized"
        # a front may fetch for itself what was published to it, and nothing else
        assert house.ask("events.list", token=None)["error"] == "unauthorized"
        assert "events" in house.ask("events.list", token=None, client=None)
        assert house.ask("phone.status", token=None, client=None)["error"] == "unauthorized"
        assert house.ask("suite.health", token=None)["state"] in ("ok", "degraded")


@ordinary
def test_rate_of_one_token():
    with House(rate=5) as house:
        answers = [house.ask("phone.status") for _ in range(12)]
        refused = [a for a in answers if a.get("error") == "rate_limited"]
        assert 4 <= len(refused) <= 7
        assert "error" not in house.ask("phone.status", token="reader")
        house.until(lambda: "error" not in house.ask("phone.status"), 2, "what the token may ask again")


@ordinary
def test_idempotency_key():
    with House() as house:
        house.register("phone1", "phone2")
        first = house.ask("lines.ring", line="phone1", key="k1")
        assert house.ask("lines.ring", line="phone1", key="k1") == first
        assert house.ask("lines.ring", line="phone2", key="k1")["call_id"] != first["call_id"]  # another path
        assert house.ask("lines.ring", line="phone1", key="k2")["error"] == "wrong_state"
        assert len(house.asked_of("leg.originate")) == 2
        house.kill()
        house.until(lambda: house.child(), what="the successor")
        assert house.ask("lines.ring", line="phone1", key="k1") == first
        # the bus repeats a question to the successor by itself: same request id
        leg = house.asked_of("leg.originate", call=first["call_id"])[0]["leg"]
        house.end(leg)
        house.event("call.ended", call_id=first["call_id"])
        done = house.answer(house.post("lines.ring", line="phone1", request="again-1"))["body"]
        house.kill()
        house.answers.clear()
        house.until(lambda: house.child(), what="the successor")
        assert house.answer(house.post("lines.ring", line="phone1", request="again-1"))["body"] == done
        # a refusal does nothing, so it may be tried again
        assert house.ask("lines.ring", line="phone3", key="k3")["error"] == "wrong_state"
        house.register("phone3")
        assert "error" not in house.ask("lines.ring", line="phone3", key="k3")


@ordinary
def test_event_log():
    with House() as house:
        begin = house.ask("events.open")
        assert begin["digits"] is True
        house.register("phone1", "phone2")
        call, leg = house.up()
        house.tell("mediad", "leg.digit", leg=leg, digit="5", phase="end", duration_ms=90, source="rfc4733")
        house.event("dtmf")
        page = house.ask("events.list", since=begin["cursor"], limit=3)
        assert len(page["events"]) == 3 and page["more"] and page["cursor"] == page["events"][-1]["cursor"]
        rest = house.ask("events.list", since=page["cursor"])
        assert not rest["more"] and rest["events"][0]["seq"] == page["events"][-1]["seq"] + 1
        assert house.ask("events.list", since=rest["cursor"]) == {"events": [], "cursor": rest["cursor"], "more": False}
        assert [e["type"] for e in house.ask("events.list", type="dtmf,call.answered")["events"]] == ["call.answered", "dtmf"]
        assert {e["line"] for e in house.ask("events.list", line="phone2")["events"]} == {"phone2"}
        ours = house.ask("events.list", call=call)["events"]
        assert ours and all(e["call_id"] == call for e in ours)
        assert house.ask("events.list", call=call, since=ours[0]["cursor"])["events"] == ours[1:]
        newest = house.ask("events.list", limit=2)
        assert [e["seq"] for e in newest["events"]] == [rest["events"][-2]["seq"], rest["events"][-1]["seq"]]
        # digits need their scope
        assert house.ask("events.list", type="dtmf", token="reader")["events"] == []
        assert house.ask("events.open", token="reader")["digits"] is False
        # hookd asks for itself and sees all
        assert house.ask("events.list", role="hookd", token=None, type="dtmf")["events"]
        for since, error in (("nonsense", "invalid"), ("2.g1.1", "gone"), ("1.g9.1", "gone"), ("1.g1.999999", "gone"),
                             ("1.g1.01", "invalid"), ("1.g1.", "invalid")):
            assert house.ask("events.list", since=since)["error"] == error, since
            assert house.ask("events.open", since=since)["error"] == error, since
        answer = house.ask("events.list", type="dtmf,nonsense")
        assert answer["error"] == "invalid" and "nonsense" in answer["detail"]


@ordinary
def test_numbers_go_on_after_any_end():
    house = House()
    try:
        house.start()
        house.register("phone1")
        last = house.events[-1]
        house.kill()
        house.turn(0)
        house.heard.clear()
        house.until(lambda: len(house.heard) == 2, what="the successor's feed")
        house.register("phone2")
        assert house.events[-1]["cursor"].startswith("1.g1.")
        assert house.ask("events.list", since=last["cursor"])["events"]
        house.stop()  # a clean end, and another boot
        house.start()
        assert house.ask("events.list", since=last["cursor"])["events"]
        # a copy put back in the place of the database: numbers that were told are missing
        copy = (house.home / "apid/apid.db").read_bytes()
        end = house.ask("events.list", limit=1)["cursor"]
        house.stop()
        os.unlink(house.home / "apid/apid.db")
        (house.home / "apid/apid.db").write_bytes(copy)
        house.start()
        assert house.ask("events.open")["cursor"].startswith("1.g2.")
        assert house.ask("events.list", since=end)["error"] == "gone" or end.split(".")[1] == "g1"
        seqs = [e["seq"] for e in house.log_events()]
        assert len(set(seqs)) == len(seqs)
    finally:
        house.close()


@ordinary
def test_webhooks_are_passed_on():
    with House() as house:
        hook = {"id": "w1", "url": "https://example.org/x", "declared": False, "enabled": True, "pending": 0,
                "delivered": 0, "dead": 0, "style": "standard", "paused": False, "failing": False, "own_ca": False,
                "client_cert": False, "skipped": 0}
        house.manners["hook.put"] = lambda role, body: {"webhook": {**hook, "id": body["webhook"], "url": body["url"]}}
        house.manners["hook.list"] = lambda role, body: {"webhooks": [hook]}
        house.manners["hook.delete"] = lambda role, body: {} if body["webhook"] == "w1" else {"error": "not_found"}
        house.manners["hook.dead"] = lambda role, body: {"deliveries": []}
        assert house.ask("webhooks.create", url="https://example.org/x")["error"] == "unavailable"  # no key of hookd's
        keys = house.home / "keys"
        (keys / "hookd.pub").write_bytes(bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"))
        made = house.ask("webhooks.create", url="https://example.org/x", events=["dtmf", "off_hook"], key="k")
        assert len(decode_secret(made["secret"])) == 32 and made["webhook"]["url"] == "https://example.org/x"
        put = house.asked_of("hook.put")[0]
        assert put["secret"].startswith("sealed:") and made["secret"] not in put["secret"]
        assert house.ask("webhooks.create", url="https://example.org/x", events=["dtmf", "off_hook"], key="k") == made
        assert len(house.asked_of("hook.put")) == 1
        assert made["secret"].encode() not in b"".join(p.read_bytes() for p in (house.home / "apid").iterdir())
        assert house.ask("webhooks.create", url="https://example.org/x", events=["bells"])["field"] == "events"
        assert house.ask("webhooks.list")["webhooks"] == [hook]
        assert house.ask("webhooks.delete", webhook="w1") == {}
        assert house.ask("webhooks.delete", webhook="w2")["error"] == "not_found"
        assert house.ask("webhooks.dead") == {"deliveries": []} and house.asked_of("hook.dead")[0]["limit"] == 100
        assert house.ask("webhooks.replay", delivery="d1") == {}
        house.manners["hook.rotate"] = lambda role, body: {"webhook": hook}
        house.manners["hook.change"] = lambda role, body: {"webhook": hook, "moved": "url" in body}
        house.manners["hook.pause"] = lambda role, body: {"webhook": {**hook, "paused": body["paused"]}}
        house.manners["hook.attempts"] = lambda role, body: {"attempts": [], "cursor": 0, "more": False}
        house.manners["hook.again"] = house.manners["hook.revive"] = lambda role, body: {"queued": 3}
        assert house.ask("webhooks.get", webhook="w1") == {"webhook": hook}
        assert house.asked_of("hook.list")[-1]["webhook"] == "w1"
        rotated = house.ask("webhooks.rotate", webhook="w1")
        assert len(decode_secret(rotated["secret"])) == 32 and house.asked_of("hook.rotate")[0]["keep_s"] == 86400
        assert house.asked_of("hook.rotate")[0]["secret"].startswith("sealed:")
        tls = {"ca": "-----BEGIN x", "client_cert": "-----BEGIN y", "client_key": "-----BEGIN z"}
        assert house.ask("webhooks.change", webhook="w1", lines=["phone1"], tls=tls) == {"webhook": hook}
        changed = house.asked_of("hook.change")[0]
        assert "secret" not in changed and changed["tls"]["client_key"].startswith("sealed:")
        assert changed["tls"]["ca"] == tls["ca"] and changed["lines"] == ["phone1"]
        moved = house.ask("webhooks.change", webhook="w1", url="https://example.org/y", events=["call.*"])
        assert len(decode_secret(moved["secret"])) == 32 and house.asked_of("hook.change")[1]["secret"] != moved["secret"]
        assert house.ask("webhooks.change", webhook="w1", events=["bells.*"])["field"] == "events"
        assert house.ask("webhooks.pause", webhook="w1")["webhook"]["paused"]
        assert not house.ask("webhooks.resume", webhook="w1")["webhook"]["paused"]
        assert house.ask("webhooks.deliveries", webhook="w1")["attempts"] == []
        assert house.asked_of("hook.attempts")[0]["limit"] == 20
        assert house.ask("webhooks.again", webhook="w1", **{"from": "1.g1.1"}) == {"queued": 3}
        assert house.ask("webhooks.revive") == {"queued": 3}
        house.tell("hookd", "hook.failed", webhook="w1", delivery="d1", attempts=9, why="404", disabled=True)
        assert house.event("webhook.failed")["disabled"] is True
        house.close_door("hookd")
        house.event("daemon.away", daemon="hookd")
        assert house.ask("webhooks.list")["error"] == "unavailable"


@ordinary
def test_health_and_figures():
    with House() as house:
        house.manners["daemon.metrics"] = lambda role, body: {
            "text": f'# HELP x y\n# TYPE x counter\nx{{daemon="{role}"}} 1\nhookswitch_{role.replace("-", "_")} 1\n'}
        health = house.ask("suite.health", token=None)
        parts = {p["daemon"]: p for p in health["parts"]}
        assert set(parts) == {"apid", *House.PEERS} and parts["apid"]["pid"] == house.child()
        assert health["state"] == "degraded" and parts["sipd"]["state"] == "ok"  # one uid
        text = house.ask("suite.metrics")["text"]
        assert text.count("# TYPE x counter") == 1 and text.count("\nx{") == 5 and "hookswitch_api_front 1" in text
        lines = text.splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith("x{"))
        assert all(line.startswith("x{") for line in lines[first:first + 5])
        house.register("phone1")
        _, leg = house.up()
        text = house.ask("suite.metrics")["text"]
        assert 'hookswitch_calls_active{daemon="apid",direction="outgoing"} 1' in text or "hookswitch_calls_active" in text
        house.end(leg)
        house.event("call.ended")
        text = house.ask("suite.metrics")["text"]
        for name in ("calls_total", "call_setup_seconds_count", "call_duration_seconds_sum", "events_total",
                     "event_commit_seconds_bucket"):
            assert f"hookswitch_{name}" in text, name
        house.close_door("hookd")
        house.event("daemon.away", daemon="hookd")
        began = time.monotonic()
        parts = {p["daemon"]: p for p in house.ask("suite.health", token=None)["parts"]}
        assert parts["hookd"]["state"] == "away" and time.monotonic() - began < 1
        house.manners["daemon.status"] = lambda role, body: None  # stopped: connected, and silent
        began = time.monotonic()
        assert house.ask("suite.health", token=None)["error"] == "unavailable"
        assert time.monotonic() - began < 1


FLOOD = 20000
ROWS = 100000  # of the log that is read meanwhile


def fill_log(house, rows):
    """Puts rows of phone1 into the database of an apid that does not run; number of the event before them."""
    with sqlite3.connect(house.home / "apid/apid.db") as database:
        last, = database.execute("SELECT max(seq) FROM events").fetchone()
        at = int(time.time() * 1000)

        def row(seq):
            body = {"type": "call.flash", "seq": seq, "cursor": f"1.g1.{seq}", "timestamp": "2025-02-08T14:30:00.000Z",
                    "line": "phone1", "call_id": "c1-0", "leg": "l1-0"}
            return seq, at, "call.flash", "phone1", "c1-0", 0, json.dumps(body)
        database.executemany("INSERT INTO events(seq,at,type,line,call,digits,body) VALUES(?,?,?,?,?,?,?)",
                             map(row, range(last + 1, last + 1 + rows)))
    database.close()
    return last


class Flood:
    """hookd asks for events again and again: for a thousand, or for what is not there. As every asker it asks once more
    for what got no answer: whoever does not read as fast as it asks loses some."""

    def __init__(self, house, count, since):
        self.socket = house.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.connect(f"ipc://{house.home}/run/apid/requests/socket")
        self.waiting = {f"f{i}": json.dumps({
            "v": 1, "kind": "request", "type": "events.list", "id": f"f{i}", "source": "hookd", "deadline_ms": 60000,
            "request_id": f"f{i}", "body": {"since": since, "limit": 1000, "line": ("phone1", "phone2")[i % 2]}})
            for i in range(count)}
        self.errors = collections.Counter()
        self.ask()

    def ask(self):
        self.asked_at = time.monotonic()
        for text in self.waiting.values():
            self.socket.send_string(text)

    def drain(self):
        """True when each of them is answered."""
        while self.socket.poll(0):
            answer = json.loads(self.socket.recv())
            if self.waiting.pop(answer["re"], None):
                self.errors[answer.get("error")] += 1
        if time.monotonic() - self.asked_at > 5:
            self.ask()
        return not self.waiting


def seconds(function):
    began = time.monotonic()
    assert "error" not in function()
    return time.monotonic() - began


@ordinary
def test_a_flood_of_reads_delays_nobody():
    house = House()
    try:
        house.start()
        house.register("phone1", "phone2")
        house.stop()
        last = fill_log(house, ROWS)
        house.start()
        # one read looks at a part of the log only, and says how far it came
        page = house.ask("events.list", since=f"1.g1.{last}", line="phone2", limit=1000)
        assert page == {"events": [], "more": True, "cursor": f"1.g1.{last + 20000}"}
        assert {e["line"] for e in house.log_events(line="phone2")} == {"phone2"}
        house.register("phone1")
        flood = Flood(house, FLOOD, f"1.g1.{last}")
        assert seconds(lambda: house.ask("lines.ring", line="phone1", key="k1")) < 2
        assert seconds(lambda: house.ask("calls.list", token="reader")) < 2
        house.until(flood.drain, 30, "an answer to each of them")
        errors = flood.errors
        assert set(errors) == {None, "rate_limited"} and errors[None] >= 32, errors
        assert seconds(lambda: house.ask("calls.list", token="reader")) < 1
        text = house.ask("suite.metrics")["text"]
        refused = re.search(r'hookswitch_reads_refused_total{daemon="apid"} (\d+)\n', text)
        assert int(refused[1]) >= errors["rate_limited"]
        flood.socket.close(0)
    finally:
        house.close()


@ordinary
def test_lines_are_paged():
    with House() as house:
        lines = house.ask("lines.list")["lines"]
        assert [line["id"] for line in lines] == [f"phone{n}" for n in range(1, 5)] and lines[0]["is_default"]
        assert [line["id"] for line in house.ask("lines.list", after="phone1", limit=1)["lines"]] == ["phone2"]
        assert house.ask("lines.get", line="phone9")["error"] == "not_found"
        house.tell("sipd", "line.suspected", line="phone1", address="192.0.2.1", failures=3, banned=True)
        assert house.event("line.suspicious")["banned"] is True


@ordinary
def test_facts_of_others_are_not_believed():
    with House() as house:
        house.register("phone1")
        _, leg = house.up()
        house.tell("dahdid", "leg.ended", leg=leg, cause="normal", by_far_end=True)
        house.tell("dahdid", "line.changed", line="phone1", reachable=False, contacts=0)
        house.tell("dahdid", "leg.incoming", leg="l1", call="c1", line="phone1", measured=True)
        house.settle()
        assert house.ask("phone.status")["call_state"] == "up"
        house.tell("sipd", "leg.incoming", leg=leg, call="c9", line="phone1", measured=False)
        house.tell("sipd", "leg.ringing", leg=leg)  # in a state that has no such row
        house.settle()
        assert house.ask("phone.status")["call_state"] == "up"


@ordinary
def test_durability_full_tells_after_the_disk():
    with House(durability="full") as house:
        house.register("phone1")
        for _ in range(20):
            call, leg = house.up()
            house.end(leg)
            house.event("call.ended", call_id=call)
        seqs = [e["seq"] for e in house.events]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
