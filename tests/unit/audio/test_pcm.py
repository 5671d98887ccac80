"""Bare samples: every format, rate and number of channels comes out as the same sound, wherever a piece is cut."""

import io

import av
import numpy as np
import pytest

from stt_audio.codecs.pcm import PcmDecoder, SampleFormat
from stt_audio.codecs.resample import Resampler
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


def sine(sample_rate: int, duration_s: float = 1.0, level: float = 0.4) -> np.ndarray:
    moments = np.arange(int(sample_rate * duration_s)) / sample_rate
    return level * np.sin(2 * np.pi * 440 * moments)


def s16(samples: np.ndarray) -> np.ndarray:
    return np.rint(samples * 32767).astype("<i2")


def decode(decoder: PcmDecoder, data: bytes, step: int | None = None) -> np.ndarray:
    step = step or len(data)
    pcm = b"".join(decoder.feed(data[start : start + step]) for start in range(0, len(data), step))
    return np.frombuffer(pcm + decoder.flush(), dtype="<i2")


def by_ffmpeg(codec: str, data: bytes) -> np.ndarray:
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as container:
        stream = container.add_stream(codec, rate=8000, layout="mono")
        packet = av.Packet(data)
        packet.stream, packet.pts, packet.dts = stream, 0, 0
        container.mux(packet)
    file.seek(0)
    with av.open(file) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


@pytest.mark.parametrize(
    ("sample_format", "codec"), [(SampleFormat.MULAW, "pcm_mulaw"), (SampleFormat.ALAW, "pcm_alaw")]
)
def test_companded_samples_decode_as_in_ffmpeg(sample_format: SampleFormat, codec: str) -> None:
    every_code = bytes(range(256))
    assert decode(PcmDecoder(sample_format, 16000, 1), every_code).tolist() == by_ffmpeg(codec, every_code).tolist()


@pytest.mark.parametrize(
    "sample_rate", [4000, 7350, 8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000, 192000, 384000]
)
def test_any_rate_gives_the_same_sine_at_16_khz(sample_rate: int) -> None:
    decoded = decode(PcmDecoder(SampleFormat.S16LE, sample_rate, 1), s16(sine(sample_rate)).tobytes())
    assert abs(len(decoded) - 16000) <= 1
    inner = slice(800, 15200)  # the filter swings in and out at the ends
    error = decoded[inner] - s16(sine(16000))[inner].astype(float)
    assert np.abs(error).max() < 60  # of an amplitude of 13,000


@pytest.mark.parametrize("sample_rate", [8000, 16000, 24000, 44100, 48000])
@pytest.mark.parametrize(
    ("sample_format", "channels"),
    [(SampleFormat.S16LE, 1), (SampleFormat.S16LE, 3), (SampleFormat.F32LE, 2), (SampleFormat.S24LE, 2)],
)
def test_cuts_within_samples_change_nothing(sample_format: SampleFormat, sample_rate: int, channels: int) -> None:
    n_bytes = sample_format.bytes_per_sample * channels * sample_rate // 2
    data = np.random.default_rng(1).integers(0, 100, n_bytes, dtype=np.uint8).tobytes()
    whole = decode(PcmDecoder(sample_format, sample_rate, channels), data)
    cut = decode(PcmDecoder(sample_format, sample_rate, channels), data, step=1237)
    assert np.array_equal(whole, cut)


def test_what_is_right_already_passes_unchanged() -> None:
    decoder = PcmDecoder(SampleFormat.S16LE, 16000, 1)
    assert decoder.is_identity
    assert decoder.feed(b"\x01\x02\x03") == b"\x01\x02"
    assert decoder.feed(b"\x04") == b"\x03\x04"
    assert decoder.flush() == b""


@pytest.mark.parametrize(
    ("sample_format", "data"),
    [
        (SampleFormat.U8, np.array([0, 128, 192], np.uint8)),
        (SampleFormat.S24LE, np.array([0, 0, 0x80, 0, 0, 0, 0, 0, 0x40], np.uint8)),
        (SampleFormat.S32LE, np.array([-(2**31), 0, 2**30], "<i4")),
        (SampleFormat.F32LE, np.array([-1.0, 0.0, 0.5], "<f4")),
        (SampleFormat.F64LE, np.array([-1.0, 0.0, 0.5], "<f8")),
    ],
)
def test_full_scale_is_full_scale(sample_format: SampleFormat, data: np.ndarray) -> None:
    assert sorted(decode(PcmDecoder(sample_format, 16000, 1), data.tobytes()).tolist()) == [-32768, 0, 16384]


@pytest.mark.parametrize("sample_format", [SampleFormat.F32LE, SampleFormat.F64LE])
def test_broken_floats_become_silence_and_loud_ones_are_scaled(sample_format: SampleFormat) -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 3e38, 8.0, -4.0])
    data = samples.astype("<f4" if sample_format is SampleFormat.F32LE else "<f8").tobytes()
    decoded = decode(PcmDecoder(sample_format, 16000, 1), data)
    assert decoded.tolist() == [0, 0, 0, 0, 32767, -16384]


@pytest.mark.parametrize("sample_format", [SampleFormat.S24LE, SampleFormat.S32LE])
def test_wide_samples_are_rounded_to_16_bits(sample_format: SampleFormat) -> None:
    values = np.array([0x7FFFFF00, 0x0001_8000, -0x0001_9000, 0x0000_7000], "<i4")
    data = (
        values.tobytes()
        if sample_format is SampleFormat.S32LE
        else values.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    )
    assert decode(PcmDecoder(sample_format, 16000, 1), data).tolist() == [32767, 2, -2, 0]


def test_channels_are_averaged() -> None:
    stereo = np.array([[1000, 3000], [32767, 32767], [-5, 5]], "<i2")
    assert decode(PcmDecoder(SampleFormat.S16LE, 16000, 2), stereo.tobytes()).tolist() == [2000, 32767, 0]


def test_the_stream_goes_on_after_a_flush() -> None:
    decoder = PcmDecoder(SampleFormat.S16LE, 48000, 1)
    data = s16(sine(48000)).tobytes()
    first = decode(decoder, data)
    second = decode(decoder, data)
    assert np.array_equal(first, second)


@pytest.mark.parametrize(("sample_rate", "channels"), [(3999, 1), (384_001, 1), (0, 1), (16000, 0), (16000, 9)])
def test_what_is_out_of_bounds_is_refused(sample_rate: int, channels: int) -> None:
    with pytest.raises(SttError, match="allowed are") as refused:
        PcmDecoder(SampleFormat.S16LE, sample_rate, channels)
    assert refused.value.code == "unsupported_media"


def test_a_stream_may_change_its_rate_and_channels_midway() -> None:
    resampler = Resampler()
    pcm = b""
    for sample_rate, layout, channels in ((24000, "mono", 1), (48000, "stereo", 2), (44100, "stereo", 2)):
        samples = np.repeat(s16(sine(sample_rate)), channels).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
        frame.sample_rate = sample_rate
        pcm += resampler.feed(frame)
    pcm += resampler.flush()
    decoded = np.frombuffer(pcm, "<i2")
    assert abs(len(decoded) - 48000) <= 3
    assert np.abs(decoded[8000:40000]).max() == pytest.approx(13107, rel=0.05)
