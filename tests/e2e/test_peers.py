"""Other people's programs at our doors: SIPp as a phone over UDP and TCP, sipvicious as somebody who knocks."""
import pathlib
import shutil
import socket
import subprocess

import pytest

from suite import free_port, wait_for

SCENARIOS = pathlib.Path(__file__).parent / "sipp"


@pytest.fixture(scope="module")
def shared(make_shared):
    return make_shared()


def sipp(suite, folder, scenario, number, count, transport):
    line = suite.line()
    words = ["sipp", f"{suite.sip[0]}:{suite.sip[1]}", "-sf", str(SCENARIOS / scenario), "-s", number, "-m", str(count),
             "-l", "1", "-r", "20", "-t", transport, "-i", "127.0.0.1", "-p", str(free_port("127.0.0.1", 5900, 6900)),
             "-mi", "127.0.0.1", "-mp", str(free_port("127.0.0.1", 35000, 39000) & ~1), "-au", line["user"],
             "-ap", line["password"], "-key", "domain", suite.facts["domain"], "-key", "user", line["user"],
             "-timeout", "60", "-nostdin", "-trace_err", "-auth_uri", f"{number}@{suite.facts['domain']}"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=90)
    errors = "\n".join(p.read_text()[:3000] for p in pathlib.Path(folder).glob("*errors.log"))
    assert done.returncode == 0, f"sipp: {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-500:]}\n{errors}"


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_sipp_calls_the_operator(suite, tmp_path, transport):
    suite.phone()
    before = suite.metrics()
    sipp(suite, tmp_path, "call.xml", "0", 20, transport)
    suite.wait_idle()
    after = suite.metrics()
    ended = sum(v - before.get(k, 0) for k, v in after.items() if k.startswith("hookswitch_calls_total"))
    assert ended == 20
    suite.wait_state("phone1", "on_hook")


def knock(suite, tool, *words):
    name = shutil.which(f"sipvicious_{tool}") or shutil.which(tool)
    if not name:
        pytest.skip("sipvicious is not installed")
    return subprocess.run([name, *words, "-p", str(suite.sip[1]), suite.sip[0]], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)


def test_sipvicious_learns_nothing(suite, tmp_path):
    users = tmp_path / "users"
    users.write_text("\n".join(["phone1", "phone2", "nobody", "100", "101", "102", "admin"]) + "\n")
    for method in ("REGISTER", "INVITE", "OPTIONS"):
        done = knock(suite, "svwar", "-d", str(users), "-m", method, "--force")
        found = {row.split("|")[1].strip(): row.split("|")[2].strip() for row in (done.stdout + done.stderr).splitlines()
                 if row.startswith("|") and "phone" in row}
        told = {row for row in (done.stdout + done.stderr).splitlines() if "nobody" in row and row.startswith("|")}
        assert bool(found) == bool(told), f"{method} tells users apart:\n{done.stdout}"
    assert suite.request("GET", "/api/v1/health").status_code == 200


def test_rubbish_on_the_sip_port(suite):
    sound = [b"", b"\r\n\r\n", b"\0" * 1500, b"INVITE", b"INVITE sip:x SIP/2.0\r\n\r\n", bytes(range(256)) * 5,
             b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n", b"REGISTER sip:a SIP/2.0\r\n" + b"Via: SIP/2.0/UDP 127.0.0.1\r\n" * 500 + b"\r\n",
             b"INVITE sip:0@x SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n", b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"\0" * 12]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.1", 0))
        for packet in sound * 20:
            out.sendto(packet, suite.sip)
    for packet in sound:
        with socket.create_connection(suite.sip, 2) as out:
            try:
                out.sendall(packet)
            except OSError:
                pass
    pid = suite.child("sipd")
    suite.phone()
    wait_for(lambda: suite.child("sipd") == pid)
