"""What becomes of a stream's channels at 16 kHz: they are mixed to one, or each is kept apart from the others."""

from collections.abc import Callable, Sequence
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from stt_audio.codecs.levels import FullScale, Level, without_broken
from stt_audio.codecs.mixing import ChannelMixer, shares

Floats = NDArray[np.float32]
Samples = Floats | NDArray[np.int16]

_INT16_SCALE = np.float32(32768)


class Output(Protocol):
    """Converter of all channels of one stream to s16le bytes."""

    n_channels: int
    """Channels that are interleaved in what is returned."""
    samples: int
    """Samples of each channel since the run began, those that the level holds back included."""

    @property
    def state(self) -> tuple[float, ...]:
        """State after ``samples``; empty for the one at the beginning."""
        ...

    def restore(self, state: Sequence[float]) -> None:
        """Continue from another one's ``state``."""
        ...

    def begin(self, names: Sequence[str]) -> None:
        """Begin a run of channels with these names of FFmpeg's; called with the first frame of the run."""
        ...

    def feed(self, samples: Samples) -> bytes:
        """Return what is ready. ``samples``: int16, or float32 in -1…1, [n, channels]."""
        ...

    def flush(self) -> bytes:
        """End the run and return what is held back."""
        ...

    def change(self) -> None:
        """Forget the layout: the next run may be of other channels."""
        ...


class Mixed:
    """Mix of all channels. ``level``: of the mix (None: that of live audio)."""

    n_channels = 1

    def __init__(self, level: Level | None = None) -> None:
        self._level = level or FullScale()
        self._mixer: ChannelMixer | None = None
        self._restored: list[float] = []
        self.samples = 0

    @property
    def state(self) -> tuple[float, ...]:
        """See ``Output``."""
        mixer = self._mixer.state() if self._mixer is not None else []
        return (self._level.loudest, *mixer) if mixer or self._level.loudest != 1.0 else ()

    def restore(self, state: Sequence[float]) -> None:
        """See ``Output``."""
        self._level.loudest, *self._restored = state

    def begin(self, names: Sequence[str]) -> None:
        """See ``Output``."""
        if len(names) > 1 and self._mixer is None:
            self._mixer = ChannelMixer(shares(names))
            self._mixer.restore(self._restored)
        self._restored = []

    def feed(self, samples: Samples) -> bytes:
        """See ``Output``."""
        if samples.dtype == np.int16 and self._level.keeps_int16:
            self.samples += len(samples)
            return samples.tobytes()
        floats = as_floats(samples)
        mono = floats[:, 0] if self._mixer is None else self._mixer.feed(without_broken(floats))
        at = self.samples
        self.samples += len(mono)
        return self._level.feed(mono, at)

    def flush(self) -> bytes:
        """See ``Output``."""
        tail = b"" if self._mixer is None else self._level.feed(self._mixer.flush(), self.samples)
        self.samples = 0
        return tail + self._level.flush()

    def change(self) -> None:
        """See ``Output``."""
        self._mixer = None


class Separate:
    """Channels that are kept apart, each with a level of its own.

    ``numbers``: those to return, in rising order, of a stream of ``width`` channels. Where it has fewer for a while,
    the missing ones are silent; where it has more, the last one also has the mean of those after it, so that nobody is
    lost. ``new_level``: creates the level of a channel.
    """

    def __init__(self, numbers: Sequence[int], width: int, new_level: Callable[[], Level] = FullScale) -> None:
        self._numbers = numbers
        self._width = width
        self._levels = [new_level() for _ in numbers]
        self._ready = [bytearray() for _ in numbers]
        self.n_channels = len(numbers)
        self.samples = 0

    @property
    def state(self) -> tuple[float, ...]:
        """See ``Output``."""
        loudest = tuple(level.loudest for level in self._levels)
        return loudest if any(value != 1.0 for value in loudest) else ()

    def restore(self, state: Sequence[float]) -> None:
        """See ``Output``."""
        for level, loudest in zip(self._levels, state, strict=True):
            level.loudest = loudest

    def begin(self, names: Sequence[str]) -> None:
        """Do nothing: the channels are taken as they come."""

    def feed(self, samples: Samples) -> bytes:
        """See ``Output``."""
        floats = self._of_width(as_floats(samples))
        for number, level, ready in zip(self._numbers, self._levels, self._ready, strict=True):
            ready += level.feed(np.ascontiguousarray(floats[:, number]), self.samples)
        self.samples += len(floats)
        return self._interleaved()

    def flush(self) -> bytes:
        """See ``Output``."""
        for level, ready in zip(self._levels, self._ready, strict=True):
            ready += level.flush()
        self.samples = 0
        return self._interleaved()

    def change(self) -> None:
        """Do nothing: the channels are taken as they come."""

    def _of_width(self, floats: Floats) -> Floats:
        n_samples, n_channels = floats.shape
        if n_channels < self._width:
            return np.concatenate([floats, np.zeros((n_samples, self._width - n_channels), np.float32)], axis=1)
        if n_channels > self._width:
            last = self._width - 1
            return np.concatenate([floats[:, :last], floats[:, last:].mean(axis=1, keepdims=True)], axis=1)
        return floats

    def _interleaved(self) -> bytes:
        """Return what is ready of all channels: a level may hold one back for longer than another."""
        n_bytes = min(len(ready) for ready in self._ready)
        ready = np.stack([np.frombuffer(bytes(each[:n_bytes]), "<i2") for each in self._ready], axis=1)
        for each in self._ready:
            del each[:n_bytes]
        return ready.tobytes()


def kept_apart(numbers: Sequence[int]) -> Output | None:
    """Return the output of a live stream of which these channels are kept apart, all that it should have; None for
    none, which stands for their mix."""
    return Separate(numbers, len(numbers)) if numbers else None


def as_floats(samples: Samples) -> Floats:
    """Return 16-bit samples as float32 in -1…1, others as they are."""
    if samples.dtype == np.int16:
        return samples.astype(np.float32) / _INT16_SCALE
    return cast("Floats", samples)
