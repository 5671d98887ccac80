"""The decoder of one live session: bare samples, or a container that is recognised by its first bytes."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Protocol

from stt_audio.codecs.container import ContainerDecoder
from stt_audio.codecs.pcm import PcmDecoder, SampleFormat
from stt_audio.codecs.restart_points import Checkpoint, Point, RestartPoints
from stt_audio.codecs.sniff import HEAD_BYTES, LIVE_MEDIA, Media, sniff
from stt_audio.codecs.wav import WavHeader, parse_wav_header, wav_header
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding, SessionConfig

_NOTHING: tuple[bytes, ...] = ()


class LiveDecoder(Protocol):
    """Compressed or bare audio in, 16 kHz mono s16le out.

    ``feed``, ``flush`` and ``finish`` must be read to their end, one after the other; each raises SttError when the
    audio cannot be decoded, after all that could be was handed out.
    """

    def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """What can be decoded with ``data`` in addition."""
        ...

    def flush(self) -> AsyncIterator[bytes]:
        """What is held back and can be had without ending the stream."""
        ...

    def finish(self) -> AsyncIterator[bytes]:
        """The rest of the stream."""
        ...

    async def close(self) -> None:
        """Frees threads; whatever was not read is lost."""
        ...

    def checkpoint(self) -> Checkpoint | None:
        """How a successor comes to where this decoder is now; None when it cannot."""
        ...

    def resume(self) -> None:
        """To a decoder that began at a checkpoint, and was fed what the other one had been: from now on it gives out
        what comes after that, and nothing before."""
        ...


def live_decoder(
    config: SessionConfig, executor: Executor, max_samples: int, begin: Checkpoint | None = None
) -> LiveDecoder:
    """The decoder for what the client announced, from the beginning or taken up at ``begin``. Raises SttError when that
    is out of bounds."""
    if config.encoding.bytes_per_sample is not None:
        held = begin is not None
        pcm = PcmDecoder(SampleFormat(config.encoding.value), config.sample_rate, config.channels, held=held)
        return PcmStream(pcm, executor, max_samples, begin)
    if begin is not None and begin.media not in (None, Media.WAV):
        return ContainerStream(begin.media, max_samples, begin)
    return SniffedStream(config.encoding, executor, max_samples, begin)


class PcmStream:
    """Bare samples; work that takes time is done by ``executor``."""

    def __init__(self, pcm: PcmDecoder, executor: Executor, max_samples: int, begin: Checkpoint | None = None) -> None:
        self._pcm = pcm
        self._begin = begin
        self._fed = 0
        self._executor = executor
        self._left = max_samples
        self._max_samples = max_samples

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """One piece at most, so that a session's position is clear after each."""
        self._fed += len(data)
        if self._pcm.is_identity:
            pcm = self._pcm.feed(data)
        else:
            pcm = await asyncio.get_running_loop().run_in_executor(self._executor, self._pcm.feed, data)
        self._left -= len(pcm) // 2
        if self._left < 0:
            raise SttError("too_large", f"the audio is longer than the {self._max_samples // 16000} s that are allowed")
        if pcm:
            yield pcm

    async def flush(self) -> AsyncIterator[bytes]:
        """The resampler's tail."""
        if tail := self._pcm.flush():
            yield tail

    def finish(self) -> AsyncIterator[bytes]:
        """As ``flush``."""
        return self.flush()

    async def close(self) -> None:
        """Nothing to free."""

    def checkpoint(self) -> Checkpoint:
        """As much of the stream is needed again as the resampler forgets in."""
        source_samples, samples = self._pcm.run
        return Checkpoint(Point(max(0, self._fed - self._pcm.needed_bytes)), None, source_samples, samples)

    def resume(self) -> None:
        """From where the other decoder was."""
        if self._begin is not None:
            self._pcm.resume(self._begin.source_samples, self._begin.samples)


class WavStream:
    """Bare samples between a WAV header and the chunks after them."""

    def __init__(self, header: WavHeader, stream: PcmStream, prefix_bytes: int) -> None:
        self._header = header
        self._samples_at = header.data_offset - prefix_bytes
        self._skip = header.data_offset
        self._left = header.data_bytes
        self._stream = stream

    def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Takes the header too, and drops it."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data = data[skipped:]
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        return self._stream.feed(data)

    def flush(self) -> AsyncIterator[bytes]:
        """The resampler's tail."""
        return self._stream.flush()

    def finish(self) -> AsyncIterator[bytes]:
        """As ``flush``."""
        return self._stream.flush()

    async def close(self) -> None:
        """Nothing to free."""

    def checkpoint(self) -> Checkpoint:
        """As of bare samples; the header says how many are left from there on."""
        inner = self._stream.checkpoint()
        offset = inner.point.offset
        left = None
        if self._header.data_bytes is not None:
            # Something is always left, since a length of zero would mean that it is not known.
            offset = max(0, min(offset, self._header.data_bytes - 1))
            left = self._header.data_bytes - offset
        point = Point(self._samples_at + offset, lead=wav_header(self._header, left))
        return Checkpoint(point, Media.WAV, inner.source_samples, inner.samples)

    def resume(self) -> None:
        """From where the other decoder was."""
        self._stream.resume()


class ContainerStream:
    """FFmpeg decodes in a thread; it keeps nothing back that could be had."""

    def __init__(self, media: Media, max_samples: int, begin: Checkpoint | None = None) -> None:
        self._media = media
        self._begin = begin
        self._prefix = begin.point.prefix if begin else b""
        self._decoder = ContainerDecoder(media, max_samples, held=begin is not None)
        self._points = RestartPoints(media, begin.point if begin else None)

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """All that the data completes."""
        prefix, self._prefix = self._prefix, b""
        before_s = self._decoder.resampler.fed_s
        async for pcm in self._decoder.feed(prefix + data):
            yield pcm
        self._points.feed(data, before_s, self._decoder.resampler.fed_s)

    async def flush(self) -> AsyncIterator[bytes]:
        """Nothing: every piece that was fed has been decoded as far as it goes."""
        for nothing in _NOTHING:
            yield nothing

    def finish(self) -> AsyncIterator[bytes]:
        """The frames that only the end of the stream completes."""
        return self._decoder.finish()

    async def close(self) -> None:
        """Ends the thread."""
        await self._decoder.close()

    def checkpoint(self) -> Checkpoint | None:
        """The oldest restart point that is kept; None when the stream has none for too long a stretch."""
        point = self._points.best()
        if point is None:
            return None
        resampler = self._decoder.resampler
        return Checkpoint(point, self._media, resampler.source_samples, resampler.samples)

    def resume(self) -> None:
        """From where the other decoder was."""
        if self._begin is not None:
            self._decoder.resampler.resume(self._begin.source_samples, self._begin.samples)


class SniffedStream:
    """Collects the head of a stream until it is clear what it is, then hands over to its decoder."""

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
        """What can be decoded; nothing while the head is not complete."""
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
        """What the decoder holds back."""
        if self._stream is not None:
            async for pcm in self._stream.flush():
                yield pcm

    async def finish(self) -> AsyncIterator[bytes]:
        """The rest; a head that never got complete is an error, no byte at all is not."""
        if self._stream is None and self._head:
            head, self._head = self._head, b""
            raise SttError("bad_audio", f"the {self._encoding} stream ended within its header, after {len(head)} bytes")
        if self._stream is not None:
            async for pcm in self._stream.finish():
                yield pcm

    async def close(self) -> None:
        """Frees the decoder, if one was chosen."""
        if self._stream is not None:
            await self._stream.close()

    def checkpoint(self) -> Checkpoint | None:
        """The decoder's; the beginning while there is none."""
        return Checkpoint(Point(0)) if self._stream is None else self._stream.checkpoint()

    def resume(self) -> None:
        """From where the other decoder was."""
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
                held = self._begin is not None
                pcm = PcmDecoder(header.sample_format, header.sample_rate, header.channels, held=held)
                stream = PcmStream(pcm, self._executor, self._max_samples, self._begin)
                return WavStream(header, stream, len(self._begin.point.prefix) if self._begin else 0)
        return ContainerStream(media, self._max_samples, self._begin)


def expected_media(encoding: Encoding, head: bytes) -> Media:
    """The container of a stream announced as ``encoding`` that begins with ``head``. Raises SttError(bad_audio)."""
    found = sniff(head)
    if encoding is Encoding.AUTO:
        if found not in LIVE_MEDIA:
            raise SttError(
                "unsupported_media",
                "the stream begins like none of: WAV, FLAC, Ogg, WebM, MP3, fragmented MP4, AAC (ADTS); "
                "bare samples must be announced, for instance as pcm_s16le",
            )
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
            "a new connection must begin with the recording's header, so start the recorder anew",
        )
    return wanted
