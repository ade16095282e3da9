"""Sound for the tests: G.711 both ways, WAV files, test signals, and how alike two recordings are."""
import io
import wave

import numpy as np

RATE = 8000
FRAME = 160  # samples, 20 ms


def _mulaw_table():
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, code & 15
    value = (((mantissa.astype(int) << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -value, value).astype(np.int16)


def _alaw_table():
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(int), (code & 15).astype(int)
    value = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, value, -value).astype(np.int16)


TABLES = {"PCMU": _mulaw_table(), "PCMA": _alaw_table()}
SILENCE = {"PCMU": 0xFF, "PCMA": 0xD5}


def _encoder(table):
    """For each 16-bit sample the code whose value is nearest."""
    order = np.argsort(table, kind="stable")
    values = table[order].astype(int)
    edges = (values[1:] + values[:-1]) / 2
    return order.astype(np.uint8)[np.searchsorted(edges, np.arange(-32768, 32768))]


_ENCODERS = {name: _encoder(table) for name, table in TABLES.items()}


def encode(samples, codec="PCMU"):
    """int16 samples -> G.711 bytes."""
    return _ENCODERS[codec][np.asarray(samples, dtype=int) + 32768].tobytes()


def decode(data, codec="PCMU"):
    """G.711 bytes -> int16 samples."""
    return TABLES[codec][np.frombuffer(data, dtype=np.uint8)]


def frames(data):
    """20 ms pieces."""
    return [data[i:i + FRAME] for i in range(0, len(data) - FRAME + 1, FRAME)]


def marked_frames(count, codec="PCMU", seed=1):
    """Frames none of which is like another, so that each can be known again by its bytes."""
    noise = np.random.default_rng(seed).normal(0, 3000, count * FRAME)
    return frames(encode(np.clip(noise, -30000, 30000).astype(np.int16), codec))


def speech_like(seconds, seed=7, level=4000):
    """Band-limited noise whose loudness wanders like speech: easy to align, hard to confuse."""
    count = int(seconds * RATE)
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(hertz < 300) | (hertz > 3000)] = 0
    signal = np.fft.irfft(spectrum, count)
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 1.7 * np.arange(count) / RATE + rng.uniform(0, 6))
    signal *= envelope
    return (signal / np.sqrt(np.mean(signal ** 2)) * level).clip(-32000, 32000).astype(np.int16)


def tone(hertz, seconds, level=8000):
    time = np.arange(int(seconds * RATE)) / RATE
    return sum(level / len(hertz) * np.sin(2 * np.pi * h * time) for h in hertz).astype(np.int16)


def write_wav(path, samples, rate=RATE):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, dtype="<i2").tobytes())


def wav_bytes(samples, rate=RATE):
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, dtype="<i2").tobytes())
    return out.getvalue()


def read_wav(path):
    """Samples of the first channel; a file whose writer was killed counts as far as it goes."""
    data = open(path, "rb").read()
    start = data.index(b"data") + 8
    body = data[start:]
    channels = int.from_bytes(data[22:24], "little")
    samples = np.frombuffer(body[:len(body) // 2 * 2], dtype="<i2")
    return samples[::channels] if channels > 1 else samples


def loudness_db(samples):
    energy = np.mean(np.asarray(samples, dtype=float) ** 2)
    return 10 * np.log10(energy + 1e-9)


def find(needle, hay):
    """Where in hay the needle begins best (FFT correlation), and how well it fits there (0..1)."""
    needle, hay = np.asarray(needle, dtype=float), np.asarray(hay, dtype=float)
    if len(hay) < len(needle):
        return 0, 0.0
    size = 1 << int(np.ceil(np.log2(len(hay) + len(needle))))
    product = np.fft.irfft(np.fft.rfft(hay, size) * np.conj(np.fft.rfft(needle, size)), size)[:len(hay) - len(needle) + 1]
    sums = np.concatenate(([0], np.cumsum(hay ** 2)))
    energy = sums[len(needle):] - sums[:-len(needle)]
    fit = product / np.sqrt(np.maximum(energy, 1e-9) * np.sum(needle ** 2))
    at = int(np.argmax(fit))
    return at, float(fit[at])


def fits(said, heard, seconds):
    """How well each of these seconds of what was said is heard."""
    return [find(said[n * RATE:(n + 1) * RATE], heard)[1] for n in seconds]


class Comparison:
    """What was heard beside what was said: how alike, how loud, and the largest hole.

    The heard signal is aligned once, by a second of the middle; then each 20 ms block of it is looked for within a
    block's length of where it should be. A lost or inserted frame moves everything after it, so drift is a gap too.
    """

    def __init__(self, said, heard, seconds):
        count = int(seconds * RATE)
        middle = said[count // 2:count // 2 + RATE]
        at, self.anchor_fit = find(middle, heard)
        self.start = at - count // 2
        self.said = np.asarray(said[:count], dtype=float)
        begin = max(self.start, 0)
        self.heard = np.asarray(heard[begin:self.start + count], dtype=float)
        self.said = self.said[begin - self.start:begin - self.start + len(self.heard)]
        self.seconds = len(self.heard) / RATE
        self.correlation = float(np.corrcoef(self.said, self.heard)[0, 1]) if len(self.heard) > RATE else 0.0
        self.level_db = loudness_db(self.heard) - loudness_db(self.said)
        self.gap_ms = self._largest_gap()

    def _largest_gap(self):
        block, run, worst = FRAME // 4, 0, 0  # 5 ms
        for i in range(0, len(self.heard) - block, block):
            a, b = self.said[i:i + block], self.heard[i:i + block]
            missing = loudness_db(b) < loudness_db(a) - 20 and loudness_db(a) > 30
            run = run + 5 if missing else 0
            worst = max(worst, run)
        return worst

    def __repr__(self):
        return (f"<{self.seconds:.2f} s, correlation {self.correlation:.4f}, level {self.level_db:+.2f} dB, "
                f"largest gap {self.gap_ms} ms>")


def peaks(samples, count=2):
    """The loudest frequencies, in Hz, loudest first."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(np.asarray(samples, dtype=float) * window))
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    out = []
    for _ in range(count):
        k = int(np.argmax(spectrum))
        out.append(float(hertz[k]))
        spectrum[np.abs(hertz - hertz[k]) < 25] = 0
    return out
