"""The audio WebSocket: frames both ways, notes, slow clients, and mediad's and apid's absences."""
import base64
import json
import struct
import time

import peers
import pytest
from sockets import BINARY, TEXT, Client

AUDIO = "/api/v1/lines/phone1/audio"


def opened(suite, front, query="", **more):
    client = Client(front, AUDIO + query, **more)
    assert client.status == 101, client.refused
    client.hello = client.json()
    assert client.hello["type"] == "hello"
    client.grant = [r for r in suite.heard_frames() if r[0] == peers.ATTACH][-1][5]
    return client


def payloads(count, start=0):
    return [(start + i).to_bytes(4, "big") * 40 for i in range(count)]


def test_hello(suite, front):
    with opened(suite, front) as client:
        assert client.hello == {"type": "hello", "line": "phone1", "codec": "pcmu", "state": "on_hook", "call_id": None}
    asked = suite.requests("stream.open")[0]
    assert asked["body"] == {"line": "phone1", "via": "websocket"} and asked["token"] == peers.TOKEN
    suite.answer("stream.open", {"body": {"stream": "s1-busy", "state": "off_hook", "call_id": "c1-x"}})
    suite.set_codec(2)
    with opened(suite, front) as client:
        assert client.hello["state"] == "off_hook" and client.hello["call_id"] == "c1-x" and client.hello["codec"] == "pcma"


def test_frames_to_the_client_as_they_came(suite, front):
    with opened(suite, front) as client:
        sent = payloads(50)
        suite.media_frames(client.grant, sent)
        assert [client.read() for _ in sent] == [(BINARY, p) for p in sent]


def test_frames_from_the_client_in_order(suite, front):
    with opened(suite, front) as client:
        sizes = [1, 159, 160, 161, 1000, 16384, 16385, 65536, 320]
        sound = b"".join(bytes([i]) * size for i, size in enumerate(sizes))
        for i, size in enumerate(sizes):
            client.send(BINARY, bytes([i]) * size)

        def heard():
            return [f for f in suite.heard_frames() if f[0] == peers.AUDIO]
        peers.wait_for(lambda: sum(len(f[6]) for f in heard()) == len(sound))
        frames = heard()
        assert b"".join(f[6] for f in frames) == sound and all(len(f[6]) <= 16384 for f in frames)
        assert [f[3] for f in frames] == list(range(len(frames)))
        assert [f[4] for f in frames] == [sum(len(g[6]) for g in frames[:i]) for i in range(len(frames))]
        assert {f[1] for f in frames} == {1} and {f[5] for f in frames} == {client.grant}


def test_clear_and_other_texts(suite, front):
    with opened(suite, front) as client:
        for text in (b"", b"clear", b"[]", b'{"type":1}', b'{"type":"what"}', b'{"type":"clear","type":"clear"}', b"{" * 500):
            client.send(TEXT, text)
        client.send(TEXT, b'{"type":"clear"}')
        peers.wait_for(lambda: [f for f in suite.heard_frames() if f[0] == peers.CLEAR])
        assert len([f for f in suite.heard_frames() if f[0] == peers.CLEAR]) == 1
        text = suite.ask_front("daemon.metrics", {})["body"]["text"]
        line = next(x for x in text.splitlines() if x.startswith("hookswitch_ws_ignored_total") and "audio" in x)
        assert int(line.split()[-1]) >= 7


def orders(suite, kind):
    return [f for f in suite.heard_frames() if f[0] == kind]


def queue(heard=0, dropped=0, underruns=0, waiting=0, flags=0):
    return struct.pack("!QQQIB", heard, dropped, underruns, waiting, flags)


def test_marks_pauses_and_the_queue(suite, front):
    with opened(suite, front) as client:
        for text in ({"type": "mark", "name": "one"}, {"type": "pause"}, {"type": "resume"}, {"type": "queue"}):
            client.send(TEXT, json.dumps(text).encode())
        peers.wait_for(lambda: orders(suite, peers.QUEUE))
        assert orders(suite, peers.PAUSE) and orders(suite, peers.RESUME)
        mark = orders(suite, peers.MARK)[0][4]
        suite.media_send(client.grant, peers.MARKED, queue(heard=480), timestamp=mark)
        assert client.json() == {"type": "mark", "name": "one", "played": True, "heard_samples": 480}
        suite.media_send(client.grant, peers.QUEUE, queue(480, 3, 2, 400000, 3))
        assert client.json() == {"type": "queue", "heard_samples": 480, "waiting_samples": 400000, "dropped_samples": 3,
                                 "underruns": 2, "paused": True, "flow": "stop"}


def test_tracks_and_formats(suite, front):
    with opened(suite, front, "?track=both&format=pcma") as client:
        assert client.hello["codec"] == "pcma" and orders(suite, peers.ATTACH)[-1][6] == b"\3"
        suite.media_send(client.grant, peers.AUDIO, b"\xff" * 160, codec=1, flags=2)
        opcode, payload = client.read()
        assert opcode == BINARY and payload[0] == 1 and set(payload[1:]) <= {0xd5, 0x55} and len(payload) == 161
    with opened(suite, front, "?format=l16&rate=16000&direction=speak") as client:
        assert client.hello["rate"] == 16000 and orders(suite, peers.ATTACH)[-1][6] == b"\0"
        client.send(BINARY, b"\0\0" * 3200)
        peers.wait_for(lambda: sum(len(f[6]) for f in orders(suite, peers.AUDIO) if f[5] == client.grant) > 1400)
    suite.forget()
    with opened(suite, front, "?direction=listen") as client:
        assert suite.requests("stream.open")[-1]["body"]["via"] == "listening"
        client.send(BINARY, b"x" * 160)
        client.send(TEXT, b'{"type":"clear"}')
        suite.media_frames(client.grant, payloads(1))
        assert client.read() == (BINARY, payloads(1)[0])
        assert not orders(suite, peers.AUDIO) and not orders(suite, peers.CLEAR)


@pytest.mark.parametrize("query,field", [("track=left", "track"), ("format=mp3", "format"), ("rate=16000", "rate"),
                                         ("format=l16&rate=12000", "rate"), ("dialect=twilio&format=l16", "format"),
                                         ("direction=up", "direction"), ("track=both&track=both", "track"), ("x=1", "x")])
def test_what_cannot_be_had(suite, front, query, field):
    client = Client(front, AUDIO + "?" + query)
    assert client.status == 422 and client.refused["field"] == field, client.refused


def test_twilios_dialect(suite, front):
    suite.answer("stream.open", {"body": {"stream": "s1-tw", "state": "off_hook", "call_id": "c1-x", "digits": True}})
    client = Client(front, AUDIO + "?dialect=twilio")
    assert client.status == 101 and client.json() == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert peers.wait_for(lambda: suite.requests("stream.call"))[0]["token"] == peers.TOKEN and client.is_quiet(0.05)
    suite.answer("stream.call", {"body": {"call_id": "c1-x", "from_number": "101", "to_number": "0"}})
    suite.add(1, type="call.answered", line="phone1", call_id="c1-x", leg="l1")
    start = client.json()
    assert start["event"] == "start" and start["start"]["callSid"] == "c1-x" and start["sequenceNumber"] == "1"
    suite.media_frames("s1-tw", [b"\x7f" * 160])
    media = client.json()
    assert media["event"] == "media" and base64.b64decode(media["media"]["payload"]) == b"\x7f" * 160
    suite.add(1, type="dtmf", line="phone1", call_id="c1-x", digit="5", sequence=1, duration_ms=80, source="rfc4733")
    assert client.json()["dtmf"]["digit"] == "5"
    suite.add(1, type="call.ended", line="phone1", call_id="c1-x", cause="normal", ended_by="line", duration_ms=1)
    assert client.json()["event"] == "stop"
    assert client.closed() == 1000


def test_codec_changes_are_told_in_time(suite, front):
    with opened(suite, front) as client:
        suite.media_frames(client.grant, payloads(2), codec=1)
        suite.media_frames(client.grant, payloads(2, 10), codec=2)
        assert [client.read()[0] for _ in range(2)] == [BINARY] * 2
        assert client.json() == {"type": "codec", "codec": "pcma"}
        assert [client.read() for _ in range(2)] == [(BINARY, p) for p in payloads(2, 10)]
        client.send(BINARY, b"x" * 160)
        peers.wait_for(lambda: [f for f in suite.heard_frames() if f[0] == peers.AUDIO and f[1] == 2])


def test_calls_begin_and_end(suite, front):
    with opened(suite, front) as client:
        suite.add(1, type="call.answered", line="phone2", call_id="c1-other", leg="l1")
        suite.add(1, type="call.answered", line="phone1", call_id="c1-mine", leg="l1")
        note = client.json()
        assert (note["type"], note["line"], note["call_id"]) == ("call_started", "phone1", "c1-mine")
        suite.add(1, type="call.ended", line="phone1", call_id="c1-mine", cause="normal", ended_by="line", duration_ms=1)
        assert client.json()["type"] == "call_ended"
        assert client.is_quiet()


def dropped(suite):
    """Frames that a client will never get."""
    rows = suite.ask_front("daemon.metrics", {})["body"]["text"].splitlines()
    row = next(r for r in rows if r.startswith("hookswitch_front_audio_frames_dropped_total") and "to_client" in r)
    return int(row.split()[-1])


def test_a_slow_client_loses_the_oldest_frames(suite, front):
    with opened(suite, front, receive_buffer=4096) as client:
        total, before = 6000, dropped(suite)
        for at in range(0, total, 100):
            suite.media_frames(client.grant, payloads(100, at))
        peers.wait_for(lambda: dropped(suite) > before, what="more than the kernels and the ring hold")
        seen, told = [], 0
        while not seen or seen[-1] != total - 1:
            opcode, payload = client.read()
            if opcode == BINARY:
                seen.append(int.from_bytes(payload[:4], "big"))
            else:
                note = json.loads(payload)
                assert note["type"] == "dropped"
                told += note["to_you"]
        assert seen == sorted(set(seen)), "order is kept"
        assert seen[-50:] == list(range(total - 50, total)), "the newest second is there"
        suite.media_frames(client.grant, payloads(1, total))
        time.sleep(1.1)
        suite.media_frames(client.grant, payloads(1, total + 1))
        while client.read()[1][:4] != (total + 1).to_bytes(4, "big"):
            pass
        assert 0 < len(seen) < total


def test_the_client_leaves(suite, front):
    client = opened(suite, front)
    grant = client.grant
    client.close()
    peers.wait_for(lambda: grant in [r["body"].get("stream") for r in suite.requests("stream.close")])
    peers.wait_for(lambda: [f for f in suite.heard_frames() if f[0] == peers.DETACH and f[5] == grant])
    assert grant not in suite.attached_grants()


def test_the_client_leaves_before_it_is_open(suite, front):
    suite.delay("stream.open", 0.2)
    for _ in range(5):
        client = peers.Raw(front.ws, __import__("sockets").handshake(AUDIO))
        peers.wait_for(lambda: suite.requests("stream.open"))
        client.close()
    peers.wait_for(lambda: len(suite.requests("stream.close")) == len(suite.requests("stream.open")) >= 1)


@pytest.mark.parametrize("error,status", [("not_found", 404), ("forbidden", 403), ("unauthorized", 401),
                                          ("unavailable", 503), ("overloaded", 503)])
def test_refused_by_apid(suite, front, error, status):
    suite.answer("stream.open", {"error": error, "detail": "because so"})
    client = Client(front, AUDIO)
    assert client.status == status and client.refused["detail"] == "because so"
    assert client.refused["type"] == f"urn:hookswitch:{error}"


def test_refused_or_ignored_by_mediad(suite, front):
    suite.media("attach", "refuse")
    assert Client(front, AUDIO).status == 503
    peers.wait_for(lambda: suite.requests("stream.close"), what="the grant to be given back")
    suite.media("attach", "silent")
    client = Client(front, AUDIO)
    assert client.status == 504


def test_mediad_away(own):
    suite, front = own()
    suite.media_stop()
    peers.wait_for(lambda: Client(front, AUDIO).status == 503)
    suite.media_start()
    peers.wait_for(lambda: Client(front, AUDIO).status == 101)


def test_mediad_restarts_again_and_again(own):
    suite, front = own()
    with opened(suite, front) as client:
        for round_ in range(5):
            suite.media_stop()
            client.send(BINARY, b"x" * 160)  # lost, and told
            suite.media_start()
            peers.wait_for(lambda: client.grant in suite.attached_grants())
            suite.media_frames(client.grant, payloads(3, round_ * 10))
            seen = []
            while len(seen) < 3:
                opcode, payload = client.read()
                if opcode == BINARY:
                    seen.append(payload)
                else:
                    assert json.loads(payload)["type"] == "dropped"
            assert seen == payloads(3, round_ * 10)


def test_a_grant_that_mediad_forgot_is_asked_for_anew(own):
    suite, front = own()
    with opened(suite, front) as client:
        first = client.grant
        suite.media("attach", "refuse")
        suite.media_send(first, peers.DETACH)
        peers.wait_for(lambda: len(suite.requests("stream.open")) > 1, 15)
        suite.media("attach", None)
        peers.wait_for(lambda: [g for g in suite.attached_grants() if g != first])
        grant = [g for g in suite.attached_grants() if g != first][-1]
        peers.wait_for(lambda: [f for f in suite.heard_frames() if f[0] == peers.ATTACH and f[5] == grant])
        time.sleep(0.05)
        suite.media_frames(grant, payloads(2))
        assert [client.read() for _ in range(2)] == [(BINARY, p) for p in payloads(2)]


def test_apid_restarts_and_audio_goes_on(own):
    suite, front = own()
    with opened(suite, front) as client:
        suite.apid_stop()
        suite.media_frames(client.grant, payloads(20))
        assert [client.read() for _ in range(20)] == [(BINARY, p) for p in payloads(20)]
        suite.apid_start()
        suite.media_frames(client.grant, payloads(5))
        assert [client.read() for _ in range(5)] == [(BINARY, p) for p in payloads(5)]


def test_several_operators_hear_a_line(suite, front):
    clients = [opened(suite, front) for _ in range(5)]
    assert len({c.grant for c in clients}) == 5
    for number, client in enumerate(clients):
        suite.media_frames(client.grant, payloads(2, number * 10))
    for number, client in enumerate(clients):
        assert [client.read() for _ in range(2)] == [(BINARY, p) for p in payloads(2, number * 10)]
        client.close()
