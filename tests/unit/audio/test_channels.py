"""Channels that are kept apart: each is what its own file would be, and a survey says which differ."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.encoders import encoded_channels
from support.live_decoding import in_pieces, joined, run
from support.two_talkers import RATE, one, other

from stt_audio.codecs.channel_survey import ChannelSurvey
from stt_audio.codecs.channels import Mixed, Separate
from stt_audio.codecs.levels import FileLevel
from stt_audio.files.decoder import FRAME_SAMPLES, FileDecoder
from stt_audio.live.decoder import live_decoder
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import ChannelMode, Encoding, SessionConfig

pytestmark = pytest.mark.unit

LONG = 10**9
Audio = NDArray[np.float32]


def recording(*channels: Audio, container: str = "wav", codec: str = "pcm_s16le") -> bytes:
    layout = {1: "mono", 2: "stereo", 3: "3.0"}[len(channels)]
    return encoded_channels(np.stack(channels, 1), container, codec, layout)


def decoded(path: Path, mode: ChannelMode) -> tuple[tuple[int, ...], NDArray[np.int16]]:
    """The channels, and int16 [n, channels]."""
    with FileDecoder(path, LONG, channel_mode=mode) as decoder:
        frames = list(iter(decoder.read, b""))
        assert {len(frame) for frame in frames[:-1]} == {2 * FRAME_SAMPLES * max(1, len(decoder.channels))}
        return decoder.channels, np.frombuffer(b"".join(frames), np.int16).reshape(-1, len(decoder.channels) or 1)


def file_of(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


class TestSeparate:
    @pytest.mark.parametrize("level", [1.0, 0.005], ids=["normal", "quiet"])
    def test_each_channel_is_what_its_own_file_is(self, tmp_path: Path, level: float) -> None:
        voices = (one(), level * other())
        numbers, apart = decoded(file_of(tmp_path, recording(*voices)), ChannelMode.SEPARATE)
        assert numbers == (0, 1)
        for number, voice in enumerate(voices):
            _, alone = decoded(file_of(tmp_path, recording(voice)), ChannelMode.MIX)
            assert np.array_equal(apart[:, number], alone[:, 0])

    @pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("ogg", "libopus"), ("flac", "flac")])
    def test_in_compressed_files_too(self, tmp_path: Path, container: str, codec: str) -> None:
        voices = (one(), other())
        numbers, apart = decoded(
            file_of(tmp_path, recording(*voices, container=container, codec=codec)), ChannelMode.SEPARATE
        )
        assert numbers == (0, 1)
        for number, voice in enumerate(voices):
            likeness = [envelope_likeness(apart[:, number], each) for each in voices]
            assert likeness[number] > 0.95 > 0.8 > likeness[1 - number], voice.shape

    def test_one_channel_is_channel_0(self, tmp_path: Path) -> None:
        numbers, samples = decoded(file_of(tmp_path, recording(one())), ChannelMode.SEPARATE)
        assert (numbers, samples.shape[1]) == ((0,), 1)

    def test_a_level_that_is_held_back_does_not_shift_a_channel(self) -> None:
        silent, voice = np.zeros(40 * RATE, np.float32), np.tile(one(), 5)
        output = Separate((0, 1), 2, FileLevel)
        pcm = b"".join(output.feed(part) for part in np.split(np.stack([silent, voice], 1), 40)) + output.flush()
        apart = np.frombuffer(pcm, np.int16).reshape(-1, 2)
        assert len(apart) == 40 * RATE
        assert not apart[:, 0].any()
        assert np.abs(apart[:, 1] / 32768 - voice).max() < 1e-4

    def test_a_stretch_of_fewer_or_more_channels_loses_nobody(self) -> None:
        output = Separate((0, 1), 2)
        mono = output.feed(np.full((2, 1), 0.5, np.float32))
        three = output.feed(np.array([[0.25, 0.5, 0.0]], np.float32))
        assert np.frombuffer(mono, np.int16).tolist() == [16384, 0, 16384, 0]
        assert np.frombuffer(three, np.int16).tolist() == [8192, 8192]

    def test_its_state_is_what_another_one_continues_from(self) -> None:
        loud = np.array([[0.5, 2.0]], np.float32)
        first, second = Separate((0, 1), 2), Separate((0, 1), 2)
        first.feed(loud)
        second.samples = first.samples
        second.restore(first.state)
        following = np.full((4, 2), 0.5, np.float32)
        assert second.feed(following) == first.feed(following) != Separate((0, 1), 2).feed(following)


HUM = (0.3 * np.sin(2 * np.pi * 200 * np.arange(len(one())) / RATE)).astype(np.float32)
CASES = {
    "two talkers": ((one(), other()), (0, 1)),
    "equal": ((one(), one()), ()),
    "one softer": ((one(), 0.3 * one()), ()),
    "opposite phase": ((one(), -0.9 * one()), ()),
    "right is silent": ((one(), 0 * one()), (0,)),
    "left is silent": ((0 * one(), one()), (1,)),
    "left is hum": ((HUM, one()), (1,)),
    "two talkers and a copy": ((one(), one(), other()), (0, 2)),
    "silence": ((0 * one(), 0 * one()), ()),
    "a room on two microphones": ((one() + 0.4 * other(), 0.4 * one() + other()), ()),
    "a quiet caller": ((one(), 0.03 * other()), (0, 1)),
}


class TestAuto:
    @pytest.mark.parametrize("name", CASES)
    def test_channels_with_something_of_their_own_are_heard_apart(self, tmp_path: Path, name: str) -> None:
        voices, expected = CASES[name]
        numbers, samples = decoded(file_of(tmp_path, recording(*voices)), ChannelMode.AUTO)
        assert numbers == expected
        _, mixed = decoded(file_of(tmp_path, recording(*voices)), ChannelMode.MIX)
        assert len(samples) == len(mixed)
        if not numbers:
            assert np.array_equal(samples, mixed)

    def test_one_channel_is_not_numbered(self, tmp_path: Path) -> None:
        assert decoded(file_of(tmp_path, recording(one())), ChannelMode.AUTO)[0] == ()

    @pytest.mark.parametrize("bit_rate_codec", [("mp3", "libmp3lame"), ("ogg", "libopus")], ids=lambda pair: pair[0])
    def test_what_a_codec_makes_of_equal_channels_is_equal(
        self, tmp_path: Path, bit_rate_codec: tuple[str, str]
    ) -> None:
        container, codec = bit_rate_codec
        data = recording(one(), one(), container=container, codec=codec)
        assert decoded(file_of(tmp_path, data), ChannelMode.AUTO)[0] == ()

    def test_a_channel_on_which_somebody_speaks_once_is_found(self, tmp_path: Path) -> None:
        late = np.zeros(60 * RATE, np.float32)
        late[50 * RATE : 53 * RATE] = other()[-3 * RATE :]
        early = np.zeros(60 * RATE, np.float32)
        early[: 8 * RATE] = one()
        assert decoded(file_of(tmp_path, recording(early, late)), ChannelMode.AUTO)[0] == (0, 1)

    def test_the_survey_does_not_depend_on_how_the_audio_is_divided(self) -> None:
        samples = np.stack([one(), other()], 1)
        surveys = []
        for step in (333, 4096, len(samples)):
            survey = ChannelSurvey(2)
            for at in range(0, len(samples), step):
                survey.feed(samples[at : at + step])
            surveys.append((survey._alone, survey._heard, survey.is_certain))
        assert surveys[0] == surveys[1] == surveys[2]
        assert surveys[0][2]


def test_the_mix_is_what_it_was_without_an_output() -> None:
    mixed = Mixed()
    mixed.begin(["FL", "FR"])
    stereo = np.stack([one(), one()], 1)
    pcm = mixed.feed(stereo) + mixed.flush()
    assert np.abs(np.frombuffer(pcm, np.int16) / 32768 - one()).max() < 1e-4


def envelope_likeness(samples: NDArray[np.int16], voice: Audio) -> float:
    """Correlation of the loudness over time, which codecs keep."""
    n_blocks = min(len(samples), len(voice)) // 320
    ours, theirs = (
        np.abs(each[: n_blocks * 320].astype(float)).reshape(-1, 320).mean(axis=1) for each in (samples, voice)
    )
    lags = [np.corrcoef(np.roll(ours, -lag), theirs)[0, 1] for lag in range(8)]
    return float(max(lags))


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def int16(audio: Audio) -> NDArray[np.int16]:
    return (audio * 32767).astype("<i2")


class TestLive:
    """The decoder of a live stream."""

    @pytest.mark.parametrize("rate", [16000, 44100])
    async def test_each_channel_is_what_it_is_alone(self, rate: int, executor: ThreadPoolExecutor) -> None:
        voices = [int16(one()), int16(other()), int16(np.zeros_like(one()))]
        config = SessionConfig(sample_rate=rate, channels=3, channel_mode=ChannelMode.SEPARATE)
        pieces = in_pieces(np.stack(voices, 1).tobytes(), 30)
        apart = (await run(config, pieces, executor, lost_every=4)).samples.reshape(-1, 3)
        for number, voice in enumerate(voices):
            alone = await run(SessionConfig(sample_rate=rate), [voice.tobytes()], executor)
            # Of one channel the resampler rounds to 16 bits itself.
            assert np.abs(apart[:, number] - alone.samples).max() <= (0 if rate == 16000 else 1)

    @pytest.mark.parametrize(("container", "codec"), [("ogg", "libopus"), ("flac", "flac"), ("wav", "pcm_s16le")])
    async def test_in_containers_too_whoever_decodes_them(
        self, container: str, codec: str, executor: ThreadPoolExecutor
    ) -> None:
        voices = (one(), other())
        config = SessionConfig(encoding=Encoding.AUTO, channels=2, channel_mode=ChannelMode.SEPARATE)
        pieces = in_pieces(recording(*voices, container=container, codec=codec), 30)
        alone = await run(config, pieces, executor)
        apart = alone.samples.reshape(-1, 2)
        for number in (0, 1):
            likeness = [envelope_likeness(apart[:, number], each) for each in voices]
            assert likeness[number] > 0.95 > 0.8 > likeness[1 - number]
        with_losses = await run(config, pieces, executor, lost_every=3)
        assert np.array_equal(with_losses.samples, alone.samples)

    async def test_recordings_of_fewer_channels_are_heard_on_the_first_ones(self, executor: ThreadPoolExecutor) -> None:
        config = SessionConfig(encoding=Encoding.WAV, channels=2, channel_mode=ChannelMode.SEPARATE)
        files = [recording(one()), recording(one(), other())]
        apart = (await run(config, files, executor, lost_every=1)).samples.reshape(-1, 2)
        n_samples = len(one())
        assert np.array_equal(apart[:n_samples, 0], apart[n_samples:, 0])
        assert not apart[:n_samples, 1].any()
        assert apart[n_samples:, 1].any()

    async def test_the_limit_of_the_length_is_that_of_each_channel(self, executor: ThreadPoolExecutor) -> None:
        config = SessionConfig(channels=2, channel_mode=ChannelMode.SEPARATE)
        decoder = live_decoder(config, executor, RATE)
        assert len(await joined(decoder.feed(bytes(4 * RATE)))) == 4 * RATE
        with pytest.raises(SttError, match="longer than the 1 s"):
            await joined(decoder.feed(bytes(8)))
