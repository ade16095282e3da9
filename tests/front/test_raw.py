"""Requests that no decent client sends, byte for byte: smuggling, broken heads and bodies, slowness, crowds."""
import re
import time

import peers
import pytest
from peers import Raw

AUTH = f"Authorization: Bearer {peers.TOKEN}\r\n".encode()
GET = b"GET /api/v1/lines HTTP/1.1\r\nHost: a\r\n" + AUTH
POST = b"POST /api/v1/phone/ring HTTP/1.1\r\nHost: a\r\n" + AUTH
SECOND = b"GET /api/v1/phone/status HTTP/1.1\r\nHost: a\r\n" + AUTH + b"\r\n"

# What two readers of a request could understand differently: 400, and nothing after it is read.
SMUGGLING = {
    "length and chunked": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "two equal lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a length in hex": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "an empty length": POST + b"Content-Length: \r\n\r\n{}",
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding we do not know": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": POST.replace(b"1.1", b"1.0", 1) + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "blank before the colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "tab before the colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": GET + b"X-A: b\r\n c\r\n\r\n",
    "a folded last line": GET + b"X-A: b\r\n\tc\r\n\r\n",
    "a folded length": POST + b"Content-Length:\r\n 2\r\n\r\n{}",
    "a folded first line": b"GET /api/v1/lines HTTP/1.1\r\n Host: a\r\n\r\n",
    "NUL in a value": GET + b"X-A: b\0c\r\n\r\n",
    "NUL in a name": GET + b"X-\0A: b\r\n\r\n",
    "NUL at the end of a value": GET + b"X-A: b\0\r\n\r\n",
    "NUL in the length": POST + b"Content-Length: 2\0\r\n\r\n{}",
    "NUL in the path": b"GET /api/v1\0/lines HTTP/1.1\r\nHost: a\r\n" + AUTH + b"\r\n",
    "a control character": GET + b"X-A: b\x01c\r\n\r\n",
    "DEL": GET + b"X-A: b\x7fc\r\n\r\n",
    "a lone CR": GET + b"X-A: b\rc\r\n\r\n",
    "a lone LF": GET + b"X-A: b\nX-B: c\r\n\r\n",
    "an LF head": GET.replace(b"\r\n", b"\n") + b"\n",
    "no name": GET + b": b\r\n\r\n",
    "no colon": GET + b"X-A\r\n\r\n",
    "a blank in a name": GET + b"X A: b\r\n\r\n",
    "two hosts": GET + b"Host: b\r\n\r\n",
    "no host": b"GET /api/v1/lines HTTP/1.1\r\n" + AUTH + b"\r\n",
    "two tokens": GET + AUTH + b"\r\n",
    "a blank in the path": b"GET /api/v1/lines x HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n",
}


def transcript(raw):
    """Everything up to the end of the connection."""
    raw.socket.settimeout(8)
    out = raw.data
    try:
        while more := raw.socket.recv(65536):
            out += more
    except ConnectionResetError:
        pass
    return out


@pytest.mark.parametrize("name", SMUGGLING)
def test_smuggling(suite, front, name):
    """Refused, closed, and what follows is not read. (libmicrohttpd's own page for a bad length has its head twice.)"""
    out = transcript(Raw(front.rest, SMUGGLING[name] + SECOND))
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", out)]
    assert set(statuses) <= {400, 501, 505}, out
    assert statuses or name in ("no HTTP", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2"), "not even a word"
    assert suite.requests() == [], "apid heard of it"


def test_smuggling_answers_are_problems(front):
    for name in ("length and chunked", "two lengths", "a folded line", "NUL in a value", "two tokens"):
        status, fields, body = Raw(front.rest, SMUGGLING[name]).response()
        assert status == 400 and fields["content-type"] == "application/problem+json", name
        assert fields["connection"] == "close"


CHUNKS = {
    "an empty size": b"\r\n",
    "a negative size": b"-1\r\n",
    "a huge size": b"ffffffffffffffffff\r\n",
    "no hex": b"zz\r\n",
    "too few bytes": b"2\r\n{}x\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
def test_bad_chunks(suite, front, name):
    out = transcript(Raw(front.rest, POST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS[name] + SECOND))
    assert {int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", out)} <= {400, 413}, out
    assert suite.requests() == []


@pytest.mark.parametrize("target,status", [(b"/api/v1/lines/%", 404), (b"/api/v1/lines/%4", 404), (b"/api/v1/lines/%zz", 404),
                                           (b"/api/v1/lines/%00", 404), (b"/api/v1/calls?line=%zz", 422),
                                           (b"/api/v1/calls?%00=1", 422), (b"/api/v1/calls?" + b"&" * 5000, 422),
                                           (b"/api/v1/calls?\xff=1", 422), (b"/api/v1/calls#x", 404), (b"*", 404),
                                           (b"http://a/api/v1/calls", 404)],
                         ids=range(11))
def test_odd_targets(suite, front, target, status):
    found, fields, body = Raw(front.rest, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n" + AUTH + b"\r\n").response()
    assert found == status, body
    assert fields["content-type"] == "application/problem+json" and body.decode("ascii")
    assert suite.requests() == []


def test_options_for_the_server(front):
    status, fields, _ = Raw(front.rest, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").response()
    assert status == 204 and "OPTIONS" in fields["allow"]


def test_a_large_head_is_refused(suite, front):
    raw = Raw(front.rest, GET + b"X-A: " + b"a" * 17000 + b"\r\n\r\n")
    assert raw.response()[0] == 431 and raw.is_closed()
    raw = Raw(front.rest, GET + b"X-A: " + b"a" * 40000)
    assert raw.response()[0] == 431
    raw = Raw(front.rest, GET + b"".join(b"X-%d: a\r\n" % i for i in range(101)) + b"\r\n")
    assert raw.response()[0] in (400, 431)
    raw = Raw(front.rest, GET + b"X-A: " + b"a" * 12000 + b"\r\n\r\n")
    assert raw.response()[0] == 200


def test_many_cookies_do_not_hang(suite, front):
    out = transcript(Raw(front.rest, GET + b"Cookie: " + b"a=b;" * 3500 + b"\r\nConnection: close\r\n\r\n"))
    assert out.startswith(b"HTTP/1.1 ")
    assert Raw(front.rest, GET + b"\r\n").response()[0] == 200


def test_pipelined_requests_are_answered_in_order(suite, front):
    raw = Raw(front.rest, GET + b"\r\n" + POST + b"Content-Length: 2\r\n\r\n{}" + SECOND)
    assert b"lines" in raw.response()[2]
    assert b"call_id" in raw.response()[2]
    assert b"operator_connected" in raw.response()[2]


def test_expect_100(suite, front):
    raw = Raw(front.rest, POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert b"100" in raw.read_until(b"\r\n\r\n")
    raw.send(b"{}")
    assert raw.response()[0] == 202
    raw = Raw(front.rest, POST + b"Content-Length: 2\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\n\r\n")
    assert raw.response()[0] == 415, "refused before the body was sent"
    raw = Raw(front.rest, POST + b"Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n")
    assert raw.response()[0] == 413


def test_a_body_too_long_is_read_before_it_is_refused(suite, front):
    """Else the answer would be lost with the connection while the client still sends."""
    raw = Raw(front.rest, POST + b"Content-Length: 8000000\r\n\r\n")
    for _ in range(80):
        raw.send(b" " * 100000)
    status, fields, body = raw.response()
    assert status == 413 and b"urn:hookswitch:too_large" in body
    raw = Raw(front.rest, POST + b"Content-Length: 99999999999999999999999\r\n\r\n")
    assert raw.response()[0] == 413
    raw = Raw(front.rest, POST + b"Content-Length: 2000000000\r\n\r\n")
    assert raw.response()[0] == 413


@pytest.mark.parametrize("begin,drip", [(b"", b""), (b"GET ", b"a"), (GET + b"X-A: ", b"a"),
                                        (POST + b"Content-Length: 100000\r\n\r\n{", b" "),
                                        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n")],
                         ids=["nothing", "slow line", "slow head", "slow body", "slow chunks"])
def test_a_request_has_ten_seconds(suite, front, begin, drip):
    """However regularly its bytes come."""
    raw = Raw(front.rest, begin)
    opened = time.monotonic()
    raw.socket.settimeout(0.4)
    closed = False
    while not closed and time.monotonic() - opened < 15:
        try:
            if drip:
                raw.send(drip)
            closed = raw.socket.recv(4096) == b""
        except TimeoutError:
            continue
        except OSError:
            closed = True
    assert closed and 8 < time.monotonic() - opened < 13
    assert suite.requests() == []


def test_requests_in_flight_are_bounded(suite, front):
    suite.answer("phone.status", None)
    held = [Raw(front.rest) for _ in range(1100)]
    for raw in held:
        raw.send(SECOND)
    answers = [raw.response() for raw in held]
    refused = [(fields, body) for status, fields, body in answers if status == 503]
    assert 0 < len(refused) <= 1100 - 1024, "as many as there is room for wait"
    assert all(b"overloaded" in body and int(fields["retry-after"]) >= 1 for fields, body in refused)
    assert [status for status, _, _ in answers].count(504) == 1100 - len(refused), "all of them get an answer in the end"
    suite.relent()
    assert Raw(front.rest, SECOND).response()[0] == 200


def test_connections_are_bounded(own):
    suite, front = own(API_MAX_CLIENTS=20)
    held = [Raw(front.rest, GET + b"\r\n") for _ in range(20)]
    assert all(raw.response()[0] == 200 for raw in held)
    more = Raw(front.rest, GET + b"\r\n")
    status, fields, body = more.response()
    assert status == 503 and b"overloaded" in body and more.is_closed()
    for raw in held:
        raw.close()
    peers.wait_for(lambda: Raw(front.rest, GET + b"\r\n").response()[0] == 200)


def test_clients_that_leave_at_any_moment(suite, front):
    suite.delay("phone.status", 0.05)
    whole = POST + b"Content-Length: 2\r\n\r\n{}" + SECOND
    for length in range(0, len(whole), 7):
        Raw(front.rest, whole[:length]).close()
    for _ in range(50):
        Raw(front.rest, SECOND).close()
    suite.relent()
    assert Raw(front.rest, SECOND).response()[0] == 200


def test_a_killed_front_comes_back_and_loses_no_listener(own):
    suite, front = own()
    for _ in range(5):
        front.kill_child()
        assert Raw(front.rest, GET + b"\r\n").response()[0] == 200
    assert Raw(front.ws, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()[0] == 404


def test_a_port_in_use_is_a_clear_error(own):
    suite, front = own()
    other = peers.Suite()
    try:
        second = peers.Front(other, SERVER_REST_PORT=front.rest).start(wait=False)
        assert second.process.wait(10) != 0
        text = second.log.read_text()
        assert "server.rest_port" in text and str(front.rest) in text
    finally:
        other.close()
