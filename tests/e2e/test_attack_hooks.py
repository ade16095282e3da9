"""Addresses that a webhook must never reach, in every spelling, at the API's door."""
import pytest


@pytest.fixture(scope="module")
def closed(make_shared):
    return make_shared({"webhooks": {"allow_networks": []}})


@pytest.mark.parametrize("host", [
    "127.0.0.1", "localhost", "0x7f.1", "2130706433", "0177.0.0.1", "127.1", "127.0.0.1.", "0", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fd00::1]", "[fe80::1%25eth0]",
    "169.254.169.254", "10.0.0.1", "100.64.0.1", "224.0.0.1", "255.255.255.255", "%31%32%37.0.0.1",
    "user:password@192.0.2.1", "1.1.1.1:8930", "x.example\\@127.0.0.1", "x.example#@127.0.0.1", "x.example:99999",
    "x.example/\r\nX: y"])
def test_no_spelling_gets_in(closed, host):
    reply = closed.post("/api/v1/webhooks", {"url": f"https://{host}/"})
    assert reply.status_code == 422, reply.text
    assert reply.json()["field"] == "url"


@pytest.mark.parametrize("url", ["ftp://x.example/", "file:///etc/passwd", "gopher://x.example/", "//x.example", "https://",
                                 "javascript:alert(1)", "http://1.1.1.1/", "https://x.example/" + "a" * 3000])
def test_only_https_gets_out(closed, url):
    assert closed.post("/api/v1/webhooks", {"url": url}).status_code == 422
    assert closed.get("/api/v1/webhooks")["webhooks"] == []
