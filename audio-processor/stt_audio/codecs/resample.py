"""Resampler from any FFmpeg audio frame to 16 kHz s16le bytes.

FFmpeg changes the rate only. At 16 kHz the channels are mixed or kept apart (``channels``), and floats become 16-bit
samples last (``levels``).
"""

import functools
import math
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import av
import numpy as np

from stt_audio.codecs.channels import Mixed, Output, Samples
from stt_audio.codecs.mixing import BLOCK_SAMPLES
from stt_shared.contracts.session import AUDIO_RATE_HZ

INT16_BYTES = 2
WARM_UP_PARTS = 5
"""Warm-up as a fraction of a second: after a fifth of a second of audio, a resampler's output no longer depends on how
it began."""
_INT16_FORMATS = frozenset({"u8", "u8p", "s16", "s16p"})
"""Formats that fit into 16 bits: one channel of them needs no floats."""
_LOSSY_FORMAT = "fltp"
"""Format of decoders of lossy codecs. They exceed full scale by a little at most, which is clipped in live audio."""


@functools.cache
def warm_up_samples(sample_rate: int) -> int:
    """Return how many source samples a new resampler needs to continue exactly like another one.

    It has to begin at a multiple of the period after which source and target samples coincide, so one period is added,
    and so is a block of the mixer, which holds samples back.
    """
    if sample_rate == AUDIO_RATE_HZ:
        return BLOCK_SAMPLES
    block = -(-BLOCK_SAMPLES * sample_rate // AUDIO_RATE_HZ)
    return sample_rate // WARM_UP_PARTS + block + _period(sample_rate)


class Resampler:
    """Stateful resampler; begins a new *run* when a stream changes its rate, format or layout midway.

    With ``held``, it returns nothing and keeps the end of what it is fed until ``resume`` reports which part of another
    resampler's run that was. It may be used from any thread, but not by two at once. ``output``: what becomes of the
    channels (None: they are mixed as live audio is). ``batch_samples``: samples that are converted at once, which is
    cheaper; fewer are returned by ``drain``.
    """

    def __init__(self, output: Output | None = None, *, held: bool = False, batch_samples: int = 0) -> None:
        self._resampler: av.AudioResampler | None = None
        self._int16_formats = _INT16_FORMATS if output else _INT16_FORMATS | {_LOSSY_FORMAT}
        self._output = output or Mixed()
        self._batch_samples = batch_samples
        self._in_batch = 0
        self._batch: list[Samples] = []
        self._kind: tuple[str, str, int] | None = None
        self._held: deque[av.AudioFrame] | None = deque() if held else None
        self._resumes = False
        self._surplus_samples = 0
        self._channels = 1
        self._dtype: type[np.int16] | type[np.float32] = np.int16
        self.source_samples = 0
        """Samples fed since the run began."""
        self.fed_s = 0.0
        """Seconds fed in total, over all runs."""

    @property
    def samples(self) -> int:
        """Samples of each channel returned since the run began."""
        return self._output.samples

    @property
    def frame_bytes(self) -> int:
        """Bytes of one returned sample of all channels together."""
        return INT16_BYTES * self._output.n_channels

    def feed(self, frame: av.AudioFrame) -> bytes:
        """Return the samples that are ready; a few are held back until the next frame or ``flush``, in batches more."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._kind is None:
            self._kind = kind
        ready = self._resume()
        if kind != self._kind:
            ready += self.flush()
            self._kind = kind
            self._output.change()
        # Without timestamps: with gaps in them, the resampler would insert or drop audio.
        frame.pts = None
        self.source_samples += frame.samples
        self.fed_s += frame.samples / frame.sample_rate
        if self._held is not None:
            self._hold(self._held, frame)
            return b""
        return ready + self._batched(self._resampled(frame))

    def drain(self) -> bytes:
        """Return the samples that wait for others to be mixed with."""
        batch, self._batch, self._in_batch = self._batch, [], 0
        if not batch:
            return b""
        return self._output.feed(batch[0] if len(batch) == 1 else cast("Samples", np.concatenate(batch)))

    def flush(self) -> bytes:
        """Return the samples that were held back; the next frame begins a new run."""
        tail = self._resume()
        if self._resampler is not None:
            tail += self._batched(self._resampled(None)) + self.drain()
            self._resampler = None
        tail += self._output.flush()
        if self._held is not None:
            self._held.clear()
        self._surplus_samples = 0
        self.source_samples = 0
        return tail

    @property
    def state(self) -> tuple[float, ...]:
        """State of the output after the samples returned so far; empty for the one at the beginning."""
        return self._output.state

    def resume(self, source_samples: int, samples: int, state: Sequence[float] = ()) -> None:
        """Continue another resampler's run, which was fed ``source_samples`` and has returned ``samples``.

        ``state`` is that of the other one. The audio fed to this resampler so far must be the end of those
        ``source_samples``.
        """
        self._resumes = True
        self.source_samples, self._output.samples = source_samples, samples
        if state:
            self._output.restore(state)

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
        self._surplus_samples = -min(0, missing)
        at, pcm = earliest, b""
        for frame in held:
            if at + frame.samples > begin:
                samples = self._resampled(_without_first(frame, max(0, begin - at)))
                if missing > 0:  # the held audio does not reach back this far
                    samples = np.concatenate([np.zeros((missing, samples.shape[1]), samples.dtype), samples])
                    missing = 0
                pcm += self._output.feed(samples)
            at += frame.samples
        return pcm

    def _resampled(self, frame: av.AudioFrame | None) -> Samples:
        """Return the samples [n, channels] that are ready: 16-bit ones if those need no change but of their rate."""
        if self._resampler is None:
            assert frame is not None, "flushed before it was fed"
            self._resampler = self._new_resampler(frame)
        samples = self._joined(self._resampler.resample(frame))
        surplus = min(self._surplus_samples, len(samples))
        self._surplus_samples -= surplus
        return samples[surplus:]

    def _batched(self, samples: Samples) -> bytes:
        """Level the samples once there are enough of them."""
        self._batch.append(samples)
        self._in_batch += len(samples)  # not summed up each time: a frame may hold a single sample
        return b"" if self._in_batch < self._batch_samples else self.drain()

    def _new_resampler(self, frame: av.AudioFrame) -> av.AudioResampler:
        names = [channel.name for channel in frame.layout.channels]
        self._output.begin(names)
        self._channels = len(names)
        self._dtype = np.int16 if len(names) == 1 and frame.format.name in self._int16_formats else np.float32
        return av.AudioResampler("s16" if self._dtype is np.int16 else "flt", None, AUDIO_RATE_HZ)

    def _joined(self, frames: list[av.AudioFrame]) -> Samples:
        # A plane is longer than its samples, since FFmpeg aligns its size.
        planes = [
            np.frombuffer(memoryview(frame.planes[0]), self._dtype, frame.samples * self._channels) for frame in frames
        ]
        samples = cast(
            "Samples", planes[0] if len(planes) == 1 else np.concatenate([np.empty(0, self._dtype), *planes])
        )
        return samples.reshape(-1, self._channels)


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
