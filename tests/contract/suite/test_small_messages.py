"""Containers in messages as small as clients send them, through all three stages: the finals of bare samples."""

import io
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from redis.asyncio import Redis
from support.gateway_harness import Gateway
from support.live_client import Received, chunked, talk
from support.stub_suite import stub_suite

pytestmark = pytest.mark.contract

EVERY_S = 0.003
"""Between two messages of 20 ms: seven times real time."""


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with stub_suite(redis_client, redis_url, tmp_path) as gateway:
        yield gateway


def sound(*parts: tuple[float, bool]) -> NDArray[np.int16]:
    """Loud and silent parts at 48 kHz."""
    rng = np.random.default_rng(0)
    loudness = np.repeat([8000.0 if loud else 0.0 for _, loud in parts], [round(48000 * s) for s, _ in parts])
    return (rng.uniform(-1, 1, len(loudness)) * loudness).astype(np.int16)


def encoded(
    samples: NDArray[np.int16], container: str, codec: str, rate: int, layout: str = "mono", **options: str
) -> bytes:
    frame = av.AudioFrame.from_ndarray(samples[None, :], "s16", "mono")
    frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate, stream.codec_context.frame_size or 960)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux([packet for packet in stream.encode(None) if packet.size])
    return file.getvalue()


def pages(ogg: bytes) -> list[bytes]:
    return [b"OggS" + page for page in ogg.split(b"OggS")[1:]]


def adts_frames(stream: bytes) -> list[bytes]:
    frames = []
    while stream:
        length = (stream[3] & 3) << 11 | stream[4] << 3 | stream[5] >> 5
        frames.append(stream[:length])
        stream = stream[length:]
    return frames


def in_messages(samples: NDArray[np.int16], how: str) -> list[bytes]:
    match how:
        case "bare samples of 20 ms":
            return chunked(encoded(samples, "s16le", "pcm_s16le", 16000), 640)
        case "wav of 10 ms":
            return chunked(encoded(samples, "wav", "pcm_s16le", 16000), 320)
        case "wav of 20 ms":
            return chunked(encoded(samples, "wav", "pcm_s16le", 16000), 640)
        case "wav of 40 ms":
            return chunked(encoded(samples, "wav", "pcm_s16le", 16000), 1280)
        case "stereo wav of 4096 bytes":
            return chunked(encoded(samples, "wav", "pcm_s16le", 48000, "stereo"), 4096)
        case "a page of ogg":
            return pages(encoded(samples, "ogg", "libopus", 48000, page_duration="20000"))
        case "192 bytes of mp3":
            return chunked(encoded(samples, "mp3", "libmp3lame", 48000), 192)
        case "a frame of adts":
            return adts_frames(encoded(samples, "adts", "aac", 48000))
    raise AssertionError(how)


async def heard(gateway: Gateway, messages: list[bytes], encoding: str, every_s: float = EVERY_S) -> Received:
    return await talk(gateway.stream(f"encoding={encoding}"), messages, every_s=every_s, timeout_s=60)


@pytest.mark.parametrize(
    "how",
    [
        "bare samples of 20 ms",
        "wav of 10 ms",
        "wav of 20 ms",
        "wav of 40 ms",
        "stereo wav of 4096 bytes",
        "a page of ogg",
        "192 bytes of mp3",
        "a frame of adts",
    ],
)
async def test_a_long_utterance_in_small_messages_has_the_finals_of_bare_samples(gateway: Gateway, how: str) -> None:
    messages = in_messages(sound((0.5, False), (27.0, True), (1.2, False), (2.0, True)), how)
    assert len(messages) > 600
    small = await heard(gateway, messages, "pcm_s16le" if how.startswith("bare") else "auto")
    assert [len(final["words"]) for final in small.of("final")] == [28, 2]
    assert [final["start_ms"] for final in small.of("final")] == pytest.approx([300, 28500], abs=100)
    assert small.events[-1]["type"] == "done"
    assert small.events[-1]["duration_ms"] == pytest.approx(30700, abs=100)


def with_junk(wav: bytes, n_bytes: int) -> bytes:
    return wav[:12] + b"JUNK" + n_bytes.to_bytes(4, "little") + bytes(n_bytes) + wav[12:]


def with_picture(flac: bytes, n_bytes: int) -> bytes:
    """A block of pictures after the stream's parameters, of a kind that every decoder skips."""
    parameters_end = 4 + 4 + 34
    padding = (b"\x01" + (1 << 20).to_bytes(3, "big") + bytes(1 << 20)) * (n_bytes >> 20)
    padding += b"\x01" + (n_bytes & 0xFFFFF).to_bytes(3, "big") + bytes(n_bytes & 0xFFFFF)
    return flac[:4] + bytes([flac[4] & 0x7F]) + flac[5:parameters_end] + padding + flac[parameters_end:]


@pytest.mark.parametrize("kind", ["wav", "flac"])
async def test_audio_after_much_that_is_none_is_decoded(gateway: Gateway, kind: str) -> None:
    samples = sound((0.5, False), (3.0, True))
    if kind == "wav":
        data = with_junk(encoded(samples, "wav", "pcm_s16le", 16000), 400_000)
    else:
        data = with_picture(encoded(samples, "flac", "flac", 16000), 400_000)
    result = await heard(gateway, chunked(data, 640), kind, every_s=0.001)
    assert [len(final["words"]) for final in result.of("final")] == [3]


async def test_a_stream_without_audio_ends_with_the_limit(gateway: Gateway) -> None:
    data = with_picture(encoded(sound((3.0, True)), "flac", "flac", 16000), 5 * 1024**2)
    result = await heard(gateway, chunked(data, 20_000), "flac", every_s=0.001)
    assert (result.error_code, result.close_code) == ("bad_audio", 4501)
    assert "4194304 bytes" in result.events[-1]["message"]


async def test_an_mp4_with_its_index_at_the_end_is_bad_audio(gateway: Gateway) -> None:
    data = encoded(sound((20.0, True)), "mp4", "aac", 48000)
    assert data.index(b"moov") > data.index(b"mdat")
    result = await heard(gateway, chunked(data, 300), "aac", every_s=0.001)
    assert (result.error_code, result.close_code) == ("bad_audio", 4501)
