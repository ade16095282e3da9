"""Calls that last: somebody speaks without a pause from the first kill to the last, and who listens notes when what came."""
import collections

import numpy as np

import audio
from baresip import Baresip
from simphone import SimPhone

FRAME_S, LATE_S = 0.02, 0.04
SPEECH = audio.speech_like(30, seed=40)


class Talk:
    """The listener, one of our own SIP phones, calls the speaker: Baresip or a simulated telephone."""

    def __init__(self, suite, listener, speaker, number):
        self.speaker = speaker
        speaker.wait_registered(suite)
        self.call = listener.call(number, codec="PCMU").wait("ringing", 20)
        speaker.answer()
        self.call.wait("up", 20)
        self.before = len(self.call.rtp.received)

    def packets(self):
        return self.call.rtp.received[self.before:]

    def holes(self):
        """Frames that never came."""
        numbers = [packet[1] for packet in self.packets()]
        return sum((b - a - 1) & 0xffff for a, b in zip(numbers, numbers[1:]) if (b - a - 1) & 0xffff < 0x8000)

    def gaps(self, harms):
        """Longest time without audio in ms, by whose death it was. "nobody": the machine's own; "others": more than
        one died, or somebody stood still."""
        longest = collections.Counter()
        times = [packet[0] for packet in self.packets()]
        for begun, ended in zip(times, times[1:]):
            if ended - begun > LATE_S:
                name = whose(harms, begun, ended)
                longest[name] = max(longest[name], round((ended - begun - FRAME_S) * 1000))
        return longest

    def end(self):
        assert self.call.state == "up", f"the call of {self.speaker.line['id']} is over: {self.call.history}"
        self.call.hangup()

    def close(self):
        self.speaker.close()


def whose(harms, begun, ended):
    touching = {(harm.kind, harm.victim) for harm in harms
                if harm.begun < ended and harm.ended > begun - FRAME_S and harm.kind in ("kill", "pause", "hang")}
    if not touching:
        return "nobody"
    (kind, victim), *more = touching
    return victim if kind == "kill" and not more else "others"


def begin_talks(suite, listeners, line):
    """Two phones listen, one to Baresip with this line, one to the second simulated telephone. The file that Baresip
    plays lasts for twenty minutes; an analog line is heard when nobody speaks, too."""
    analog = suite.line(1, "dahdi")
    baresip = Baresip(line, suite.sip, suite.facts["domain"], np.tile(SPEECH, 40))
    return {"SIP": Talk(suite, listeners[0], baresip, line["number"]),
            "analog": Talk(suite, listeners[1], SimPhone(suite, analog, SPEECH), suite.number(analog))}
