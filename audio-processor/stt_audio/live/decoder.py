"""Decoders of live sessions: bare samples, or a container that is recognised by its first bytes."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Protocol

from stt_audio.codecs.container import ContainerDecoder
from stt_audio.codecs.formats import LIVE_MEDIA, LIVE_NAMES, Media
from stt_audio.codecs.pcm import PcmDecoder, SampleFormat
from stt_audio.codecs.refused import refusal
from stt_audio.codecs.restart_points import Checkpoint, Point, RestartPoints
from stt_audio.codecs.sniff import HEAD_BYTES, sniff
from stt_audio.codecs.wav import WavHeader, parse_wav_header, wav_header
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import AUDIO_RATE_HZ, Encoding, SessionConfig

_NOTHING: tuple[bytes, ...] = ()


class LiveDecoder(Protocol):
    """Decoder of compressed or bare audio to 16 kHz mono s16le.

    Read ``feed``, ``flush`` and ``finish`` to their end, one after the other. Each raises SttError when the audio
    cannot be decoded, after yielding everything that could be.
    """

    def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Add ``data`` and yield all audio that can be decoded with it."""
        ...

    def flush(self) -> AsyncIterator[bytes]:
        """Yield the audio that is held back, as far as that is possible without ending the stream."""
        ...

    def finish(self) -> AsyncIterator[bytes]:
        """End the stream and yield the remaining audio."""
        ...

    async def close(self) -> None:
        """Free threads; audio that was not read is lost."""
        ...

    def checkpoint(self) -> Checkpoint | None:
        """Return the point from which the next owner's decoder can reach this one's state; None when there is none."""
        ...

    def resume(self) -> None:
        """Begin to yield audio, without any that the previous owner's decoder has yielded.

        For a decoder that began at a checkpoint, once it was fed everything that the other one had been fed.
        """
        ...


def live_decoder(
    config: SessionConfig, executor: Executor, max_samples: int, begin: Checkpoint | None = None
) -> LiveDecoder:
    """Return the decoder for the announced encoding, from the beginning of the stream or from checkpoint ``begin``.

    Raises SttError when the announced rate or channels are out of bounds.
    """
    if config.encoding.bytes_per_sample is not None:
        held = begin is not None
        pcm = PcmDecoder(SampleFormat(config.encoding.value), config.sample_rate, config.channels, held=held)
        return PcmStream(pcm, executor, max_samples, begin)
    if begin is not None and begin.media not in (None, Media.WAV):
        return ContainerStream(begin.media, max_samples, begin)
    return SniffedStream(config.encoding, executor, max_samples, begin)


class PcmStream:
    """Decoder of bare samples; runs work that takes time in ``executor``."""

    def __init__(self, pcm: PcmDecoder, executor: Executor, max_samples: int, begin: Checkpoint | None = None) -> None:
        self._pcm = pcm
        self._begin = begin
        self._fed = 0
        self._executor = executor
        self._left = max_samples
        self._max_samples = max_samples

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Yield one piece at most, so that a session's position is known after each."""
        self._fed += len(data)
        if self._pcm.is_identity:
            pcm = self._pcm.feed(data)
        else:
            pcm = await asyncio.get_running_loop().run_in_executor(self._executor, self._pcm.feed, data)
        self._left -= len(pcm) // 2
        if self._left < 0:
            raise SttError(
                "too_large", f"the audio is longer than the {self._max_samples // AUDIO_RATE_HZ} s that are allowed"
            )
        if pcm:
            yield pcm

    async def flush(self) -> AsyncIterator[bytes]:
        """Yield the samples that the resampler holds back."""
        if tail := self._pcm.flush():
            yield tail

    def finish(self) -> AsyncIterator[bytes]:
        """Same as ``flush``."""
        return self.flush()

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""

    def checkpoint(self) -> Checkpoint:
        """Return a checkpoint far enough back for a new resampler to reach the same state."""
        source_samples, samples = self._pcm.run
        return Checkpoint(
            Point(max(0, self._fed - self._pcm.needed_bytes)), None, source_samples, samples, self._pcm.state
        )

    def resume(self) -> None:
        """Continue from the position of the previous owner's decoder."""
        if self._begin is not None:
            self._pcm.resume(self._begin.source_samples, self._begin.samples, self._begin.state)


class WavStream:
    """Decoder of a WAV stream: the bare samples between the header and the chunks after them."""

    def __init__(self, header: WavHeader, stream: PcmStream, prefix_bytes: int) -> None:
        self._header = header
        self._samples_at = header.data_offset - prefix_bytes
        self._skip = header.data_offset
        self._left = header.data_bytes
        self._stream = stream

    def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Decode ``data`` without the header and the chunks after the samples."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data = data[skipped:]
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        return self._stream.feed(data)

    def flush(self) -> AsyncIterator[bytes]:
        """Yield the samples that the resampler holds back."""
        return self._stream.flush()

    def finish(self) -> AsyncIterator[bytes]:
        """Same as ``flush``."""
        return self._stream.flush()

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""

    def checkpoint(self) -> Checkpoint:
        """Return a checkpoint like that of bare samples; its header contains the number of bytes that are left."""
        inner = self._stream.checkpoint()
        offset = inner.point.offset
        left = None
        if self._header.data_bytes is not None:
            # At least one byte is left, since a length of zero would mean that it is unknown.
            offset = max(0, min(offset, self._header.data_bytes - 1))
            left = self._header.data_bytes - offset
        point = Point(self._samples_at + offset, lead=wav_header(self._header, left))
        return Checkpoint(point, Media.WAV, inner.source_samples, inner.samples, inner.state)

    def resume(self) -> None:
        """Continue from the position of the previous owner's decoder."""
        self._stream.resume()


class ContainerStream:
    """Decoder of a container, with FFmpeg in a thread; holds back nothing that could be decoded."""

    def __init__(self, media: Media, max_samples: int, begin: Checkpoint | None = None) -> None:
        self._media = media
        self._begin = begin
        self._prefix = begin.point.prefix if begin else b""
        self._decoder = ContainerDecoder(media, max_samples, held=begin is not None)
        self._points = RestartPoints(media, begin.point if begin else None)

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Add ``data`` and yield all audio that it completes."""
        prefix, self._prefix = self._prefix, b""
        before_s = self._decoder.resampler.fed_s
        async for pcm in self._decoder.feed(prefix + data):
            yield pcm
        self._points.feed(data, before_s, self._decoder.resampler.fed_s)

    async def flush(self) -> AsyncIterator[bytes]:
        """Yield nothing: every piece that was fed has already been decoded as far as possible."""
        for nothing in _NOTHING:
            yield nothing

    def finish(self) -> AsyncIterator[bytes]:
        """Yield the frames that only the end of the stream completes."""
        return self._decoder.finish()

    async def close(self) -> None:
        """End the decoder's thread."""
        await self._decoder.close()

    def checkpoint(self) -> Checkpoint | None:
        """Return the oldest restart point that is kept; None when the last one is too far back."""
        point = self._points.best()
        if point is None:
            return None
        resampler = self._decoder.resampler
        return Checkpoint(point, self._media, resampler.source_samples, resampler.samples, resampler.state)

    def resume(self) -> None:
        """Continue from the position of the previous owner's decoder."""
        if self._begin is not None:
            begin = self._begin
            self._decoder.resampler.resume(begin.source_samples, begin.samples, begin.state)


class SniffedStream:
    """Decoder that collects the head of a stream until its container is known, then uses the decoder for it."""

    def __init__(
        self, encoding: Encoding, executor: Executor, max_samples: int, begin: Checkpoint | None = None
    ) -> None:
        self._encoding = encoding
        self._begin = begin
        self._executor = executor
        self._max_samples = max_samples
        self._head = begin.point.prefix if begin else b""
        self._stream: LiveDecoder | None = self._chosen() if self._head else None

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Add ``data`` and yield all audio that can be decoded with it; nothing until the head is complete."""
        if self._head or self._stream is None:
            self._head += data
            if len(self._head) < HEAD_BYTES:
                return
            self._stream = self._stream or self._chosen()
            if self._stream is None:
                return
            data, self._head = self._head, b""
        async for pcm in self._stream.feed(data):
            yield pcm

    async def flush(self) -> AsyncIterator[bytes]:
        """Yield the audio that the chosen decoder holds back."""
        if self._stream is not None:
            async for pcm in self._stream.flush():
                yield pcm

    async def finish(self) -> AsyncIterator[bytes]:
        """Yield the remaining audio. Raises SttError for an incomplete head, but not for a stream without any bytes."""
        if self._stream is None and self._head:
            head, self._head = self._head, b""
            raise SttError("bad_audio", f"the {self._encoding} stream ended within its header, after {len(head)} bytes")
        if self._stream is not None:
            async for pcm in self._stream.finish():
                yield pcm

    async def close(self) -> None:
        """Free the decoder, if one was chosen."""
        if self._stream is not None:
            await self._stream.close()

    def checkpoint(self) -> Checkpoint | None:
        """Return the chosen decoder's checkpoint; the beginning of the stream until one is chosen."""
        return Checkpoint(Point(0)) if self._stream is None else self._stream.checkpoint()

    def resume(self) -> None:
        """Continue from the position of the previous owner's decoder."""
        if self._stream is not None:
            self._stream.resume()
        self._begin = None

    def _chosen(self) -> LiveDecoder | None:
        media = expected_media(self._encoding, self._head)
        if media is Media.WAV:
            header = parse_wav_header(self._head)
            if header is None:
                return None
            if header.sample_format is not None:
                pcm = PcmDecoder(
                    header.sample_format,
                    header.sample_rate,
                    header.channels,
                    held=self._begin is not None,
                    big_endian=header.big_endian,
                )
                stream = PcmStream(pcm, self._executor, self._max_samples, self._begin)
                return WavStream(header, stream, len(self._begin.point.prefix) if self._begin else 0)
        return ContainerStream(media, self._max_samples, self._begin)


def expected_media(encoding: Encoding, head: bytes) -> Media:
    """Return the container of a stream that was announced as ``encoding`` and begins with ``head``.

    Raises SttError: unsupported_media when the encoding is to be detected and is not known, bad_audio when the head
    does not match the announced encoding.
    """
    found = sniff(head)
    if encoding is Encoding.AUTO:
        if found not in LIVE_MEDIA:
            allowed = f"{LIVE_NAMES}; bare samples must be announced, for instance as pcm_s16le"
            raise SttError("unsupported_media", refusal(head, allowed))
        return found
    if encoding is Encoding.MP3:  # these two may begin in the middle of a frame
        return Media.MP3
    if encoding is Encoding.AAC:
        return Media.MOV if found is Media.MOV else Media.AAC
    wanted = {Encoding.WEBM: Media.MATROSKA}.get(encoding) or Media(encoding.value)
    if found is not wanted:
        raise SttError(
            "bad_audio",
            f"the stream was announced as {encoding} but does not begin like one; "
            "a new connection must begin with the recording's header, so start the recorder again",
        )
    return wanted
