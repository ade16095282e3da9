"""kill -9 of mediad in the midst of audio: its successor goes on with the same ports, sources and numbers."""
import os
import random
import signal
import threading
import time

import peers
import pytest
from peers import AUDIO, Error, PCMU, noise, until
from test_mediad import ULAW_SILENCE, attach, incoming, outgoing

SEED = int(os.environ.get("HOOKSWITCH_SEED", random.getrandbits(32)))


def kill(mediad):
    """The child dies; returns once its successor serves."""
    old = mediad.child()
    mediad.facts.clear()
    os.kill(old, signal.SIGKILL)
    until(lambda: (mediad.home / "run/mediad/ready").exists() and mediad.child() != old, 10, "a successor")
    assert mediad.fact("driver.started", keeps=True)["clean"] is False


@pytest.fixture(autouse=True)
def seeded(request):
    print(f"HOOKSWITCH_SEED={SEED}")
    random.seed(f"{SEED} {request.node.name}")


@pytest.fixture(autouse=True)
def rested(mediad):
    """A keeper backs off from a child that dies again and again at once."""
    yield
    time.sleep(1)


def talking(*pairs):
    """Each phone says its audio in real time; returns the threads."""
    threads = [threading.Thread(target=phone.talk, args=[audio]) for phone, audio in pairs]
    for thread in threads:
        thread.start()
    return threads


def assert_one_line(packets):
    """One source, one sequence, one time line: nothing is missing, nothing twice."""
    assert len({p.ssrc for p in packets}) == 1
    assert {(y.sequence - x.sequence) & 0xffff for x, y in zip(packets, packets[1:])} == {1}
    assert {(y.timestamp - x.timestamp) & 0xffffffff for x, y in zip(packets, packets[1:])} == {160}


def test_a_call_loses_nothing(mediad, legs, phone):
    a, b, la, lb = phone(), phone(), legs(), legs()
    incoming(mediad, a, la)
    outgoing(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    until(lambda: len(a.packets) > 5 and len(b.packets) > 5, 5, "audio")
    said = {a: noise(3, 1), b: noise(3, 2)}
    marks = {a: len(a.packets), b: len(b.packets)}
    threads = talking(*said.items())
    for _ in range(2):
        time.sleep(random.uniform(0.3, 0.9))
        kill(mediad)
    for thread in threads:
        thread.join()
    for hears, speaks in ((a, b), (b, a)):
        until(lambda: said[speaks] in hears.audio(), 5, "all that was said")
        begin = next(i for i, p in enumerate(hears.packets) if p.payload in said[speaks] and i >= marks[hears])
        heard = [p for p in hears.packets[begin:] if p.payload in said[speaks]]
        assert_one_line(heard)
        gap = max(y.at - x.at for x, y in zip(heard, heard[1:]))
        print(f"longest gap {gap * 1000:.0f} ms")
    assert len({p.ssrc for p in a.packets}) == 1
    figures = mediad.ask("media.status", leg=la)["figures"]
    assert figures["packets_received"] >= 150 and figures["packets_lost"] == 0
    assert not mediad.facts_of("media.closed")


def test_silence_and_tones_go_on(mediad, legs, phone):
    """What mediad itself sends has the same numbers after its death, and a pause in time instead of a new line."""
    a, leg = phone(), legs()
    incoming(mediad, a, leg)
    mediad.ask("media.tone", leg=leg, tone="dial")
    a.wait_for(20)
    kill(mediad)
    count = len(a.packets)
    a.wait_for(count + 20)
    packets = a.packets
    assert len({p.ssrc for p in packets}) == 1
    assert {(y.sequence - x.sequence) & 0xffff for x, y in zip(packets, packets[1:])} == {1}
    steps = [(y.timestamp - x.timestamp) & 0xffffffff for x, y in zip(packets, packets[1:])]
    assert sum(step != 160 for step in steps) <= 1 and max(steps) < 5 * 8000
    assert packets[-1].payload != bytes([ULAW_SILENCE]) * 160


def test_the_source_that_was_let_in_stays_the_only_one(mediad, legs, phone):
    a, stranger, leg = phone(), phone(), legs()
    incoming(mediad, a, leg, nat=True, port=9)
    for _ in range(3):
        a.send(b"\x11" * 160)
    mediad.fact("media.started", leg=leg, latched=True)
    kill(mediad)
    before = mediad.ask("media.status", leg=leg)["figures"]
    stranger.to = a.to
    for _ in range(5):
        stranger.send(b"\x22" * 160)
        a.send(b"\x33" * 160)
    until(lambda: mediad.ask("media.status", leg=leg)["figures"]["packets_received"] ==
          before["packets_received"] + 5, 5, "the phone's packets")
    after = mediad.ask("media.status", leg=leg)["figures"]
    assert after["latched"] and after["remote"] == before["remote"] and after["packets_refused"] == 0
    mediad.ask("media.tone", leg=leg, tone="dial")
    a.wait_for(len(a.packets) + 3)
    assert not stranger.packets


def test_an_open_window_stays_open(mediad, legs, phone):
    a, leg = phone(), legs()
    incoming(mediad, a, leg, nat=True, port=9)
    kill(mediad)
    for _ in range(3):
        a.send(b"\x11" * 160)
    assert mediad.fact("media.started", leg=leg, latched=True)


def test_what_an_operator_said_is_played_to_its_end(mediad, legs, phone):
    """Three seconds come in one burst; mediad dies while it plays them."""
    a, leg, grant = phone(), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    attach(mediad, grant)
    mediad.ask("media.join", a=leg, b=grant)
    said = noise(3, 3)
    for n in range(0, len(said), 1600):
        mediad.send(AUDIO, grant, said[n:n + 1600], codec=PCMU)
    until(lambda: said[:8000] in a.audio(), 5, "the first second")
    kill(mediad)
    until(lambda: said in a.audio(), 8, "all that was said")
    attach(mediad, grant)
    more = noise(0.4, 4)
    mediad.send(AUDIO, grant, more, codec=PCMU)
    until(lambda: more in a.audio(), 5, "what was said after the death")
    assert {(y.sequence - x.sequence) & 0xffff for x, y in zip(a.packets, a.packets[1:])} == {1}
    heard = len(mediad.frames_of(AUDIO, grant))
    a.send(b"\x44" * 160)
    until(lambda: len(mediad.frames_of(AUDIO, grant)) > heard, 5, "the phone's audio")


def test_an_operator_misses_nothing(mediad, legs, phone):
    """The phone talks all the time; what it said before the front attached again comes then."""
    a, leg, grant = phone(), legs(), legs("s")
    incoming(mediad, a, leg)
    mediad.ask("media.open", leg=grant, kind="stream")
    attach(mediad, grant)
    mediad.ask("media.join", a=leg, b=grant)
    said = noise(1.2, 13)
    threads = talking((a, said))
    time.sleep(random.uniform(0.2, 0.5))
    kill(mediad)
    attach(mediad, grant)
    for thread in threads:
        thread.join()

    def heard():
        return b"".join(f.payload for f in mediad.frames_of(AUDIO, grant))
    until(lambda: said in heard(), 5, "all that the phone said")
    frames = mediad.frames_of(AUDIO, grant)
    assert {(y.timestamp - x.timestamp) & 0xffffffff for x, y in zip(frames, frames[1:])} == {160}
    assert {y.sequence - x.sequence for x, y in zip(frames, frames[1:])} == {1}


def test_sounds_are_played_to_their_end(mediad, legs, phone):
    """Two were accepted: the first is heard from where it was, then the second."""
    a, leg = phone(), legs()
    incoming(mediad, a, leg)
    sounds = [noise(2, 11), noise(0.5, 12)]
    for number, sound in enumerate(sounds):
        grant = f"p1-{random.getrandbits(40)}"
        mediad.ask("media.play", leg=leg, play=grant, format="pcmu")
        mediad.send(peers.UPLOAD, grant, sound[:12000], sequence=0)
        mediad.send(peers.UPLOAD, grant, sound[12000:], sequence=1, last=True)
        mediad.frame(peers.ACCEPTED, grant)
        sounds[number] = grant, sound
    until(lambda: sounds[0][1][:4000] in a.audio(), 5, "the first half second")
    kill(mediad)
    until(lambda: sounds[0][1] + sounds[1][1] in a.audio(), 8, "both sounds in one piece")
    for grant, sound in sounds:
        assert mediad.fact("media.played", play=grant, completed=True)["played_ms"] == len(sound) // 8
    kill(mediad)
    assert not mediad.facts_of("media.played")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_digit_is_told_once(mediad, legs, phone, when):
    """It is being pressed when mediad dies; repeated end packets come to the successor."""
    a, leg = phone(), legs()
    incoming(mediad, a, leg)
    a.digit(5, skip_end=True)
    mediad.fact("leg.digit", leg=leg, digit="5", phase="begin")
    told = 0
    if when == "after":
        a.timestamp -= 1600
        a.digit(5, packets=0, ends=1)
        mediad.fact("leg.digit", leg=leg, digit="5", phase="end")
        told = 1
    kill(mediad)
    a.timestamp -= 1600
    a.digit(5, packets=0, ends=3)
    a.digit(6)
    mediad.fact("leg.digit", leg=leg, digit="6", phase="end")
    assert len(mediad.facts_of("leg.digit", leg=leg, digit="5", phase="end")) + told == 1
    assert not mediad.facts_of("leg.digit", leg=leg, digit="5", phase="begin")


def test_digits_are_sent_to_their_end(mediad, legs, phone):
    a, leg = phone(), legs()
    incoming(mediad, a, leg)
    mediad.ask("media.digits", leg=leg, digits="1234567", duration_ms=100)
    until(lambda: any(p.type == 101 and p.payload[0] == 2 for p in a.packets), 5, "the second digit")
    kill(mediad)
    until(lambda: any(p.type == 101 and p.payload[0] == 7 and p.payload[1] & 0x80 for p in a.packets), 5, "the last one")
    events = {p.timestamp: p.payload[0] for p in a.packets if p.type == 101}
    assert [events[stamp] for stamp in sorted(events, key=lambda t: (t - min(events)) & 0xffffffff)] == list(range(1, 8))


def test_a_channel_goes_on(mediad, legs, phone):
    """An analog leg: dahdid attaches again, and hears its partner with the numbers it had."""
    a, la, lb = phone(), legs(), legs()
    port = peers.Port(mediad, lb)
    incoming(mediad, a, la)
    port.lift()
    mediad.ask("media.join", a=la, b=lb)
    port.exchange(noise(0.2, 5))
    sequence = port.blocks[-1] if port.blocks else None
    kill(mediad)
    port.attach()
    said = noise(0.3, 6)
    port.exchange(said)
    until(lambda: said in a.audio(), 5, "what the handset said")
    assert len({p.ssrc for p in a.packets}) == 1
    assert {(y.sequence - x.sequence) & 0xffff for x, y in zip(a.packets, a.packets[1:])} == {1}
    assert mediad.ask("media.status", leg=lb)["figures"]["remote"] == port.name
    assert sequence is None or not mediad.facts_of("media.closed")


def test_a_leg_that_was_closed_stays_closed(mediad, legs, phone):
    a, b, la, lb = phone(), phone(), legs(), legs()
    incoming(mediad, a, la)
    incoming(mediad, b, lb)
    mediad.ask("media.close", leg=la)
    kill(mediad)
    with pytest.raises(Error) as error:
        mediad.ask("media.status", leg=la)
    assert error.value.name == "not_found"
    mediad.ask("media.close", leg=lb)
    assert mediad.fact("media.closed", leg=lb)["figures"]
    kill(mediad)
    assert mediad.metric("hookswitch_media_ends", 'kind="rtp"') == 0


def test_a_request_that_comes_twice_over_a_death(mediad, legs, phone):
    """Whoever got no answer asks again: the same offer, the same join."""
    a, b, la, lb = phone(), phone(), legs(), legs()
    first = mediad.ask("media.open", leg=la, call="c1-t", kind="rtp", peer=a.host)["description"]
    kill(mediad)
    assert mediad.ask("media.open", leg=la, call="c1-t", kind="rtp", peer=a.host)["description"] == first
    a.answered(first)
    mediad.ask("media.describe", by="sipd", leg=la, call="c1-t", role="answer", description=a.sdp(), source=a.host,
               nat=False)
    incoming(mediad, b, lb)
    mediad.ask("media.join", a=la, b=lb)
    kill(mediad)
    mediad.ask("media.join", a=la, b=lb)
    said = noise(0.3, 7)
    b.talk(said)
    until(lambda: said in a.audio(), 5, "the partner's audio")
