"""Real speech in the formats that clients send, made with FFmpeg's own encoders."""

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray


def resampled(samples: NDArray[np.float32], rate: int, layout: str = "mono") -> NDArray[np.int16]:
    """float32 [n] at 16 kHz -> int16 [n'] or interleaved [n' * channels] at another rate."""
    resampler = av.AudioResampler("s16", layout, rate)
    frames = [*resampler.resample(_frame(samples)), *resampler.resample(None)]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def encoded(
    samples: NDArray[np.float32],
    container: str,
    codec: str,
    rate: int = 48000,
    layout: str = "mono",
    *,
    bit_rate: int = 0,
    options: dict[str, str] | None = None,
) -> bytes:
    """float32 [n] at 16 kHz -> a whole file, e.g. ``("webm", "libopus")`` or ``("mp4", "aac")``."""
    buffer = io.BytesIO()
    defaults = {"cluster_time_limit": "250"} if container == "webm" else {}
    with av.open(buffer, "w", format=container, options={**defaults, **(options or {})}) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        if bit_rate:
            stream.codec_context.bit_rate = bit_rate
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate, stream.codec_context.frame_size or 960)
        for frame in [*resampler.resample(_frame(samples)), *resampler.resample(None)]:
            output.mux(stream.encode(frame))
        output.mux([packet for packet in stream.encode(None) if packet.size])
    return buffer.getvalue()


def encoded_channels(channels: NDArray[np.float32], container: str, codec: str, layout: str) -> bytes:
    """float32 [n, channels] at 16 kHz -> a whole file of that rate."""
    whole = np.ascontiguousarray((channels * 32767).astype(np.int16).reshape(1, -1))
    frame = av.AudioFrame.from_ndarray(whole, "s16", layout)
    frame.sample_rate = 16000
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=16000, layout=layout)
        size = stream.codec_context.frame_size or 960
        resampler = av.AudioResampler(stream.codec_context.format, layout, 16000, size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux([packet for packet in stream.encode(None) if packet.size])
    return buffer.getvalue()


def damaged_mp4(duration_s: float) -> bytes:
    """Noise as AAC in MP4, whose second half cannot be decoded."""
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, int(16000 * duration_s)).astype(np.float32)
    data = encoded(noise, "mp4", "aac")
    begin, end = len(data) // 2, len(data) * 9 // 10
    return data[:begin] + bytes(end - begin) + data[end:]


def stamped(
    container: str,
    codec: str,
    pieces: Sequence[tuple[float, NDArray[np.float32]]],
    *,
    video_s: float = 0.0,
    shift_s: float = 0.0,
    rate: int = 48000,
    **options: str,
) -> bytes:
    """A file whose ``pieces`` (start in seconds, float32 [n] at 16 kHz) have gaps between them.

    ``video_s``: length of a video from 0 on. ``shift_s`` is added to all time stamps.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options) as output:
        packets = [] if not video_s else _video(output, video_s, shift_s)
        stream = output.add_stream(codec, rate=rate, layout="mono")
        length = stream.codec_context.frame_size or 960
        for start_s, samples in pieces:
            at = round((start_s + shift_s) * rate)
            resampler = av.AudioResampler(stream.codec_context.format, "mono", rate, length)
            for frame in [*resampler.resample(_frame(samples)), *resampler.resample(None)]:
                if stream.codec_context.frame_size and frame.samples < length:
                    continue  # only the last frame of a stream may be short
                frame.pts, frame.time_base = at, Fraction(1, rate)
                at += frame.samples
                packets += stream.encode(frame)
        packets += [packet for packet in stream.encode(None) if packet.size]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    return buffer.getvalue()


def _video(output: av.container.OutputContainer, length_s: float, shift_s: float) -> list[av.Packet]:
    stream = output.add_stream("mpeg4", rate=5)
    stream.width = stream.height = 64
    packets = []
    for number in range(round(5 * length_s)):
        frame = av.VideoFrame(64, 64, "yuv420p")
        frame.pts, frame.time_base = number + round(5 * shift_s), Fraction(1, 5)
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]


def mulaw(samples: NDArray[np.float32], rate: int = 8000) -> bytes:
    """Bare mu-law bytes, as a telephone line gives them."""
    codec = av.CodecContext.create("pcm_mulaw", "w")
    codec.sample_rate, codec.layout, codec.format = rate, "mono", "s16"
    codec.time_base = Fraction(1, rate)
    frame = av.AudioFrame.from_ndarray(resampled(samples, rate)[None, :], "s16", "mono")
    frame.sample_rate = rate
    return b"".join(bytes(packet) for part in (frame, None) for packet in codec.encode(part))


def _frame(samples: NDArray[np.float32]) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None, :], "s16", "mono")
    frame.sample_rate = 16000
    return frame
