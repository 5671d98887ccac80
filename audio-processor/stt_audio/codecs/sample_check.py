"""Detection of bare samples that are not of the announced format, by the statistics of their first seconds.

Each test asks for several properties that audio of the announced format cannot have together, so that no real audio is
refused. What is not certain passes: noise, silence, a wrong sample rate, stereo announced as mono.
"""

import numpy as np

from stt_audio.codecs.byte_window import WINDOW_BYTES, ByteWindow, Floats, distances, entropy
from stt_audio.codecs.pcm import SampleFormat
from stt_shared.contracts.errors import SttError

MAX_WINDOWS = 24
"""Windows with sound that are judged before the samples count as what was announced."""
_HITS = 2
"""Windows with the same result that are needed for it; twice as many for one that names nothing."""
_MIN_DISTINCT = 12
"""Different bytes in a window with fewer of them are no evidence: silence, or a test tone."""

_BASE64 = tuple(
    np.isin(np.arange(256), np.frombuffer(letters, np.uint8))
    for letters in (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz", b"0123456789")
)
"""Which bytes are capitals, small letters and digits."""
_BASE64_OTHERS = np.isin(np.arange(256), np.frombuffer(b'+/=-_"{}:;, \r\n', np.uint8))
_G711 = ("mulaw", "alaw")
_SINGLE_BYTES = (*_G711, "pcm_u8")
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
    "pcm_u8": "unsigned 8-bit integers; send 16-bit integers with encoding=pcm_s16le",
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

    def _judge(self, data: bytes) -> None:
        window = ByteWindow(data)
        if np.count_nonzero(window.counts) < _MIN_DISTINCT:
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


def found_format(window: ByteWindow, announced: SampleFormat, channels: int) -> str | None:
    """Return what ``window`` certainly is, if that is not what was announced; None when it may be that."""
    if _is_base64(window):
        return "text"
    for name, dtype in (("pcm_f32le", "<f4"), ("pcm_f64le", "<f8"), ("pcm_f32be", ">f4")):
        if name != announced and _are_floats(window.data, dtype):
            return name
    if announced is SampleFormat.F32LE:
        return (_integers(window, announced) or "unknown") if _cannot_be_floats(window.data) else None
    found = _integers(window, announced)
    if found is None or (found == "pcm_s32le" and channels > 1):
        return None
    if announced is SampleFormat.S16LE:
        return found
    # Two talkers in channels of their own differ as the two bytes of one sample do.
    if channels > 1 or (found in ("pcm_s16le", "pcm_s16be") and distances(*window.counts_at(2)) < 0.8):
        return None
    return found


def _is_base64(window: ByteWindow) -> bool:
    """Letters and digits as in base64, which jump from one to the next, unlike codes of mu-law with an offset."""
    if window.counts[128:].sum() > 0.01 * WINDOW_BYTES:  # as in nearly all audio
        return False
    shares = [float(window.counts[letters].sum()) / WINDOW_BYTES for letters in _BASE64]
    others = float(window.counts[_BASE64_OTHERS].sum()) / WINDOW_BYTES
    return min(shares) > 0.03 and sum(shares) + others > 0.999 and _roughness(window.raw.astype(np.float64)) > 0.9


def _are_floats(data: bytes, dtype: str) -> bool:
    """Floats have audio's magnitudes in both signs, while their other bits are like noise."""
    with np.errstate(invalid="ignore"):
        values = np.frombuffer(data, dtype).astype(np.float64)
    values = values[values != 0]
    if len(values) < 100 or not np.isfinite(values).all():
        return False
    exponents = np.frexp(values)[1]
    usual = (exponents > -30) & (exponents <= 2)
    positive = float((values > 0).mean())
    return bool(usual.mean() > 0.98 and len(np.unique(exponents)) >= 6 and 0.05 < positive < 0.95)


def _cannot_be_floats(data: bytes) -> bool:
    """Samples that are no floats have, read as such, impossible magnitudes, and many different ones."""
    bits = np.frombuffer(data, "<u4")
    bits = bits[bits & 0x7FFFFFFF != 0]
    impossible = bits[(bits >> 23 & 0xFF) > 127 + 40]
    return len(bits) >= 100 and len(impossible) >= 0.05 * len(bits) and len(np.unique(impossible)) >= 32


def _integers(window: ByteWindow, announced: SampleFormat) -> str | None:
    """Return the kind of integers that ``window`` holds; None when that is not clear, or they may be as announced."""
    if _are_int24(window):
        return "pcm_s24le"
    if _are_int32(window):
        return "pcm_s32le"
    if _are_single_bytes(window):
        if announced in _G711:
            return None
        return _single_byte_format(window)
    return _int16_order(window, announced)


def _single_byte_format(window: ByteWindow) -> str | None:
    """Return what bytes are that are samples of their own: read as anything else, they jump. None if they do anyway."""
    samples = {name: window.samples(name) for name in _SINGLE_BYTES}
    if min(_roughness(samples[name]) for name in _G711) >= 0.9:
        return None
    return min(samples, key=lambda name: _step(samples[name]))


def _int16_order(window: ByteWindow, announced: SampleFormat) -> str | None:
    """Return the byte order of 16-bit integers: in the other order they are loud noise."""
    big_endian = np.frombuffer(window.data, ">i2").astype(np.float64)
    level_be = float(np.abs(big_endian).mean())
    if window.level_s16le <= level_be:
        quiet, quiet_level, loud_level = "pcm_s16le", window.level_s16le, level_be
    else:
        quiet, quiet_level, loud_level = "pcm_s16be", level_be, window.level_s16le
    if quiet == announced or loud_level < 2 * quiet_level:
        return None
    lower, upper = window.counts_at(2)
    samples, others = window.s16le, big_endian
    if quiet == "pcm_s16be":
        lower, upper, samples, others = upper, lower, others, samples
    if not 1.5 < entropy(upper) < entropy(lower) - 1:
        return None
    roughness = _roughness(samples)
    return quiet if roughness < 0.9 and roughness < 0.75 * _roughness(others) else None


def _are_int24(window: ByteWindow) -> bool:
    lowest, middle, highest = window.counts_at(3)
    if entropy(highest) >= entropy(middle) - 1 or not (lowest.max() == lowest.sum() or entropy(lowest) > 6):
        return False
    upper = window.raw.reshape(-1, 3)[:, 1:].copy().view("<i2").reshape(-1).astype(np.float64)
    return _roughness(upper) < 0.7


def _are_int32(window: ByteWindow) -> bool:
    """The lower halves of 32-bit integers are noise over the whole range, unlike the other channel of a recording."""
    if entropy(window.counts_at(4)[1]) <= 6:
        return False
    lower, upper = window.s16le[::2], window.s16le[1::2]
    return _roughness(upper) < 0.7 and _roughness(lower) > 1.2


def _are_single_bytes(window: ByteWindow) -> bool:
    """Bytes that are samples of their own are alike at all places, and loud if pairs of them are read as samples."""
    raw = window.raw
    if window.level_s16le <= 6000 or entropy(window.counts) < 3 or (raw[::2] == raw[1::2]).mean() > 0.5:
        return False
    return all(distances(window.counts_at(period), window.counts).max() < limit for period, limit in _ALIKE)


def _roughness(samples: Floats) -> float:
    """Mean step between samples by their mean deviation: speech has 0.1 to 0.9, noise about 1.4, silence infinity.

    Of two interleaved channels the smaller step counts: to the sample before, or to the one before that.
    """
    deviation = float(np.abs(samples - samples.mean()).mean())
    return _step(samples) / deviation if deviation > 0 else np.inf


def _step(samples: Floats) -> float:
    return min(float(np.abs(samples[distance:] - samples[:-distance]).mean()) for distance in (1, 2))
