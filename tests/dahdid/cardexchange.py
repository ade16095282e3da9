"""The exchange at an FXO port of tests/kernel/card: the card knows ringing, battery and polarity; tones, caller
identification and ears for keys, pulses and flashes are here, behind the words of dahdisim's exchange line.

All of it goes by the card's clock, which the card tells when it is asked: however late this host is, a pulse is as long
as it was on the line."""
import functools
import os
import pathlib
import sys
import threading
import time

import numpy as np
import world

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import audio  # noqa: E402

RATE, PIECE = 8000, 160  # samples a second; and 20 ms
AHEAD, AHEAD_ONCE = 4000, 12000  # samples of tones, and of what is said once and whole, that wait in the card
TURN = 0.02  # seconds
RING_ON_MS, RING_PERIOD_MS, IDENTITY_AT_MS = 2000, 6000, 2500
PULSE_MOST_MS, FLASH_MOST_MS, DIGIT_END_MS = 200, 950, 250
KEYS = "123A456B789C*0#D"
LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
TONES = {"dialtone": ([350, 440], 1, 0), "busy": ([480, 620], 0.5, 0.5), "congestion": ([480, 620], 0.25, 0.25),
         "ringback": ([440, 480], 2, 4)}  # hertz; seconds of sound and of silence
TURNS = np.exp(-2j * np.pi * np.outer(LOW + HIGH, np.arange(PIECE)) / RATE)


@functools.cache
def cycle(name):
    """What of a tone is repeated."""
    hertz, on, off = TONES[name]
    return audio.encode(np.append(audio.tone(hertz, on), np.zeros(int(off * RATE), np.int16)))


def key_in(samples):
    """The key that sounds in 20 ms, or None."""
    power = np.abs(TURNS @ samples) ** 2
    low, high = int(power[:4].argmax()), int(power[4:].argmax())
    whole = PIECE * float(np.sum(samples.astype(float) ** 2))
    loud = whole > PIECE * PIECE * 300 ** 2
    return KEYS[4 * low + high] if loud and 2 * (power[low] + power[4 + high]) > 0.7 * whole else None


def identity(number, name):
    """A burst of Bell 202 with number and name, as between the first two rings."""
    fields = [(1, time.strftime("%m%d%H%M")), (2, number), (7, name)]
    body = b"".join(bytes([kind, len(text)]) + text.encode() for kind, text in fields if text)
    message = bytes([0x80, len(body)]) + body
    message += bytes([-sum(message) & 0xff])
    bits = [0, 1] * 150 + [1] * 180
    for byte in message:
        bits += [0, *(byte >> n & 1 for n in range(8)), 1]
    bits += [1] * 20
    hertz = np.repeat(np.where(bits, 1200, 2200), 20)[::3]  # 1200 bits a second at 24 kHz, and of those every third
    return audio.encode((5000 * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)).astype(np.int16))


class CardExchange(world.CardHandset):
    def __init__(self, port):
        super().__init__(port)
        self.lock = threading.RLock()
        self.now = 0  # ms of the card
        self.tone, self.tone_at, self.once = None, 0, b""
        self.heard = self.said = 0  # samples
        self.ear_rest, self.key = b"", (None, 0)
        self.rings_since, self.is_ringing, self.identity = None, False, b""
        self.is_closed, self.opened_at, self.pulses, self.pulsed_at = False, None, 0, 0
        self.todo, self.paused_until = [], 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.turn()
        self.thread.start()

    def close(self):
        world.until(lambda: not self.todo, what="the end of what it was told")
        self.over.set()
        self.thread.join()
        super().close()

    # ---- What it is told ----

    def do(self, *commands):
        with self.lock:
            self.todo += commands
            self.act()

    def speak(self, data):
        with self.lock:
            self.once += data

    def act(self):
        """Does what is to be done, up to the next pause."""
        while self.todo and self.now >= self.paused_until:
            command = self.todo.pop(0)
            word, *rest = command.split()
            getattr(self, f"do_{word}", lambda *_: self.tell_card(command))(*rest)

    def tell_card(self, command):
        super().do(command)

    def do_pause(self, ms):
        self.paused_until = self.now + int(ms)

    def do_ring(self, number="", name=""):
        self.rings_since, self.identity = self.now, identity(number, name) if number or name else b""

    def do_unring(self):
        if self.is_ringing:
            self.tell_card("unring")
        self.rings_since, self.is_ringing, self.identity = None, False, b""

    def do_battery(self, state, ms=None):
        self.tell_card(f"battery {state}")
        if ms:
            self.todo[:0] = [f"pause {ms}", "battery on"]

    def do_cut(self):
        self.tell_card("battery off")

    def do_mend(self):
        self.tell_card("battery on")

    def do_tone(self, name):
        self.tone, self.tone_at = name if name in TONES else None, 0

    # ---- What it does ----

    def run(self):
        while not self.over.wait(TURN):
            self.turn()

    def turn(self):
        with self.lock:
            self.look_at_loop()
            self.act()
            self.ring_on()
            self.listen()
            self.speak_on()

    def note(self, event, detail=""):
        self.seen.append((self.now, event, detail))

    def news(self):
        with self.lock:
            return list(self.seen)

    def forget(self):
        self.skip = len(self.news())

    def look_at_loop(self):
        """Up to this moment of the card."""
        self.tell_card("time")
        before = len(self.seen)
        super().news()
        came, self.seen[before:] = self.seen[before:], []
        for self.now, event, detail in came:
            self.look_at_time()
            if event == "loop_closed":
                self.loop_closed()
            elif event == "loop_opened":
                self.opened_at = self.now
            elif event != "time":
                self.note(event, detail)

    def look_at_time(self):
        if self.pulses and self.now - self.pulsed_at >= DIGIT_END_MS:
            self.take_digit(str(self.pulses % 10))
            self.pulses = 0
        if self.opened_at is not None and self.now - self.opened_at > FLASH_MOST_MS:
            self.is_closed, self.opened_at, self.tone = False, None, None
            self.note("released")

    def loop_closed(self):
        open_ms, self.opened_at = self.now - (self.opened_at or self.now), None
        if not self.is_closed:
            self.note("seized" if self.rings_since is None else "answered")
            self.do_tone("dialtone" if self.rings_since is None else "silence")
            self.do_unring()
            self.is_closed = True
        elif open_ms > PULSE_MOST_MS:
            self.note("flash", str(open_ms))
        else:
            self.pulses, self.pulsed_at = self.pulses + 1, self.now

    def take_digit(self, digit):
        if self.tone == "dialtone":
            self.tone = None
        self.note("digit", digit)

    def ring_on(self):
        if self.rings_since is None:
            return
        passed = self.now - self.rings_since
        if self.is_ringing != (passed % RING_PERIOD_MS < RING_ON_MS):
            self.is_ringing = not self.is_ringing
            self.tell_card("ring" if self.is_ringing else "unring")
        if self.identity and passed > IDENTITY_AT_MS:
            self.once, self.identity = self.identity, b""

    def listen(self):
        heard = self.ear()
        self.heard += len(heard)
        self.ear_rest += heard
        while len(self.ear_rest) >= PIECE:
            key = key_in(audio.decode(self.ear_rest[:PIECE]))
            self.ear_rest = self.ear_rest[PIECE:]
            before, times = self.key
            self.key = key, times + 1 if key == before else 1
            if key and self.key[1] == 2:
                self.take_digit(key)

    def speak_on(self):
        """Keeps a little sound waiting in the card, which has said as much as it heard."""
        self.said = max(self.said, self.heard)
        while self.said < self.heard + (AHEAD_ONCE if self.once else AHEAD if self.tone else 0):
            if self.once:
                data, self.once = self.once[:PIECE], self.once[PIECE:]
            else:
                whole = cycle(self.tone)
                data, self.tone_at = whole[self.tone_at:self.tone_at + PIECE], (self.tone_at + PIECE) % len(whole)
            self.said += len(data)
            super().speak(data)
