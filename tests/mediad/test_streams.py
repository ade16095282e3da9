"""Streams beyond plain audio: marks, positions, pauses, flow control, both tracks. Mediad as the suite uses it."""
import struct

import peers
from peers import AUDIO, CLEAR, PCMU, noise, until
from test_mediad import heard_in, incoming

MARK, MARKED, PAUSE, RESUME, QUEUE = range(9, 14)
SAID, HEARD = 1, 2


def joined(mediad, legs, phone, tracks=SAID):
    a, leg, grant = phone(), legs(), legs("s")
    incoming(mediad, a, leg)
    listen(mediad, leg, grant, tracks)
    return a, leg, grant


def listen(mediad, leg, grant, tracks, front="front"):
    mediad.ask("media.open", leg=grant, kind="stream")
    mediad.ask("media.join", a=leg, b=grant)
    mediad.send(peers.ATTACH, grant, bytes([tracks]), front=front)
    mediad.frame(peers.ATTACHED, grant)


def queue(frame):
    heard, dropped, underruns, waiting, flags = struct.unpack("!QQQIB", frame.payload)
    return {"heard": heard, "dropped": dropped, "underruns": underruns, "waiting": waiting, "paused": bool(flags & 1),
            "full": bool(flags & 2), "cleared": bool(flags & 4)}


def test_marks_come_back_when_all_before_them_was_played(mediad, legs, phone):
    a, _, grant = joined(mediad, legs, phone)
    audio = noise(0.5)
    mediad.send(MARK, grant, timestamp=6)  # nothing waits: at once
    assert queue(mediad.frame(MARKED, grant))["heard"] == 0
    mediad.send(AUDIO, grant, audio[:1001], codec=PCMU)
    mediad.send(MARK, grant, timestamp=7)
    mediad.send(AUDIO, grant, audio[1001:], codec=PCMU)
    mediad.send(MARK, grant, timestamp=8)
    first, second = mediad.frame(MARKED, grant), mediad.frame(MARKED, grant)
    assert (first.timestamp, second.timestamp) == (7, 8)
    assert 1001 <= queue(first)["heard"] < 1001 + 160 and queue(second)["heard"] == 4000
    assert not queue(second)["cleared"] and queue(second)["waiting"] == 0
    until(lambda: heard_in(a, audio) >= 0, 5, "the audio")


def test_what_was_heard_is_known_to_the_sample_after_clear(mediad, legs, phone):
    a, _, grant = joined(mediad, legs, phone)
    audio = noise(4, 9)
    for at in range(0, len(audio), 5000):
        mediad.send(AUDIO, grant, audio[at:at + 5000], codec=PCMU)
    mediad.send(MARK, grant, timestamp=1)
    until(lambda: heard_in(a, audio[:2000]) >= 0, 5, "its beginning")
    mediad.send(CLEAR, grant)
    marked, told = queue(mediad.frame(MARKED, grant)), queue(mediad.frame(QUEUE, grant))
    assert marked["cleared"] and told["waiting"] == 0 and marked["heard"] == told["heard"] < len(audio)
    until(lambda: a.packets[-1].payload == b"\xff" * 160, 5, "silence")
    begin = heard_in(a, audio[:told["heard"]])
    assert begin >= 0, "all that is said to be heard came"
    after = a.audio()[begin + told["heard"]:]
    assert after and not after.strip(b"\xff"), "and not one frame more"


def test_pause_and_resume(mediad, legs, phone):
    a, _, grant = joined(mediad, legs, phone)
    audio = noise(0.6, 4)
    mediad.send(PAUSE, grant)
    assert queue(mediad.frame(QUEUE, grant))["paused"]
    mediad.send(AUDIO, grant, audio, codec=PCMU)
    mediad.send(MARK, grant, timestamp=3)
    mediad.send(QUEUE, grant)
    assert queue(mediad.frame(QUEUE, grant)) == {"heard": 0, "dropped": 0, "underruns": 0, "waiting": len(audio),
                                                 "paused": True, "full": False, "cleared": False}
    mediad.send(RESUME, grant)
    assert not queue(mediad.frame(QUEUE, grant))["paused"]
    until(lambda: heard_in(a, audio) >= 0, 5, "all of it, in one piece")
    assert mediad.frame(MARKED, grant).timestamp == 3


def test_who_sends_too_much_is_told_to_stop_and_what_was_lost(mediad, legs, phone):
    _, _, grant = joined(mediad, legs, phone)
    for _ in range(50):
        mediad.send(AUDIO, grant, b"\x21" * 8000, codec=PCMU)
    for _ in range(12):
        mediad.send(AUDIO, grant, b"\x22" * 8000, codec=PCMU)
    full = queue(mediad.frame(QUEUE, grant))
    assert full["full"] and full["dropped"] == 0 and 50 * 8000 <= full["waiting"] < 51 * 8000
    lost = queue(mediad.frame(QUEUE, grant))
    assert lost["full"] and 0 < lost["dropped"] <= 8000
    mediad.send(QUEUE, grant)
    now = queue(mediad.frame(QUEUE, grant))
    assert now["heard"] + now["waiting"] + now["dropped"] == 62 * 8000
    mediad.send(CLEAR, grant)
    assert not queue(mediad.frame(QUEUE, grant))["full"]


def frames(mediad, grant, outbound):
    return [f for f in mediad.frames_of(AUDIO, grant) if bool(f.flags & 2) == outbound]


def test_both_tracks_and_one_of_them_and_late(mediad, legs, phone):
    a, leg, both = joined(mediad, legs, phone, SAID | HEARD)
    one = legs("s")
    said, told = noise(0.3, 1), noise(0.3, 2)
    listen(mediad, leg, one, HEARD, front="another")
    mediad.send(AUDIO, both, told, codec=PCMU)
    a.talk(said)
    until(lambda: said in b"".join(f.payload for f in frames(mediad, both, False)), 5, "what the phone says")
    for grant in (both, one):
        until(lambda: told in b"".join(f.payload for f in frames(mediad, grant, True)), 5, "what the phone hears")
        sent = frames(mediad, grant, True)
        assert {g.timestamp - f.timestamp for f, g in zip(sent, sent[1:])} == {160}
    assert not frames(mediad, one, False)


def test_what_a_partner_says_is_the_other_track(mediad, legs, phone):
    a, leg, grant = joined(mediad, legs, phone, HEARD)
    b, other = phone(), legs()
    incoming(mediad, b, other)
    mediad.ask("media.join", a=leg, b=other)
    audio = noise(0.3, 5)
    for at in range(0, len(audio), 240):  # packets of 30 ms
        b.send(audio[at:at + 240])
    until(lambda: audio in b"".join(f.payload for f in frames(mediad, grant, True)), 5, "what the partner says")
    assert {len(f.payload) for f in frames(mediad, grant, True)} == {160}
