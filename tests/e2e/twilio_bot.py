"""A voice bot written for Twilio: it knows Twilio's documents and nothing of us. What it reads and sends is what the
serializers of voice frameworks do; what the documents promise is checked on the way."""
import asyncio
import base64
import json
import re
import threading
import time

import websockets

ENVELOPE = {"connected": {"event", "protocol", "version"},
            "start": {"event", "sequenceNumber", "start", "streamSid"},
            "media": {"event", "sequenceNumber", "media", "streamSid"},
            "dtmf": {"event", "streamSid", "sequenceNumber", "dtmf"},
            "mark": {"event", "sequenceNumber", "streamSid", "mark"},
            "stop": {"event", "sequenceNumber", "streamSid", "stop"}}
SID = {"AC": re.compile(r"AC[0-9a-f]{32}"), "CA": re.compile(r"CA[0-9a-f]{32}"), "MZ": re.compile(r"MZ[0-9a-f]{32}")}


class Session:
    """One stream. Whatever the documents do not say is a fault."""

    def __init__(self, socket):
        self.socket, self.messages, self.faults = socket, [], []
        self.audio = {"inbound": b"", "outbound": b""}
        self.chunks = {"inbound": 0, "outbound": 0}
        self.stream_sid = self.call_sid = self.account_sid = None
        self.number, self.closed, self.parameters, self.tracks = 0, None, {}, []

    def check(self, holds, what):
        if not holds:
            self.faults.append(what)

    def take(self, text):
        message = json.loads(text)
        event = message["event"]
        self.check(set(message) == ENVELOPE.get(event), f"members of {event}: {sorted(message)}")
        self.check(bool(self.messages) == (event != "connected"), f"connected is first: {event}")
        self.check(len(self.messages) != 1 or event == "start", f"start is second: {event}")
        if event != "connected":
            self.number += 1
            self.check(message["sequenceNumber"] == str(self.number), f"{message['sequenceNumber']} is not {self.number}")
            self.check(self.stream_sid in (None, message["streamSid"]), "another streamSid")
        getattr(self, event)(message)
        self.messages.append(message)

    def connected(self, message):
        self.check(message["protocol"] == "Call" and message["version"] == "1.0.0", str(message))

    def start(self, message):
        start = message["start"]
        self.stream_sid, self.call_sid, self.account_sid = message["streamSid"], start["callSid"], start["accountSid"]
        self.check(start["streamSid"] == message["streamSid"], "two streamSids")
        self.check(start["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}, str(start))
        for kind, sid in (("AC", self.account_sid), ("CA", self.call_sid), ("MZ", self.stream_sid)):
            self.check(SID[kind].fullmatch(sid), f"{kind}: {sid}")
        self.parameters, self.tracks = start["customParameters"], start["tracks"]

    def media(self, message):
        media = message["media"]
        track = media["track"]
        self.chunks[track] += 1
        self.check(media["chunk"] == str(self.chunks[track]) and media["timestamp"].isdigit(), f"media: {media}")
        payload = base64.b64decode(media["payload"], validate=True)
        self.check(len(payload) == 160, f"{len(payload)} bytes")
        self.audio[track] += payload

    def dtmf(self, message):
        self.check(message["dtmf"]["track"] == "inbound_track" and len(message["dtmf"]["digit"]) == 1, str(message))

    def mark(self, message):
        self.check(set(message["mark"]) == {"name"}, str(message))

    def stop(self, message):
        self.check(message["stop"] == {"accountSid": self.account_sid, "callSid": self.call_sid}, str(message))

    def of(self, event):
        return [m for m in list(self.messages) if m["event"] == event]


class Bot:
    """The WebSocket server that Twilio would be told of; or, with dial, a client of ours."""

    def __init__(self, host="127.0.0.1"):
        self.sessions, self.loop, ready = [], asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self.run, args=(host, ready), daemon=True)
        self.thread.start()
        ready.wait(5)

    def run(self, host, ready):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(websockets.serve(self.serve, host, 0, ping_interval=None))
        self.port = self.server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    async def serve(self, socket, path=None):
        session = Session(socket)
        self.sessions.append(session)
        try:
            async for message in socket:
                session.take(message)
        except websockets.ConnectionClosed:
            pass
        session.closed = socket.close_code

    def dial(self, url, token):
        async def client():
            async with websockets.connect(url, extra_headers={"Authorization": f"Bearer {token}"}, ping_interval=None,
                                          compression=None) as socket:
                await self.serve(socket)
        asyncio.run_coroutine_threadsafe(client(), self.loop)

    def session(self, count, timeout=10):
        """The count-th stream, once it has started."""
        until = time.monotonic() + timeout
        while len(self.sessions) < count or not self.sessions[count - 1].stream_sid:
            assert time.monotonic() < until, f"no stream: {[s.messages[:3] for s in self.sessions]}"
            time.sleep(0.01)
        return self.sessions[count - 1]

    def send(self, session, event, **members):
        message = json.dumps({"event": event, "streamSid": session.stream_sid, **members})
        asyncio.run_coroutine_threadsafe(session.socket.send(message), self.loop).result(5)

    def say(self, session, audio):
        self.send(session, "media", media={"payload": base64.b64encode(audio).decode()})

    def close(self):
        async def end():
            self.server.close()
            await self.server.wait_closed()
        asyncio.run_coroutine_threadsafe(end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
