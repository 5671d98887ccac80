"""Recordings of bare samples in a live stream: with a WAV header before them, or without any header."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from stt_audio.codecs.au import HEADER_BYTES as AU_HEADER_BYTES
from stt_audio.codecs.au import MAGIC as AU_MAGIC
from stt_audio.codecs.formats import Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.codecs.pcm import PcmDecoder
from stt_audio.codecs.restart_points import Checkpoint, Point
from stt_audio.codecs.sample_check import SampleCheck
from stt_audio.codecs.signatures import header_at
from stt_audio.codecs.wav import CHUNK_HEADER_BYTES, RIFF_HEADER_BYTES, WavHeader, chunk_header, wav_header

_BOUNDARY_BYTES = 1 + RIFF_HEADER_BYTES
"""Bytes after the samples that show what follows them: a padding byte and the beginning of a RIFF header."""


class AudioDecoder(Protocol):
    """Decoder of compressed or bare audio to 16 kHz s16le, of one channel or several, interleaved.

    Read ``feed``, ``flush`` and ``finish`` to their end, one after the other. Each raises SttError when the audio
    cannot be decoded, after yielding everything that could be.
    """

    def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Add ``data`` and yield all audio that can be decoded with it."""
        ...

    def flush(self) -> AsyncIterator[bytes]:
        """Yield the audio that is held back, as far as that is possible without ending what is fed."""
        ...

    def finish(self) -> AsyncIterator[bytes]:
        """End what is fed and yield the remaining audio."""
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


class Recording(AudioDecoder, Protocol):
    """Decoder of one recording within a stream; the positions in its checkpoints count from the recording's beginning.

    ``rest`` is set once the recording has ended: the bytes, of those that were fed, that come after it.
    """

    rest: bytes | None


class PcmStream:
    """Decoder of bare samples; runs work that takes time in ``executor``."""

    def __init__(
        self, pcm: PcmDecoder, executor: Executor, limit: LengthLimit, begin: Checkpoint | None = None
    ) -> None:
        self._pcm = pcm
        self._begin = begin
        self._executor = executor
        self._limit = limit
        self.fed_bytes = 0

    async def feed(self, data: bytes) -> bytes:
        """Return the audio of all whole samples so far."""
        self.fed_bytes += len(data)
        if self._pcm.is_identity:
            pcm = self._pcm.feed(data)
        else:
            pcm = await asyncio.get_running_loop().run_in_executor(self._executor, self._pcm.feed, data)
        self._limit.count(len(pcm) // self._pcm.output_bytes)
        return pcm

    def flush(self) -> bytes:
        """Return the samples that the resampler holds back."""
        tail = self._pcm.flush()
        self._limit.count_tail(len(tail) // self._pcm.output_bytes)
        return tail

    def checkpoint(self) -> Checkpoint:
        """Return a checkpoint far enough back for a new resampler to reach the same state."""
        source_samples, samples = self._pcm.run
        point = Point(max(0, self.fed_bytes - self._pcm.needed_bytes))
        return Checkpoint(point, None, source_samples, samples, self._pcm.state)

    def resume(self) -> None:
        """Continue from the position of the previous owner's decoder."""
        if self._begin is not None:
            self._pcm.resume(self._begin.source_samples, self._begin.samples, self._begin.state)


@dataclass(frozen=True)
class _Segment:
    """Samples without anything between them: ``n_bytes`` (None: until the recording ends), the first of them byte
    ``first`` of all samples and byte ``at`` of the recording."""

    first: int
    at: int
    n_bytes: int | None


class SampleStream:
    """Recording of bare samples.

    It ends where a header of WAV or AU begins: a client may send each second as a file of its own. Chunks after the
    samples are skipped; samples beyond the stated length are decoded.

    ``header`` is None for samples without one; ``check`` looks whether they are what was announced. ``prefix_bytes``:
    the part of what is fed first that is not in the stream itself.
    """

    rest: bytes | None = None

    def __init__(
        self,
        stream: PcmStream,
        frame_bytes: int,
        header: WavHeader | None = None,
        prefix_bytes: int = 0,
        check: SampleCheck | None = None,
    ) -> None:
        self._stream = stream
        self._frame_bytes = frame_bytes
        self._header = header
        self._check = check
        self._skip = header.data_offset if header else 0
        self._left = header.data_bytes if header else None
        self._at = -prefix_bytes
        self._segments = deque([_Segment(0, self._at + self._skip, self._left)])
        self._pending = b""

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Add ``data`` and yield its samples, except what may be the beginning of a header."""
        if self._check is not None and not self._check.is_done:
            self._check.feed(data)
        data, self._pending = self._pending + data, b""
        while data and self.rest is None:
            if self._skip:
                data = self._without_skipped(data)
            n_bytes = header_at(data, len(data) if self._left is None else self._left)
            if n_bytes:
                if pcm := await self._samples(data[:n_bytes]):
                    yield pcm
            elif data and not self._passed(data):
                self._pending = data
                return
            data = data[n_bytes:]

    async def flush(self) -> AsyncIterator[bytes]:
        """Yield the samples that are held back."""
        if self._pending and self._left != 0:
            held, self._pending = self._pending, b""
            if pcm := await self._samples(held if self._left is None else held[: self._left]):
                yield pcm
        if tail := self._stream.flush():
            yield tail

    def finish(self) -> AsyncIterator[bytes]:
        """Same as ``flush``."""
        return self.flush()

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""

    def checkpoint(self) -> Checkpoint:
        """Return a checkpoint like that of bare samples; its header contains the number of bytes that are left."""
        inner = self._stream.checkpoint()
        if self._header is None:
            return inner
        first = inner.point.offset
        while len(self._segments) > 1 and self._segments[1].first <= first:
            self._segments.popleft()
        segment, left = self._segments[0], None
        if segment.n_bytes is not None:
            # Something is left, since a length of zero would mean that it is unknown.
            first = max(segment.first, min(first, segment.first + segment.n_bytes - self._frame_bytes))
            left = segment.n_bytes - (first - segment.first)
        point = Point(segment.at + first - segment.first, lead=wav_header(self._header, left))
        return replace(inner, point=point, media=Media.WAV)

    def resume(self) -> None:
        """Continue from the position of the previous owner's decoder."""
        self._stream.resume()

    def _without_skipped(self, data: bytes) -> bytes:
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._at += skipped
        return data[skipped:]

    async def _samples(self, data: bytes) -> bytes:
        self._at += len(data)
        if self._left is not None:
            self._left -= len(data)
        return await self._stream.feed(data)

    def _passed(self, data: bytes) -> bool:
        """Decide what ``data`` begins with, which may be a header or comes after the stated length; return False when
        more is needed for that."""
        if self._left != 0:
            if len(data) < (AU_HEADER_BYTES if data[:1] == AU_MAGIC[:1] else RIFF_HEADER_BYTES):
                return False
            self.rest = data
            return True
        if len(data) < _BOUNDARY_BYTES:
            return False
        for padding in (0, 1) if (self._segments[-1].n_bytes or 0) % 2 else (0,):
            if self._begins_something(data, padding):
                return True
        self._left = None
        self._segments.append(_Segment(self._stream.fed_bytes, self._at, None))
        return True

    def _begins_something(self, data: bytes, padding: int) -> bool:
        chunk = chunk_header(data[padding:], big_endian=self._header is not None and self._header.big_endian)
        skip = padding + CHUNK_HEADER_BYTES
        if header_at(data[padding:], 1) == 0:
            self._at += padding
            self.rest = data[padding:]
        elif not chunk.is_plausible:
            return False
        elif chunk.name == b"data":
            self._skip = skip
            self._left = chunk.data_bytes
            self._segments.append(_Segment(self._stream.fed_bytes, self._at + skip, self._left))
        else:
            self._skip = skip + chunk.size + chunk.size % 2
        return True
