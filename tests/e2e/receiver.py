"""A webhook receiver that keeps a ledger and checks every signature (Standard Webhooks)."""
import base64
import collections
import hashlib
import hmac
import http.server
import json
import threading
import time


def sign(secret, message_id, timestamp, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Receiver:
    """secrets: path -> whsec_...; answers: function (path, count) -> HTTP status, to refuse some."""

    def __init__(self, host="127.0.0.1", port=0, secrets=None, answers=None):
        self.secrets, self.answers = dict(secrets or {}), answers or (lambda path, count: 200)
        self.ledger = []  # dicts: at, path, id, timestamp, signature_fits, body, status, raw
        self.counts, self.changed = collections.Counter(), threading.Condition()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                if len(body) < length:  # its sender was killed in the middle: nothing was received
                    self.close_connection = True
                    return
                status = receiver.take(self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, client_address):
                pass  # a sender that was killed

        self.server = Server((host, port), Handler)
        self.host, self.port = self.server.server_address
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self.thread.start()

    def url(self, path):
        return f"http://{self.host}:{self.port}{path}"

    def take(self, path, headers, body):
        entry = {"at": time.time(), "path": path, "id": headers.get("webhook-id", ""),
                 "timestamp": headers.get("webhook-timestamp", ""), "raw": body, "headers": dict(headers)}
        wanted = [s for s in [self.secrets.get(path)] if s]
        given = headers.get("webhook-signature", "").split(" ")
        entry["signature_fits"] = any(sign(s, entry["id"], entry["timestamp"], body) in given for s in wanted)
        try:
            entry["body"] = json.loads(body)
        except ValueError:
            entry["body"] = None
        with self.changed:
            count = self.counts[path]
            self.counts[path] += 1
        entry["status"] = self.answers(path, count)  # may take its time, and delays nobody else
        with self.changed:
            self.ledger.append(entry)
            self.changed.notify_all()
        return entry["status"]

    def taken(self, path=None, **members):
        """Accepted messages, each id once, in the order of their arrival."""
        seen, out = set(), []
        with self.changed:
            entries = list(self.ledger)
        for entry in entries:
            body = entry["body"] or {}
            if entry["status"] >= 300 or entry["id"] in seen or (path and entry["path"] != path):
                continue
            if all(body.get(k) == v for k, v in members.items()):
                seen.add(entry["id"])
                out.append(entry)
        return out

    def wait(self, count=1, path=None, timeout=5, **members):
        """Until so many different messages fit; returns them."""
        until = time.monotonic() + timeout
        while True:
            found = self.taken(path, **members)
            if len(found) >= count:
                return found
            left = until - time.monotonic()
            assert left > 0, f"webhooks: waited {timeout} s for {count} of {path} {members}, got {len(found)}: " \
                             f"{[e['body'] for e in found]}"
            with self.changed:
                self.changed.wait(min(left, 0.2))

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
