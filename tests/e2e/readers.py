"""Those who listen to a suite and are no good at it: some read slowly, some not at all."""
import http.server
import os
import signal
import socket
import subprocess
import threading
import time

from suite import REPO

WANTED = ["call.created", "call.ended", "dtmf"]


class Feed(threading.Thread):
    """A subscriber to the events that takes so many bytes each tenth of a second; 0: none. Cut off, it comes again."""

    def __init__(self, suite, bytes_at_once):
        super().__init__(daemon=True)
        self.suite, self.bytes_at_once, self.ended = suite, bytes_at_once, threading.Event()
        self.start()

    def open(self):
        host, port = self.suite.facts["ws"].removeprefix("ws://").split(":")
        feed = socket.socket()
        feed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        feed.connect((host, int(port)))
        feed.sendall((f"GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                      f"Authorization: Bearer {self.suite.token}\r\n\r\n").encode())
        return feed

    def listen(self, feed):
        until = time.monotonic() + 10
        while time.monotonic() < until and not self.ended.wait(0.1):
            if self.bytes_at_once and not feed.recv(self.bytes_at_once):
                return

    def run(self):
        while not self.ended.is_set():
            try:
                with self.open() as feed:
                    feed.settimeout(5)
                    self.listen(feed)
            except OSError:
                self.ended.wait(0.5)

    def close(self):
        self.ended.set()
        self.join()


class SlowReceiver:
    """Takes its time for each webhook."""

    def __init__(self, host):
        self.ended, self.taken = threading.Event(), 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.ended.wait(2)
                receiver.taken += 1
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a sender that was killed

        self.server = Server((host, 0), Handler)
        self.url = "http://%s:%s/slow" % self.server.server_address
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


class BadReaders:
    """Of the feed and of webhooks a slow one and one that never reads; of the bus one that was stopped."""

    def __init__(self, suite):
        self.stuck = socket.create_server((suite.host, 0), backlog=1)
        self.slow = SlowReceiver(suite.host)
        for url in ("http://%s:%s/stuck" % self.stuck.getsockname(), self.slow.url):
            suite.post("/api/v1/webhooks", {"url": url, "events": WANTED}, status=201)
        self.feeds = [Feed(suite, 0), Feed(suite, 64)]
        self.tap = subprocess.Popen(["/usr/bin/python3", REPO / "proto/examples/tap.py", "calls", "digits"],
                                    env={**os.environ, **suite.environment}, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        self.tap.send_signal(signal.SIGSTOP)

    def close(self):
        for feed in self.feeds:
            feed.close()
        self.tap.kill()
        self.tap.wait()
        self.slow.close()
        self.stuck.close()
