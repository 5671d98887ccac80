"""Mixing of channels to one, so that whoever speaks is heard, on whichever channel.

The mix is the mean of all channels, with two exceptions. Both depend on the *voice* of a channel: its energy between
about 0.5 and 6 kHz, as far as it rises above that of its steady noise.

* A channel with nothing but steady noise (hum, hiss) is left out when another channel has a voice that the noise
  would cover. It is mixed again from the very block in which something rises above its noise.
* Channels that cancel each other out (one is the other with the opposite sign) are replaced by the one with the most
  voice.

The decision is made per block. Weights change gradually within a block, so that no change is a click. Blocks are
counted from the beginning, so the mix does not depend on how the audio was divided, and a mixer with another one's
``state`` continues exactly like it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ

Floats = NDArray[np.float32]

BLOCK_SAMPLES = AUDIO_RATE_HZ // 50
"""Samples of a channel that get one decision: 20 ms. As much is held back at most."""
SLOT_BLOCKS, SLOTS = 25, 4
"""The steady noise of a channel is the lowest energy of a block in about two seconds, kept as minima of half seconds.
Speech falls to its noise between two syllables; hum and hiss never fall."""
_RISES = 4.0
"""Energy of a block, compared with the steady noise, from which there is more than noise: 6 dB. The loudest block of
white noise is 3 dB above its quietest one."""
_SILENCE = 1e-8 * BLOCK_SAMPLES
"""Energy of a block below which there is silence."""
_LOUDEST = 1e30
"""More energy than any block has."""
_SMOOTHING = 1 / 15
"""Share of a new block in the mean of the voice: a time constant of 0.3 s."""
_STEADY_BLOCKS, _PAUSE_BLOCKS = 25, 50
"""Blocks in a row without more than noise after which a channel may be left out: half a second at the beginning, one
second after something rose above the noise."""
_COVERS = 0.01
"""Least energy of the noise, compared with the voice of another channel, that is worth leaving out: 20 dB below."""
_NOISIER = 4.0
"""Least energy of the noise, compared with the noise of that other channel: 6 dB. Channels that are as good as each
other are never left out."""
_CANCELS, _ADDS = 0.15, 0.4
"""Energy of the voice in the mean, compared with what unrelated channels would have there, below which channels cancel
each other out, and above which they no longer do."""
_LOUDER = 4.0
"""Energy compared with the chosen channel that another one needs to replace it."""

_SHARES = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "FLC": 0.7071, "FRC": 0.7071, "LFE": 0.0, "LFE2": 0.0}
_SURROUND_SHARE = 0.5


def shares(names: Sequence[str]) -> list[float]:
    """Return the share of each channel in the mix, which add up to 1; ``names``: FFmpeg's names of the channels.

    Those of more than two channels are FFmpeg's: in films the centre carries the dialogue. Channels without a known
    place are equal.
    """
    if len(names) > 2 and "FL" in names and "FR" in names:
        parts = [_SHARES.get(name, _SURROUND_SHARE) for name in names]
        return [part / sum(parts) for part in parts]
    return [1 / len(names)] * len(names)


class Voice:
    """Tracker of the steady noise of one channel and of the voice above it. ``add`` the energy of each block."""

    def __init__(self) -> None:
        self.minima = [_LOUDEST] * SLOTS
        self.noise = _SILENCE
        self.excess = 0.0
        """Energy of the last block above the noise; 0 or less when there was nothing but noise."""
        self.energy = 0.0
        """Mean energy of what was above the noise lately."""
        self.rises = False
        """Whether the last block was more than noise."""
        self.blocks_left = float(_STEADY_BLOCKS)
        """Blocks without more than noise after which the channel counts as steady."""

    def add(self, energy: float, slot: int, is_first: bool) -> None:
        """Add a block. ``slot``: the half second that it belongs to, of ``SLOTS``, and whether it is its first one."""
        minima = self.minima
        if is_first or energy < minima[slot]:
            minima[slot] = energy
            self.noise = max(_SILENCE, min(minima))
        excess = self.excess = energy - _RISES * self.noise
        self.rises = excess > 0
        if self.rises:
            self.blocks_left = _PAUSE_BLOCKS
            self.energy += _SMOOTHING * (excess - self.energy)
        else:
            self.blocks_left = max(0.0, self.blocks_left - 1)
            self.energy -= _SMOOTHING * self.energy

    def state(self) -> list[float]:
        """Return the state for ``restore``."""
        return [*self.minima, self.energy, self.blocks_left]

    def restore(self, state: list[float]) -> None:
        """Continue from another one's ``state``."""
        *self.minima, self.energy, self.blocks_left = state
        self.noise = max(_SILENCE, min(self.minima))


class ChannelMixer:
    """Mixer of one stream of several channels at 16 kHz. ``shares``: of each channel; they add up to 1."""

    def __init__(self, shares: Sequence[float]) -> None:
        self._shares = list(shares)
        self._voices = [Voice() for _ in shares]
        self._mean = Voice()
        self._left_out = [False] * len(shares)
        self._chosen = -1
        self._n_blocks = 0
        self._weights: list[float] = []
        self._rest = np.empty((0, len(shares)), np.float32)

    def feed(self, samples: Floats) -> Floats:
        """Return the mix of all whole blocks so far, float32 [m]; keep the rest. ``samples``: float32 [n, channels]."""
        if len(self._rest):
            samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % BLOCK_SAMPLES
        self._rest = samples[whole:]
        return self._mixed(samples[:whole])

    def flush(self) -> Floats:
        """Return the mix of what is left; the next block begins with the next sample."""
        rest, self._rest = self._rest, self._rest[:0]
        padded = np.zeros((BLOCK_SAMPLES, rest.shape[1]), np.float32)
        padded[: len(rest)] = rest
        return self._mixed(padded)[: len(rest)] if len(rest) else rest[:, 0]

    def state(self) -> list[float]:
        """Return the state after the blocks so far; what is held back is not part of it."""
        voices = [value for voice in (*self._voices, self._mean) for value in voice.state()]
        return [*voices, *map(float, self._left_out), float(self._chosen), float(self._n_blocks), *self._weights]

    def restore(self, state: list[float]) -> None:
        """Continue from another mixer's ``state``; one of another number of channels is ignored."""
        channels = len(self._shares)
        size = len(self._mean.state())
        fixed = size * (channels + 1) + channels + 2
        if len(state) not in (fixed, fixed + channels):
            return
        for index, voice in enumerate((*self._voices, self._mean)):
            voice.restore(state[index * size : (index + 1) * size])
        at = size * (channels + 1)
        self._left_out = [bool(value) for value in state[at : at + channels]]
        self._chosen, self._n_blocks = int(state[at + channels]), int(state[at + channels + 1])
        self._weights = state[fixed:]

    def _mixed(self, samples: Floats) -> Floats:
        if not len(samples):
            return samples[:, 0]
        channels = np.ascontiguousarray(samples.T)
        before = self._weights
        weights = self._decided(channels)
        before = before or weights[0]
        if all(each == before for each in weights):
            return _sum(before, channels)
        steps = np.array([before, *weights], np.float32).T[:, :, None]
        ramp = np.arange(1, BLOCK_SAMPLES + 1, dtype=np.float32) / BLOCK_SAMPLES
        per_sample = steps[:, :-1] + ramp * (steps[:, 1:] - steps[:, :-1])
        mixed: Floats = (channels * per_sample.reshape(channels.shape)).sum(axis=0)
        return mixed

    def _decided(self, channels: Floats) -> list[list[float]]:
        """Return the weights at the end of each block. ``channels``: float32 [channels, samples]."""
        weights: list[list[float]] = []
        used = self._used()
        band = speech_band(channels)
        *energies, of_mean = _energies(band, used)
        for index, of_block in enumerate(zip(*energies, strict=True)):
            slot, is_first = self._n_blocks // SLOT_BLOCKS % SLOTS, self._n_blocks % SLOT_BLOCKS == 0
            self._n_blocks += 1
            for voice, energy in zip(self._voices, of_block, strict=True):
                voice.add(energy, slot, is_first)
            if self._leave_out_noise():
                used = self._used()
                *_, of_mean = _energies(band, used)
            self._mean.add(of_mean[index], slot, is_first)
            self._choose(used)
            self._weights = self._weighted(used)
            weights.append(self._weights)
        return weights

    def _used(self) -> list[float]:
        return [0.0 if out else share for share, out in zip(self._shares, self._left_out, strict=True)]

    def _weighted(self, used: list[float]) -> list[float]:
        if self._chosen >= 0:
            return [float(channel == self._chosen) for channel in range(len(used))]
        total = sum(used)
        return used if not any(self._left_out) else [share / total for share in used]

    def _leave_out_noise(self) -> bool:
        """Return whether that changes which channels are left out."""
        left_out, changes = self._left_out, False
        for channel, voice in enumerate(self._voices):
            if voice.rises:
                changes = changes or left_out[channel]
                left_out[channel] = False
            elif not voice.blocks_left and not left_out[channel] and voice.noise > _SILENCE:
                left_out[channel] = any(
                    other.energy > other.noise and _COVERS * other.energy < voice.noise > _NOISIER * other.noise
                    for other, share, out in zip(self._voices, self._shares, left_out, strict=True)
                    if other is not voice and share and not out
                )
                changes = changes or left_out[channel]
        return changes

    def _choose(self, used: list[float]) -> None:
        unrelated = 0.0
        for voice, share in zip(self._voices, used, strict=True):
            unrelated += share * share * voice.energy
        if unrelated < _SILENCE:
            return
        if self._mean.energy > _ADDS * unrelated:
            self._chosen = -1
        elif self._chosen >= 0 or self._mean.energy < _CANCELS * unrelated:
            voices = [voice.energy if share else 0.0 for voice, share in zip(self._voices, used, strict=True)]
            loudest = max(range(len(voices)), key=voices.__getitem__)
            if self._chosen < 0 or voices[loudest] > _LOUDER * voices[self._chosen]:
                self._chosen = loudest


# Without matrix products, whose rounding depends on the number of samples at once.


def speech_band(channels: Floats) -> Floats:
    """Return the band of speech of whole blocks.

    float32 [channels, samples] at 16 kHz -> [channels + 1, blocks, n] at 8 kHz; the last one is empty.
    """
    # Sums of two neighbours lack what is near 8 kHz, and their differences what is near 0 Hz.
    pairs = (channels[:, 0::2] + channels[:, 1::2]).reshape(len(channels), -1, BLOCK_SAMPLES // 2)
    band = np.empty((len(channels) + 1, pairs.shape[1], BLOCK_SAMPLES // 2 - 1), np.float32)
    np.subtract(pairs[:, :, 1:], pairs[:, :, :-1], out=band[:-1])
    return band


def _energies(band: Floats, used: list[float]) -> list[Any]:
    """Return the energies [channels + 1][blocks] of the channels and their mean, which becomes the last of ``band``."""
    _sum(used, band[:-1], band[-1])
    energies: list[Any] = np.add.reduce(np.square(band), axis=-1).tolist()
    return energies


def _sum(weights: list[float], channels: Floats, out: Floats | None = None) -> Floats:
    total: Floats = np.multiply(channels[0], weights[0], out=out)
    for weight, channel in zip(weights[1:], channels[1:], strict=True):
        if weight:
            total += channel * weight
    return total
