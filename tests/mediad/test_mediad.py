"""mediad as the suite uses it: over the bus, with phones on UDP."""
import math
import os
import random
import signal
import struct
import time

import peers
import pytest
from peers import AUDIO, Error, Frame, PCMA, PCMU, noise, until

ULAW_SILENCE, ALAW_SILENCE = 0xff, 0xd5  # bytes that stand for silence


def incoming(mediad, phone, leg, call="c1-t", source=None, nat=False, by="sipd", **more):
    """The phone's INVITE: mediad answers its offer, and the phone sends there."""
    answer = mediad.ask("media.describe", by=by, leg=leg, call=call, role="offer",
                        description=phone.sdp(**more), source=source or phone.host, nat=nat)
    phone.answered(answer["description"])
    return answer


def outgoing(mediad, phone, leg, call="c1-t", source=None, nat=False, prefer=None, **more):
    """We ring the phone: it answers our offer."""
    body = {"leg": leg, "call": call, "kind": "rtp", "peer": phone.host}
    if prefer:
        body["prefer"] = prefer
    offer = mediad.ask("media.open", **body)["description"]
    phone.answered(offer)
    mediad.ask("media.describe", by="sipd", leg=leg, call=call, role="answer", description=phone.sdp(**more),
               source=source or phone.host, nat=nat)
    return offer


def heard_in(phone, audio):
    """Where audio begins in what the phone received, ignoring silence around it."""
    return phone.audio().find(audio)


def talk(a, b, seed):
    """200 ms from phone a to phone b: whether it was heard there; None: silence came instead."""
    said, before = noise(0.2, seed), len(b.audio())
    for n in range(0, len(said), 160):
        a.send(said[n:n + 160])
        time.sleep(0.004)
    until(lambda: len(b.audio()) >= before + len(said), 5, "packets")
    heard = b.audio()[before:]
    return True if said in heard else None if heard == bytes([ULAW_SILENCE]) * len(heard) else False


# ---- Relay ----

@pytest.mark.parametrize("codec", [0, 8])
def test_relay_is_sample_exact_both_ways(mediad, legs, phone, codec):
    a, b = phone(codec=codec), phone(codec=codec)
    la, lb = legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb, prefer="pcmu" if codec == 0 else "pcma")
    mediad.ask("media.join", a=la, b=lb)
    one, two = noise(1, 1), noise(1, 2)
    for n in range(0, len(one), 160):
        a.send(one[n:n + 160])
        b.send(two[n:n + 160])
        time.sleep(0.004)
    until(lambda: heard_in(b, one) >= 0 and heard_in(a, two) >= 0, 5, "audio both ways")
    assert mediad.fact("media.started", leg=la)["codec"] == ("pcmu" if codec == 0 else "pcma")
    figures = mediad.ask("media.status", leg=la)["figures"]
    assert figures["packets_received"] == 50 and figures["packets_lost"] == 0
    assert figures["remote"] == f"127.0.0.1:{a.port}" and not figures["latched"]


def test_a_muted_party_is_silent_until_it_is_taken_back(mediad, legs, phone):
    a, b = phone(), phone()
    la, lb = legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    assert talk(a, b, 1)
    mediad.ask("media.mute", leg=la, muted=True)
    assert talk(a, b, 2) is None and talk(b, a, 3)
    mediad.ask("media.mute", leg=la, muted=False)
    assert talk(a, b, 4)


def test_relayed_header_is_ours_and_continuous(mediad, legs, phone):
    a, b = phone(), phone()
    la, lb = legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    b.packets.clear()
    for n in range(10):
        a.send(bytes([n]) * 160)
    a.sequence += 2  # two packets are lost
    a.timestamp += 320
    for n in range(10):
        a.send(bytes([64 + n]) * 160)
    a.ssrc ^= 0x1234  # the phone begins anew
    a.sequence, a.timestamp = 7, 99
    for n in range(10):
        a.send(bytes([128 + n]) * 160)
    until(lambda: b.audio().endswith(bytes([137]) * 160), 5, "last packet")
    relayed = [p for p in b.packets if len(set(p.payload)) == 1 and p.payload[0] != ULAW_SILENCE]
    assert len(relayed) == 30 and len({p.ssrc for p in b.packets}) == 1 and relayed[0].ssrc != a.ssrc
    steps = [(y.sequence - x.sequence) & 0xffff for x, y in zip(relayed, relayed[1:])]
    assert steps[:19] == [1] * 9 + [3] + [1] * 9 and steps[20:] == [1] * 9
    stamps = [(y.timestamp - x.timestamp) & 0xffffffff for x, y in zip(relayed, relayed[1:])]
    assert stamps[:19] == [160] * 9 + [480] + [160] * 9 and stamps[20:] == [160] * 9
    assert relayed[20].marker and 160 <= stamps[19] < 8000
    assert mediad.ask("media.status", leg=la)["figures"]["packets_lost"] == 2


def test_laws_are_converted_and_comfort_noise_is_dropped(mediad, legs, phone):
    a, b = phone(codec=0), phone(codec=8)
    la, lb = legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    b.packets.clear()
    tone = bytes(round(40 * math.sin(i / 3)) & 0xff for i in range(160))
    for _ in range(5):
        a.send(tone)
        a.send(b"\x40", type=13, step=160)
        a.send(tone)
    until(lambda: sum(p.payload != bytes([ALAW_SILENCE]) * 160 for p in b.packets) >= 10, 5, "ten packets")
    assert {p.type for p in b.packets} == {8}
    sequences = [p.sequence for p in b.packets]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


def test_duplicates_and_reordering(mediad, legs, phone):
    a, b = phone(), phone()
    la, lb = legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    b.packets.clear()
    numbers = [0, 1, 1, 3, 2, 3, 2, 4]
    base, stamp = a.sequence, a.timestamp
    for n in numbers:
        a.sequence = base + n
        a.send(bytes([n + 1]) * 160, timestamp=stamp + 160 * n)
    until(lambda: bytes([5]) * 160 in b.audio(), 5, "last packet")
    assert [p.payload[0] - 1 for p in b.packets if p.payload[0] < 10] == [0, 1, 3, 2, 4]
    figures = mediad.ask("media.status", leg=la)["figures"]
    assert figures["packets_lost"] == 0


def test_hold_stops_what_is_sent(mediad, legs, phone):
    a = phone()
    leg = legs()
    assert incoming(mediad, a, leg)["held"] is False
    a.wait_for(5)  # silence keeps coming
    answer = incoming(mediad, a, leg, direction="sendonly")
    assert answer["held"] is True and "a=recvonly" in answer["description"]
    time.sleep(0.05)
    count = len(a.packets)
    time.sleep(0.2)
    assert len(a.packets) == count
    for port in (a.port, a.to[1]):  # hold of RFC 2543; its port means nothing
        assert incoming(mediad, a, leg, host="0.0.0.0", port=port, source="127.0.0.1")["held"] is True
    answer = incoming(mediad, a, leg)
    assert answer["held"] is False
    a.wait_for(count + 5)
    offer = mediad.ask("media.offer", by="sipd", leg=leg, direction="sendonly")["description"]
    assert "a=sendonly" in offer
    versions = [int(text.split("o=- ")[1].split()[1]) for text in (offer, answer["description"])]
    assert versions[0] > versions[1]


# ---- Sources (7.1, 7.2) ----

def test_without_nat_only_the_signalled_address_counts(mediad, legs, phone):
    a, b, stranger = phone(), phone(), phone(host="127.0.0.3")
    same_host = phone()
    la, lb = legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    for _ in range(10):
        stranger.send(b"\x11" * 160, to=a.to)
        same_host.send(b"\x22" * 160, to=a.to)
    a.send(b"\x33" * 160)
    until(lambda: b"\x33" * 160 in b.audio(), 5, "the phone's audio")
    assert b"\x11" * 160 not in b.audio() and b"\x22" * 160 not in b.audio()
    assert not stranger.packets and not same_host.packets


def test_nat_latches_the_first_packet_of_the_source(mediad, legs, phone):
    """The phone advertises a private address; its packets come from its public one, from another port."""
    a, b = phone(host="127.0.0.2"), phone()
    attacker, neighbour = phone(host="127.0.0.3"), phone(host="127.0.0.2")
    la, lb = legs(), legs()
    incoming(mediad, a, la, source="127.0.0.2", nat=True, host="10.9.9.9", port=4000)
    outgoing(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    for _ in range(5):
        attacker.send(b"\x11" * 160, to=a.to)
    time.sleep(0.1)
    assert not attacker.packets and not a.packets, "nothing may be sent before the latch"
    a.send(b"\x33" * 160)
    until(lambda: b"\x33" * 160 in b.audio(), 5, "the phone's audio")
    for _ in range(5):
        attacker.send(b"\x11" * 160, to=a.to)
        neighbour.send(b"\x22" * 160, to=a.to)
    b.send(b"\x44" * 160)
    until(lambda: b"\x44" * 160 in a.audio(), 5, "audio to the latched port")
    a.send(b"\x55" * 160)
    until(lambda: b"\x55" * 160 in b.audio(), 5, "the phone's audio")
    assert b"\x11" * 160 not in b.audio() and b"\x22" * 160 not in b.audio()
    assert not attacker.packets and not neighbour.packets
    started = mediad.fact("media.started", leg=la)
    assert started["latched"] and started["remote"] == f"127.0.0.2:{a.port}"


def test_nat_nothing_goes_to_a_signalled_third_party(mediad, legs, phone):
    """The description names somebody else's address: he gets no packet, before the latch and after it."""
    a, victim, leg = phone(host="127.0.0.2"), phone(host="127.0.0.4"), legs()
    incoming(mediad, a, leg, source="127.0.0.2", nat=True, host=victim.host, port=victim.port)
    mediad.ask("media.tone", leg=leg, tone="dial")
    time.sleep(0.3)
    assert not victim.packets and not a.packets
    a.send(b"\x33" * 160)
    a.wait_for(5)
    assert not victim.packets and not victim.reports


def test_nothing_goes_further_inside_than_its_sender_is(mediad, legs, phone):
    """A phone on the Internet that names our loopback or private network, and says that no NAT is in its way."""
    inside, leg = phone(), legs()
    incoming(mediad, inside, leg, source="203.0.113.9", nat=False)
    mediad.ask("media.tone", leg=leg, tone="dial")
    inside.send(b"\x33" * 160)
    time.sleep(0.3)
    assert not inside.packets and not inside.reports
    assert mediad.ask("media.status", leg=leg)["figures"]["packets_received"] == 0


def test_a_spray_over_all_ports_latches_nobody(mediad, legs, phone):
    """Valid packets to every port of the range, again and again, while calls behind NAT begin; and after they ended."""
    phones = [phone(host="127.0.0.2") for _ in range(4)]
    thieves = [phone(host="127.0.0.3"), phone(host="127.0.0.2")]
    made = [legs() for _ in phones]

    def spray():
        ports = sorted({(a.to[0], a.to[1] + n) for a in phones if a.to for n in range(-8, 9)})
        for to in ports:
            thieves[0].send(b"\x11" * 160, to=to)
            thieves[0].raw(struct.pack("!BBHI", 0x80, 201, 1, 7), to)  # an empty receiver report
            thieves[0].raw(struct.pack("!BBHI", 0x81, 203, 1, 7), to)  # a BYE

    for a, leg in zip(phones, made):
        incoming(mediad, a, leg, source="127.0.0.2", nat=True, host="10.9.9.9", port=4000)
        spray()
        a.send(b"\x33" * 160)
        assert mediad.fact("media.started", leg=leg)["remote"] == f"127.0.0.2:{a.port}"
        spray()
        thieves[1].send(b"\x22" * 160, to=a.to)
        a.wait_for(3)
    for leg in made:
        mediad.ask("media.close", leg=leg)
    spray()
    time.sleep(0.1)
    assert not any(thief.packets or thief.reports for thief in thieves)


def test_nat_garbage_latches_nobody(mediad, legs, phone):
    a, neighbour = phone(host="127.0.0.2"), phone(host="127.0.0.2")
    leg = legs()
    incoming(mediad, a, leg, source="127.0.0.2", nat=True, host="10.9.9.9", port=4000)
    for data in (b"", b"\x80", b"\x00" * 172, b"\x80\x7f" + b"\0" * 170, b"\x90" + b"\xff" * 171):
        neighbour.raw(data, a.to)
    a.send(b"\x33" * 160)
    assert mediad.fact("media.started", leg=leg)["remote"] == f"127.0.0.2:{a.port}"


def test_nat_signalled_address_of_the_same_host_is_sent_to_first(mediad, legs, phone):
    a, other = phone(host="127.0.0.2"), phone(host="127.0.0.2")
    leg = legs()
    incoming(mediad, a, leg, source="127.0.0.2", nat=True)
    a.wait_for(3)
    other.send(b"\x33" * 160, to=a.to)  # the phone sends from another port than it signalled
    other.wait_for(3)
    count = len(a.packets)
    time.sleep(0.1)
    assert len(a.packets) <= count + 1


def test_nat_window_closes_and_a_new_description_opens_it(mediad, legs, phone):
    a, late = phone(host="127.0.0.2"), phone(host="127.0.0.2")
    leg = legs()
    incoming(mediad, a, leg, source="127.0.0.2", nat=True, host="10.9.9.9", port=4000)
    time.sleep(5.4)
    late.send(b"\x33" * 160, to=a.to)
    time.sleep(0.1)
    assert not late.packets and not mediad.facts_of("media.started", leg=leg)
    incoming(mediad, a, leg, source="127.0.0.2", nat=True, host="10.9.9.9", port=4000)
    a.send(b"\x33" * 160)
    assert mediad.fact("media.started", leg=leg)["remote"] == f"127.0.0.2:{a.port}"
    late.send(b"\x33" * 160, to=a.to)  # a re-INVITE is the only way to move
    time.sleep(0.1)
    assert not late.packets
    incoming(mediad, a, leg, source="127.0.0.2", nat=True, host="10.9.9.9", port=4000)
    late.send(b"\x33" * 160, to=a.to)
    late.wait_for(3)


def test_packets_before_the_description_are_nobodys(mediad, legs, phone):
    a, b, stranger = phone(), phone(), phone(host="127.0.0.3")
    la, lb = legs(), legs()
    offer = mediad.ask("media.open", leg=la, call="c1-t", kind="rtp", peer="127.0.0.1")["description"]
    a.answered(offer)
    incoming(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    for _ in range(20):
        stranger.send(b"\x11" * 160, to=a.to)
    time.sleep(0.05)
    mediad.ask("media.describe", by="sipd", leg=la, call="c1-t", role="answer", description=a.sdp(),
               source="127.0.0.1", nat=False)
    a.send(b"\x33" * 160)
    until(lambda: b"\x33" * 160 in b.audio(), 5, "the phone's audio")
    assert b"\x11" * 160 not in b.audio()


def test_our_own_ports_are_refused_as_far_ends(mediad, legs, phone):
    a = phone()
    la = legs()
    incoming(mediad, a, la)
    with pytest.raises(Error) as error:
        incoming(mediad, a, legs(), port=a.to[1])
    assert error.value.name == "invalid" and "our own" in error.value.detail


def test_a_phone_whose_port_was_closed_for_a_while_is_heard_again(mediad, legs, phone):
    """ICMP says that nobody is there; the socket must not go deaf."""
    a, b = phone(), phone()
    la, lb = legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb)
    port, to = a.port, a.to
    a.close()
    mediad.ask("media.join", a=la, b=lb)
    sent = mediad.ask("media.status", leg=la)["figures"]["packets_sent"]
    until(lambda: mediad.ask("media.status", leg=la)["figures"]["packets_sent"] > sent + 20, 5, "packets to nobody")
    again = phone(port=port)
    again.send(b"\x33" * 160, to=to)
    again.send(b"\x34" * 160, to=to)
    until(lambda: b"\x34" * 160 in b.audio(), 5, "audio of the phone that is back")
    again.wait_for(3)


def test_closed_ports_answer_nothing(mediad, legs, phone):
    a = phone()
    leg = legs()
    incoming(mediad, a, leg)
    a.wait_for(3)
    mediad.ask("media.close", leg=leg)
    assert mediad.fact("media.closed", leg=leg)["figures"]["packets_sent"] >= 3
    count = len(a.packets)
    a.send(b"\x33" * 160)
    time.sleep(0.1)
    assert len(a.packets) == count
    mediad.ask("media.close", leg=leg)  # unknown now: no error


# ---- Streams ----

def attach(mediad, grant, front="front"):
    mediad.send(peers.ATTACH, grant, front=front)
    return mediad.frame(peers.ATTACHED, grant)


def test_stream_hears_every_packet_at_once(mediad, legs, phone):
    a, leg, grant = phone(codec=8), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=leg, b=grant)
    assert attach(mediad, grant).codec == PCMA
    audio = noise(1)
    a.talk(audio)
    until(lambda: len(mediad.frames_of(AUDIO, grant)) >= 50, 5, "frames")
    frames = mediad.frames_of(AUDIO, grant)
    assert b"".join(f.payload for f in frames) == audio
    assert [f.sequence for f in frames] == list(range(frames[0].sequence, frames[0].sequence + 50))
    assert {f.timestamp - g.timestamp for f, g in zip(frames[1:], frames)} == {160}
    assert all(f.codec == PCMA for f in frames)


@pytest.mark.parametrize("ptime", [10, 30])
def test_other_packet_lengths_become_frames_of_20_ms(mediad, legs, phone, ptime):
    a, leg, grant = phone(), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=leg, b=grant)
    attach(mediad, grant)
    audio = noise(0.6, 3)
    for n in range(0, len(audio), ptime * 8):
        a.send(audio[n:n + ptime * 8])
    until(lambda: len(mediad.frames_of(AUDIO, grant)) >= 30, 5, "frames")
    frames = mediad.frames_of(AUDIO, grant)
    assert {len(f.payload) for f in frames} == {160} and b"".join(f.payload for f in frames) == audio


def test_stream_is_heard_sample_exact_without_gap(mediad, legs, phone):
    a, leg, grant = phone(), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=leg, b=grant)
    attach(mediad, grant)
    a.wait_for(10)  # silence before
    audio = noise(2)
    begin = time.monotonic() - 0.3  # he is ahead by as much as a busy machine may hold us up
    for n in range(0, len(audio), 160):  # as an operator would send: 20 ms each, in real time
        wait = begin + n / 8000 - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        mediad.send(AUDIO, grant, audio[n:n + 160], codec=PCMU)
    until(lambda: heard_in(a, audio) >= 0, 5, "audio in one piece")
    sent = a.packets[:]
    assert {(y.sequence - x.sequence) & 0xffff for x, y in zip(sent, sent[1:])} == {1}
    assert {(y.timestamp - x.timestamp) & 0xffffffff for x, y in zip(sent, sent[1:])} == {160}
    assert mediad.ask("media.status", leg=grant)["figures"]["underruns"] == 0


def test_what_a_stream_says_without_a_leg_is_not_kept(mediad, legs, phone):
    a, leg, grant = phone(), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    attach(mediad, grant)
    mediad.send(AUDIO, grant, b"\x11" * 4000, codec=PCMU)
    until(lambda: mediad.ask("media.status", leg=grant)["figures"]["packets_received"], 5, "the frame")
    mediad.ask("media.join", a=leg, b=grant)
    mediad.send(AUDIO, grant, b"\x22" * 4000, codec=PCMU)
    until(lambda: b"\x22" * 4000 in a.audio(), 5, "what was said after the join")
    mediad.send(AUDIO, grant, b"\x23" * 16000, codec=PCMU)
    until(lambda: b"\x23" * 160 in a.audio(), 5, "the next sentence")
    mediad.ask("media.part", leg=leg)  # the call is over: the rest is for nobody
    mediad.ask("media.join", a=leg, b=grant)
    mediad.send(AUDIO, grant, b"\x24" * 4000, codec=PCMU)
    until(lambda: b"\x24" * 4000 in a.audio(), 3, "what was said in the next call")
    assert b"\x11" not in a.audio() and a.audio().count(b"\x23") < 12000


def test_a_burst_of_any_chunks_is_played_in_order_and_cleared_at_once(mediad, legs, phone):
    a, leg, grant = phone(codec=8), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=leg, b=grant)
    attach(mediad, grant)
    audio, at = noise(3, 5), 0
    source = random.Random(4)
    while at < len(audio):
        size = source.randrange(1, 4000)
        mediad.send(AUDIO, grant, audio[at:at + size], codec=PCMA)
        at += size
    until(lambda: heard_in(a, audio[:8000]) >= 0, 5, "first second")
    mediad.send(peers.CLEAR, grant)
    until(lambda: a.packets[-1].payload == bytes([ALAW_SILENCE]) * 160, 1, "silence")
    assert len(a.audio().strip(bytes([ALAW_SILENCE]))) < 8000 * 2.5


def test_queue_is_bounded_at_60_seconds(mediad, legs, phone):
    a, leg, grant = phone(), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=leg, b=grant)
    attach(mediad, grant)
    for _ in range(62):
        mediad.send(AUDIO, grant, b"\x21" * 8000, codec=PCMU)
    dropped = until(lambda: mediad.ask("media.status", leg=grant)["figures"]["dropped_frames"], 5, "dropped frames")
    assert 40 < dropped <= 100


def test_two_streams_are_summed(mediad, legs, phone):
    a, leg, one, two = phone(), legs(), legs("s"), legs("s")
    incoming(mediad, a, leg)
    for grant in (one, two):
        mediad.ask("media.open", leg=grant, kind="stream")
        mediad.ask("media.join", a=grant, b=leg)
        attach(mediad, grant, front=grant)
    a.wait_for(5)
    for grant in (one, two):
        mediad.send(AUDIO, grant, b"\xa0" * 8000, codec=PCMU, front=grant)  # 0xa0 is 4988 - 100 linear or so
    until(lambda: any(p.payload == p.payload[:1] * 160 and p.payload[0] not in (0xa0, 0xff) for p in a.packets), 5,
          "a sum")
    summed = next(p.payload[0] for p in a.packets if p.payload[0] not in (0xa0, 0xff))
    assert summed == 0x90  # twice the size is one segment up


def test_stream_of_a_vanished_front_is_closed(mediad, legs, phone):
    a, leg, grant = phone(), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=leg, b=grant)
    attach(mediad, grant, front="dying")
    mediad.drop_front("dying")

    def told():
        a.send(b"\x33" * 160)
        return mediad.facts_of("media.detached", stream=grant)
    until(told, 5, "media.detached")
    mediad.fact("media.closed", leg=grant)
    with pytest.raises(Error) as error:
        mediad.ask("media.status", leg=grant)
    assert error.value.name == "not_found"


def test_who_may_use_a_stream(mediad, legs, phone):
    leg, grant = legs(), legs("s")
    incoming(mediad, phone(), leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.send(peers.ATTACH, "s1-nobody")
    assert mediad.frame(peers.REFUSED, "s1-nobody").payload
    mediad.send(peers.ATTACH, leg)  # a leg is no stream
    assert mediad.frame(peers.REFUSED, leg).payload
    mediad.send(peers.ATTACH, grant, front="analog", role="dahdid")  # no channel of its own
    assert mediad.frame(peers.REFUSED, grant).front == "analog"
    mediad.send(AUDIO, grant, b"\x11" * 160, codec=PCMU)  # not attached
    mediad.frame(peers.DETACH, grant)
    attach(mediad, grant, front="first")
    attach(mediad, grant, front="second")  # takes it over
    assert mediad.frame(peers.DETACH, grant).front == "first"
    mediad.ask("media.close", leg=grant)
    assert mediad.frame(peers.DETACH, grant).front == "second"
    assert not [f for f in mediad.frames if f.front == "analog"]


# ---- Digits ----

def test_a_silent_partner_is_filled_in(mediad, legs, phone):
    """Both sides are joined and only one talks: the other's way stays open with silence, and goes over without a gap."""
    a, b = phone(), phone()
    la, lb = legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    count = len(a.packets)
    a.wait_for(count + 30)
    b.talk(noise(0.5, 6))
    until(lambda: heard_in(a, noise(0.5, 6)) >= 0, 2, "the partner's audio")
    sent = a.packets[:]
    assert {(y.sequence - x.sequence) & 0xffff for x, y in zip(sent, sent[1:])} == {1}
    assert max(y.at - x.at for x, y in zip(sent[5:], sent[6:])) < 0.6
    assert max((y.timestamp - x.timestamp) & 0xffffffff for x, y in zip(sent, sent[1:])) < 5000


def test_a_stream_drowns_the_partner_and_lets_it_back(mediad, legs, phone):
    a, b, grant = phone(), phone(), legs("s")
    la, lb = legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=la, b=grant)
    attach(mediad, grant)
    mediad.send(AUDIO, grant, b"\x21" * 4000, codec=PCMU)
    for _ in range(60):
        b.send(b"\x33" * 160)
        time.sleep(0.02)
    heard = [p.payload[0] for p in a.packets if p.payload[0] in (0x21, 0x33)]
    turns = "".join({0x21: "s", 0x33: "p"}[x] for x in heard)
    assert turns.strip("p") == "s" * 25, "the stream is heard in one piece"
    assert turns.endswith("p" * 10)
    sent = a.packets[:]
    assert {(y.sequence - x.sequence) & 0xffff for x, y in zip(sent, sent[1:])} == {1}


def test_digits_are_told_once_and_relayed(mediad, legs, phone):
    a, b = phone(event=101), phone(event=96)
    la, lb = legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    for event in (1, 2, 3, 10, 11, 12):
        a.digit(event, units=800)
        a.send(b"\x33" * 160)
    for wanted in "123*#A":
        assert mediad.fact("leg.digit", leg=la, phase="begin", digit=wanted)["duration_ms"] == 0
        assert mediad.fact("leg.digit", leg=la, phase="end", digit=wanted)["duration_ms"] == 100
    assert not mediad.facts_of("leg.digit")
    until(lambda: sum(p.type == 96 for p in b.packets) >= 6 * 8, 2, "events")
    events = [p for p in b.packets if p.type == 96]
    assert len(events) == 6 * 8 and len({p.timestamp for p in events}) == 6
    assert [p.payload[0] for p in events[::8]] == [1, 2, 3, 10, 11, 12]
    assert all(events[n * 8].marker for n in range(6))


def test_digits_without_end_and_flash(mediad, legs, phone):
    a, leg = phone(), legs()
    incoming(mediad, a, leg)
    a.digit(7, units=800, skip_end=True)
    mediad.fact("leg.digit", leg=leg, phase="begin", digit="7")
    assert mediad.fact("leg.digit", leg=leg, phase="end", digit="7", seconds=1)["duration_ms"] == 100
    a.digit(16, units=800)
    mediad.fact("leg.flash", leg=leg)
    assert not mediad.facts_of("leg.flash") and not mediad.facts_of("leg.digit")


def test_digits_are_sent_as_events(mediad, legs, phone):
    a, leg = phone(), legs()
    outgoing(mediad, a, leg)
    mediad.ask("media.digits", leg=leg, digits="5#", duration_ms=100)
    until(lambda: sum(p.type == 101 and p.payload[1] & 0x80 != 0 for p in a.packets) == 6, 3, "six end packets")
    events = [p for p in a.packets if p.type == 101]
    for first, key in ((0, 5), (7, 11)):
        durations = [struct.unpack("!H", p.payload[2:])[0] for p in events[first:first + 7]]
        assert [p.payload[0] for p in events[first:first + 7]] == [key] * 7
        assert durations == [160, 320, 480, 640, 800, 800, 800]
        assert [p.payload[1] >> 7 for p in events[first:first + 7]] == [0] * 4 + [1] * 3
        assert [p.marker for p in events[first:first + 7]] == [1] + [0] * 6
        assert len({p.timestamp for p in events[first:first + 7]}) == 1
    assert events[7].timestamp - events[0].timestamp >= 800 + 320
    sent = a.packets[:]
    assert {(y.sequence - x.sequence) & 0xffff for x, y in zip(sent, sent[1:])} == {1}


def test_digits_need_telephone_event(mediad, legs, phone):
    a, leg = phone(event=None), legs()
    incoming(mediad, a, leg)
    with pytest.raises(Error) as error:
        mediad.ask("media.digits", leg=leg, digits="5", duration_ms=100)
    assert error.value.name == "wrong_state"


# ---- Tones and sounds ----

def linear(ulaw):
    ulaw = ~ulaw & 0xff
    size = (((ulaw & 15) << 3) + 0x84) << ((ulaw & 0x70) >> 4)
    return 0x84 - size if ulaw & 0x80 else size - 0x84


def power(samples, hz):
    """Goertzel, as a part of the whole energy."""
    real = sum(s * math.cos(2 * math.pi * hz * i / 8000) for i, s in enumerate(samples))
    imaginary = sum(s * math.sin(2 * math.pi * hz * i / 8000) for i, s in enumerate(samples))
    return 2 * (real * real + imaginary * imaginary) / len(samples) / max(1, sum(s * s for s in samples))


def test_tones_until_joined(mediad, legs, phone):
    a, leg, grant = phone(), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.tone", leg=leg, tone="dial")
    until(lambda: len(a.audio().strip(b"\xff")) > 4000, 3, "dial tone")
    samples = [linear(b) for b in a.audio().strip(b"\xff")[800:2400]]
    assert power(samples, 350) > 0.4 and power(samples, 440) > 0.4
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=leg, b=grant)
    until(lambda: a.packets[-1].payload == b"\xff" * 160, 1, "silence")
    mediad.ask("media.tone", leg=leg, tone="busy")
    until(lambda: a.packets[-1].payload != b"\xff" * 160, 1, "busy tone")
    mediad.ask("media.tone", leg=leg, tone="none")
    until(lambda: a.packets[-1].payload == b"\xff" * 160, 1, "silence")


def upload(mediad, play, data, size=4000):
    pieces = [data[n:n + size] for n in range(0, len(data), size)]
    for n, piece in enumerate(pieces):
        mediad.send(peers.UPLOAD, play, piece, last=n == len(pieces) - 1, sequence=n)


def test_raw_upload_is_heard_exactly(mediad, legs, phone):
    a, leg, play = phone(), legs(), legs("p")
    incoming(mediad, a, leg)
    mediad.ask("media.play", leg=leg, play=play, format="pcmu")
    audio = noise(1, 9)[:7900]
    upload(mediad, play, audio)
    assert mediad.frame(peers.ACCEPTED, play).payload == b"987"
    played = mediad.fact("media.played", play=play)
    assert played["completed"] and played["played_ms"] == 987
    until(lambda: heard_in(a, audio) >= 0, 2, "the sound")


def wave(samples, rate=8000, channels=1):
    data = struct.pack(f"<{len(samples)}h", *samples)
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * 2 * channels, 2 * channels, 16) +
            b"data" + struct.pack("<I", len(data)) + data)


@pytest.mark.parametrize("rate, channels", [(8000, 1), (16000, 1), (44100, 2), (48000, 1)])
def test_wave_upload_is_heard(mediad, legs, phone, rate, channels):
    a, leg, play = phone(), legs(), legs("p")
    incoming(mediad, a, leg)
    mediad.ask("media.play", leg=leg, play=play, format="wav")
    tone = [round(8000 * math.sin(2 * math.pi * 1000 * i / rate)) for i in range(rate)]
    upload(mediad, play, wave([s for s in tone for _ in range(channels)], rate, channels), 16000)
    assert int(mediad.frame(peers.ACCEPTED, play).payload) == pytest.approx(1000, abs=5)
    assert mediad.fact("media.played", play=play)["completed"]
    samples = [linear(b) for b in a.audio().strip(b"\xff")]
    assert len(samples) == pytest.approx(8000, abs=160)
    middle = samples[2000:6000]
    assert power(middle, 1000) > 0.98
    assert math.sqrt(sum(s * s for s in middle) / len(middle)) == pytest.approx(8000 / math.sqrt(2), rel=0.03)


def test_bad_uploads_are_refused(mediad, legs, phone):
    leg = legs()
    incoming(mediad, phone(), leg)
    for data in (b"RIFFxxxxWAVE", b"fLaC" + b"\0" * 100, b"\0" * 5000, wave([0] * 100, rate=4000)):
        play = legs("p")
        mediad.ask("media.play", leg=leg, play=play, format="wav")
        upload(mediad, play, data)
        assert mediad.frame(peers.REFUSED, play).payload
        assert not mediad.fact("media.played", play=play)["completed"]
    play = legs("p")
    mediad.ask("media.play", leg=leg, play=play, format="pcmu")
    upload(mediad, play, b"\x11" * ((1 << 20) + 1), 16000)
    assert b"1 MiB" in mediad.frame(peers.REFUSED, play).payload
    mediad.send(peers.UPLOAD, "p1-nobody", b"x", last=True)
    assert mediad.frame(peers.REFUSED, "p1-nobody").payload


def test_sounds_queue_and_are_stopped(mediad, legs, phone):
    a, leg = phone(), legs()
    one, two = legs("p"), legs("p")
    incoming(mediad, a, leg)
    for play in (one, two):
        mediad.ask("media.play", leg=leg, play=play, format="pcmu")
        upload(mediad, play, (b"\x11" if play == one else b"\x22") * 4000)
        mediad.frame(peers.ACCEPTED, play)
    assert mediad.fact("media.played", play=one)["completed"]
    until(lambda: b"\x22" * 160 in a.audio(), 2, "the second sound")
    mediad.ask("media.stop", leg=leg)
    played = mediad.fact("media.played", play=two)
    assert not played["completed"] and 0 < played["played_ms"] < 500
    assert b"\x11" * 4000 + b"\x22" * 160 in a.audio()
    until(lambda: a.packets[-1].payload == b"\xff" * 160, 1, "silence")


# ---- Descriptions ----

def test_answers_mirror_what_was_offered(mediad, legs, phone):
    a, leg = phone(codec=8, event=97), legs()
    answer = incoming(mediad, a, leg, codecs=[9, 8, 0],
                      extra="m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n")["description"]
    lines = answer.split("\r\n")
    assert [line for line in lines if line.startswith("m=")] == [f"m=audio {a.to[1]} RTP/AVP 8 97",
                                                                 "m=video 0 RTP/AVP 96"]
    assert "a=rtpmap:97 telephone-event/8000" in lines and "a=fmtp:97 0-15" in lines
    assert a.to[0] == "127.0.0.1" and a.to[1] % 2 == 0 and peers.PORTS[0] <= a.to[1] <= peers.PORTS[1]


@pytest.mark.parametrize("description, word", [
    ("", "o="), ("hello", "letter"), ("v=0\r\n", "o="), ("v=1\r\n", "version"),
    ("v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 phone.example\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n", "resolved"),
    ("v=0\r\no=a 1 1 IN IP4 1.1.1.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5000 RTP/SAVP 0\r\n", "SAVP"),
    ("v=0\r\no=a 1 1 IN IP4 1.1.1.1\r\ns=-\r\nc=IN IP4 224.1.1.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n", "unicast"),
    ("v=0\r\no=a 1 1 IN IP4 1.1.1.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 18\r\n", "PCMU"),
])
def test_bad_descriptions_are_refused(mediad, legs, description, word):
    leg = legs()
    with pytest.raises(Error) as error:
        mediad.ask("media.describe", by="sipd", leg=leg, call="c1-t", role="offer", description=description or "x",
                   source="127.0.0.1", nat=False)
    assert error.value.name == "invalid"
    assert word in error.value.detail or not description
    with pytest.raises(Error):
        mediad.ask("media.status", leg=leg)


def test_open_again_is_answered_the_same(mediad, legs):
    leg = legs()
    first = mediad.ask("media.open", leg=leg, call="c1-t", kind="rtp")
    assert mediad.ask("media.open", leg=leg, call="c1-t", kind="rtp") == first
    with pytest.raises(Error) as error:
        mediad.ask("media.open", leg=leg, kind="stream")
    assert error.value.name == "wrong_state"


def test_joins_that_are_not_possible(mediad, legs, phone):
    one, two, three, grant = legs(), legs(), legs(), legs("s")
    for leg in (one, two, three):
        incoming(mediad, phone(), leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=one, b=two)
    mediad.ask("media.join", a=two, b=one)
    with pytest.raises(Error) as error:
        mediad.ask("media.join", a=one, b=three)
    assert error.value.name == "wrong_state"
    with pytest.raises(Error) as error:
        mediad.ask("media.join", a=one, b="l1-nobody")
    assert error.value.name == "not_found"
    mediad.ask("media.part", leg=one)
    mediad.ask("media.part", leg="l1-nobody")
    mediad.ask("media.join", a=one, b=three)


def test_a_driver_touches_only_its_own_legs(mediad, legs, phone):
    a, leg = phone(), legs()
    incoming(mediad, a, leg)
    with pytest.raises(Error) as error:
        mediad.ask("media.describe", by="dahdid", leg=leg, call="c1-t", role="offer", nat=False,
                   description="channel/1 codec=pcmu ptime=20 name=dahdi/1")
    assert error.value.name == "not_found"
    mediad.ask("media.close", by="dahdid", leg=leg)
    assert mediad.ask("media.status", leg=leg)
    mediad.ask("media.close", by="sipd", leg=leg)
    mediad.fact("media.closed", leg=leg)


# ---- Reports, silence, faults ----

def test_silence_begins_when_nobody_has_spoken_for_a_while(mediad, legs, phone):
    """A call that rings gets no packets of silence; one that is up and quiet gets them without a gap."""
    a, la = phone(), legs()
    began = time.monotonic()
    incoming(mediad, a, la)
    a.wait_for(1)
    assert time.monotonic() - began >= 0.3
    mediad.ask("media.tone", leg=la, tone="dial")
    a.wait_for(len(a.packets) + 10)
    mediad.ask("media.tone", leg=la, tone="none")
    before = len(a.packets)
    a.wait_for(before + 20)
    gaps = [later.timestamp - p.timestamp for p, later in zip(a.packets, a.packets[1:])]
    assert set(gaps) == {160}, gaps


def test_reports_go_both_ways_and_a_bye_changes_nothing(mediad, legs, phone):
    a, leg = phone(), legs()
    incoming(mediad, a, leg)
    a.send(b"\x33" * 160)
    sender = struct.pack("!BBHIQIII", 0x80, 200, 6, a.ssrc, int((time.time() + 2208988800) * 2**32) & (2**64 - 1),
                         a.timestamp, 1, 160)
    a.rtcp.sendto(sender + struct.pack("!BBHI", 0x81, 203, 1, a.ssrc), (a.to[0], a.to[1] + 1))
    until(lambda: a.reports, 8, "a report")
    report = a.reports[0]
    assert report[1] == 200 and report[0] == 0x81, "a sender report with one block"
    assert struct.unpack("!I", report[28:32])[0] == a.ssrc
    assert struct.unpack("!I", report[44:48])[0] != 0, "LSR of our report"
    assert report[52 + 1] == 202 and report[52 + 8] == 1, "SDES with CNAME"
    count = len(a.packets)
    a.wait_for(count + 5)


def test_silence_is_told_once(mediad, legs, phone):
    a, leg, grant = phone(), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=leg, b=grant)
    a.send(b"\x33" * 160)
    assert 1900 < mediad.fact("media.silent", leg=leg)["silent_ms"] < 2600
    time.sleep(0.5)
    assert not mediad.facts_of("media.silent", leg=leg)
    a.send(b"\x33" * 160)
    mediad.fact("media.silent", leg=leg)


def test_malformed_packets_are_counted_and_change_nothing(mediad, legs, phone):
    a, leg = phone(), legs()
    incoming(mediad, a, leg)
    source = random.Random(11)
    before = mediad.metric("hookswitch_rtp_refused_total", 'why="version"')
    for n in range(300):
        a.raw(source.randbytes(source.randrange(1, 200)))
        a.rtcp.sendto(source.randbytes(source.randrange(1, 200)), (a.to[0], a.to[1] + 1))
    a.raw(b"\x80" * 1600)

    def started():  # the garbage may fill the socket's buffer
        a.send(b"\x33" * 160)
        return mediad.facts_of("media.started", leg=leg)
    until(started, 5, "media.started")
    until(lambda: mediad.metric("hookswitch_rtp_refused_total", 'why="version"') > before, 5, "refusals")
    a.raw(b"\x80" * 1600)
    until(lambda: mediad.metric("hookswitch_rtp_refused_total", 'why="size"') >= 1, 5, "the long one's refusal")
    assert mediad.ask("media.status", leg=leg)["figures"]["packets_refused"] > 100


def test_malformed_frames_change_nothing(mediad, legs):
    grant = legs("s")
    mediad.ask("media.open", leg=grant, kind="stream")
    source = random.Random(12)
    for _ in range(200):
        head = bytearray(Frame.pack(source.randrange(10), grant, source.randbytes(source.randrange(300)),
                                    codec=source.randrange(4)))
        head[source.randrange(len(head))] = source.randrange(256)
        mediad.pipe.send(("frame", "front", "api-front", bytes(head)))
    assert mediad.ask("media.status", leg=grant)["figures"]


def test_traces_tell_a_leg_s_life(mediad, legs, phone):
    a, leg, call = phone(), legs(), f"c1-{random.getrandbits(40)}"
    incoming(mediad, a, leg, call=call)
    a.send(b"\x33" * 160)
    mediad.fact("media.started", leg=leg)
    mediad.ask("media.close", leg=leg)
    records = mediad.ask("daemon.trace", call=call)["records"]
    whats = " / ".join(r["what"] for r in records if r["kind"] == "media")
    assert "described: offer pcmu sendrecv" in whats and "media.started" in whats and "closed" in whats


