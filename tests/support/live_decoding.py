"""Streams to decode live, and a decoder that is dropped in mid-stream and replaced by another one."""

import io
import itertools
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import av
import numpy as np
from msgspec.structs import replace

from stt_audio.live.decoder import live_decoder
from stt_shared.contracts.session import SessionConfig

LONG = 10**9
MONO, STEREO = "mono", "stereo"
LIVE_WEBM = {"live": "1", "cluster_time_limit": "30000", "cluster_size_limit": "100000000"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}


def voice(duration_s: float, rate: int = 48000, seed: int = 0) -> np.ndarray:
    """float32 [n]: a gliding hum with hiss and silences, so that no stretch is like another."""
    moments = np.arange(int(rate * duration_s)) / rate
    hiss = np.random.default_rng(seed).normal(0, 0.03, len(moments))
    pitch = 120 + 40 * np.sin(2 * np.pi * 0.7 * moments)
    hum = sum(np.sin(2 * np.pi * n * np.cumsum(pitch) / rate) / n for n in range(1, 9)) * 0.15
    loud = np.clip(np.sin(2 * np.pi * 0.9 * moments) + 0.6, 0, 1)
    return ((hum + hiss) * loud).astype(np.float32)


def stream(
    container: str,
    codec: str,
    rate: int = 48000,
    layout: str = MONO,
    duration_s: float = 8.0,
    *,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    bit_rate: int | None = None,
) -> bytes:
    file = io.BytesIO()
    frame = av.AudioFrame.from_ndarray((voice(duration_s) * 32767).astype(np.int16)[None, :], "s16", MONO)
    frame.sample_rate = 48000
    with av.open(file, "w", format=container, options=options or {}) as output:
        added = output.add_stream(codec, rate=rate, layout=layout, options=codec_options or {})
        if bit_rate:
            added.codec_context.bit_rate = bit_rate
        resampler = av.AudioResampler(added.codec_context.format, layout, rate, added.codec_context.frame_size or 960)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(added.encode(piece))
        output.mux([packet for packet in added.encode(None) if packet.size])
    return file.getvalue()


@dataclass
class Run:
    """What came out, and how many bytes each successor was fed again."""

    samples: np.ndarray
    fed_again: list[int]


async def joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def run(
    config: SessionConfig,
    pieces: list[bytes],
    executor: ThreadPoolExecutor,
    *,
    lost_every: int = 0,
    flushed_after: int = -1,
) -> Run:
    """Decodes ``pieces``; after every ``lost_every``-th the decoder is dropped and a successor taken."""
    data, begins = b"".join(pieces), [0, *itertools.accumulate(map(len, pieces))]
    pcm, fed_again, base = [], [], 0
    decoder = live_decoder(config, executor, LONG)
    for index, piece in enumerate(pieces):
        pcm.append(await joined(decoder.feed(piece)))
        if index == flushed_after:
            pcm.append(await joined(decoder.flush()))
        if lost_every and index % lost_every == lost_every - 1:
            checkpoint = decoder.checkpoint()
            await decoder.close()
            assert checkpoint is not None
            base += checkpoint.point.offset
            fed_again.append(begins[index + 1] - base)
            begin = replace(checkpoint, point=replace(checkpoint.point, offset=0))
            decoder = live_decoder(config, executor, LONG, begin)
            for earlier in range(index + 1):
                if begins[earlier + 1] > base:
                    again = data[max(base, begins[earlier]) : begins[earlier + 1]]
                    assert await joined(decoder.feed(again)) == b""
            decoder.resume()
    pcm.append(await joined(decoder.finish()))
    await decoder.close()
    return Run(np.frombuffer(b"".join(pcm), "<i2").astype(int), fed_again)


def in_pieces(data: bytes, n: int) -> list[bytes]:
    size = len(data) // n | 1  # odd: pieces end within samples and frames
    return [data[start : start + size] for start in range(0, len(data), size)]
