"""Analog legs of mediad: a peer on the audio edge plays dahdid, and its blocks are the clock."""
import math
import random
import struct
import threading
import time

import peers
import pytest
from peers import AUDIO, PCMA, PCMU, Error, Port, noise, until
from test_mediad import attach, incoming, linear, outgoing, power, upload

KEYS = "123A456B789C*0#D"


def ulaw(sample):
    """Nearest mu-law byte."""
    sign = 0x80 if sample >= 0 else 0
    size = min(int(abs(sample)), 32635) + 0x84
    segment = size.bit_length() - 8
    return ~(segment << 4 | size >> (segment + 3) & 15) & 0x7f | sign


def key_tone(key, ms, level=6000):
    """A key of a telephone's pad, as mu-law."""
    place = KEYS.index(key)
    low, high = (697, 770, 852, 941)[place // 4], (1209, 1336, 1477, 1633)[place % 4]
    return bytes(ulaw(level * (math.sin(2 * math.pi * low * i / 8000) + math.sin(2 * math.pi * high * i / 8000)))
                 for i in range(ms * 8))


def is_key(audio, key):
    place = KEYS.index(key)
    samples = [linear(b) for b in audio]
    return (power(samples, (697, 770, 852, 941)[place // 4]) > 0.25 and
            power(samples, (1209, 1336, 1477, 1633)[place % 4]) > 0.25)


def stream(mediad, legs, leg):
    grant = legs("s")
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=leg, b=grant)
    attach(mediad, grant)
    return grant


# ---- Blocks ----

@pytest.mark.parametrize("law", ["pcmu", "pcma"])
@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 50, 60])
def test_each_block_is_answered_by_one_of_its_length(mediad, legs, law, ptime):
    port = Port(mediad, legs(), law, ptime)
    port.lift()
    for n in range(7):
        port.send(noise(ptime / 1000, n))
    blocks = port.take(7)
    assert {len(b.payload) for b in blocks} == {ptime * 8} and {b.codec for b in blocks} == {port.codec}
    assert [b.sequence for b in blocks] == list(range(7))
    assert [b.timestamp for b in blocks] == [n * ptime * 8 for n in range(7)]
    assert set(b"".join(b.payload for b in blocks)) == {port.silence}
    started = mediad.fact("media.started", leg=port.leg)
    assert started["codec"] == law and started["remote"] == "dahdi/3" and not started["latched"]
    figures = mediad.ask("media.status", leg=port.leg)["figures"]
    assert figures["codec"] == law and figures["remote"] == "dahdi/3"
    assert figures["packets_received"] == 7 and figures["packets_sent"] == 7 and figures["packets_lost"] == 0


def test_a_block_that_overtakes_the_description_counts(mediad, legs):
    port = Port(mediad, legs())
    port.ring()
    port.send(noise(0.02))
    port.take(1)
    assert not mediad.facts_of("media.started", leg=port.leg)
    assert "description" not in port.describe("answer")
    assert mediad.fact("media.started", leg=port.leg)["remote"] == "dahdi/3"
    assert not mediad.facts_of("media.started", leg=port.leg)


def test_lost_blocks_are_counted(mediad, legs):
    port = Port(mediad, legs())
    port.lift()
    port.exchange(noise(0.1))
    port.send(noise(0.02), skip=3)
    port.take(1)
    assert mediad.ask("media.status", leg=port.leg)["figures"]["packets_lost"] == 3


def test_bad_blocks_are_refused(mediad, legs):
    port = Port(mediad, legs())
    port.lift()
    before = mediad.metric("hookswitch_audio_frames_refused_total")
    for payload, codec in ((b"", PCMU), (b"\x11" * 79, PCMU), (b"\x11" * 481, PCMU), (b"\x11" * 160, 0)):
        mediad.send(AUDIO, port.leg, payload, front="dahdid", role="dahdid", codec=codec)
    port.exchange(noise(0.02))
    assert mediad.metric("hookswitch_audio_frames_refused_total") == before + 4
    assert len(port.blocks) == 1


@pytest.mark.parametrize("words,word", [
    ("v=0", "channel/1"), ("channel/1 ptime=20 name=a", "codec"), ("channel/1 codec=g722 ptime=20 name=a", "codec"),
    ("channel/1 codec=pcmu ptime=200 name=a", "ptime"), ("channel/1 codec=pcmu ptime=20 name=", "name")])
def test_bad_descriptions_are_refused(mediad, legs, words, word):
    leg = legs()
    with pytest.raises(Error) as error:
        mediad.ask("media.describe", by="dahdid", leg=leg, call="c1-t", role="offer", description=words, nat=False)
    assert error.value.name == "invalid" and word in error.value.detail
    with pytest.raises(Error) as error:
        mediad.ask("media.status", leg=leg)
    assert error.value.name == "not_found"


# ---- Who may ----

def test_channels_are_dahdid_s_alone(mediad, legs, phone):
    port, other = Port(mediad, legs()), legs()
    port.lift()
    incoming(mediad, phone(), other)
    for role in ("api-front", "hook-stream"):
        mediad.send(peers.ATTACH, port.leg, front=role, role=role)
        assert mediad.frame(peers.REFUSED, port.leg).front == role
    mediad.send(peers.ATTACH, other, front="dahdid", role="dahdid")  # an RTP leg is no channel
    assert mediad.frame(peers.REFUSED, other).payload
    mediad.send(AUDIO, port.leg, b"\x11" * 160, codec=PCMU, front="stranger", role="dahdid")
    assert mediad.frame(peers.DETACH, port.leg).front == "stranger"
    for message, body in (("media.describe", {"call": "c1-t", "role": "answer", "description": "x", "nat": False,
                                              "source": "127.0.0.1"}),
                          ("media.offer", {"direction": "sendonly"})):
        with pytest.raises(Error):
            mediad.ask(message, by="sipd", leg=port.leg, **body)
    mediad.ask("media.close", by="sipd", leg=port.leg)  # not its leg: no error, and nothing happens
    assert mediad.ask("media.status", leg=port.leg)
    with pytest.raises(Error) as error:
        mediad.ask("media.describe", by="dahdid", leg=other, call="c1-t", role="answer", description=port.words(),
                   nat=False)
    assert error.value.name == "not_found"
    with pytest.raises(Error) as error:
        mediad.ask("media.offer", by="dahdid", leg=port.leg, direction="sendonly")
    assert error.value.name == "wrong_state"


def test_open_again_and_close(mediad, legs):
    port = Port(mediad, legs())
    assert port.ring() == mediad.ask("media.open", leg=port.leg, call="c1-t", kind="channel")
    with pytest.raises(Error) as error:
        mediad.ask("media.open", leg=port.leg, call="c1-t", kind="rtp")
    assert error.value.state == "channel"
    mediad.ask("media.close", leg=port.leg)
    mediad.frame(peers.DETACH, port.leg)
    mediad.fact("media.closed", leg=port.leg)
    port.send(b"\x11" * 160)
    mediad.frame(peers.DETACH, port.leg)
    mediad.send(peers.ATTACH, port.leg, front="dahdid", role="dahdid")
    mediad.frame(peers.REFUSED, port.leg)


# ---- Streams ----

@pytest.mark.parametrize("ptime", [10, 20, 60])
def test_an_operator_hears_every_sample(mediad, legs, ptime):
    port = Port(mediad, legs(), "pcma", ptime)
    port.lift()
    grant = stream(mediad, legs, port.leg)
    audio = noise(0.6, 4)
    port.exchange(audio)
    until(lambda: len(mediad.frames_of(AUDIO, grant)) >= 30, 5, "frames")
    frames = mediad.frames_of(AUDIO, grant)
    assert b"".join(f.payload for f in frames) == audio and all(f.codec == PCMA for f in frames)
    assert {f.timestamp - g.timestamp for f, g in zip(frames[1:], frames)} == {160}


@pytest.mark.parametrize("law,ptime", [("pcmu", 20), ("pcmu", 30), ("pcma", 10)])
def test_an_operator_is_heard_on_the_card_s_clock(mediad, legs, law, ptime):
    port = Port(mediad, legs(), law, ptime)
    port.lift()
    grant = stream(mediad, legs, port.leg)
    audio = noise(1.2, 5)
    mediad.send(AUDIO, grant, audio, codec=port.codec)
    until(lambda: mediad.ask("media.status", leg=grant)["figures"]["packets_received"], 5, "the frame")
    assert audio in port.listen(1400), "sample for sample, however fast the blocks come"
    assert mediad.ask("media.status", leg=grant)["figures"]["underruns"] == 0


def test_sounds_and_tones(mediad, legs):
    port, play = Port(mediad, legs()), legs("p")
    port.lift()
    mediad.ask("media.tone", leg=port.leg, tone="dial")
    samples = [linear(b) for b in port.listen(200)]
    assert power(samples, 350) > 0.4 and power(samples, 440) > 0.4
    mediad.ask("media.tone", leg=port.leg, tone="none")
    assert set(port.listen(100)) == {0xff}
    mediad.ask("media.play", leg=port.leg, play=play, format="pcmu")
    audio = noise(0.5, 6)
    upload(mediad, play, audio)
    assert mediad.frame(peers.ACCEPTED, play).payload == b"500"
    assert audio in port.listen(600)
    assert mediad.fact("media.played", play=play)["played_ms"] == 500
    mediad.ask("media.tone", leg=port.leg, tone="busy")
    assert set(port.listen(40)) != {0xff}
    stream(mediad, legs, port.leg)  # joined: the tone has done its work
    assert set(port.listen(40)) == {0xff}


# ---- RTP partners ----

def joined(mediad, legs, phone, law="pcmu", ptime=20, **more):
    port, b = Port(mediad, legs(), law, ptime), phone(**more)
    port.lift()
    lb = legs()
    outgoing(mediad, b, lb, prefer=law)
    mediad.ask("media.join", a=port.leg, b=lb)
    b.packets.clear()
    return port, b, lb


@pytest.mark.parametrize("law,codec,ptime", [("pcmu", 0, 20), ("pcma", 8, 20), ("pcmu", 0, 10), ("pcmu", 0, 60),
                                             ("pcma", 8, 30)])
def test_a_sip_phone_hears_every_sample(mediad, legs, phone, law, codec, ptime):
    port, b, _ = joined(mediad, legs, phone, law, ptime, codec=codec)
    audio = noise(1.2, 7)
    port.exchange(audio)
    until(lambda: audio in b.audio(), 5, "all of it")
    sent = [p for p in b.packets if set(p.payload) != {port.silence}]
    assert {len(p.payload) for p in sent} == {160} and len({p.ssrc for p in b.packets}) == 1
    assert {(y.sequence - x.sequence) & 0xffff for x, y in zip(sent, sent[1:])} == {1}
    assert {(y.timestamp - x.timestamp) & 0xffffffff for x, y in zip(sent, sent[1:])} == {160}


@pytest.mark.parametrize("ptime,packet", [(20, 20), (10, 20), (20, 10), (20, 30), (30, 20), (60, 20)])
def test_a_sip_phone_is_heard_sample_for_sample(mediad, legs, phone, ptime, packet):
    port, b, lb = joined(mediad, legs, phone, "pcmu", ptime)
    audio = noise(0.48, 8)
    before = mediad.ask("media.status", leg=lb)["figures"]["packets_received"]
    heard, sent = b"", 0
    while sent < len(audio):
        while sent < min(len(heard) + 8 * max(ptime, packet), len(audio)):
            b.send(audio[sent:sent + packet * 8])
            sent += packet * 8
            before += 1
        until(lambda: mediad.ask("media.status", leg=lb)["figures"]["packets_received"] >= before, 3, "the packet")
        heard += port.listen(ptime)
    heard += port.listen(240)
    assert audio in heard
    assert mediad.ask("media.status", leg=port.leg)["figures"]["dropped_frames"] == 0


def test_laws_are_converted(mediad, legs, phone):
    port, b, lb = joined(mediad, legs, phone, "pcma", codec=0)
    tone = bytes(round(90 + 30 * math.sin(i / 3)) & 0xff for i in range(160))
    before = mediad.ask("media.status", leg=lb)["figures"]["packets_received"]
    for _ in range(2):
        b.send(tone)
    until(lambda: mediad.ask("media.status", leg=lb)["figures"]["packets_received"] == before + 2, 3, "two packets")
    heard = port.listen(20)
    assert heard != tone and set(heard) != {0xd5}
    port.exchange(heard * 5)  # and back again
    until(lambda: len(b.packets) >= 6, 3, "six packets")
    back = b.audio()[160:]
    assert all(abs(linear(x) - linear(y)) <= 16 + abs(linear(y)) / 16 for x, y in zip(back, tone * 5))


def test_in_real_time_both_ways(mediad, legs, phone):
    port, b, _ = joined(mediad, legs, phone)
    one, two = noise(3, 9), noise(3, 10)
    sender = threading.Thread(target=b.talk, args=(two,))
    sender.start()
    heard = port.talk(one)
    sender.join()
    heard += port.listen(100)
    until(lambda: one in b.audio(), 3, "what the analog phone said")
    at = heard.find(two[8000:16000])
    assert at >= 0, "what the SIP phone said, in one piece"
    assert at - 8000 <= 8 * 80, f"{(at - 8000) / 8} ms behind"


def test_comfort_noise_and_pauses_of_a_sip_phone_are_silence(mediad, legs, phone):
    port, b, lb = joined(mediad, legs, phone)
    audio = noise(0.1, 11)
    for n in range(0, len(audio), 160):
        b.send(audio[n:n + 160])
    b.send(b"\x40", type=13, step=160)
    until(lambda: mediad.ask("media.status", leg=lb)["figures"]["packets_received"] >= 6, 3, "six packets")
    heard = port.listen(300)
    assert audio in heard and set(heard[-800:]) == {0xff}
    b.timestamp += 8000
    b.send(b"\x33" * 160)
    until(lambda: mediad.ask("media.status", leg=lb)["figures"]["packets_received"] >= 7, 3, "the seventh packet")
    assert b"\x33" * 160 in port.listen(60)


def test_a_stream_drowns_the_partner_and_lets_it_back(mediad, legs, phone):
    port, b, lb = joined(mediad, legs, phone)
    grant = stream(mediad, legs, port.leg)
    mediad.send(AUDIO, grant, b"\x21" * 4000, codec=PCMU)
    heard = b""
    for n in range(60):
        b.send(b"\x33" * 160)
        until(lambda: mediad.ask("media.status", leg=lb)["figures"]["packets_received"] > n, 3, "the packet")
        heard += port.listen(20)
    turns = "".join({0x21: "s", 0x33: "p"}.get(x, "") for x in heard[::160])
    assert turns.strip("p") == "s" * 25 and turns.endswith("p" * 10)


# ---- Analog partners ----

@pytest.mark.parametrize("laws", [("pcmu", "pcmu"), ("pcmu", "pcma")])
def test_two_analog_phones(mediad, legs, laws):
    a, b = (Port(mediad, legs(), law, name=f"dahdi/{n}") for n, law in enumerate(laws))
    a.lift()
    b.ring()
    b.describe("answer")
    mediad.ask("media.join", a=a.leg, b=b.leg)
    one, two, heard_a, heard_b = noise(1, 12), noise(1, 13), b"", b""
    for n in range(0, 8000, 160):
        heard_a += a.exchange(one[n:n + 160])
        heard_b += b.exchange(two[n:n + 160])
    heard_a += a.listen(60)
    heard_b += b.listen(60)
    if laws[0] == laws[1]:
        assert heard_b.startswith(one), "what came before its block goes out with it: no delay"
        assert heard_a.find(two) == 160, "what came after its block waits for the next one"
    else:
        assert len(heard_b.strip(bytes([b.silence]))) >= 7900 and len(heard_a.strip(bytes([a.silence]))) >= 7900


def test_what_one_partner_said_is_not_for_the_next(mediad, legs, phone):
    port, b, lb = joined(mediad, legs, phone)
    for _ in range(5):
        b.send(b"\x33" * 160)
    until(lambda: mediad.ask("media.status", leg=lb)["figures"]["packets_received"] == 5, 3, "five packets")
    mediad.ask("media.part", leg=lb)
    assert set(port.listen(100)) == {0xff}


# ---- Keys ----

def test_keys_are_told_once_at_once_and_with_their_length(mediad, legs):
    port = Port(mediad, legs())
    port.lift()
    for key in "1590*#AD":
        tone = key_tone(key, 100)
        port.exchange(tone[:480])  # 60 ms of it
        began = mediad.fact("leg.digit", leg=port.leg, phase="begin", digit=key)
        assert began["duration_ms"] == 0 and began["source"] == "inband"
        port.exchange(tone[480:])
        port.listen(80)
        ended = mediad.fact("leg.digit", leg=port.leg, phase="end", digit=key)
        assert 80 <= ended["duration_ms"] <= 115 and ended["source"] == "inband"
    assert not mediad.facts_of("leg.digit", leg=port.leg)


def test_a_key_ends_with_its_leg(mediad, legs):
    port = Port(mediad, legs())
    port.lift()
    port.exchange(key_tone("7", 100))
    mediad.fact("leg.digit", leg=port.leg, phase="begin", digit="7")
    mediad.ask("media.close", leg=port.leg)
    mediad.fact("leg.digit", leg=port.leg, phase="end", digit="7")


def test_keys_leave_as_events_and_not_as_tones(mediad, legs, phone):
    port, b, _ = joined(mediad, legs, phone, event=96)
    grant = stream(mediad, legs, port.leg)
    port.exchange(noise(0.2, 14) + key_tone("5", 200) + b"\xff" * 4800)
    mediad.fact("leg.digit", leg=port.leg, phase="end", digit="5")
    until(lambda: sum(p.type == 96 and p.payload[1] & 0x80 != 0 for p in b.packets) == 3, 3, "three end packets")
    events = [p for p in b.packets if p.type == 96]
    assert {p.payload[0] for p in events} == {5} and len({p.timestamp for p in events}) == 1
    assert 180 * 8 <= struct.unpack("!H", events[-1].payload[2:])[0] <= 240 * 8
    said = b"".join(f.payload for f in mediad.frames_of(AUDIO, grant))
    for heard in (b.audio(), said):
        after = heard[heard.find(noise(0.2, 14)) + 1600:]
        leaked = len(after[:1600].rstrip(b"\xff"))
        assert leaked <= 8 * 50, f"{leaked / 8} ms of the tone leaked"


def test_keys_stay_tones_where_the_partner_knows_no_events(mediad, legs, phone):
    port, b, _ = joined(mediad, legs, phone, event=None)
    tone = key_tone("8", 120)
    port.exchange(tone + b"\xff" * 800)
    mediad.fact("leg.digit", leg=port.leg, phase="end", digit="8")
    until(lambda: tone in b.audio(), 3, "the tone, untouched")


def test_a_tone_that_comes_back_is_nobody_s_key(mediad, legs):
    a, b = Port(mediad, legs(), name="dahdi/1"), Port(mediad, legs(), name="dahdi/2")
    a.lift()
    b.ring()
    b.describe("answer")
    mediad.ask("media.join", a=a.leg, b=b.leg)
    audio, echo, heard = key_tone("3", 100) + b"\xff" * 3200, bytes([0xff]) * 160, b""
    for n in range(0, len(audio), 160):
        a.exchange(audio[n:n + 160])
        down = b.exchange(echo)
        heard += down
        echo = bytes(ulaw(linear(x) / 6) for x in down)  # the hybrid, 16 dB quieter
    assert is_key(heard[160:800], "3"), "between analog phones a key is a tone"
    assert len(mediad.facts_of("leg.digit", leg=a.leg)) == 2 and not mediad.facts_of("leg.digit", leg=b.leg)
    b.exchange(key_tone("3", 100) + b"\xff" * 800)  # its own
    assert mediad.fact("leg.digit", leg=b.leg, phase="end", digit="3")


@pytest.mark.parametrize("ptime", [10, 20, 60])
def test_digits_are_sent_as_tones(mediad, legs, ptime):
    port = Port(mediad, legs(), ptime=ptime)
    port.lift()
    mediad.ask("media.digits", leg=port.leg, digits="7#A", duration_ms=100)
    heard = port.listen(600)
    for n, key in enumerate("7#A"):
        at = n * 8 * 180
        assert is_key(heard[at:at + 800], key), (key, n)
        assert set(heard[at + 800:at + 1440]) == {0xff}, "80 ms between keys"
    assert not mediad.facts_of("leg.digit", leg=port.leg)
    with pytest.raises(Error) as error:
        for _ in range(10):
            mediad.ask("media.digits", leg=port.leg, digits="1" * 32, duration_ms=100)
    assert error.value.state == "busy"


def test_events_of_a_sip_phone_become_tones(mediad, legs, phone):
    port, b, lb = joined(mediad, legs, phone)
    for event in (4, 11):
        b.digit(event, units=800)
    mediad.fact("leg.digit", leg=lb, phase="end", digit="#")
    heard = port.listen(500)
    start = len(heard) - len(heard.lstrip(b"\xff"))
    assert is_key(heard[start:start + 800], "4") and is_key(heard[start + 1440:start + 2240], "#")
    assert not mediad.facts_of("leg.digit", leg=port.leg)


# ---- dahdid dies ----

def test_a_successor_goes_on(mediad, legs, phone):
    port, b, lb = joined(mediad, legs, phone)
    grant = stream(mediad, legs, port.leg)
    port.talk(noise(0.2, 15))
    mediad.drop_front("dahdid")
    mediad.send(AUDIO, grant, b"\x21" * 1600, codec=PCMU)
    successor = Port(mediad, port.leg, front="successor")
    successor.attach()
    audio = noise(0.3, 16)
    heard = successor.talk(audio)
    assert b"\x21" * 1600 in heard, "what was said meanwhile is not lost"
    until(lambda: audio in b.audio(), 3, "what the phone says to the successor")
    frames = mediad.frames_of(AUDIO, grant)
    assert audio in b"".join(f.payload for f in frames)
    steps = [(y.timestamp - x.timestamp) & 0xffffffff for x, y in zip(frames, frames[1:])]
    assert all(s == 160 or 160 < s < 8000 for s in steps) and sum(s != 160 for s in steps) <= 1, "time goes on"
    sent = [p for p in b.packets if p.type == 0]
    assert len({p.ssrc for p in sent}) == 1
    assert {(y.sequence - x.sequence) & 0xffff for x, y in zip(sent, sent[1:])} == {1}
    figures = mediad.ask("media.status", leg=port.leg)["figures"]
    assert figures["packets_lost"] == 0
    assert not mediad.facts_of("media.silent", leg=port.leg)


def test_the_newest_connection_wins(mediad, legs):
    port, leg = None, legs()
    port = Port(mediad, leg)
    port.lift()
    newer = Port(mediad, leg, front="newer")
    newer.attach()
    newer.exchange(noise(0.04))
    port.send(b"\x11" * 160)
    assert mediad.frame(peers.DETACH, leg).front == "dahdid"


def test_a_silent_port_is_told_once(mediad, legs):
    port = Port(mediad, legs())
    port.lift()
    port.exchange(noise(0.04))
    assert mediad.fact("media.silent", leg=port.leg, seconds=4)["silent_ms"] >= 2000
    port.exchange(noise(0.04))
    assert not mediad.facts_of("media.silent", leg=port.leg)


def test_figures_of_ports(mediad, legs, phone):
    before = {name: mediad.metric(name, labels) for name, labels in (
        ("hookswitch_channel_blocks_total", 'direction="in"'), ("hookswitch_channel_blocks_lost_total", ""),
        ("hookswitch_channel_underruns_total", ""), ("hookswitch_digits_total", 'source="inband"'))}
    port, b, lb = joined(mediad, legs, phone)
    assert mediad.metric("hookswitch_media_ends", 'kind="channel"') == 1
    port.exchange(key_tone("1", 100) + b"\xff" * 800)
    port.send(b"\x11" * 160, skip=2)
    port.take(1)
    b.send(b"\x33" * 160)
    until(lambda: mediad.ask("media.status", leg=lb)["figures"]["packets_received"], 3, "the packet")
    port.listen(100)  # dry in the middle of what it said
    for name, labels, grown in (("hookswitch_channel_blocks_total", 'direction="in"', 16),
                                ("hookswitch_channel_blocks_lost_total", "", 2),
                                ("hookswitch_channel_underruns_total", "", 1),
                                ("hookswitch_digits_total", 'source="inband"', 1)):
        until(lambda: mediad.metric(name, labels) == before[name] + grown, 2, f"{name} + {grown}")


def test_anything_on_the_edge_changes_nothing(mediad, legs):
    port = Port(mediad, legs())
    port.lift()
    source = random.Random(17)
    for _ in range(400):
        mediad.send(source.randrange(256), port.leg, source.randbytes(source.randrange(600)), front="noisy",
                    role="dahdid", codec=source.randrange(4), sequence=source.getrandbits(32),
                    timestamp=source.getrandbits(32))
    mediad.send(peers.ATTACH, port.leg, front="noisy", role="dahdid")
    mediad.frame(peers.ATTACHED, port.leg)
    for _ in range(400):
        mediad.send(AUDIO, port.leg, source.randbytes(source.randrange(600)), front="noisy", role="dahdid",
                    codec=source.randrange(3), sequence=source.getrandbits(32), timestamp=source.getrandbits(32))
    port.attach()
    assert len(port.exchange(noise(0.1))) == 800
    mediad.facts.clear()
