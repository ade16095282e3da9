"""The event feed: order, resuming, filters, rights, slow clients, restarts on both sides."""
import collections
import json
import re
import threading
import time

import peers
import pytest
from sockets import BINARY, CLOSE, TEXT, Client

EVENTS = "/api/v1/events"


def greeted(front, query="", **more):
    client = Client(front, EVENTS + (query + "&" if query else "?") + "hello=true", **more)
    assert client.status == 101, client.refused
    hello = client.json()
    assert hello["type"] == "hello"
    client.hello = hello
    return client


def figure(suite, name):
    text = suite.ask_front("daemon.metrics", {})["body"]["text"]
    return int(next(x for x in text.splitlines() if x.startswith(name)).split()[-1])


def chain(events, start):
    """Every event names the one before it."""
    for event in events:
        assert event["prev"] == start, f"gap before {event['cursor']}: {event['prev']} is not {start}"
        start = event["cursor"]
    return start


def test_hello_then_events(suite, front):
    with greeted(front) as client:
        assert client.hello["cursor"] == suite.cursor() and client.hello["digits"] is True
        suite.add(3, line="phone1", call_id="c1-a")
        events = client.events(3)
        chain(events, client.hello["cursor"])
        logged = suite.log()[-3:]
        assert [{k: v for k, v in e.items() if k != "prev"} for e in events] == logged
        assert client.is_quiet()


def test_both_audiences_are_merged_in_order(suite, front):
    with greeted(front) as client:
        for _ in range(20):
            suite.swap("dtmf", "call.ended")
            suite.swap("call.ended", "dtmf")
        events = client.events(80)
        assert [e["seq"] for e in events] == list(range(events[0]["seq"], events[0]["seq"] + 80))
        chain(events, client.hello["cursor"])


def test_duplicates_are_told_once(suite, front):
    with greeted(front) as client:
        suite.add(5)
        suite.repeat(5)
        suite.add(1)
        chain(client.events(6), client.hello["cursor"])
        assert client.is_quiet()


def test_lost_copies_are_fetched(suite, front):
    with greeted(front) as client:
        suite.add(3, publish=False)
        suite.add(1)
        chain(client.events(4), client.hello["cursor"])
        suite.add(500, publish=False)
        chain(client.events(500), suite.log()[-501]["cursor"])  # by the heartbeat alone
        assert client.is_quiet()


@pytest.mark.parametrize("back", [0, 1, 7, 400])
def test_since(suite, front, back):
    suite.add(400)
    start = suite.log()[-1 - back]["cursor"]
    with greeted(front, f"?since={start}") as client:
        assert client.hello["cursor"] == start
        suite.add(2)
        events = client.events(back + 2)
        assert chain(events, start) == suite.cursor()
        assert client.is_quiet()


def test_since_before_the_ring_comes_from_apid(own):
    suite, front = own()
    with greeted(front) as probe:
        first = suite.add(1)
        probe.json()
    suite.add(6000)
    peers.wait_for(lambda: figure(suite, "hookswitch_feed_events_total") == 6001, what="the ring to be full")
    with greeted(front, f"?since={first}") as client:
        writer = threading.Thread(target=lambda: [suite.add(10) for _ in range(30)])
        writer.start()
        events = client.events(6300, timeout=60)
        writer.join()
        assert chain(events, first) == suite.cursor()
        assert client.is_quiet()
    assert any(r["body"].get("since") == first and r["token"] == peers.TOKEN for r in suite.requests("events.list")
               if "token" in r), "pages come with the client's own token"


def test_since_that_is_none(suite, front):
    client = Client(front, EVENTS + "?since=rubbish")
    assert client.status == 422 and client.refused["field"] == "since"
    client = Client(front, EVENTS + "?since=1.g9.999999")
    assert client.status == 410 and client.refused["type"] == "urn:hookswitch:gone"


FILTERS = [
    ("type=dtmf", lambda e: e["type"] == "dtmf"),
    ("types=dtmf,call.ended", lambda e: e["type"] in ("dtmf", "call.ended")),
    ("line=phone1", lambda e: e.get("line") == "phone1"),
    ("call=c1-b", lambda e: e.get("call_id") == "c1-b"),
    ("line=phone2&types=call.flash", lambda e: e.get("line") == "phone2" and e["type"] == "call.flash"),
]


def mixture(suite):
    for line, call in (("phone1", "c1-a"), ("phone2", "c1-b"), ("phone1", "c1-b")):
        for kind in ("dtmf", "call.flash", "call.ended"):
            suite.add(1, type=kind, line=line, call_id=call)


@pytest.mark.parametrize("query,wanted", FILTERS, ids=[f[0] for f in FILTERS])
@pytest.mark.parametrize("older", [False, True], ids=["live", "older"])
def test_filters(suite, front, query, wanted, older):
    start = suite.cursor()
    if older:
        mixture(suite)
    with greeted(front, f"?since={start}&{query}") as client:
        if not older:
            mixture(suite)
        expected = [e["seq"] for e in suite.log() if wanted(e) and e["seq"] > int(start.split(".")[2])]
        events = client.events(len(expected))
        assert [e["seq"] for e in events] == expected
        chain(events, start)
        assert client.is_quiet()


@pytest.mark.parametrize("query,field", [("x=1", "x"), ("since=a&since=b", "since"), ("type=nothing", "type"),
                                         ("types=", "types"), ("line=a%20b", "line"), ("call=" + "x" * 65, "call"),
                                         ("type=dtmf&types=dtmf", "types"), ("types=dtmf,", "types"), ("token=x", "token")])
def test_bad_queries(suite, front, query, field):
    client = Client(front, f"{EVENTS}?{query}")
    assert client.status == 422 and client.refused["field"] == field
    assert suite.requests("events.open") == []


def test_digits_are_for_those_who_may(suite, front):
    start = suite.cursor()
    with greeted(front, token=peers.NO_DIGITS) as live:
        assert live.hello["digits"] is False
        for kind in ("dtmf.begin", "dtmf", "call.dialled", "call.ended"):
            suite.add(1, type=kind)
        assert live.json()["type"] == "call.ended"
        assert live.is_quiet()
    with greeted(front, f"?since={start}", token=peers.NO_DIGITS) as older:
        event = older.json()
        assert event["type"] == "call.ended" and event["prev"] == start
        assert older.is_quiet()


# ---- handshakes ----

def test_refusals_are_plain_http(suite, front):
    for token, status in ((None, 401), ("nobody", 401)):
        client = Client(front, EVENTS, token=token)
        assert client.status == status and client.fields["www-authenticate"].startswith("Bearer")
        assert client.refused["type"] == "urn:hookswitch:unauthorized"
        assert client.refused["request_id"] == client.fields["x-request-id"]
    suite.answer("events.open", {"error": "forbidden", "detail": "scope calls:read is needed"})
    client = Client(front, EVENTS)
    assert client.status == 403 and 'scope="calls:read"' in client.fields["www-authenticate"]
    suite.answer("events.open", {"error": "overloaded"})
    client = Client(front, EVENTS)
    assert client.status == 503 and int(client.fields["retry-after"]) >= 1
    assert Client(front, "/api/v1/nothing").status == 404
    assert Client(front, "/api/v1/phone/status").status == 404
    assert Client(front, EVENTS, Upgrade=None).status == 426


def test_refusals_fill_no_log(own):
    """Of many refusals for one reason a second shows one; another reason is seen all the same."""
    suite, front = own()
    began = time.monotonic()
    for _ in range(60):
        assert Client(front, EVENTS, token=None).status == 401
    assert Client(front, "/api/v1/nothing").status == 404
    most = 1 + int(time.monotonic() - began)
    peers.wait_for(lambda: "status=404" in front.log.read_text(), what="the log's last line")  # a scribe writes it
    lines = [line for line in front.log.read_text().splitlines() if "ws.refused" in line]
    assert 1 <= sum("status=401" in line for line in lines) <= most, lines
    assert sum("status=404" in line for line in lines) == 1
    peers.wait_for(lambda: Client(front, EVENTS, token=None) and any(
        int(more) > 0 for more in re.findall(r"ws.refused.*more=(\d+)", front.log.read_text())))


@pytest.mark.parametrize("origin,status", [(None, 101), ("https://console.example", 101), ("https://console.example.evil", 403),
                                           ("https://console.exampl", 403), ("http://console.example", 403),
                                           ("https://console.example:443", 403), ("null", 403), ("HTTPS://console.example", 403)])
def test_origin(suite, front, origin, status):
    assert Client(front, EVENTS, Origin=origin).status == status
    assert Client(front, EVENTS, token=None, Origin=origin).status == (401 if status == 101 else 403)


def test_apid_away_is_503(own):
    suite, front = own()
    peers.wait_for(lambda: "peer_up" in front.log.read_text())
    suite.apid_stop()
    peers.wait_for(lambda: "peer_down" in front.log.read_text())
    client = Client(front, EVENTS)
    assert client.status == 503 and client.refused["type"] == "urn:hookswitch:unavailable"


# ---- what clients do ----

def test_every_message_is_an_event_unless_hello_is_asked_for(suite, front):
    with Client(front, EVENTS) as client:
        suite.add(2, line="phone1")
        assert all({"seq", "type", "cursor", "prev"} <= event.keys() for event in client.events(2))
    assert Client(front, EVENTS + "?hello=yes").status == 422


def test_messages_of_clients_are_ignored(suite, front):
    with greeted(front) as client:
        client.send(TEXT, b"hello?")
        client.send(BINARY, b"\0" * 5000)
        suite.add(1)
        assert client.json()["type"] == "call.flash"


def test_a_slow_client_is_closed_with_its_cursor(suite, front):
    with greeted(front, receive_buffer=4096) as client, greeted(front) as quick:
        start = client.hello["cursor"]
        for _ in range(60):
            suite.add(100, leg="l1-" + "x" * 60, line="phone1", call_id="c1-slow")
            chain(quick.events(100), start if _ == 0 else last)
            last = suite.cursor()
        events = []
        while client.close_code is None:
            opcode, payload = client.read()
            if opcode == TEXT:
                events.append(json.loads(payload))
        assert client.close_code == 1008 and "since=" in client.close_reason
        reached = chain(events, start)
        assert client.close_reason.endswith(f"since={reached}"), "it is the last event that was sent"
        with greeted(front, f"?since={reached}") as resumed:
            rest = resumed.events(6000 - len(events), timeout=60)
            assert chain(rest, reached) == suite.cursor()


def test_a_client_that_has_gone_silently_is_noticed(suite, front):
    with greeted(front) as client:
        client.socket.settimeout(40)
        first = client.exactly(2)
        assert first[0] & 15 == 9, "a ping within 40 s"


# ---- restarts, with a ledger ----

class Reader(threading.Thread):
    """Reads for ever; reconnects with its cursor."""

    def __init__(self, front):
        super().__init__(daemon=True)
        self.front, self.cursor, self.events, self.connections, self.stop = front, None, [], 0, False
        self.start()
        peers.wait_for(lambda: self.cursor, what="the first hello")

    def run(self):
        while not self.stop:
            try:
                client = Client(self.front, EVENTS + "?hello=true" + (f"&since={self.cursor}" if self.cursor else ""))
                if client.status != 101:
                    time.sleep(0.02)
                    continue
                self.connections += 1
                while not self.stop:
                    try:
                        opcode, payload = client.read(0.2)
                    except TimeoutError:
                        continue
                    if opcode == CLOSE:
                        break
                    event = json.loads(payload)
                    if event["type"] == "hello":
                        assert self.cursor in (None, event["cursor"])
                    else:
                        self.events.append(event)
                    self.cursor = event["cursor"]
            except (OSError, AssertionError, ValueError):
                time.sleep(0.02)


def judge(suite, readers, start):
    expected = [e["seq"] for e in suite.log() if e["seq"] > start]
    for reader in readers:
        peers.wait_for(lambda: len(reader.events) >= len(expected), 30, "all events")
        reader.stop = True
        reader.join()
        assert collections.Counter(e["seq"] for e in reader.events).most_common(1)[0][1] == 1, "repeated"
        assert [e["seq"] for e in reader.events] == expected
        chain(reader.events, reader.events[0]["prev"])


def test_front_killed_again_and_again(own):
    suite, front = own()
    suite.add(10)
    start = len(suite.log())
    readers = [Reader(front) for _ in range(3)]
    for round_ in range(9):
        suite.add(37)
        front.kill_child()
        suite.add(11)
    judge(suite, readers, start)
    assert all(r.connections > 1 for r in readers)


def test_apid_gone_and_back_again_and_again(own):
    suite, front = own()
    suite.add(10)
    start = len(suite.log())
    readers = [Reader(front) for _ in range(3)]
    for round_ in range(12):
        suite.add(23)
        suite.apid_stop()
        suite.add(5, publish=False)  # committed, and told to nobody
        suite.apid_start()
        suite.add(9)
    judge(suite, readers, start)
    assert all(r.connections == 1 for r in readers), "subscriptions outlive apid"


def test_log_that_begins_anew(own):
    suite, front = own()
    suite.add(50)
    with greeted(front) as client:
        suite.apid_stop()
        suite.anew()
        suite.apid_start()
        suite.add(5)
        assert client.closed() == 1008 and "since=" in client.close_reason
    with greeted(front) as client:
        suite.add(2)
        chain(client.events(2), client.hello["cursor"])


def test_who_came_to_a_log_that_began_anew_stays(own):
    """He was let in by the new log before the front's own question found out that the old one is gone."""
    suite, front = own()
    suite.add(50)
    with greeted(front) as old:
        suite.apid_stop()
        suite.anew()
        suite.delay("events.list", 1)
        suite.apid_start()
        peers.wait_for(lambda: Client(front, EVENTS).status == 101)
        with greeted(front) as new:
            assert old.closed() == 1008
            suite.add(5)
            chain(new.events(5), new.hello["cursor"])


def test_front_starts_before_apid(own):
    suite, front = own()
    front.stop()
    suite.apid_stop()
    suite.add(5)
    front.start()
    assert Client(front, EVENTS).status == 503
    suite.apid_start()
    peers.wait_for(lambda: Client(front, EVENTS).status == 101)
    with greeted(front, "?since=1.g1.2") as client:
        chain(client.events(3), "1.g1.2")


def test_stopping_says_going_away(own):
    suite, front = own()
    with greeted(front) as client:
        stopper = threading.Thread(target=front.stop)
        stopper.start()
        assert client.closed() == 1001
        stopper.join()


# ---- crowds ----

def test_thousands_of_clients(own):
    suite, front = own(API_MAX_CLIENTS=4000)
    clients = [greeted(front) for _ in range(3000)]
    suite.add(5, line="phone1")
    begun = time.monotonic()
    for client in clients:
        chain(client.events(5), client.hello["cursor"])
    assert time.monotonic() - begun < 20
    text = suite.ask_front("daemon.metrics", {})["body"]["text"]
    line = next(x for x in text.splitlines() if x.startswith("hookswitch_ws_connections") and 'kind="events"' in x)
    assert line.endswith(" 3000")
    for client in clients:
        client.close()
    with greeted(front) as client:
        suite.add(1)
        assert client.json()["type"] == "call.flash"


def test_connections_are_bounded(own):
    suite, front = own(API_MAX_CLIENTS=20)
    clients = [greeted(front) for _ in range(20)]
    assert Client(front, EVENTS).status == 503
    clients.pop().close()
    peers.wait_for(lambda: Client(front, EVENTS).status == 101)
