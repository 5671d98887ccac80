"""Conversion of float samples to 16 bits, so that neither loud nor quiet ones are lost.

Between ``NORMAL_PEAK`` and full scale nothing is changed. What is above full scale is scaled down to it, from the very
sample. Files below the normal peak are raised to it: there, the audio that follows is known before a level is chosen.
"""

import math
from collections import deque
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ

Floats = NDArray[np.float32]

NORMAL_PEAK = 10 ** (-30 / 20)
"""Peak from which a recording is not raised: -30 dBFS. The voice model becomes deaf between -50 and -60 dBFS."""
MAX_GAIN = 100.0
"""Most by which a recording is raised: 40 dB. The last bit of 16 stays inaudible to the voice model."""
LOOK_AHEAD_S = 30
"""Audio of a quiet file that is held back until its level is chosen; a short pause before the speech is not raised."""
_BROKEN = 2.0**16
"""Amplitude from which a sample is broken: floats that were never divided by the full scale of 16 bits are below."""
_BLOCK_SAMPLES = AUDIO_RATE_HZ // 50
_DECAY = 10 ** (-3 / 20 / 50)
"""Recovery per block of 20 ms after something above full scale: 3 dB a second, so that neither a single bang
nor a pause between words matters."""
_LOUD_BLOCKS = 3
"""A second is as loud as the peak that this many of its blocks reach: clicks do not count."""


class Level(Protocol):
    """Converter of one stream at 16 kHz to s16le bytes."""

    loudest: float
    """Peak above full scale that is scaled to full scale; 1.0 for nothing above full scale."""

    @property
    def keeps_int16(self) -> bool:
        """True when 16-bit samples would come out as they are."""
        ...

    def feed(self, samples: Floats, at: int) -> bytes:
        """Return the samples that are ready. ``samples``: float32 [n], from position ``at`` on."""
        ...

    def flush(self) -> bytes:
        """Return the samples that are held back."""
        ...


class FullScale:
    """Level of live audio: scales what is above full scale, at once, and recovers slowly."""

    keeps_int16 = True

    def __init__(self) -> None:
        self.loudest = 1.0

    def feed(self, samples: Floats, at: int) -> bytes:
        """See ``Level``. The result does not depend on how the audio is divided."""
        if self.loudest == 1.0 and _largest(samples) <= 1.0:
            return _int16(samples)
        samples = without_broken(samples)
        # Parts end where a block of the whole stream ends.
        first = _BLOCK_SAMPLES - at % _BLOCK_SAMPLES
        parts = np.split(samples, range(first, len(samples), _BLOCK_SAMPLES))
        return b"".join(
            self._scaled(part, is_first=bool(index) or first == _BLOCK_SAMPLES) for index, part in enumerate(parts)
        )

    def flush(self) -> bytes:
        """Return nothing: nothing is held back."""
        return b""

    def _scaled(self, samples: Floats, *, is_first: bool) -> bytes:
        if not len(samples):
            return b""
        if is_first:
            self.loudest = max(1.0, self.loudest * _DECAY)
        peaks = np.maximum.accumulate(np.abs(samples), dtype=np.float64)
        np.maximum(peaks, self.loudest, out=peaks)
        self.loudest = float(peaks[-1])
        return _int16((samples / peaks).astype(np.float32))


class FileLevel:
    """Level of a file: raises quiet audio too. The gain only ever falls, before louder audio begins."""

    def __init__(self) -> None:
        self._full_scale = FullScale()
        self._held: deque[Floats] = deque()
        self._rest = np.empty(0, np.float32)
        self._peak = 0.0
        self._gain: float | None = None
        self._is_normal = False
        self._at = 0

    @property
    def loudest(self) -> float:
        """See ``Level``."""
        return self._full_scale.loudest

    @loudest.setter
    def loudest(self, value: float) -> None:
        self._full_scale.loudest = value

    @property
    def keeps_int16(self) -> bool:
        """See ``Level``."""
        return self._is_normal

    def feed(self, samples: Floats, at: int) -> bytes:
        """See ``Level``; holds back up to ``LOOK_AHEAD_S`` until there is audio of a normal level."""
        if self._is_normal:
            return self._leveled(samples)
        self._rest = np.concatenate([self._rest, samples])
        pcm = b""
        while len(self._rest) >= AUDIO_RATE_HZ:
            second, self._rest = self._rest[:AUDIO_RATE_HZ], self._rest[AUDIO_RATE_HZ:]
            pcm += self._add(second)
        return pcm

    def flush(self) -> bytes:
        """See ``Level``."""
        rest, self._rest = self._rest, self._rest[:0]
        pcm = self._add(rest) if len(rest) else b""
        while self._held:
            pcm += self._released()
        return pcm

    def _add(self, second: Floats) -> bytes:
        second = without_broken(second)
        self._held.append(second)
        self._peak = max(self._peak, _peak(second))
        self._is_normal = self._peak >= NORMAL_PEAK
        pcm = b""
        while self._held and (self._is_normal or len(self._held) > LOOK_AHEAD_S):
            pcm += self._released()
        if self._is_normal:
            pcm += self._leveled(self._rest)
            self._rest = self._rest[:0]
        return pcm

    def _released(self) -> bytes:
        return self._leveled(self._held.popleft())

    def _leveled(self, samples: Floats) -> bytes:
        gain = min(MAX_GAIN, max(1.0, NORMAL_PEAK / self._peak)) if self._peak else 1.0
        before = self._gain or gain
        self._gain = gain if self._peak else None
        if gain != 1.0 or before != 1.0:
            gains = np.full(len(samples), gain, np.float32)
            ramp = gains[:_BLOCK_SAMPLES]
            ramp[:] = np.linspace(before, gain, len(ramp))
            # A click that the chosen level does not fit is clipped, so that it changes nothing after it.
            samples = (samples * gains).clip(-1.0, 1.0)
        pcm = self._full_scale.feed(samples, self._at)
        self._at += len(samples)
        return pcm


def without_broken(samples: Floats) -> Floats:
    """Return the samples with silence for NaN, infinity and what no converter writes."""
    if _largest(samples) < _BROKEN:
        return samples
    return np.where(np.abs(samples) < _BROKEN, samples, np.float32(0.0))


def _largest(samples: Floats) -> float:
    """Return the largest amplitude; infinity for what is not a number."""
    if not samples.size:
        return 0.0
    largest = max(float(samples.max()), -float(samples.min()))
    return largest if largest >= 0 else math.inf


def _peak(samples: Floats) -> float:
    blocks = np.abs(samples[: len(samples) // _BLOCK_SAMPLES * _BLOCK_SAMPLES]).reshape(-1, _BLOCK_SAMPLES).max(axis=1)
    return float(np.sort(blocks)[-_LOUD_BLOCKS]) if len(blocks) >= _LOUD_BLOCKS else _largest(samples)


def _int16(samples: Floats) -> bytes:
    scaled = samples * np.float32(32768.0)
    np.rint(scaled, out=scaled)
    np.minimum(scaled, np.float32(32767.0), out=scaled)
    return scaled.astype("<i2").tobytes()
