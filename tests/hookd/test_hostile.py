"""Receivers that are slow, dead, huge, broken or somewhere they must not be."""
import gzip
import itertools
import socket
import ssl
import subprocess
import threading
import time

import pytest

from test_delivery import config
from world import Refused, free_port, metric, new_secret, seal, wait_for


class Raw:
    """A TCP server whose answers are bytes: function (connection) does what it likes after reading the request."""

    def __init__(self, act):
        self.act, self.count = act, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, connection):
        with connection:
            try:
                connection.recv(65536)
                self.act(connection)
            except OSError:
                pass

    def url(self):
        return f"http://127.0.0.1:{self.port}/raw"


def put(apid, home, number, url, events=None):
    body = {"webhook": f"w1-{number}", "url": url, "secret": seal(home, url, new_secret())}
    if events:
        body["events"] = events
    return apid.ask("hookd", "hook.put", body)["webhook"]


def webhook(apid, number=0):
    return apid.ask("hookd", "hook.list")["webhooks"][number]


def memory_kib(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])


def test_a_dead_and_a_stuck_endpoint_delay_nobody(home, apid, receivers, start_daemon):
    good, stuck = receivers(), Raw(lambda connection: time.sleep(30))
    start_daemon("hookd", config(timeout_s=20))
    put(apid, home, 0, f"http://127.0.0.1:{free_port()}/dead")
    put(apid, home, 1, stuck.url())
    put(apid, home, 2, good.url())
    for number in range(300):
        apid.state("ringing", call=f"c1-{number}")
    good.wait(300, timeout=10)
    sent = time.monotonic()
    apid.state("ringing", call="c1-last")
    assert good.wait(301)[-1].at - sent < 0.5
    assert stuck.count <= 4


def test_concurrency_is_bounded_and_used(home, apid, receivers, start_daemon):
    now, most, lock = [0], [0], threading.Lock()

    def answers(attempt, number):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        return 200, {}, b""
    receiver = receivers(answers)
    start_daemon("hookd", config(receiver.url(), concurrency=3))
    for number in range(30):
        apid.state("ringing", call=f"c1-{number}")
    receiver.wait(30)
    assert most[0] == 3


def test_a_breaker_spares_a_dead_endpoint_and_closes_again(apid, receivers, start_daemon):
    mood = {"up": False}
    receiver = receivers(lambda attempt, number: (200 if mood["up"] else 503, {}, b""))
    start_daemon("hookd", config(receiver.url(), retry={"count": 20, "delay_ms": 10, "max_delay_ms": 10}))
    for number in range(50):
        apid.state("ringing", call=f"c1-{number}")
    receiver.wait(10)
    before = len(receiver.attempts)
    time.sleep(2.5)
    assert len(receiver.attempts) - before <= 3 + 3  # what was under way, then one a second
    mood["up"] = True
    wait_for(lambda: webhook(apid)["delivered"] == 50, 15, "all to be delivered")


def test_redirects_are_not_followed(apid, receivers, start_daemon):
    other = receivers()
    receiver = receivers(lambda attempt, number: (307, {"Location": other.url("/stolen")}, b""))
    start_daemon("hookd", config(receiver.url()))
    apid.state("ringing")
    receiver.wait(2)
    assert not other.attempts and len({a.path for a in receiver.attempts}) == 1
    assert webhook(apid)["last_status"] == 307


def endless_body(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def bomb(connection):
    body = gzip.compress(bytes(60 << 20))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def endless_head(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        connection.sendall(b"X-%d: %s\r\n" % (number, b"y" * 1000))


def drip(connection):
    connection.sendall(b"HTTP/1.1 200 ")
    while True:
        connection.sendall(b"O")
        time.sleep(0.1)


ANSWERS = {
    "endless body": (endless_body, True),
    "gzip bomb": (bomb, True),
    "endless head": (endless_head, None),
    "slow head": (drip, False),
    "silence": (lambda c: time.sleep(5), False),
    "no answer": (lambda c: None, False),
    "garbage": (lambda c: c.sendall(bytes(range(256)) * 20), False),
    "http 0.9": (lambda c: c.sendall(b"hello\n"), False),
    "bad status": (lambda c: c.sendall(b"HTTP/1.1 99999999999 X\r\n\r\n"), False),
    "nul head": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n"), None),
    "chunk bomb": (lambda c: c.sendall(b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), False),
    "reset": (lambda c: c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"), False),
    "100 then 200": (lambda c: c.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n"), True),
    "101": (lambda c: c.sendall(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), False),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_hostile_answers(apid, start_daemon, name):
    act, delivered = ANSWERS[name]
    raw = Raw(act)
    hookd = start_daemon("hookd", config(raw.url(), timeout_s=1, retry={"count": 20, "delay_ms": 50,
                                                                       "max_delay_ms": 50}))
    apid.state("ringing")
    wait_for(lambda: raw.count >= 1)
    if delivered:
        wait_for(lambda: webhook(apid)["delivered"] == 1)
    elif delivered is False:
        wait_for(lambda: raw.count >= 2)
        assert webhook(apid)["delivered"] == 0 and webhook(apid).get("last_error")
    assert memory_kib(hookd.pid) < 400000
    raw.socket.close()


INNER = ["http://127.0.0.1:{port}/", "http://127.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/",
         "http://0177.0.0.1:{port}/", "http://0x7f.0.0.1:{port}/", "http://0:{port}/", "http://[::1]:{port}/",
         "http://[::ffff:127.0.0.1]:{port}/", "http://[::127.0.0.1]:{port}/", "http://localhost:{port}/",
         "http://localhost.:{port}/", "http://LOCALHOST:{port}/", "https://169.254.169.254/", "https://10.0.0.1/",
         "https://[64:ff9b::7f00:1]/", "https://[fe80::1]/"]


def test_no_spelling_reaches_the_inside(home, apid, receivers, start_daemon):
    receiver = receivers()
    start_daemon("hookd", config(allow_networks=["192.0.2.0/24"]))
    for number, spelling in enumerate(INNER):
        with pytest.raises(Refused) as refused:
            put(apid, home, number, spelling.format(port=receiver.port))
        assert refused.value.error == "invalid" and refused.value.field == "url", spelling
    assert not receiver.attempts


def test_what_can_never_be_delivered_is_refused(home, apid, start_daemon):
    start_daemon("hookd", config(allow_networks=[]))
    for number, url in enumerate(["http://name.example/", "https://name.example:22/", "http://name.example:443/"]):
        with pytest.raises(Refused) as refused:
            put(apid, home, number, url)
        assert (refused.value.error, refused.value.field) == ("invalid", "url"), url


@pytest.mark.parametrize("spelling", ["http://127.1:{port}/", "http://localhost:{port}/"])
def test_a_configured_inner_url_is_blocked_at_every_attempt(apid, receivers, start_daemon, spelling):
    receiver = receivers()
    start_daemon("hookd", config(spelling.format(port=receiver.port), allow_networks=["192.0.2.0/24"]))
    apid.state("ringing")
    wait_for(lambda: "loopback" in webhook(apid).get("last_error", ""))
    time.sleep(0.3)
    assert not receiver.attempts
    text = apid.ask("hookd", "daemon.metrics")["text"]
    assert metric(text, "hookswitch_webhook_attempts_total", endpoint="state", result="blocked") >= 1


def test_names_are_resolved_by_us_and_proxies_ignored(home, apid, receivers, start_daemon, monkeypatch):
    receiver = receivers()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    start_daemon("hookd", config(allow_networks=["127.0.0.0/8", "::1/128"]))
    put(apid, home, 0, receiver.url(host="localhost"))
    for number in range(20):
        apid.state("ringing", call=f"c1-{number}")
    assert receiver.wait(20)[0].headers["host"] == f"localhost:{receiver.port}"


def test_a_certificate_that_nobody_trusts_is_refused(home, apid, receivers, start_daemon):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", home / "key.pem", "-out",
                    home / "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(home / "cert.pem", home / "key.pem")
    receiver = receivers(tls=tls)
    start_daemon("hookd", config(receiver.url(scheme="https")))
    apid.state("ringing")
    wait_for(lambda: "certificate" in webhook(apid).get("last_error", "").lower())
    assert not receiver.attempts


def test_a_name_that_does_not_exist_fails_cleanly(home, apid, start_daemon):
    start_daemon("hookd", config())
    put(apid, home, 0, "https://does-not-exist.invalid/hook")
    apid.state("ringing")
    wait_for(lambda: webhook(apid).get("last_error"), 20)
    assert webhook(apid)["pending"] == 1
