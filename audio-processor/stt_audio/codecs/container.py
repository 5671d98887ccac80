"""Decoder of one compressed stream while it arrives.

FFmpeg pulls its input, so each stream has a thread that blocks in ``read`` until more data arrives. The caller feeds a
piece and gets back everything that can be decoded from it before it feeds the next one. This bounds both directions,
and the caller always knows which input has been decoded.
"""

import asyncio
import contextlib
import io
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager

import structlog

from stt_audio.codecs.channels import Output
from stt_audio.codecs.ffmpeg import AudioInput, ContainerInput, open_container, open_live
from stt_audio.codecs.formats import Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.codecs.resample import Resampler
from stt_audio.codecs.source import FileSource
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import AUDIO_RATE_HZ

_log = structlog.get_logger()

PIECE_BYTES = 32_000
"""One second of mono output: the least that is handed out at once while the thread is still busy."""
MAX_OUTPUT_BYTES = 4 * PIECE_BYTES
"""Decoded audio that may wait for its reader before the thread pauses; one FFmpeg frame may exceed it."""


class _Closed(Exception):
    """The decoder was closed; the rest of the stream is not needed."""


class _Source:
    """File object for FFmpeg; without ``seek``, so that FFmpeg treats the input as a pipe."""

    def __init__(self, decoder: "ContainerDecoder") -> None:
        self._decoder = decoder

    def read(self, size: int) -> bytes:
        return self._decoder._read(size)


class ContainerDecoder:
    """Decoder of one ``media`` stream to 16 kHz s16le. Create it in the event loop that uses it; ``close`` it.

    Read ``feed`` and ``finish`` to their end, one after the other. Both raise SttError when the stream cannot be
    decoded, after yielding everything that could be. Data after the container's own end is ignored. With ``held``,
    nothing is returned until ``resampler.resume``. ``output``: what becomes of the channels (None: they are mixed).
    """

    def __init__(self, media: Media, limit: LengthLimit, output: Output | None = None, *, held: bool = False) -> None:
        self._media = media
        self.resampler = Resampler(output, held=held, batch_samples=AUDIO_RATE_HZ)
        """Resampler; access it only while nothing is being decoded: between the end of one ``feed`` and the next."""
        self.limit = limit
        self._loop = asyncio.get_running_loop()
        self._drained_or_full = asyncio.Event()
        self._changed = threading.Condition()
        # Guarded by _changed:
        self._input = bytearray()
        self._input_ended = False
        self._output = bytearray()
        self._hungry = False
        self._closed = False
        self._finished = False
        self._error: SttError | None = None
        self._thread = threading.Thread(target=self._run, name=f"decoder {media}", daemon=True)
        self._thread.start()

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Add ``data`` and yield all audio that can be decoded with it, in pieces of about a second at most."""
        with self._changed:
            if not self._finished:
                self._input += data
            self._hungry = False
            self._changed.notify_all()
        async for pcm in self._decoded():
            yield pcm

    async def finish(self) -> AsyncIterator[bytes]:
        """End the input and yield the remaining audio."""
        with self._changed:
            self._input_ended = True
            self._hungry = False
            self._changed.notify_all()
        async for pcm in self._decoded():
            yield pcm

    async def close(self) -> None:
        """End the thread, whatever it is doing, and wait until it has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        while True:
            self._drained_or_full.clear()
            if self._finished:
                break
            await self._drained_or_full.wait()
        self._thread.join()

    async def _decoded(self) -> AsyncIterator[bytes]:
        while True:
            with self._changed:
                self._drained_or_full.clear()
                drained = self._hungry or self._finished
                pcm = b""
                if drained or len(self._output) >= PIECE_BYTES:
                    pcm = bytes(self._output)
                    self._output.clear()
                    self._changed.notify_all()
            if pcm:
                yield pcm
            elif not drained:
                await self._drained_or_full.wait()
            elif self._error is not None:
                raise self._error
            else:
                return

    # The methods below run in the thread only.

    def _open(self) -> AbstractContextManager[AudioInput]:
        return open_live(_Source(self), self._media)

    def _run(self) -> None:
        error: SttError | None = None
        try:
            with self._open() as audio:
                for pcm in audio.pcm(self.limit, self.resampler):
                    self._put(pcm)
        except _Closed:
            pass
        except SttError as stt_error:
            error = stt_error
        except Exception as unexpected:
            # Catches everything: PyAV also raises ValueError, MemoryError and the like on malformed input.
            _log.warning("decoder failed", media=self._media, cause=repr(unexpected))
            error = SttError("bad_audio", f"the {self._media} stream cannot be decoded")
        with self._changed:
            self._finished = True
            self._error = error
            self._input.clear()
        self._wake_loop()

    def _read(self, size: int) -> bytes:
        if not self._input:  # FFmpeg has decoded all there is
            self._put_drained()
        with self._changed:
            while not self._input:
                if self._closed or self._input_ended:
                    return b""
                self._hungry = True
                self._wake_loop()
                self._changed.wait()
            if self._closed:
                return b""
            data = bytes(self._input[:size])
            del self._input[:size]
            return data

    def _put_drained(self) -> None:
        if pcm := self.resampler.drain():
            self.limit.count(len(pcm) // self.resampler.frame_bytes)
            self._put(pcm)

    def _put(self, pcm: bytes) -> None:
        with self._changed:
            while len(self._output) >= MAX_OUTPUT_BYTES and not self._closed:
                self._changed.wait()
            if self._closed:
                raise _Closed
            self._output += pcm
            full = len(self._output) >= PIECE_BYTES
        if full:
            self._wake_loop()

    def _wake_loop(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for the event
            self._loop.call_soon_threadsafe(self._drained_or_full.set)


class WholeDecoder(ContainerDecoder):
    """Decoder of a recording that is there as a whole, ``data``, so that FFmpeg may seek in it. It is not fed."""

    def __init__(self, media: Media, data: bytes, limit: LengthLimit, output: Output | None = None) -> None:
        self._data = data
        super().__init__(media, limit, output)

    @contextlib.contextmanager
    def _open(self) -> Iterator[AudioInput]:
        with open_container(FileSource(io.BytesIO(self._data), threading.Event()), self._media) as container:
            yield ContainerInput(container, self._media)
