"""Which channels of a recording have something to say of their own.

A channel has something of its own when it is heard for a while where another one is not, or 20 dB softer at least: each
party of a telephone call has that, the two sides of a stereo recording of one room have not. What is heard is the
*voice* of ``mixing``: what rises above a channel's steady noise.
"""

from collections.abc import Sequence

import numpy as np

from stt_audio.codecs.channels import Samples, as_floats
from stt_audio.codecs.mixing import BLOCK_SAMPLES, SLOT_BLOCKS, SLOTS, Voice, speech_band

_OWN_BLOCKS = 30
"""Blocks in which a channel must be heard, or heard alone, to count: 0.6 s."""
_SOFTER = 100.0
"""Energy of a channel, compared with what is heard on another at the same time, from which it is heard alone: 20 dB."""
_AROUND_BLOCKS = 1
"""Blocks before and after that are the same time: sound takes 20 ms for 7 m, and a room goes on sounding."""


class ChannelSurvey:
    """Survey of the first ``width`` channels of a recording, as an ``Output`` that returns no audio."""

    n_channels = 1

    def __init__(self, width: int) -> None:
        self._width = width
        self._voices = [Voice() for _ in range(width)]
        self._recent: list[list[float]] = []
        self._energy = [0.0] * width
        self._heard = [0] * width
        self._alone = [[0] * width for _ in range(width)]  # blocks in which a channel is heard, and another is not
        self._n_blocks = 0
        self._rest = np.empty((0, width), np.float32)
        self.samples = 0
        self.state: tuple[float, ...] = ()

    def restore(self, state: Sequence[float]) -> None:
        """Do nothing: a survey is not continued by another one."""

    def begin(self, names: Sequence[str]) -> None:
        """Do nothing: the channels are taken as they come."""

    def change(self) -> None:
        """Do nothing: the channels are taken as they come."""

    def feed(self, samples: Samples) -> bytes:
        """Survey ``samples``, [n, channels]; missing channels are silent. Returns no audio."""
        self.samples += len(samples)
        floats = np.zeros((len(samples), self._width), np.float32)
        known = min(self._width, samples.shape[1])
        floats[:, :known] = as_floats(samples)[:, :known]
        floats = np.concatenate([self._rest, floats])
        whole = len(floats) - len(floats) % BLOCK_SAMPLES
        self._rest = floats[whole:]
        if whole:
            band = speech_band(np.ascontiguousarray(floats[:whole].T))[:-1]
            for energies in np.square(band).sum(axis=-1).T.tolist():
                self._add(energies)
        return b""

    def flush(self) -> bytes:
        """Return no audio."""
        return b""

    @property
    def is_certain(self) -> bool:
        """Whether all channels have something of their own, whatever follows."""
        everyone = range(self._width)
        return all(self._is_apart(one, other) for one in everyone for other in everyone if one != other)

    def channels(self) -> tuple[int, ...]:
        """Return the channels to be heard on their own, in rising order.

        Two or more have something of their own each; one is the only one that is heard at all; none: all say the same,
        or nothing.
        """
        heard = [channel for channel in range(self._width) if self._heard[channel] >= _OWN_BLOCKS]
        apart: list[int] = []
        for channel in sorted(heard, key=lambda channel: -self._energy[channel]):
            if all(self._is_apart(channel, other) for other in apart):
                apart.append(channel)
        return tuple(sorted(apart)) if len(apart) > 1 or len(heard) == 1 else ()

    def _is_apart(self, one: int, other: int) -> bool:
        return self._alone[one][other] >= _OWN_BLOCKS

    def _add(self, energies: list[float]) -> None:
        slot, is_first = self._n_blocks // SLOT_BLOCKS % SLOTS, self._n_blocks % SLOT_BLOCKS == 0
        self._n_blocks += 1
        for channel, (voice, energy) in enumerate(zip(self._voices, energies, strict=True)):
            voice.add(energy, slot, is_first)
            self._heard[channel] += voice.rises
            self._energy[channel] += max(0.0, voice.excess)
        self._recent.append([max(0.0, voice.excess) for voice in self._voices])
        if len(self._recent) > 2 * _AROUND_BLOCKS + 1:
            del self._recent[0]
            around = [_SOFTER * max(of_channel) for of_channel in zip(*self._recent, strict=True)]
            for one, excess in enumerate(self._recent[_AROUND_BLOCKS]):
                if excess:
                    for other, limit in enumerate(around):
                        self._alone[one][other] += excess > limit
