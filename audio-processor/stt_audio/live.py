"""The decoder of one live session: bare samples, or a container that is recognised by its first bytes."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Protocol

from stt_audio.container import ContainerDecoder
from stt_audio.pcm import PcmDecoder, SampleFormat
from stt_audio.sniff import HEAD_BYTES, LIVE_MEDIA, Media, sniff
from stt_audio.wav import WavHeader, parse_wav_header
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


def live_decoder(config: SessionConfig, executor: Executor, max_samples: int) -> LiveDecoder:
    """The decoder for what the client announced. Raises SttError when that is out of bounds."""
    if config.encoding.bytes_per_sample is not None:
        pcm = PcmDecoder(SampleFormat(config.encoding.value), config.sample_rate, config.channels)
        return PcmStream(pcm, executor, max_samples)
    return SniffedStream(config.encoding, executor, max_samples)


class PcmStream:
    """Bare samples; work that takes time is done by ``executor``."""

    def __init__(self, pcm: PcmDecoder, executor: Executor, max_samples: int) -> None:
        self._pcm = pcm
        self._executor = executor
        self._left = max_samples
        self._max_samples = max_samples

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """One piece at most, so that a session's position is clear after each."""
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


class WavStream:
    """Bare samples between a WAV header and the chunks after them."""

    def __init__(self, header: WavHeader, stream: PcmStream) -> None:
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


class ContainerStream:
    """FFmpeg decodes in a thread; it keeps nothing back that could be had."""

    def __init__(self, media: Media, max_samples: int) -> None:
        self._decoder = ContainerDecoder(media, max_samples)

    def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """All that the data completes."""
        return self._decoder.feed(data)

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


class SniffedStream:
    """Collects the head of a stream until it is clear what it is, then hands over to its decoder."""

    def __init__(self, encoding: Encoding, executor: Executor, max_samples: int) -> None:
        self._encoding = encoding
        self._executor = executor
        self._max_samples = max_samples
        self._head = b""
        self._stream: LiveDecoder | None = None

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """What can be decoded; nothing while the head is not complete."""
        if self._stream is None:
            self._head += data
            if len(self._head) < HEAD_BYTES:
                return
            self._stream = self._chosen()
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

    def _chosen(self) -> LiveDecoder | None:
        media = expected_media(self._encoding, self._head)
        if media is Media.WAV:
            header = parse_wav_header(self._head)
            if header is None:
                return None
            if header.sample_format is not None:
                pcm = PcmDecoder(header.sample_format, header.sample_rate, header.channels)
                return WavStream(header, PcmStream(pcm, self._executor, self._max_samples))
        return ContainerStream(media, self._max_samples)


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
