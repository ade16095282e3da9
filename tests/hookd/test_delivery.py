"""Delivery: payloads, signatures, order, retries, dead letters."""
import time

import pytest
import yaml

from world import Refused, metric, new_secret, seal, unseal, wait_for


def config(state=None, dtmf=None, events=None, retry=None, **webhooks):
    outgoing = {}
    if state:
        outgoing["state"] = {"url": state, **({"events": events} if events else {})}
    if dtmf:
        outgoing["dtmf"] = {"url": dtmf}
    return {"lines": [{"id": "phone1"}, {"id": "phone2"}],
            "webhooks": {"outgoing": outgoing, "allow_networks": ["127.0.0.0/8"],
                         "retry": retry or {"count": 3, "delay_ms": 50, "max_delay_ms": 200}, **webhooks}}


def secret_of(home, name):
    """What hookd made: sealed to itself for the URL of its configuration."""
    settings = yaml.safe_load((home / "hookswitch.yaml").read_text())
    url = settings["webhooks"]["outgoing"][name]["url"]
    return unseal(home, url, (home / "hookd" / f"secret-{name}").read_text())


def test_the_two_configured_endpoints_get_exactly_their_members(home, apid, receivers, start_daemon):
    receiver = receivers()
    start_daemon("hookd", config(receiver.url("/state"), receiver.url("/dtmf"), ["off_hook", "ringing"]))
    apid.wait_asked("events.list")
    apid.happen("call.created", call="c1-a", direction="outgoing")
    apid.state("ringing")
    apid.state("on_hook", old="ringing")
    off_hook = apid.state("off_hook", old="ringing")
    digit = apid.digit("5", 1)
    apid.happen("dtmf.begin", call="c1-a", digit="6", sequence=2)
    state = receiver.wait(2, path="/state")
    dtmf = receiver.wait(1, path="/dtmf")
    assert [list(a.body) for a in state] == [["type", "old_state", "new_state", "timestamp", "call_id"]] * 2
    assert [a.body["new_state"] for a in state] == ["ringing", "off_hook"]
    assert state[1].body == {"type": "state_change", "old_state": "ringing", "new_state": "off_hook",
                             "timestamp": off_hook["timestamp"], "call_id": "c1-a"}
    assert list(dtmf[0].body) == ["type", "digit", "timestamp", "call_id", "sequence", "duration_ms"]
    assert dtmf[0].body == {"type": "dtmf", "digit": "5", "timestamp": digit["timestamp"], "call_id": "c1-a",
                            "sequence": 1, "duration_ms": 80}
    for attempt in state:
        assert attempt.fits(secret_of(home, "state"))
        assert attempt.headers["content-type"] == "application/json"
        assert attempt.headers["user-agent"] == "hookswitch"
        assert abs(int(attempt.headers["webhook-timestamp"]) - time.time()) < 5
        assert "." not in attempt.id
    assert dtmf[0].fits(secret_of(home, "dtmf")) and not dtmf[0].fits(secret_of(home, "state"))
    assert (home / "hookd" / "secret-state").stat().st_mode & 0o777 == 0o400


def test_it_begins_at_the_logs_end(apid, receivers, start_daemon):
    receiver = receivers()
    apid.state("ringing", call="c1-old")
    start_daemon("hookd", config(receiver.url()))
    apid.wait_asked("events.list")
    wait_for(lambda: not apid.ask("hookd", "hook.list")["webhooks"][0]["pending"])
    apid.state("ringing", call="c1-new")
    assert receiver.wait(1)[0].body["call_id"] == "c1-new"


def test_what_happens_before_the_log_answers_counts(apid, receivers, start_daemon):
    receiver = receivers()
    apid.state("ringing", call="c1-old")
    apid.instead_of_lists = [lambda: [apid.state("ringing", call=f"c1-{number}") for number in range(3)]]
    start_daemon("hookd", config(receiver.url()))
    apid.wait_asked("events.list", 2)
    assert {a.body["call_id"] for a in receiver.wait(3)} == {"c1-0", "c1-1", "c1-2"}


def test_lost_copies_are_fetched(apid, receivers, start_daemon):
    receiver = receivers()
    start_daemon("hookd", config(receiver.url()))
    apid.state("ringing", call="c1-0")
    receiver.wait(1)
    apid.copies = False
    for number in range(1, 500):
        apid.state("ringing", call=f"c1-{number}")
    apid.copies = True
    apid.state("ringing", call="c1-500")
    receiver.wait(501)
    assert sorted(int(a.body["call_id"][3:]) for a in receiver.attempts) == list(range(501))


def test_api_endpoints_get_whole_events_by_their_filter(home, apid, receivers, start_daemon):
    receiver = receivers()
    start_daemon("hookd", config())
    secret = new_secret()
    filters = {"/all": None, "/group": ["call.*"], "/state": ["off_hook"], "/one": ["call.ended", "dtmf"]}
    for number, (path, events) in enumerate(filters.items()):
        url = receiver.url(path)
        body = {"webhook": f"w1-{number}", "url": url, "secret": seal(home, url, secret)}
        if events:
            body["events"] = events
        made = apid.ask("hookd", "hook.put", body)["webhook"]
        assert made["id"] == f"w1-{number}" and made["enabled"] and not made["declared"]
        assert made.get("events", []) == (events or [])
        assert apid.ask("hookd", "hook.put", body)["webhook"]["id"] == made["id"]
    events = [apid.happen("call.created", call="c1-a", direction="outgoing"), apid.state("ringing"),
              apid.state("off_hook", old="ringing"), apid.digit("1", 1),
              apid.happen("webhook.failed", line=None, webhook="w1-9", delivery="m1", attempts=3, why="x",
                          disabled=False),
              apid.happen("call.ended", call="c1-a", cause="normal", ended_by="line", duration_ms=1)]
    receiver.wait(5, path="/all")
    receiver.wait(2, path="/group")
    receiver.wait(1, path="/state")
    receiver.wait(2, path="/one")
    got = {path: [a.body for a in receiver.attempts if a.path == path] for path in filters}
    assert got["/all"] == events[:4] + events[5:]
    assert got["/group"] == [events[0], events[5]]
    assert got["/state"] == [events[2]]
    assert got["/one"] == [events[3], events[5]]
    assert all(a.fits(secret) for a in receiver.attempts)
    listed = apid.ask("hookd", "hook.list")["webhooks"]
    assert [w["id"] for w in listed] == ["w1-0", "w1-1", "w1-2", "w1-3"]
    wait_for(lambda: apid.ask("hookd", "hook.list")["webhooks"][0]["delivered"] == 5)
    apid.ask("hookd", "hook.delete", {"webhook": "w1-0"})
    with pytest.raises(Refused, match="not_found"):
        apid.ask("hookd", "hook.delete", {"webhook": "w1-0"})
    apid.state("on_hook", call="c1-b")
    apid.state("off_hook", call="c1-b")
    receiver.wait(2, path="/state")
    assert len([a for a in receiver.attempts if a.path == "/all"]) == 5


def test_bad_endpoints_are_refused(home, apid, receivers, start_daemon):
    receiver = receivers()
    start_daemon("hookd", config(receiver.url()))
    secret = new_secret()

    def put(url="https://example.com/", sealed_for=None, events=None, webhook="w1-1"):
        body = {"webhook": webhook, "url": url, "secret": seal(home, sealed_for or url, secret)}
        if events:
            body["events"] = events
        with pytest.raises(Refused) as refused:
            apid.ask("hookd", "hook.put", body)
        return refused.value
    assert put(url="ftp://example.com/").field == "url"
    assert put(url="https://u:p@example.com/").field == "url"
    assert put(url="http://8.8.8.8/").field == "url"
    assert put(url="https://10.0.0.1/").field == "url"
    assert "allow_networks" in put(url="https://169.254.169.254/latest").detail
    assert put(sealed_for="https://other.example/").field == "secret"
    assert metric(apid.ask("hookd", "daemon.metrics")["text"], "hookswitch_secrets_redirected_total") == 1
    assert put(events=["call.endet"], url=receiver.url()).field == "events"
    assert put(webhook="state").field == "webhook"
    assert put(webhook="dtmf").field == "webhook"
    with pytest.raises(Refused) as refused:
        apid.ask("hookd", "hook.delete", {"webhook": "state"})
    assert refused.value.error == "wrong_state"
    with pytest.raises(Refused) as refused:
        apid.ask("hookd", "hook.list", source="api-front")
    assert refused.value.error == "not_permitted"


def test_both_secrets_sign_during_a_rotation(home, apid, receivers, start_daemon):
    receiver = receivers()
    start_daemon("hookd", config())
    old, new = new_secret(), new_secret()
    apid.ask("hookd", "hook.put", {"webhook": "w1-1", "url": receiver.url(),
                                   "secret": seal(home, receiver.url(), f"{new} {old}")})
    apid.state("ringing")
    attempt = receiver.wait(1)[0]
    assert attempt.fits(old) and attempt.fits(new) and len(attempt.headers["webhook-signature"].split(" ")) == 2


def test_retries_keep_id_and_bytes_and_sign_anew(home, apid, receivers, start_daemon):
    receiver = receivers(lambda attempt, number: (500 if number < 4 else 200, {}, b""))
    start_daemon("hookd", config(receiver.url(), retry={"count": 3, "delay_ms": 400, "max_delay_ms": 1000}))
    apid.state("ringing")
    attempts = receiver.wait(4)
    assert len({a.id for a in attempts}) == 1 and len({a.raw for a in attempts}) == 1
    assert all(a.fits(secret_of(home, "state")) for a in attempts)
    assert len({a.headers["webhook-timestamp"] for a in attempts}) > 1
    gaps = [b.at - a.at for a, b in zip(attempts, attempts[1:])]
    for gap, meant in zip(gaps, [0.4, 0.8, 1.0]):
        assert meant - 0.01 <= gap < meant + 0.3, gaps
    webhook = wait_for(lambda: [w for w in apid.ask("hookd", "hook.list")["webhooks"] if w["delivered"] == 1])[0]
    assert webhook["pending"] == 0 and webhook["last_status"] == 200


@pytest.mark.parametrize("header", ["2", "date"])
def test_retry_after_is_honoured(apid, receivers, start_daemon, header):
    def answers(attempt, number):
        value = header
        if header == "date":
            value = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))
        return (503, {"Retry-After": value}, b"") if number == 1 else (200, {}, b"")
    receiver = receivers(answers)
    start_daemon("hookd", config(receiver.url()))
    apid.state("ringing")
    first, second = receiver.wait(2)
    assert 1.9 < second.at - first.at < 3.5


def test_the_order_of_a_call_holds_for_first_attempts(apid, receivers, start_daemon):
    def answers(attempt, number):
        time.sleep(0.01 * (int(attempt.id[-1], 16) % 4))
        return (500, {}, b"") if int(attempt.id[-2], 16) < 4 and number == 1 else (200, {}, b"")
    receiver = receivers(answers)
    start_daemon("hookd", config(dtmf=receiver.url()))
    for sequence in range(1, 21):
        for call in range(8):
            apid.digit("1", sequence, call=f"c1-{call}")
    wait_for(lambda: len(receiver.ids()) == 160, 30, "160 messages")
    for call in range(8):
        seen = []
        for attempt in receiver.attempts:
            if attempt.body["call_id"] == f"c1-{call}" and attempt.body["sequence"] not in seen:
                seen.append(attempt.body["sequence"])
        assert seen == list(range(1, 21))


def test_gone_disables_and_a_replay_enables(home, apid, receivers, start_daemon):
    mood = {"status": 410}
    receiver = receivers(lambda attempt, number: (mood["status"], {}, b""))
    start_daemon("hookd", config())
    apid.ask("hookd", "hook.put", {"webhook": "w1-1", "url": receiver.url(),
                                   "secret": seal(home, receiver.url(), new_secret())})
    apid.state("ringing")
    fact = apid.wait_fact("hook.failed")[0]
    assert fact["webhook"] == "w1-1" and fact["disabled"] and fact["attempts"] == 1 and "410" in fact["why"]
    apid.state("off_hook")
    webhook = apid.ask("hookd", "hook.list")["webhooks"][0]
    assert not webhook["enabled"] and webhook["pending"] == 0 and webhook["dead"] == 1
    dead = apid.ask("hookd", "hook.dead", {"limit": 10})["deliveries"]
    assert [(d["id"], d["webhook"], d["event_type"], d["last_status"]) for d in dead] == [
        (fact["delivery"], "w1-1", "state_change", 410)]
    assert len(receiver.attempts) == 1
    mood["status"] = 200
    apid.ask("hookd", "hook.replay", {"delivery": fact["delivery"]})
    again = receiver.wait(2)[1]
    assert again.id == receiver.attempts[0].id and again.raw == receiver.attempts[0].raw
    wait_for(lambda: apid.ask("hookd", "hook.list")["webhooks"][0]["enabled"])
    assert apid.ask("hookd", "hook.dead", {"limit": 10})["deliveries"] == []
    apid.state("on_hook", call="c1-z")
    receiver.wait(3)
    with pytest.raises(Refused, match="not_found"):
        apid.ask("hookd", "hook.replay", {"delivery": fact["delivery"]})


def test_a_moved_endpoint_takes_its_messages_along(home, apid, receivers, start_daemon):
    old, new = receivers(lambda attempt, number: (500, {}, b"")), receivers()
    hookd = start_daemon("hookd", config(old.url(), retry={"count": 0, "delay_ms": 50, "max_delay_ms": 100}))
    first = secret_of(home, "state")
    apid.state("ringing")
    old.wait(1)
    hookd.stop()
    apid.state("off_hook")
    hookd.configure(config(new.url()))
    hookd.start()
    got = new.wait(2)
    assert {a.body["new_state"] for a in got} == {"ringing", "off_hook"} and got[0].fits(secret_of(home, "state"))
    assert not got[0].fits(first), "what the old receiver knows is not worth anything at the new one"
    hookd.stop()
    hookd.configure(config())
    hookd.start()
    assert apid.ask("hookd", "hook.list")["webhooks"] == []


def test_a_configured_secret_is_used_and_a_foreign_one_is_not(home, apid, receivers, start_daemon):
    receiver = receivers()
    hookd = start_daemon("hookd", config())
    hookd.stop()
    secret = new_secret()
    settings = config(receiver.url("/state"), receiver.url("/dtmf"))
    settings["webhooks"]["outgoing"]["state"]["secret"] = seal(home, receiver.url("/state"), secret)
    settings["webhooks"]["outgoing"]["dtmf"]["secret"] = seal(home, receiver.url("/other"), secret)
    hookd.configure(settings)
    hookd.start()
    apid.digit("1", 1)
    apid.state("ringing")
    assert receiver.wait(1, path="/state")[0].fits(secret)
    part = wait_for(lambda: [p for p in [apid.ask("hookd", "daemon.status")["part"]]
                             if "secret" in p.get("why", "")])[0]
    assert part["state"] == "degraded"
    assert not [a for a in receiver.attempts if a.path == "/dtmf"]
    assert apid.ask("hookd", "hook.list")["webhooks"][0]["pending"] == 1


def test_attempts_are_traced_and_counted(apid, receivers, start_daemon):
    receiver = receivers(lambda attempt, number: (500 if number == 1 else 200, {}, b""))
    start_daemon("hookd", config(receiver.url()))
    apid.state("ringing", call="c1-traced")
    receiver.wait(2)
    wait_for(lambda: apid.ask("hookd", "hook.list")["webhooks"][0]["delivered"] == 1)
    records = apid.ask("hookd", "daemon.trace", {"call": "c1-traced"})["records"]
    records = [r for r in records if r["kind"] == "http"]
    assert len(records) == 2
    assert "500" in records[0]["what"] and "200" in records[1]["what"]
    text = apid.ask("hookd", "daemon.metrics")["text"]
    assert metric(text, "hookswitch_webhook_attempts_total", endpoint="state", result="delivered") == 1
    assert metric(text, "hookswitch_webhook_attempts_total", endpoint="state", result="5xx") == 1
    assert metric(text, "hookswitch_webhook_attempts_total", endpoint="dtmf") == 0
    assert metric(text, "hookswitch_webhook_delivery_seconds_count") == 1
    wait_for(lambda: metric(apid.ask("hookd", "daemon.metrics")["text"], "hookswitch_webhook_queue_depth") == 0)
