"""Audio sources for live sessions: pieces of s16le PCM from a file (decoded here) or from standard input."""

import os
import stat
import threading
from asyncio import AbstractEventLoop, Queue, run_coroutine_threadsafe
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stt_cli.errors import CliError
from stt_shared.contracts.session import AUDIO_RATE_HZ

FILE_RATE = AUDIO_RATE_HZ
PIECE_S = 0.1
_QUEUED_PIECES = 50


@dataclass(frozen=True)
class LiveAudio:
    """Audio of a live session: pieces of s16le. ``is_paced_here``: they come faster than they are to be sent."""

    pieces: Iterator[bytes]
    sample_rate: int
    channels: int
    is_paced_here: bool = False


def channels_of_file(path: Path) -> int:
    """Return the number of channels of a file's first audio track. Raises CliError."""
    import av
    from av.error import FFmpegError

    try:
        with path.open("rb") as file, av.open(file, "r", metadata_errors="replace") as container:
            if not container.streams.audio:
                raise CliError(f"{path} has no audio track")
            return int(container.streams.audio[0].channels)
    except FFmpegError as error:
        raise CliError(f"cannot decode {path}: {error.strerror}") from None
    except OSError as error:
        raise CliError(f"cannot read {path}: {error.strerror}") from None


def pieces_of_file(path: Path, *, apart: bool = False) -> Iterator[bytes]:
    """Yield a file's audio at 16 kHz, in pieces of 100 ms (the last may be shorter): mono or, if ``apart``, with its
    channels interleaved. Raises CliError."""
    import av
    from av.audio.resampler import AudioResampler
    from av.error import FFmpegError

    try:
        with path.open("rb") as file, av.open(file, "r", metadata_errors="replace") as container:
            if not container.streams.audio:
                raise CliError(f"{path} has no audio track")
            stream = container.streams.audio[0]
            layout = stream.layout.name if apart else "mono"
            sample_bytes = 2 * (int(stream.channels) if apart else 1)
            piece_bytes = int(FILE_RATE * PIECE_S) * sample_bytes
            resampler = AudioResampler("s16", layout, FILE_RATE)
            buffered = b""
            for frame in container.decode(stream):
                for ready in resampler.resample(frame):
                    buffered += bytes(ready.planes[0])[: ready.samples * sample_bytes]
                while len(buffered) >= piece_bytes:
                    yield buffered[:piece_bytes]
                    buffered = buffered[piece_bytes:]
            for ready in resampler.resample(None):
                buffered += bytes(ready.planes[0])[: ready.samples * sample_bytes]
            for start in range(0, len(buffered), piece_bytes):
                yield buffered[start : start + piece_bytes]
    except FFmpegError as error:
        raise CliError(f"cannot decode {path}: {error.strerror}") from None
    except OSError as error:
        raise CliError(f"cannot read {path}: {error.strerror}") from None


def pieces_of_stream(stream: BinaryIO, sample_rate: int, channels: int) -> Iterator[bytes]:
    """Yield raw s16le as it arrives, in whole samples, at most 100 ms per piece; a trailing partial one is dropped."""
    sample_bytes = 2 * channels
    buffered = b""
    while data := stream.read1(int(sample_rate * PIECE_S) * sample_bytes):  # type: ignore[attr-defined]
        buffered += data
        whole_bytes = len(buffered) - len(buffered) % sample_bytes
        if whole_bytes:
            yield buffered[:whole_bytes]
            buffered = buffered[whole_bytes:]


def is_regular_file(stream: BinaryIO) -> bool:
    """Return True for a redirected file, which must be paced; a pipe or a device delivers at its own pace."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


class PieceReader:
    """Reader that runs a source in its own thread and passes its pieces to an event loop; buffers only a few seconds.

    The thread is a daemon: a read from a terminal cannot be interrupted and must not keep the program from exiting.
    """

    def __init__(self, pieces: Iterator[bytes], loop: AbstractEventLoop) -> None:
        self._pieces = pieces
        self._loop = loop
        self._queue: Queue[bytes | CliError | None] = Queue(_QUEUED_PIECES)
        threading.Thread(target=self._run, name="audio-source", daemon=True).start()

    async def next(self) -> bytes | None:
        """Return the next piece; None at the end. Raises CliError if the source cannot be read."""
        item = await self._queue.get()
        if isinstance(item, CliError):
            raise item
        return item

    def _run(self) -> None:
        end: CliError | None = None
        try:
            for piece in self._pieces:
                if not self._put(piece):
                    return
        except CliError as error:
            end = error
        self._put(end)

    def _put(self, item: bytes | CliError | None) -> bool:
        """Queue an item; return False if the event loop, and with it the consumer, is gone."""
        waiting = self._queue.put(item)
        try:
            run_coroutine_threadsafe(waiting, self._loop).result()
        except (RuntimeError, CancelledError):
            waiting.close()
            return False
        return True
