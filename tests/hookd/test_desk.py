"""The desk: filters, styles of signatures, changes, rotation, the log of attempts, the test button, replays."""
import base64
import ctypes
import hashlib
import hmac
import json
import ssl
import subprocess

import pytest

from test_delivery import config
from world import Refused, free_port, new_secret, now_text, seal, sign, wait_for


def put(home, apid, webhook, url, secret=None, **more):
    body = {"webhook": webhook, "url": url, "secret": seal(home, url, secret or new_secret()), **more}
    return apid.ask("hookd", "hook.put", body)["webhook"]


def webhook(apid, name):
    return apid.ask("hookd", "hook.list", {"webhook": name})["webhooks"][0]


def attempts(apid, name, count, **more):
    """The log of an endpoint, once it has so many."""
    def look():
        page = apid.ask("hookd", "hook.attempts", {"webhook": name, "limit": 50, **more})
        return page if len(page["attempts"]) >= count else None
    return wait_for(look, what=f"{count} attempts in the log of {name}")


def twilio(token, url):
    return base64.b64encode(hmac.new(token.encode(), url.encode(), hashlib.sha1).digest()).decode()


def telnyx_fits(public_key, signature, signed):
    sodium = ctypes.CDLL("libsodium.so.23")
    return sodium.crypto_sign_verify_detached(base64.b64decode(signature), signed, ctypes.c_ulonglong(len(signed)),
                                              base64.b64decode(public_key)) == 0


def test_filters_by_type_line_and_call_and_their_change(home, apid, receivers, start_daemon):
    receiver = receivers()
    settings = config()
    settings["webhooks"]["endpoints"] = [
        {"id": "desk", "url": receiver.url("/desk"), "events": ["call.*"], "lines": ["phone2"], "style": "telnyx"}]
    start_daemon("hookd", settings)
    put(home, apid, "w1-line", receiver.url("/line"), lines=["phone2"])
    put(home, apid, "w1-call", receiver.url("/call"), calls=["c1-b"], events=["call.ended"])
    changed = put(home, apid, "w1-all", receiver.url("/all"))
    assert changed["style"] == "standard" and not changed["paused"]
    one = apid.happen("call.created", line="phone1", call="c1-a", direction="outgoing")
    two = apid.happen("call.created", line="phone2", call="c1-b", direction="outgoing")
    end = apid.happen("call.ended", line="phone2", call="c1-b", cause="normal", ended_by="line", duration_ms=1)
    suite = apid.happen("call.ended", line=None, call="c1-a", cause="normal", ended_by="line", duration_ms=1)
    receiver.wait(4, path="/all")
    receiver.wait(2, path="/line")
    receiver.wait(2, path="/desk")
    assert [a.body for a in receiver.wait(1, path="/call")] == [end]
    by_path = {path: sorted(a.body["seq"] for a in receiver.attempts if a.path == path)
               for path in ("/all", "/line", "/desk")}
    assert by_path == {"/all": [e["seq"] for e in (one, two, end, suite)], "/line": [two["seq"], end["seq"]],
                       "/desk": [two["seq"], end["seq"]]}
    answer = apid.ask("hookd", "hook.change", {"webhook": "w1-all", "lines": ["phone1"], "style": "twilio"})
    assert not answer["moved"] and answer["webhook"]["lines"] == ["phone1"] and answer["webhook"]["style"] == "twilio"
    apid.happen("call.created", line="phone2", call="c1-d", direction="outgoing")
    again = apid.happen("call.created", line="phone1", call="c1-c", direction="outgoing")
    assert wait_for(lambda: [a for a in receiver.attempts if a.path.startswith("/all?")])[0].body == again
    assert len([a for a in receiver.attempts if a.path.startswith("/all")]) == 5
    for kind, body in (("hook.change", {"webhook": "desk"}), ("hook.rotate", {"webhook": "desk", "secret": "x",
                                                                              "keep_s": 1})):
        with pytest.raises(Refused, match="wrong_state"):
            apid.ask("hookd", kind, body)
    for kind in ("list", "change", "test", "again", "revive"):
        with pytest.raises(Refused, match="not_found"):
            apid.ask("hookd", f"hook.{kind}", {"webhook": "nobody"})


def test_three_styles_of_signatures(home, apid, receivers, start_daemon):
    receiver = receivers()
    start_daemon("hookd", config())
    secret = new_secret()
    put(home, apid, "w1-twilio", receiver.url("/twilio?x=1"), secret, style="twilio")
    key = put(home, apid, "w1-telnyx", receiver.url("/telnyx"), secret, style="telnyx")["public_key"]
    put(home, apid, "w1-standard", receiver.url("/standard"), secret)
    apid.state("ringing")
    by_style = {a.path.strip("/").split("?")[0]: a for a in receiver.wait(3)}
    body = by_style["twilio"].raw
    assert by_style["twilio"].path == f"/twilio?x=1&bodySHA256={hashlib.sha256(body).hexdigest()}"
    assert by_style["twilio"].headers["x-twilio-signature"] == twilio(
        secret, receiver.url(by_style["twilio"].path))
    signed = by_style["telnyx"].headers["telnyx-timestamp"].encode() + b"|" + by_style["telnyx"].raw
    signature = by_style["telnyx"].headers["telnyx-signature-ed25519"]
    assert telnyx_fits(key, signature, signed) and not telnyx_fits(key, signature, signed + b" ")
    assert by_style["standard"].fits(secret)
    assert all(a.id.startswith("msg_") for a in by_style.values())
    assert all("webhook-signature" not in by_style[style].headers for style in ("twilio", "telnyx"))


def test_pause_keeps_and_resume_enables(home, apid, receivers, start_daemon):
    mood = {"status": 204}
    receiver = receivers(lambda attempt, number: (mood["status"], {}, b""))
    hookd = start_daemon("hookd", config())
    put(home, apid, "w1-1", receiver.url(), paused=True)
    first = apid.state("ringing")
    wait_for(lambda: webhook(apid, "w1-1")["pending"] == 1)
    hookd.kill()
    assert webhook(apid, "w1-1")["paused"] and not receiver.attempts
    answer = apid.ask("hookd", "hook.pause", {"webhook": "w1-1", "paused": False})["webhook"]
    assert not answer["paused"]
    assert receiver.wait(1)[0].body == first
    mood["status"] = 410
    apid.state("off_hook")
    wait_for(lambda: not webhook(apid, "w1-1")["enabled"])
    mood["status"] = 204
    apid.ask("hookd", "hook.pause", {"webhook": "w1-1", "paused": False})
    assert apid.ask("hookd", "hook.revive", {"webhook": "w1-1"}) == {"queued": 1}
    receiver.wait(3)
    wait_for(lambda: webhook(apid, "w1-1")["delivered"] == 2)
    assert webhook(apid, "w1-1")["enabled"] and webhook(apid, "w1-1")["dead"] == 0
    assert apid.ask("hookd", "hook.revive") == {"queued": 0}


def test_the_log_shows_request_and_answer_without_what_is_private(home, apid, receivers, start_daemon):
    def answers(attempt, number):
        return 500 if number == 1 else 200, {"Set-Cookie": "session=1", "X-Told": "yes"}, b"thank \xff you\n" * 100
    receiver = receivers(answers)
    hookd = start_daemon("hookd", config())
    put(home, apid, "w1-1", receiver.url())
    event = apid.happen("call.dialled", call="c1-a", dialled="+14155551212")
    page = attempts(apid, "w1-1", 2)
    assert [(a["attempt"], a["status"]) for a in page["attempts"]] == [(1, 500), (2, 200)]
    one = page["attempts"][0]
    assert one["delivery"] == receiver.attempts[0].id and one["event_type"] == "call.dialled"
    assert one["cursor"] == event["cursor"] and one["url"] == receiver.url()
    shown = json.loads(one["body"])
    assert shown.pop("dialled") == "+1415***1212" and shown == {k: v for k, v in event.items() if k != "dialled"}
    signature = [h for h in one["headers"] if h.startswith("webhook-signature: v1,")]
    assert len(signature) == 1 and len(signature[0]) < 40 and signature[0].endswith("...")
    assert "X-Told: yes" in one["answer_head"] and "session" not in one["answer_head"]
    assert one["answer_body"].startswith("thank ? you") and len(one["answer_body"]) <= 512
    hookd.kill()
    apid.digit("7", 1)
    digit = wait_for(lambda: [a for a in attempts(apid, "w1-1", 3)["attempts"] if a["event_type"] == "dtmf"])[0]
    assert json.loads(digit["body"])["digit"] == "***"
    later = apid.ask("hookd", "hook.attempts", {"webhook": "w1-1", "limit": 1, "since": 1})
    assert [a["number"] for a in later["attempts"]] == [2] and later["cursor"] == 2 and later["more"]
    apid.ask("hookd", "hook.delete", {"webhook": "w1-1"})
    assert not list((home / "hookd").glob("attempts-*"))


def test_the_test_button_shows_the_signed_bytes(home, apid, receivers, start_daemon):
    receiver = receivers(lambda attempt, number: (404, {"X-Told": "no"}, b"who are you?"))
    settings = config()
    start_daemon("hookd", settings)
    secret = new_secret()
    put(home, apid, "w1-1", receiver.url(), secret, paused=True)
    answer = apid.ask("hookd", "hook.test", {"webhook": "w1-1"})
    got = receiver.wait(1)[0]
    shown, headers = answer["attempt"], dict(h.split(": ", 1) for h in answer["attempt"]["headers"])
    assert shown["status"] == 404 and shown["answer_body"] == "who are you?" and "X-Told: no" in shown["answer_head"]
    assert shown["body"].encode() == got.raw and got.body["type"] == "webhook.test" and got.fits(secret)
    assert {name: got.headers[name] for name in headers} == headers
    assert answer["signed_bytes"] == f"{got.id}.{headers['webhook-timestamp']}.{got.raw.decode()}"
    assert sign(secret, got.id, headers["webhook-timestamp"], got.raw) == headers["webhook-signature"]
    assert attempts(apid, "w1-1", 1)["attempts"][0]["event_type"] == "webhook.test"
    assert webhook(apid, "w1-1")["dead"] == 0 and webhook(apid, "w1-1")["pending"] == 0
    put(home, apid, "w1-2", f"http://127.0.0.1:{free_port()}/", style="twilio")
    answer = apid.ask("hookd", "hook.test", {"webhook": "w1-2"})
    assert "status" not in answer["attempt"] and answer["attempt"]["error"]
    assert answer["signed_bytes"] == answer["attempt"]["url"] and "?bodySHA256=" in answer["signed_bytes"]


def test_replays_of_one_and_of_a_range(home, apid, receivers, start_daemon):
    receiver = receivers()
    start_daemon("hookd", config())
    put(home, apid, "w1-1", receiver.url(), events=["state_change"])
    events = [apid.state("ringing", call=f"c1-{number}") for number in range(5)]
    apid.digit("1", 1)
    first = {a.body["seq"]: a for a in receiver.wait(5)}
    wait_for(lambda: webhook(apid, "w1-1")["delivered"] == 5)

    def again(**body):
        return apid.ask("hookd", "hook.again", {"webhook": "w1-1", **body})
    assert again(**{"from": events[1]["cursor"], "to": events[2]["cursor"]}) == {"queued": 2}
    assert {a.body["seq"] for a in receiver.wait(7)[5:]} == {2, 3}
    assert again(**{"from": events[0]["cursor"]}) == {"queued": 5}
    receiver.wait(12)
    assert again(delivery=first[4].id) == {"queued": 1}
    last = receiver.wait(13)[12]
    assert all(a.id == first[a.body["seq"]].id and a.raw == first[a.body["seq"]].raw for a in receiver.attempts)
    assert last.body["seq"] == 4 and len(receiver.ids()) == 5
    for body in ({}, {"from": "x"}, {"from": events[2]["cursor"], "to": events[1]["cursor"]},
                 {"from": events[0]["cursor"], "to": "2.g1.5"}):
        with pytest.raises(Refused, match="invalid"):
            again(**body)
    with pytest.raises(Refused, match="not_found"):
        again(delivery="msg_0")
    with pytest.raises(Refused, match="gone"):
        again(**{"from": "1.g9.1"})


def test_a_rotation_ends(home, apid, receivers, start_daemon):
    receiver = receivers()
    hookd = start_daemon("hookd", config())
    old, new, newest = new_secret(), new_secret(), new_secret()
    url = receiver.url()
    put(home, apid, "w1-1", url, old)
    put(home, apid, "w1-2", receiver.url("/twilio"), old, style="twilio")

    def rotate(name, url, secret, keep_s):
        return apid.ask("hookd", "hook.rotate", {"webhook": name, "keep_s": keep_s,
                                                 "secret": seal(home, url, secret)})["webhook"]
    assert "old_secret_until" in rotate("w1-1", url, new, 3600)
    rotate("w1-2", receiver.url("/twilio"), new, 3600)
    hookd.kill()
    apid.state("ringing")
    receiver.wait(2)
    both = next(a for a in receiver.attempts if a.path == "/hook")
    one = next(a for a in receiver.attempts if a.path != "/hook")
    assert both.fits(old) and both.fits(new)
    assert one.headers["x-twilio-signature"] == twilio(old, receiver.url(one.path))
    assert "old_secret_until" not in rotate("w1-1", url, newest, 0)
    rotate("w1-2", receiver.url("/twilio"), newest, 1)
    until = webhook(apid, "w1-2")["old_secret_until"]
    wait_for(lambda: now_text() > until, what="the end of the old secret")
    apid.state("off_hook")
    receiver.wait(4)
    both = [a for a in receiver.attempts if a.path == "/hook"][1]
    one = [a for a in receiver.attempts if a.path != "/hook"][1]
    assert both.fits(newest) and not both.fits(new) and not both.fits(old)
    assert one.headers["x-twilio-signature"] == twilio(newest, receiver.url(one.path))
    with pytest.raises(Refused, match="invalid"):
        rotate("w1-1", "https://elsewhere.example/", old, 0)


def test_a_new_url_has_a_secret_of_its_own(home, apid, receivers, start_daemon):
    old, new = receivers(lambda attempt, number: (500, {}, b"")), receivers()
    start_daemon("hookd", config(retry={"count": 0, "delay_ms": 50, "max_delay_ms": 100}))
    known, fresh = new_secret(), new_secret()
    put(home, apid, "w1-1", old.url(), known)
    apid.state("ringing")
    old.wait(1)
    with pytest.raises(Refused, match="secret"):
        apid.ask("hookd", "hook.change", {"webhook": "w1-1", "url": new.url(), "secret": seal(home, old.url(), known)})
    with pytest.raises(Refused, match="not reachable"):
        apid.ask("hookd", "hook.change", {"webhook": "w1-1", "url": "https://10.0.0.1/",
                                          "secret": seal(home, "https://10.0.0.1/", known)})
    answer = apid.ask("hookd", "hook.change", {"webhook": "w1-1", "url": new.url(),
                                               "secret": seal(home, new.url(), fresh)})
    assert answer["moved"] and answer["webhook"]["url"] == new.url()
    got = new.wait(1)[0]
    assert got.fits(fresh) and not got.fits(known) and got.id == old.attempts[0].id


def certify(folder, name, authority=None, subject=None):
    """A key and certificate, of itself or by an authority. Paths of both."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    by = ["-CA", folder / f"{authority}.pem", "-CAkey", folder / f"{authority}.key"] if authority else []
    extra = ["-addext", f"subjectAltName={subject}"] if subject else []
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", f"/CN={name}", "-keyout", key, "-out", certificate, *extra, *by],
                   check=True, capture_output=True)
    return key, certificate


def test_certificates_of_ones_own(home, apid, receivers, start_daemon):
    home.mkdir(exist_ok=True)
    folder = home / "certificates"
    folder.mkdir()
    certify(folder, "authority")
    server_key, server = certify(folder, "server", "authority", "IP:127.0.0.1")
    client_key, client = certify(folder, "client", "authority")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "authority.pem")
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(server, server_key)
    receiver = receivers(tls=tls)
    url = receiver.url(scheme="https")
    settings = config()
    settings["webhooks"]["endpoints"] = [{"id": "files", "url": url, "ca_file": str(folder / "authority.pem"),
                                          "client_cert_file": str(client), "client_key_file": str(client_key)}]
    start_daemon("hookd", settings)
    authority = (folder / "authority.pem").read_text()

    def own(sealed_for=url):
        return {"ca": authority, "client_cert": client.read_text(),
                "client_key": seal(home, sealed_for, client_key.read_text())}
    made = put(home, apid, "w1-both", url, tls=own())
    assert made["own_ca"] and made["client_cert"]
    put(home, apid, "w1-ca", url, tls={"ca": authority})
    put(home, apid, "w1-none", url)
    results = {name: apid.ask("hookd", "hook.test", {"webhook": name})["attempt"]
               for name in ("w1-both", "files", "w1-ca", "w1-none", "w1-both")}
    assert results["w1-both"].get("status") == 204 and results["files"].get("status") == 204, results
    assert "status" not in results["w1-ca"] and "status" not in results["w1-none"]
    assert "certificate" in results["w1-none"]["error"]
    with pytest.raises(Refused, match="secret"):
        put(home, apid, "w1-bad", url, tls=own("https://elsewhere.example/"))
    with pytest.raises(Refused, match="tls.client_key|come together"):
        put(home, apid, "w1-bad", url, tls={"client_cert": client.read_text()})
    with pytest.raises(Refused, match="PEM"):
        put(home, apid, "w1-bad", url, tls={"ca": "no"})
    answer = apid.ask("hookd", "hook.change", {"webhook": "w1-both", "tls": {}})["webhook"]
    assert not answer["own_ca"] and not answer["client_cert"]
