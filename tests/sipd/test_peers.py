"""Real peers: Debian's baresip and SIPp."""
import pathlib
import shutil
import subprocess
import sys

import pytest
import world
from world import PASSWORDS, REALM, wait_for

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

CALL = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="call">
<send retrans="500" start_txn="first"><![CDATA[
INVITE sip:hotline@{realm} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:alice@{realm}>;tag=[call_number]
To: <sip:hotline@{realm}>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:alice@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 6000 RTP/AVP 0
]]></send>
<recv response="503" optional="true" response_txn="first" next="1"/>
<recv response="401" auth="true" response_txn="first"/>
<send ack_txn="first"><![CDATA[
ACK sip:hotline@{realm} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:alice@{realm}>;tag=[call_number]
To: <sip:hotline@{realm}>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<send retrans="500" start_txn="second"><![CDATA[
INVITE sip:hotline@{realm} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:alice@{realm}>;tag=[call_number]
To: <sip:hotline@{realm}>
Call-ID: [call_id]
CSeq: 2 INVITE
Contact: <sip:alice@[local_ip]:[local_port]>
[authentication username=alice password={password}]
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 6000 RTP/AVP 0
]]></send>
<recv response="100" optional="true" response_txn="second"/>
<recv response="503" optional="true" response_txn="second" next="2"/>
<recv response="200" rrs="true" response_txn="second"/>
<send ack_txn="second"><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:alice@{realm}>;tag=[call_number]
To: <sip:hotline@{realm}>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<pause milliseconds="200"/>
<send retrans="500" start_txn="third"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:alice@{realm}>;tag=[call_number]
To: <sip:hotline@{realm}>[peer_tag_param]
Call-ID: [call_id]
CSeq: 3 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200" response_txn="third" next="3"/>
<label id="1"/>
<send next="3" ack_txn="first"><![CDATA[
ACK sip:hotline@{realm} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:alice@{realm}>;tag=[call_number]
To: <sip:hotline@{realm}>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<label id="2"/>
<send ack_txn="second"><![CDATA[
ACK sip:hotline@{realm} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:alice@{realm}>;tag=[call_number]
To: <sip:hotline@{realm}>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<label id="3"/>
<nop/>
</scenario>
"""


@pytest.fixture
def answers(house):
    """Every call is answered at once."""
    import threading
    stop, served = threading.Event(), set()

    def serve():
        while not stop.is_set():
            with house.bus.changed:
                house.bus.changed.wait(0.05)
                fresh = [f["leg"] for f in house.bus.facts_of("leg.incoming") if f["leg"] not in served]
            for leg in fresh:
                served.add(leg)
                house.bus.push(what="ask", envelope={"v": 1, "kind": "request", "type": "leg.answer", "id": f"a-{leg}",
                                                     "source": "apid", "incarnation": "i1-test", "deadline_ms": 5000,
                                                     "body": {"leg": leg}})
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(5)


@pytest.mark.skipif(not shutil.which("sipp"), reason="needs sip-tester")
@pytest.mark.configure(sip={"max_calls": 100})
@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_sipp(house, answers, transport):
    """A hundred calls at once, with SIPp's own digest. Those for which this machine is too busy are refused politely."""
    scenario = house.home / "call.xml"
    scenario.write_text(CALL.format(realm=REALM, password=PASSWORDS["alice"]))
    port = world.free_port()
    result = subprocess.run(["sipp", f"127.0.0.1:{house.port}", "-sf", scenario, "-i", "127.0.0.1", "-p", str(port), "-m", "100",
                             "-r", "100", "-l", "100", "-t", transport, "-nostdin", "-timeout", "40s", "-auth_uri",
                             f"hotline@{REALM}"], cwd=house.home, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stdout.decode()[-3000:]
    refused = house.metric("hookswitch_sip_overload_total")
    assert refused < 100
    wait_for(lambda: len(house.bus.facts_of("leg.ended")) == 100 - refused)
    wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)
    assert {f["cause"] for f in house.bus.facts_of("leg.ended")} == {"normal"}


@pytest.mark.skipif(not shutil.which("baresip"), reason="needs baresip")
def test_baresip(house):
    """Registers with MD5, is rung and lifts, calls, and hangs up."""
    from baresip import Baresip
    with Baresip({"user": "alice", "password": PASSWORDS["alice"]}, house.server, REALM, [0] * 8000) as phone:
        fact = house.bus.fact("line.changed", line="line-alice", reachable=True, timeout=15)
        assert "baresip" in fact["device"]
        leg = house.ring(caller_number="101", caller_name="Bob")
        house.bus.fact("leg.ringing", leg=leg, timeout=10)
        phone.answer()
        house.bus.fact("leg.answered", leg=leg, timeout=10)
        house.bus.ask("leg.hold", leg=leg, held=True)
        house.bus.fact("leg.held", leg=leg, held=True, by_far_end=False, timeout=10)
        house.bus.ask("leg.hold", leg=leg, held=False)
        house.bus.fact("leg.held", leg=leg, held=False, by_far_end=False, timeout=10)
        phone.hangup()
        assert house.bus.fact("leg.ended", leg=leg, timeout=10)["by_far_end"]
        phone.dial("hotline")
        leg = house.bus.fact("leg.incoming", line="line-alice", dialled="hotline", timeout=10)["leg"]
        house.bus.ask("leg.answer", leg=leg)
        house.bus.fact("leg.answered", leg=leg, timeout=10)
        house.bus.ask("leg.hangup", leg=leg, cause="normal")
        wait_for(lambda: house.metric("hookswitch_sip_dialogs") == 0)
        phone.dial("101")
        leg = house.bus.fact("leg.incoming", line="line-alice", dialled="101", timeout=10)["leg"]
        house.bus.ask("leg.progress", leg=leg, early_media=False)
        phone.hangup()
        assert house.bus.fact("leg.ended", leg=leg, timeout=10)["cause"] == "cancelled"
