"""Mixing: whoever speaks is heard, on whichever channel, and nobody is lost."""

import numpy as np
import pytest

from stt_audio.codecs.mixing import BLOCK_SAMPLES, ChannelMixer, shares

pytestmark = pytest.mark.unit

RATE = 16000
N_SAMPLES = 6 * RATE


def speech(seed: int = 0, pitch: float = 130.0) -> np.ndarray:
    """Syllables of a buzzing voice with its overtones: four a second, after half a second without any."""
    moments = np.arange(N_SAMPLES) / RATE
    draw = np.random.default_rng(seed)
    buzz = sum(np.sin(2 * np.pi * n * pitch * moments + draw.uniform(0, 6)) / n**0.5 for n in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 4 * moments + draw.uniform(0, 6)), 0, 1) ** 2
    return 0.02 * buzz * syllables * (moments > 0.5) + draw.normal(0, 1e-4, N_SAMPLES)


def hum(level: float = 0.6) -> np.ndarray:
    return level * np.sin(2 * np.pi * 200 * np.arange(N_SAMPLES) / RATE)


def hiss(level: float = 0.1, seed: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, N_SAMPLES)


def mixed(*channels: np.ndarray, step: int = N_SAMPLES) -> np.ndarray:
    samples = np.stack(channels, 1).astype(np.float32)
    mixer = ChannelMixer(shares(["NONE"] * len(channels)))
    pieces = [mixer.feed(samples[start : start + step]) for start in range(0, N_SAMPLES, step)]
    return np.concatenate([*pieces, mixer.flush()])


def loss_db(mix: np.ndarray, voice: np.ndarray, *, from_s: float = 1.0) -> float:
    """Level of what is not ``voice`` in the mix, compared with the voice in it."""
    after = slice(int(from_s * RATE), None)
    mix, voice = mix[after].astype(float), voice[after]
    gain = mix @ voice / (voice @ voice)
    rest = mix - gain * voice
    return float(10 * np.log10(max(rest @ rest, 1e-20) / max(gain**2 * (voice @ voice), 1e-20)))


@pytest.mark.parametrize("ratio", [-1.0, -0.9, -0.7, -1.4])
def test_opposite_phase_is_heard_as_the_louder_channel(ratio: float) -> None:
    voice = speech()
    mix = mixed(voice, ratio * voice)
    louder = voice if abs(ratio) <= 1 else ratio * voice
    assert np.abs(mix[RATE:] - louder[RATE:]).max() < 1e-4


def test_opposite_phase_among_other_channels() -> None:
    voice = speech()
    assert loss_db(mixed(0 * voice, voice, -voice, 0 * voice), voice) < -40


@pytest.mark.parametrize("noise", [hum(), hum(0.2), hiss(), hiss(0.02)], ids=["hum", "soft hum", "hiss", "soft hiss"])
@pytest.mark.parametrize("first", [True, False])
def test_steady_noise_on_another_channel_is_left_out(noise: np.ndarray, first: bool) -> None:
    voice = speech()
    mix = mixed(voice, noise) if first else mixed(noise, voice)
    assert loss_db(mix, voice, from_s=1.5) < -40


def test_noise_that_begins_later_is_left_out() -> None:
    voice, noise = speech(), hum()
    noise[:RATE] = 0
    assert loss_db(mixed(voice, noise)[-RATE:], voice[-RATE:], from_s=0) < -40


def test_two_talkers_are_both_heard() -> None:
    one, other = speech(1), speech(2, pitch=190)
    assert np.allclose(mixed(one, other), (one + other) / 2, atol=1e-6)


def test_a_talker_who_begins_on_the_noisy_channel_is_heard() -> None:
    one, other = speech(1), speech(2, pitch=190)
    one[3 * RATE :] *= 1e-3
    other[: 3 * RATE] = 0
    noisy = other + hiss(0.005)
    late = slice(3 * RATE, None)
    assert loss_db(mixed(one, noisy)[late], noisy[late], from_s=0) < -10


def test_a_silent_channel_and_equal_channels_change_nothing() -> None:
    voice = speech()
    assert np.allclose(mixed(voice, 0 * voice), voice / 2, atol=1e-6)
    assert np.array_equal(mixed(voice, voice), voice.astype(np.float32))


def test_noise_that_the_channels_cancel_stays_cancelled() -> None:
    voice = speech()
    assert loss_db(mixed(voice + hum(), voice - hum()), voice, from_s=0) < -60


def test_a_room_on_two_microphones_is_their_mean() -> None:
    voice = speech()
    left, right = voice + hiss(0.003, seed=1), 0.8 * voice + hiss(0.003, seed=2)
    assert np.allclose(mixed(left, right), (left + right) / 2, atol=1e-6)


def test_changes_are_not_clicks() -> None:
    voice = speech()
    low = np.sin(2 * np.pi * 20 * np.arange(N_SAMPLES) / RATE)
    mix = mixed(voice, hum()) + mixed(voice + 0.1 * low, -voice)
    steps = np.abs(np.diff(mix))
    assert steps.max() < 0.6 * 2 * np.pi * 200 / RATE + np.abs(np.diff(voice)).max() * 2


@pytest.mark.parametrize("step", [1, 37, BLOCK_SAMPLES, 1600])
def test_the_division_of_the_audio_changes_nothing(step: int) -> None:
    length = N_SAMPLES if step > 1 else 2 * RATE
    voice, noise = speech(), hiss()
    samples = np.stack([voice, noise], 1).astype(np.float32)[:length]
    mixer, pieces = ChannelMixer([0.5, 0.5]), []
    for start in range(0, length, step):
        pieces.append(mixer.feed(samples[start : start + step]))
    whole = ChannelMixer([0.5, 0.5])
    assert np.array_equal(
        np.concatenate([*pieces, mixer.flush()]), np.concatenate([whole.feed(samples), whole.flush()])
    )


def test_another_mixer_continues_from_the_state() -> None:
    samples = np.stack([speech(), hum()], 1).astype(np.float32)
    whole = ChannelMixer([0.5, 0.5]).feed(samples)
    for blocks in (1, 20, 51, 110):
        cut = blocks * BLOCK_SAMPLES
        first, second = ChannelMixer([0.5, 0.5]), ChannelMixer([0.5, 0.5])
        begin = first.feed(samples[:cut])
        second.restore(first.state())
        assert np.array_equal(np.concatenate([begin, second.feed(samples[cut:])]), whole)


def test_the_state_of_another_number_of_channels_is_ignored() -> None:
    three = ChannelMixer([1 / 3] * 3)
    three.feed(np.ones((BLOCK_SAMPLES, 3), np.float32))
    mixer = ChannelMixer([0.5, 0.5])
    mixer.restore(three.state())
    assert mixer.state() == ChannelMixer([0.5, 0.5]).state()


def test_the_centre_of_a_film_is_the_strongest_and_its_bass_is_left_out() -> None:
    names = ["FL", "FR", "FC", "LFE", "BL", "BR"]
    parts = dict(zip(names, shares(names), strict=True))
    assert sum(parts.values()) == pytest.approx(1)
    assert parts["FC"] > parts["FL"] > parts["BL"] > parts["LFE"] == 0
    assert shares(["FL", "FR"]) == [0.5, 0.5]
    assert shares(["NONE"] * 4) == [0.25] * 4
