"""hook-stream: the operator's WebSocket both ways, and its way back after every loss."""
import asyncio
import base64
import http
import json
import struct
import threading
import time

import pytest
import websockets
import zmq

from world import free_port, metric, seal, wait_for

HEADER = struct.Struct(">BBBBII32s")
ATTACH, ATTACHED, REFUSED, AUDIO, DETACH, CLEAR, MARK, MARKED = 1, 2, 3, 4, 7, 8, 9, 10


class Mediad:
    """Plays mediad's audio edge. sends(grant, ...) and a list of frames heard."""

    def __init__(self, home):
        self.home, self.frames, self.peers = home, [], {}
        self.refuse = False
        self.start()

    def start(self):
        self.context = zmq.Context()
        path = self.home / "run" / "mediad" / "audio"
        path.mkdir(parents=True, exist_ok=True)
        (path / "socket").unlink(missing_ok=True)
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = self.socket.sndhwm = 0
        self.socket.bind(f"ipc://{path}/socket")
        self.orders, self.stopping = [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping:
            while self.orders:
                self.socket.send_multipart(self.orders.pop(0))
            if self.socket.poll(1):
                peer, data = self.socket.recv_multipart()
                version, kind, codec, flags, sequence, timestamp, grant = HEADER.unpack(data[:HEADER.size])
                grant = grant.rstrip(b"\0").decode()
                assert version == 1
                if kind == ATTACH and self.refuse:
                    self.frame(peer, REFUSED, grant, b"unknown grant")
                elif kind == ATTACH:
                    self.peers[grant] = peer
                    self.frame(peer, ATTACHED, grant, codec=1)
                self.frames.append((kind, codec, sequence, timestamp, grant, data[HEADER.size:]))
        self.socket.close(0)

    def frame(self, peer, kind, grant, payload=b"", codec=0, sequence=0, timestamp=0):
        self.orders.append([peer, HEADER.pack(1, kind, codec, 0, sequence, timestamp, grant.encode()) + payload])

    def say(self, grant, payload, codec=1, sequence=0):
        self.frame(self.peers[grant], AUDIO, grant, payload, codec, sequence, sequence * 160)

    def heard(self, kind):
        return [f for f in list(self.frames) if f[0] == kind]

    def attached(self, count=1):
        return wait_for(lambda: len(self.heard(ATTACH)) >= count and self.heard(ATTACH)[-1][4], 15, "an attach")

    def stop(self):
        self.stopping = True
        self.thread.join(5)
        self.context.term()

    def restart(self):
        self.stop()
        self.peers, self.frames = {}, []
        self.start()


class Operator:
    """The operator's WebSocket server."""

    def __init__(self, port=None, slow=False):
        self.port, self.sessions, self.refuse, self.slow = port or free_port(), [], None, slow
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait(5)

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(websockets.serve(
            self.serve, "127.0.0.1", self.port, process_request=self.judge, ping_interval=None, max_queue=4))
        self.ready.set()
        self.loop.run_forever()

    async def judge(self, path, headers):
        if self.refuse:
            return http.HTTPStatus(self.refuse), [], b"no"
        return None

    async def serve(self, socket, path):
        session = {"socket": socket, "path": path, "headers": socket.request_headers, "texts": [], "audio": [],
                   "closed": None, "reading": asyncio.Event()}
        if not self.slow:
            session["reading"].set()
        self.sessions.append(session)
        try:
            while True:
                await session["reading"].wait()
                message = await socket.recv()
                if isinstance(message, str):
                    session["texts"].append(json.loads(message))
                else:
                    session["audio"].append(message)
        except websockets.ConnectionClosed as closed:
            session["closed"] = closed.rcvd.code if closed.rcvd else 1006

    def send(self, message, session=-1):
        asyncio.run_coroutine_threadsafe(self.sessions[session]["socket"].send(message), self.loop).result(5)

    def close(self, code=1000, session=-1):
        asyncio.run_coroutine_threadsafe(self.sessions[session]["socket"].close(code), self.loop).result(5)

    def session(self, count=1, timeout=15):
        return wait_for(lambda: len(self.sessions) >= count and self.sessions[count - 1], timeout, "the operator")

    def stop(self):
        async def end():
            self.server.close()
            await self.server.wait_closed()
        asyncio.run_coroutine_threadsafe(end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)


@pytest.fixture
def mediad(home):
    made = Mediad(home)
    yield made
    made.stop()


@pytest.fixture
def operator():
    made = Operator()
    yield made
    made.stop()


def config(port, path="/audio/{line}", lines=("phone1",), allow=("127.0.0.0/8",), scheme="ws", host="127.0.0.1"):
    return {"lines": [{"id": "phone1"}, {"id": "phone2"}],
            "operator": {"websocket_url": f"{scheme}://{host}:{port}{path}", "auth_token": "secret-token",
                         "lines": list(lines)},
            "webhooks": {"allow_networks": list(allow)}}


def test_a_sealed_token_goes_to_its_own_url_alone(home, apid, mediad, operator, start_daemon):
    settings, other = config(operator.port), config(operator.port, "/stolen/{line}")
    stream = start_daemon("hook-stream", settings)
    operator.session(1)
    stream.stop()
    sealed = seal(home, settings["operator"]["websocket_url"], "sealed-token", "hook-stream")
    for settings in (other, settings):
        settings["operator"]["auth_token"] = sealed
        stream.configure(settings)
        stream.start()
        if settings is other:
            part = wait_for(lambda: [p for p in [apid.ask("hook-stream", "daemon.status")["part"]]
                                     if "auth_token" in p.get("why", "")])[0]
            assert part["state"] == "degraded"
            assert metric(apid.ask("hook-stream", "daemon.metrics")["text"], "hookswitch_secrets_redirected_total") == 1
            stream.stop()
    assert operator.session(2)["headers"]["Authorization"] == "Bearer sealed-token"
    assert not [s for s in operator.sessions if s["path"].startswith("/stolen")]


def texts(session, kind=None):
    return [t for t in session["texts"] if kind is None or t["type"] == kind]


def test_audio_and_words_both_ways(apid, mediad, operator, start_daemon):
    start_daemon("hook-stream", config(operator.port, lines=("phone1", "phone2")))
    operator.session(2)
    sessions = {s["path"]: s for s in operator.sessions}
    one = sessions["/audio/phone1"]
    index = operator.sessions.index(one)
    assert one["headers"]["Authorization"] == "Bearer secret-token"
    wait_for(lambda: texts(one, "hello"))
    assert texts(one)[0] == {"type": "hello", "line": "phone1", "codec": "pcmu", "state": "on_hook", "call_id": None}
    grant = next(g for g, line in apid.streams.items() if line == "phone1")
    frames = [bytes([n]) * 160 for n in range(100)]
    for n, frame in enumerate(frames):
        mediad.say(grant, frame, sequence=n)
        time.sleep(0.001)
    wait_for(lambda: len(one["audio"]) == 100)
    assert one["audio"] == frames and not sessions["/audio/phone2"]["audio"]
    operator.send(b"\x11" * 160, index)
    operator.send(b"\x22" * 1, index)
    operator.send(b"\x33" * 40000, index)
    operator.send(json.dumps({"type": "clear"}), index)
    operator.send(json.dumps({"type": "other"}), index)
    operator.send("no json", index)
    operator.send(b"\x44" * 320, index)
    wait_for(lambda: mediad.heard(AUDIO) and mediad.heard(AUDIO)[-1][5][:1] == b"\x44")
    sent = [f for f in mediad.frames if f[0] in (AUDIO, CLEAR) and f[4] == grant]
    assert b"".join(f[5] for f in sent) == b"\x11" * 160 + b"\x22" + b"\x33" * 40000 + b"\x44" * 320
    assert [f[2] for f in sent] == list(range(len(sent))) and [f[0] for f in sent].count(CLEAR) == 1
    assert sent[-1][3] - sent[0][3] == 160 + 1 + 40000
    assert all(f[1] == 1 for f in sent if f[0] == AUDIO)
    apid.happen("call.created", call="c1-a", direction="outgoing")
    ringing = apid.state("ringing")
    answered = apid.happen("call.answered", call="c1-a", leg="l1")
    digit = apid.digit("7", 1)
    apid.happen("call.answered", line="phone2", call="c1-b", leg="l2")
    ended = apid.happen("call.ended", call="c1-a", cause="normal", ended_by="line", duration_ms=5)
    wait_for(lambda: texts(one, "call_ended"))
    assert texts(one)[1:] == [
        ringing, {"type": "call_started", "line": "phone1", "call_id": "c1-a", "cursor": answered["cursor"]},
        digit, {"type": "call_ended", "line": "phone1", "call_id": "c1-a", "cursor": ended["cursor"]}]
    mediad.say(grant, b"\x55" * 160, codec=2)
    wait_for(lambda: one["audio"][-1] == b"\x55" * 160)
    assert texts(one)[-1] == {"type": "codec", "codec": "pcma"}


def twilio(operator, **more):
    settings = config(operator.port, path="/bot")
    settings["operator"].update({"dialect": "twilio", **more})
    return settings


def begin_call(apid, call, **members):
    apid.calls["phone1"] = {"call_id": call, **members}
    apid.happen("call.answered", call=call, leg="l1")


def end_call(apid, call):
    apid.calls.pop("phone1", None)
    apid.happen("call.ended", call=call, cause="normal", ended_by="line", duration_ms=5)


def test_twilios_dialect_is_a_connection_for_each_call(apid, mediad, operator, start_daemon):
    start_daemon("hook-stream", twilio(operator))
    apid.wait_asked("stream.call")
    assert not operator.sessions
    for number, call in enumerate(("c1-a", "c1-b"), 1):
        begin_call(apid, call, from_number="101", to_number="0")
        session = operator.session(number)
        wait_for(lambda: len(session["texts"]) == 2)
        assert session["texts"][0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        start = session["texts"][1]["start"]
        assert start["callSid"] == call and start["tracks"] == ["inbound"]
        assert start["customParameters"] == {"line": "phone1", "from_number": "101", "to_number": "0"}
        grant = mediad.attached()
        mediad.say(grant, b"\x55" * 160)
        wait_for(lambda: session["texts"][-1]["event"] == "media")
        sid = {"streamSid": start["streamSid"]}
        operator.send(json.dumps({"event": "media", **sid, "media": {"payload": base64.b64encode(b"\x11" * 400).decode()}}))
        operator.send(json.dumps({"event": "mark", **sid, "mark": {"name": "said"}}))
        mark = wait_for(lambda: mediad.heard(MARK) and mediad.heard(MARK)[-1])
        assert [f[5] for f in mediad.heard(AUDIO)] == [b"\x11" * 400]
        mediad.frame(mediad.peers[grant], MARKED, grant, bytes(29), timestamp=mark[3])
        wait_for(lambda: session["texts"][-1]["event"] == "mark")
        apid.digit("7", 1, call)
        wait_for(lambda: session["texts"][-1]["event"] == "dtmf")
        end_call(apid, call)
        wait_for(lambda: session["closed"] == 1000)
        assert session["texts"][-1]["event"] == "stop"
        assert [int(t["sequenceNumber"]) for t in session["texts"][1:]] == [1, 2, 3, 4, 5]
        wait_for(lambda: not apid.streams)
        mediad.frames.clear()
    assert len(operator.sessions) == 2


def test_a_twilio_bot_that_closes_ends_the_call(apid, mediad, operator, start_daemon):
    apid.calls["phone1"] = {"call_id": "c1-a"}  # it was there before us
    start_daemon("hook-stream", twilio(operator, track="both"))
    session = operator.session()
    wait_for(lambda: len(session["texts"]) == 2)
    assert session["texts"][1]["start"]["tracks"] == ["inbound", "outbound"] and mediad.heard(ATTACH)[0][5] == b"\3"
    apid.calls.clear()
    operator.close()
    assert apid.wait_asked("stream.close")[0]["end_call"] == "c1-a"
    apid.happen("call.ended", call="c1-a", cause="normal", ended_by="api", duration_ms=5)
    begin_call(apid, "c1-b")
    operator.session(2)
    assert len(operator.sessions) == 2


def test_a_twilio_bot_is_dialled_for_as_long_as_the_call_lasts(apid, mediad, operator, start_daemon):
    operator.refuse = 503
    start_daemon("hook-stream", twilio(operator))
    begin_call(apid, "c1-a")
    assert "503" in apid.wait_asked("stream.close")[0]["why"]
    end_call(apid, "c1-a")
    wait_for(lambda: len(apid.wait_asked("stream.call")) >= 3)  # it rests, and looks for the next one
    operator.refuse = None
    begin_call(apid, "c1-b")
    session = operator.session()
    wait_for(lambda: len(session["texts"]) == 2)
    assert session["texts"][1]["start"]["callSid"] == "c1-b"


def test_it_comes_back_when_the_operator_does(apid, mediad, start_daemon):
    operator = Operator()
    start_daemon("hook-stream", config(operator.port))
    operator.session()
    mediad.attached()
    wait_for(lambda: texts(operator.sessions[0], "hello"))
    operator.close(1001)
    closed = apid.wait_asked("stream.close")[0]
    assert closed["stream"] and closed["line"] == "phone1" and closed["via"] == "dialled"
    assert "1001" in closed["why"] and 500 <= closed["retry_in_ms"] <= 600
    operator.session(2)
    wait_for(lambda: texts(operator.sessions[1], "hello"))
    assert len(apid.streams) == 1
    port = operator.port
    operator.stop()
    closed = apid.wait_asked("stream.close", 3)
    assert "stream" not in closed[2] and "cannot be reached" in closed[2]["why"]
    again = Operator(port)
    again.session()
    wait_for(lambda: texts(again.sessions[0], "hello"))
    again.stop()


def test_a_refused_handshake_is_told_once_a_reason(apid, mediad, operator, start_daemon):
    operator.refuse = 401
    start_daemon("hook-stream", config(operator.port))
    closed = apid.wait_asked("stream.close")[0]
    assert "401" in closed["why"] and "stream" not in closed
    time.sleep(1.5)
    assert len(apid.wait_asked("stream.close")) == 1
    operator.refuse = 503
    assert "503" in apid.wait_asked("stream.close", 2)[1]["why"]
    operator.refuse = None
    operator.session()
    mediad.attached()


def test_mediads_restart_is_only_silence(apid, mediad, operator, start_daemon):
    start_daemon("hook-stream", config(operator.port))
    session = operator.session()
    first = mediad.attached()
    wait_for(lambda: texts(session, "hello"))
    mediad.restart()
    assert mediad.attached() == first
    mediad.say(first, b"\x01" * 160)
    wait_for(lambda: session["audio"])
    mediad.refuse = True
    mediad.frame(mediad.peers[first], DETACH, first)
    wait_for(lambda: len(mediad.heard(ATTACH)) > 3)
    mediad.refuse = False
    second = mediad.attached(len(mediad.heard(ATTACH)) + 1)
    mediad.say(second, b"\x02" * 160)
    wait_for(lambda: session["audio"][-1] == b"\x02" * 160)
    assert len(operator.sessions) == 1 and session["closed"] is None and len(texts(session, "hello")) == 1


def test_an_unknown_grant_is_replaced(apid, mediad, operator, start_daemon):
    mediad.refuse = True
    start_daemon("hook-stream", config(operator.port))
    session = operator.session()
    apid.wait_asked("stream.open", 2)
    mediad.refuse = False
    wait_for(lambda: texts(session, "hello"))
    assert len(apid.streams) == 1


def test_apids_restart_goes_unnoticed(apid, mediad, operator, start_daemon):
    start_daemon("hook-stream", config(operator.port))
    session = operator.session()
    grant = mediad.attached()
    wait_for(lambda: texts(session, "hello"))
    apid.restart()
    mediad.say(grant, b"\x03" * 160)
    wait_for(lambda: session["audio"])
    happened = apid.state("ringing")
    wait_for(lambda: happened in session["texts"])
    apid.stop()
    operator.close()
    operator.session(2)
    apid.start()
    wait_for(lambda: texts(operator.sessions[1], "hello"), 20)
    assert any("stream" in c for c in apid.wait_asked("stream.close"))


def test_kill_9_ends_in_a_new_connection(apid, mediad, operator, start_daemon):
    daemon = start_daemon("hook-stream", config(operator.port))
    for count in range(1, 11):
        session = operator.session(count)
        mediad.attached(count)
        wait_for(lambda: texts(session, "hello"))
        daemon.kill()
    session = operator.session(11)
    wait_for(lambda: texts(session, "hello"))


def test_a_slow_operator_loses_the_oldest_audio(apid, mediad, start_daemon):
    operator = Operator(slow=True)
    start_daemon("hook-stream", config(operator.port))
    session = operator.session()
    grant = mediad.attached()
    operator.loop.call_soon_threadsafe(
        session["socket"].transport.get_extra_info("socket").setsockopt, 1, 8, 4096)  # SO_RCVBUF
    total = 60000
    for n in range(total):
        mediad.say(grant, struct.pack(">I", n) * 40, sequence=n)
        if n % 1000 == 0:
            wait_for(lambda: len(mediad.orders) < 500)

    def dropped():
        text = apid.ask("hook-stream", "daemon.metrics")["text"]
        return metric(text, "hookswitch_operator_frames_dropped_total", direction="to_operator")
    wait_for(lambda: dropped() > 1000)
    operator.loop.call_soon_threadsafe(session["reading"].set)
    wait_for(lambda: session["audio"] and struct.unpack(">I", session["audio"][-1][:4])[0] == total - 1, 30)
    numbers = [struct.unpack(">I", a[:4])[0] for a in session["audio"]]
    assert numbers == sorted(numbers) and len(numbers) < total
    assert session["closed"] is None
    wait_for(lambda: texts(session, "dropped"))
    operator.stop()


@pytest.mark.parametrize("host,why", [("127.0.0.1", "loopback"), ("localhost", "loopback"), ("0x7f.1", "loopback"),
                                      ("[::ffff:127.0.0.1]", "loopback"), ("10.1.2.3", "private")])
def test_inner_addresses_need_a_listed_network(apid, operator, start_daemon, host, why):
    start_daemon("hook-stream", config(operator.port, host=host, allow=("192.0.2.0/24",)))
    assert why in apid.wait_asked("stream.close")[0]["why"]
    assert not operator.sessions


def test_without_an_operator_it_idles(apid, start_daemon):
    start_daemon("hook-stream", {"lines": [{"id": "phone1"}]})
    part = apid.ask("hook-stream", "daemon.status")["part"]
    assert part["daemon"] == "hook-stream"


def test_a_backup_serves_while_the_first_is_away(apid, mediad, operator, start_daemon):
    backup, first_port = operator, free_port()
    settings = config(first_port)
    settings["operator"]["backups"] = [{"websocket_url": f"ws://127.0.0.1:{backup.port}/backup/{{line}}",
                                        "auth_token": "its-own-token"}]
    start_daemon("hook-stream", settings)
    session = backup.session(1)
    assert session["path"] == "/backup/phone1" and session["headers"]["Authorization"] == "Bearer its-own-token"
    wait_for(lambda: texts(session, "hello"), what="the backup's audio")

    def why():
        return apid.ask("hook-stream", "daemon.status")["part"].get("why", "")

    def reachable():
        text = apid.ask("hook-stream", "daemon.metrics")["text"]
        return [metric(text, "hookswitch_operator_reachable", operator=number) for number in (0, 1)]
    assert "a backup of the operator serves" in why() and reachable() == [0, 1]
    first = Operator(first_port)
    try:
        backup.close()
        assert first.session(1)["headers"]["Authorization"] == "Bearer secret-token"
        wait_for(lambda: "a backup" not in why() and reachable() == [1, 0])
        first.close(1011)
        wait_for(lambda: texts(backup.session(2), "hello"), what="the backup's audio")
    finally:
        first.stop()
