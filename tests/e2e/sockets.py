"""WebSocket clients for the tests: the event feed and the audio of a line. One thread each, blocking calls."""
import asyncio
import json
import threading
import time

import websockets

import audio


class Socket:
    """A WebSocket in a thread. received: (time, message). close_code is set at its end."""

    def __init__(self, url, token, timeout=10):
        self.url, self.headers = url, {"Authorization": f"Bearer {token}"} if token else {}
        self.received, self.changed = [], threading.Condition()
        self.socket, self.error, self.close_code, self.close_reason = None, None, None, ""
        self.loop = asyncio.new_event_loop()
        self.opened, self.ended = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._main, args=(timeout,), daemon=True)
        self.thread.start()
        if not self.opened.wait(timeout + 1):
            raise TimeoutError(f"no WebSocket at {url}")
        if self.error:
            raise self.error

    def _main(self, timeout):
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._run(timeout))
        finally:
            self.ended.set()
            self.opened.set()
            with self.changed:
                self.changed.notify_all()

    async def _run(self, timeout):
        try:
            self.socket = await websockets.connect(self.url, extra_headers=self.headers, open_timeout=timeout,
                                                   ping_interval=None, max_size=2 ** 22, compression=None)
        except Exception as error:  # whatever it is, the thread that asked shall see it
            self.error = error
            return
        self.opened.set()
        tasks = [asyncio.ensure_future(self.speak())]
        try:
            async for message in self.socket:
                with self.changed:
                    self.received.append((time.time(), message))
                    self.changed.notify_all()
        except websockets.ConnectionClosed:
            pass
        self.close_code, self.close_reason = self.socket.close_code, self.socket.close_reason
        for task in tasks:
            task.cancel()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=1)

    async def speak(self):
        """For those who send on their own."""

    def send(self, message):
        asyncio.run_coroutine_threadsafe(self.socket.send(message), self.loop).result(5)

    @property
    def is_open(self):
        return not self.ended.is_set()

    def close(self):
        if self.socket and not self.ended.is_set():
            asyncio.run_coroutine_threadsafe(self.socket.close(), self.loop)
        self.thread.join(3)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Events(Socket):
    """The event feed."""

    def __init__(self, base, token, since=None, timeout=10, query=""):
        parts = ([f"since={since}"] if since else []) + ([query] if query else [])
        super().__init__(f"{base}/api/v1/events" + ("?" + "&".join(parts) if parts else ""), token, timeout)

    @property
    def events(self):
        out = []
        for _, message in list(self.received):
            event = json.loads(message)
            if "seq" in event and "type" in event:
                out.append(event)
        return out

    def of(self, kind, **members):
        return [e for e in self.events if e["type"] == kind and all(e.get(k) == v for k, v in members.items())]

    def wait(self, kind, timeout=5, count=1, **members):
        """The first (count-th) event that fits."""
        until = time.monotonic() + timeout
        while True:
            found = self.of(kind, **members)
            if len(found) >= count:
                return found[count - 1]
            left = until - time.monotonic()
            assert left > 0 and not (self.ended.is_set() and left < timeout - 1), \
                f"events: waited for {kind} {members}, got {[(e['type'], e.get('new_state')) for e in self.events]}"
            with self.changed:
                self.changed.wait(min(left, 0.2))


class Audio(Socket):
    """The operator's end of a line: binary frames both ways."""

    def __init__(self, base, token, line, timeout=10):
        self.queue, self.sent = [], []
        super().__init__(f"{base}/api/v1/lines/{line}/audio", token, timeout)

    def play(self, payloads, ahead=10):
        """Frames to send from now on: so many at once, so that our own jitter is not heard, then one each 20 ms."""
        payloads = list(payloads)
        for payload in payloads[:ahead]:
            self.send(payload)
        self.queue = payloads[ahead:]

    async def speak(self):
        due = time.monotonic()
        while True:
            due += 0.02
            await asyncio.sleep(max(0, due - time.monotonic()))
            if self.queue:
                payload = self.queue.pop(0)
                await self.socket.send(payload)
                self.sent.append((time.time(), payload))
            else:
                due = time.monotonic()

    @property
    def frames(self):
        """(time, payload) of binary messages."""
        return [(t, m) for t, m in list(self.received) if isinstance(m, bytes)]

    def heard(self, since=0):
        return b"".join(m for _, m in self.frames[since:])

    def wait_frames(self, count, timeout=5):
        until = time.monotonic() + timeout
        while len(self.frames) < count:
            assert time.monotonic() < until, f"audio: {len(self.frames)} frames of {count} within {timeout} s"
            time.sleep(0.02)

    def samples(self, codec="PCMU"):
        return audio.decode(self.heard(), codec)
