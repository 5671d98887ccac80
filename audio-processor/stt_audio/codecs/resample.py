"""Resampler from any FFmpeg audio frame to 16 kHz mono s16le bytes."""

import functools
import math
from collections import deque
from typing import Any

import av
import numpy as np

from stt_shared.contracts.session import AUDIO_RATE_HZ

WARM_UP_PARTS = 5
"""Warm-up as a fraction of a second: after a fifth of a second of audio, a resampler's output no longer depends on how
it began."""


@functools.cache
def warm_up_samples(sample_rate: int) -> int:
    """Return how many source samples a new resampler needs to continue exactly like another one.

    It has to begin at a multiple of the period after which source and target samples coincide, so one period is added.
    """
    return sample_rate // WARM_UP_PARTS + _period(sample_rate)


class MonoResampler:
    """Stateful resampler; begins a new *run* when a stream changes its rate, format or layout midway.

    With ``held``, it returns nothing and keeps the end of what it is fed until ``resume`` reports which part of another
    resampler's run that was. It may be used from any thread, but not by two at once.
    """

    def __init__(self, *, held: bool = False) -> None:
        self._resampler: av.AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._held: deque[av.AudioFrame] | None = deque() if held else None
        self._resumes = False
        self._surplus_bytes = 0
        self.source_samples = 0
        """Samples fed since the run began."""
        self.samples = 0
        """Samples returned since the run began."""
        self.fed_s = 0.0
        """Seconds fed in total, over all runs."""

    def feed(self, frame: av.AudioFrame) -> bytes:
        """Return the samples that are ready; a few are held back until the next frame or ``flush``."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._kind is None:
            self._kind = kind
        ready = self._resume()
        if kind != self._kind:
            ready += self.flush()
            self._kind = kind
        # Without timestamps: with gaps in them, the resampler would insert or drop audio.
        frame.pts = None
        self.source_samples += frame.samples
        self.fed_s += frame.samples / frame.sample_rate
        if self._held is not None:
            self._hold(self._held, frame)
            return b""
        return ready + self._resampled(frame)

    def flush(self) -> bytes:
        """Return the samples that were held back; the next frame begins a new run."""
        tail = self._resume()
        if self._resampler is not None:
            tail += self._resampled(None)
            self._resampler = None
        if self._held is not None:
            self._held.clear()
        self._surplus_bytes = 0
        self.source_samples = self.samples = 0
        return tail

    def resume(self, source_samples: int, samples: int) -> None:
        """Continue another resampler's run, which was fed ``source_samples`` and has returned ``samples``.

        The audio fed to this resampler so far must be the end of those ``source_samples``.
        """
        self._resumes = True
        self.source_samples, self.samples = source_samples, samples

    def _hold(self, held: deque[av.AudioFrame], frame: av.AudioFrame) -> None:
        held.append(frame)
        enough = warm_up_samples(frame.sample_rate)
        n_samples = sum(each.samples for each in held)
        while n_samples - held[0].samples >= enough:
            n_samples -= held.popleft().samples

    def _resume(self) -> bytes:
        """Feed the held frames, from a sample at which a new resampler is in phase with the other one."""
        if not self._resumes or self._held is None or self._kind is None:
            return b""
        held, self._held, self._resumes = self._held, None, False
        if self.source_samples == 0:
            return b""
        sample_rate = self._kind[2]
        period = _period(sample_rate)
        earliest = self.source_samples - sum(frame.samples for frame in held)
        begin = max(0, -(-earliest // period) * period)
        if begin > self.source_samples:  # less than a period is held: exact to a sample, not to its fraction
            begin = earliest
        missing = -(-begin * AUDIO_RATE_HZ // sample_rate) - self.samples
        self._surplus_bytes = -2 * min(0, missing)
        at, already, pcm = earliest, self.samples, b""
        for frame in held:
            if at + frame.samples > begin:
                pcm += self._resampled(_without_first(frame, max(0, begin - at)))
            at += frame.samples
        self.samples = already + len(pcm) // 2
        if missing > 0:  # the held audio does not reach back this far
            pcm = bytes(2 * missing) + pcm
            self.samples += missing
        return pcm

    def _resampled(self, frame: av.AudioFrame | None) -> bytes:
        if self._resampler is None:
            self._resampler = av.AudioResampler("s16", "mono", AUDIO_RATE_HZ)
        pcm = _joined(self._resampler.resample(frame))
        surplus = min(self._surplus_bytes, len(pcm))
        self._surplus_bytes -= surplus
        pcm = pcm[surplus:] if surplus else pcm
        self.samples += len(pcm) // 2
        return pcm


def _period(sample_rate: int) -> int:
    return sample_rate // math.gcd(sample_rate, AUDIO_RATE_HZ)


def _without_first(frame: av.AudioFrame, n_samples: int) -> av.AudioFrame:
    if n_samples == 0:
        return frame
    per_sample = 1 if frame.format.is_planar else frame.layout.nb_channels
    samples: Any = np.ascontiguousarray(frame.to_ndarray()[:, n_samples * per_sample :])
    rest = av.AudioFrame.from_ndarray(samples, format=frame.format.name, layout=frame.layout.name)
    rest.sample_rate = frame.sample_rate
    return rest


def _joined(frames: list[av.AudioFrame]) -> bytes:
    # A plane is longer than its samples, since FFmpeg aligns its size.
    return b"".join(bytes(memoryview(frame.planes[0])[: 2 * frame.samples]) for frame in frames)
