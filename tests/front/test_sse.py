"""Server-sent events, and commands over the events' WebSocket."""
import contextlib
import json
import socket

import peers
import pytest
from sockets import BINARY, TEXT, Client

EVENTS = "/api/v1/events"


class Listener:
    """A client that reads text/event-stream, chunked as HTTP has it."""

    def __init__(self, front, query="", token=peers.TOKEN, receive_buffer=None, accept="text/event-stream", **fields):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", front.rest))
        self.socket.settimeout(20)
        lines = {"Host": "localhost", "Accept": accept, **{n.replace("_", "-"): v for n, v in fields.items()}}
        if token:
            lines["Authorization"] = f"Bearer {token}"
        self.socket.sendall((f"GET {EVENTS}{query} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines.items()) +
                             "\r\n").encode())
        self.data = b""
        head = self.until(b"\r\n\r\n").decode()
        self.status = int(head.split()[1])
        self.fields = {n.lower(): v for n, v in (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)}
        self.text = b""
        if "content-length" in self.fields:
            while len(self.data) < int(self.fields["content-length"]):
                self.more()
            self.problem = json.loads(self.data)

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the end")
        self.data += data

    def until(self, what):
        while what not in self.data:
            self.more()
        found, _, self.data = self.data.partition(what)
        return found

    def chunk(self):
        size = int(self.until(b"\r\n"), 16)
        while len(self.data) < size + 2:
            self.more()
        found, self.data = self.data[:size], self.data[size + 2:]
        if size == 0:
            raise ConnectionError("the end")
        return found

    def block(self):
        """The next event as the fields it has; comments are passed over."""
        while True:
            while b"\n\n" not in self.text:
                self.text += self.chunk()
            block, _, self.text = self.text.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
            if fields:
                return fields

    def events(self, count):
        found = []
        for _ in range(count):
            block = self.block()
            event = json.loads(block["data"])
            assert block.get("id") == event.get("cursor") and "event" not in block
            found.append(event)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def chain(events, start):
    for event in events:
        assert event["prev"] == start
        start = event["cursor"]
    return start


def test_events_come_as_they_do_by_websocket(suite, front):
    with Listener(front, "?hello=true") as client, Client(front, EVENTS) as other:
        assert client.status == 200 and client.fields["content-type"].startswith("text/event-stream")
        hello = json.loads(client.block()["data"])
        assert hello["type"] == "hello" and hello["digits"] is True
        suite.add(3, line="phone1", call_id="c1-a")
        events = client.events(3)
        assert events == other.events(3)
        last = chain(events, hello["cursor"])
    suite.add(300)
    with Listener(front, Last_Event_ID=last) as client:
        chain(client.events(300), last)
    with Listener(front, f"?since={last}&line=nobody", Last_Event_ID=events[0]["cursor"]) as client:
        suite.add(1, line="nobody")
        assert client.events(1)[0]["line"] == "nobody"


def test_refusals_are_problems(suite, front):
    for made, status, field in ((Listener(front, token=None), 401, None), (Listener(front, "?since=x"), 422, "since"),
                                (Listener(front, "?new=1"), 422, "new"),
                                (Listener(front, Last_Event_ID="a b"), 422, "Last-Event-ID")):
        with made as client:
            assert client.status == status and client.problem.get("field") == field, client.problem
    with Listener(front, "?limit=1", accept="application/json") as client:
        assert client.status == 200 and "events" in client.problem


def test_digits_are_for_those_who_may(suite, front):
    with Listener(front, "?hello=true", token=peers.NO_DIGITS) as client:
        assert json.loads(client.block()["data"])["digits"] is False
        suite.swap("dtmf", "call.ended")
        assert client.events(1)[0]["type"] == "call.ended"


def test_who_reads_too_slowly_is_told_where_to_go_on(suite, front):
    with Listener(front, "?hello=true", receive_buffer=4096) as client:
        start = json.loads(client.block()["data"])["cursor"]
        with Listener(front) as quick:
            for _ in range(60):
                suite.add(100, leg="l1-" + "x" * 60, line="phone1", call_id="c1-slow")
                quick.events(100)
        reached = start
        with contextlib.suppress(ConnectionError):
            while True:
                block = client.block()
                if block.get("event") == "closed":
                    assert json.loads(block["data"])["why"].endswith(f"since={reached}")
                    break
                event = json.loads(block["data"])
                assert event["prev"] == reached
                reached = event["cursor"]
    with Listener(front, Last_Event_ID=reached) as client:
        suite.add(1)
        assert client.events(1)[0]["prev"] == reached


def test_a_stopping_front_lets_go(own):
    suite, front = own()
    with Listener(front, "?hello=true") as client:
        client.block()
        front.stop()
        with pytest.raises(ConnectionError):
            client.block()


# ---- commands ----

def command(client, **message):
    client.send(TEXT, json.dumps(message).encode())
    return client.json()


def test_commands_are_answered_by_id(suite, front):
    with Client(front, EVENTS) as client:
        reply = command(client, id="1", request="phone.status")
        assert (reply["type"], reply["id"], reply["status"]) == ("reply", "1", 200) and reply["body"]["state"]
        assert command(client, id="2", request="phone.ring", body={"timeout_s": 5})["status"] == 202
        reply = command(client, id="3", request="calls.hangup", body={"call": "c1-a"}, idempotency_key="k1")
        assert reply["status"] == 200 and reply["body"]["call"]
        suite.answer("phone.hangup", {"error": "wrong_state", "state": "on_hook", "detail": "no call"})
        reply = command(client, id="4", request="phone.hangup")
        assert reply["status"] == 409 and reply["body"]["state"] == "on_hook" and reply["body"]["request_id"]
        suite.add(1)
        assert client.json()["type"] == "call.flash"


@pytest.mark.parametrize("message, status, field", [
    ({"request": "phone.status"}, 400, "id"), ({"id": "a b", "request": "phone.status"}, 400, "id"),
    ({"id": "1", "request": "nothing"}, 400, "request"), ({"id": "1", "request": "phone.audio"}, 400, "request"),
    ({"id": "1", "request": "media.open"}, 400, "request"), ({"id": "1", "request": 7}, 400, "request"),
    ({"id": "1", "request": "calls.hangup"}, 422, "call"),
    ({"id": "1", "request": "phone.ring", "body": {"more": 1}}, 422, "more"),
    ({"id": "1", "request": "phone.ring", "body": []}, 422, ""),
    ({"id": "1", "request": "phone.ring", "idempotency_key": "a b"}, 400, "idempotency_key")])
def test_wrong_commands_are_answered_too(suite, front, message, status, field):
    with Client(front, EVENTS) as client:
        reply = command(client, **message)
        assert reply["status"] == status and reply["body"].get("field", "") == field, reply


def test_what_is_no_command_is_ignored(suite, front):
    with Client(front, EVENTS) as client:
        for text in (b"{}", b"[]", b"{", b'"request"', b'{"id":"1"}'):
            client.send(TEXT, text)
        client.send(BINARY, b'{"id":"1","request":"phone.status"}')
        assert command(client, id="1", request="phone.status")["status"] == 200


def test_too_many_commands_at_a_time(suite, front):
    suite.delay("phone.status", 60)
    with Client(front, EVENTS) as client:
        for number in range(40):
            client.send(TEXT, json.dumps({"id": str(number), "request": "phone.status"}).encode())
        assert client.closed() == 1008
