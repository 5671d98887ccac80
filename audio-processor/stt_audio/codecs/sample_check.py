"""Detection of bare samples that are not of the announced format, by the statistics of their first seconds.

Each test asks for several properties that audio of the announced format cannot have together, so that no real audio is
refused. What is not certain passes: noise, silence, a wrong sample rate, stereo announced as mono.
"""

import numpy as np
import numpy.typing as npt

from stt_audio.codecs.pcm import SampleFormat, to_samples
from stt_shared.contracts.errors import SttError

WINDOW_BYTES = 4104
"""Bytes that are judged at once: whole samples of any format."""
MAX_WINDOWS = 24
"""Windows with sound that are judged before the samples count as what was announced."""
_HITS = 2
"""Windows with the same result that are needed for it; twice as many for one that names nothing."""
_MIN_DISTINCT = 12
"""Different bytes in a window with fewer of them are no evidence: silence, or a test tone."""

_Bytes = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float64]

_BASE64 = tuple(
    np.isin(np.arange(256), np.frombuffer(letters, np.uint8))
    for letters in (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz", b"0123456789")
)
"""Which bytes are capitals, small letters and digits."""
_BASE64_OTHERS = np.isin(np.arange(256), np.frombuffer(b'+/=-_"{}:;, \r\n', np.uint8))
_G711 = ("mulaw", "alaw")
_ALIKE = ((2, 0.25), (3, 0.35))
"""Largest distance of the bytes at every second (third) place from all, where each byte is a sample of its own."""
_REMEDIES = {
    "text": 'base64; send the audio itself in binary messages, or base64 in JSON: {"type": "audio", "chunk": "…"}',
    "pcm_f32le": "32-bit floats; connect with encoding=pcm_f32le",
    "pcm_f32be": "big-endian 32-bit floats; send them little-endian with encoding=pcm_f32le",
    "pcm_f64le": "64-bit floats; send 32-bit floats with encoding=pcm_f32le",
    "pcm_s16le": "16-bit integers; connect with encoding=pcm_s16le",
    "pcm_s16be": "big-endian 16-bit integers; send them little-endian with encoding=pcm_s16le",
    "pcm_s24le": "24-bit integers; send 16-bit integers with encoding=pcm_s16le",
    "pcm_s32le": "32-bit integers; send 16-bit integers with encoding=pcm_s16le",
    "mulaw": "mu-law; connect with encoding=mulaw and its sample_rate, usually 8000",
    "alaw": "A-law; connect with encoding=alaw and its sample_rate, usually 8000",
    "unknown": "something else; announce what is sent with encoding",
}


class SampleCheck:
    """Check of one stream of bare samples, which were announced as ``announced`` with this number of channels."""

    def __init__(self, announced: SampleFormat, channels: int) -> None:
        self._announced = announced
        self._channels = channels
        self._pending = b""
        self._windows = 0
        self._hits: dict[str, int] = {}

    @property
    def is_done(self) -> bool:
        """Whether enough was seen."""
        return self._windows >= MAX_WINDOWS

    def feed(self, data: bytes) -> None:
        """Add the next bytes. Raises SttError(bad_audio) when they are certainly something else."""
        data = self._pending + data
        at = 0
        while len(data) - at >= WINDOW_BYTES and not self.is_done:
            self._judge(data[at : at + WINDOW_BYTES])
            at += WINDOW_BYTES
        self._pending = b"" if self.is_done else data[at:]

    def _judge(self, window: bytes) -> None:
        raw = np.frombuffer(window, np.uint8)
        if np.count_nonzero(np.bincount(raw, minlength=256)) < _MIN_DISTINCT:
            return
        self._windows += 1
        found = found_format(window, self._announced, self._channels)
        if found is None:
            return
        self._hits[found] = self._hits.get(found, 0) + 1
        if self._hits[found] >= (_HITS if found != "unknown" else 2 * _HITS):
            raise SttError(
                "bad_audio", f"{self._announced} was announced, but the samples look like {_REMEDIES[found]}"
            )


def found_format(window: bytes, announced: SampleFormat, channels: int) -> str | None:
    """Return what ``window`` certainly is, if that is not what was announced; None when it may be that."""
    raw = np.frombuffer(window, np.uint8)
    if _is_base64(raw):
        return "text"
    for name, dtype in (("pcm_f32le", "<f4"), ("pcm_f64le", "<f8"), ("pcm_f32be", ">f4")):
        if name != announced and _are_floats(window, dtype):
            return name
    if announced is SampleFormat.F32LE:
        return (_integers(window) or "unknown") if _cannot_be_floats(window) else None
    found = _integers(window)
    if found is None or found == announced or (found == "pcm_s32le" and channels > 1):
        return None
    if announced is SampleFormat.S16LE:
        return found
    if found in _G711 or (found in ("pcm_s16le", "pcm_s16be") and _distance(raw[::2], raw[1::2]) < 0.8):
        return None
    return found


def _is_base64(raw: _Bytes) -> bool:
    """Letters and digits as in base64, which jump from one to the next, unlike codes of mu-law with an offset."""
    shares = [float(letters[raw].mean()) for letters in _BASE64]
    others = float(_BASE64_OTHERS[raw].mean())
    return min(shares) > 0.03 and sum(shares) + others > 0.999 and _roughness(raw.astype(np.float64)) > 0.9


def _are_floats(window: bytes, dtype: str) -> bool:
    """Floats have audio's magnitudes in both signs, while their other bits are like noise."""
    with np.errstate(invalid="ignore"):
        values = np.frombuffer(window, dtype).astype(np.float64)
    values = values[values != 0]
    if len(values) < 100 or not np.isfinite(values).all():
        return False
    exponents = np.frexp(values)[1]
    usual = (exponents > -30) & (exponents <= 2)
    positive = float((values > 0).mean())
    return bool(usual.mean() > 0.98 and len(np.unique(exponents)) >= 6 and 0.05 < positive < 0.95)


def _cannot_be_floats(window: bytes) -> bool:
    """Samples that are no floats have, read as such, impossible magnitudes, and many different ones."""
    bits = np.frombuffer(window, "<u4")
    bits = bits[bits & 0x7FFFFFFF != 0]
    impossible = bits[(bits >> 23 & 0xFF) > 127 + 40]
    return len(bits) >= 100 and len(impossible) >= 0.05 * len(bits) and len(np.unique(impossible)) >= 32


def _integers(window: bytes) -> str | None:
    """Return the kind of integers that ``window`` holds; None when that is not clear."""
    raw = np.frombuffer(window, np.uint8)
    if _are_int24(raw):
        return "pcm_s24le"
    if _are_int32(window):
        return "pcm_s32le"
    if _are_single_bytes(raw):
        roughness = {name: _roughness(_samples(window, name)) for name in _G711}
        best = min(roughness, key=lambda name: roughness[name])
        return best if roughness[best] < 0.9 else None
    return _int16_order(window)


def _int16_order(window: bytes) -> str | None:
    """Return the byte order of 16-bit integers: in the other order they are loud noise."""
    raw = np.frombuffer(window, np.uint8)
    samples = {"pcm_s16le": _samples(window, "pcm_s16le"), "pcm_s16be": np.frombuffer(window, ">i2").astype(np.float64)}
    upper = {"pcm_s16le": raw[1::2], "pcm_s16be": raw[::2]}
    level = {name: np.abs(values).mean() for name, values in samples.items()}
    quiet, loud = sorted(level, key=lambda name: float(level[name]))
    if level[loud] < 2 * level[quiet] or not 1.5 < _entropy(upper[quiet]) < _entropy(upper[loud]) - 1:
        return None
    roughness = _roughness(samples[quiet])
    return quiet if roughness < min(0.9, 0.75 * _roughness(samples[loud])) else None


def _are_int24(raw: _Bytes) -> bool:
    parts = raw.reshape(-1, 3)
    entropy = [_entropy(parts[:, place]) for place in range(3)]
    upper = parts[:, 1:].copy().view("<i2").reshape(-1).astype(np.float64)
    return entropy[2] < entropy[1] - 1 and (entropy[0] > 6 or entropy[0] == 0) and _roughness(upper) < 0.7


def _are_int32(window: bytes) -> bool:
    """The lower halves of 32-bit integers are noise over the whole range, unlike the other channel of a recording."""
    halves = np.frombuffer(window, "<i2").reshape(-1, 2)
    lower, upper = halves[:, 0].astype(np.float64), halves[:, 1].astype(np.float64)
    return _entropy(np.frombuffer(window, np.uint8)[1::4]) > 6 and _roughness(lower) > 1.2 and _roughness(upper) < 0.7


def _are_single_bytes(raw: _Bytes) -> bool:
    """Bytes that are samples of their own are alike at all places, and loud if pairs of them are read as samples."""
    if _entropy(raw) < 3 or (raw[::2] == raw[1::2]).mean() > 0.5:
        return False
    loud = np.abs(raw.view("<i2").astype(np.float64)).mean() > 6000
    return bool(loud) and all(
        _distance(raw[place::period], raw) < limit for period, limit in _ALIKE for place in range(period)
    )


def _samples(window: bytes, name: str) -> _Floats:
    return to_samples(window, SampleFormat(name)).astype(np.float64)


def _roughness(samples: _Floats) -> float:
    """Mean step between samples by their mean deviation: speech has 0.1 to 0.9, noise about 1.4, silence infinity.

    Of two interleaved channels the smaller step counts: to the sample before, or to the one before that.
    """
    deviation = float(np.abs(samples - samples.mean()).mean())
    steps = (float(np.abs(samples[distance:] - samples[:-distance]).mean()) for distance in (1, 2))
    return min(steps) / deviation if deviation > 0 else np.inf


def _entropy(raw: _Bytes) -> float:
    """Entropy of the bytes in bits."""
    shares = _shares(raw)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _distance(one: _Bytes, other: _Bytes) -> float:
    """Difference between the distributions of two sets of bytes: 0 (equal) to 2."""
    return float(np.abs(_shares(one) - _shares(other)).sum())


def _shares(raw: _Bytes) -> _Floats:
    return np.bincount(raw, minlength=256) / len(raw)
