"""What FFmpeg reads from: bytes in hand, with an end to how many and how long while it opens a container."""

import errno
import threading
import time
from typing import BinaryIO, Protocol

from stt_shared.contracts.errors import SttError

MAX_HEADER_BYTES = 64 << 20
"""Read while opening: tags, pictures, attached files, an index. FFmpeg holds up to four copies of it."""
OPEN_WITHIN_S = 60.0


class Readable(Protocol):
    """A byte source; b'' is its end."""

    def read(self, size: int, /) -> bytes:
        """At least one byte and at most ``size`` of them."""
        ...


class DecodingCancelled(Exception):
    """Nobody wants the rest."""


class StreamSource:
    """A stream that is still coming; without ``seek`` FFmpeg takes it for a pipe."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._header_bytes_left: int | None = MAX_HEADER_BYTES
        self._failed = False

    def opened(self) -> None:
        """The container is open: from here on as much is read as there is."""
        self._header_bytes_left = None

    def read(self, size: int) -> bytes:
        """The next bytes. Raises SttError: too_large when opening the container takes too many."""
        if self._failed:
            return b""  # FFmpeg may go on after an error, and only the first one is passed on
        try:
            self._check()
            data = self._source.read(size)
            self._count(len(data))
        except Exception:
            self._failed = True
            raise
        return data

    def _check(self) -> None:
        """Raises what ends the reading."""

    def _count(self, n_bytes: int) -> None:
        if self._header_bytes_left is None:
            return
        self._header_bytes_left -= n_bytes
        if self._header_bytes_left < 0:
            raise SttError(
                "too_large",
                f"tags, pictures, attached files and index take more than the {MAX_HEADER_BYTES >> 20} MiB that are "
                "allowed; send the audio alone",
            )


class FileSource(StreamSource):
    """An open file. ``cancelled`` breaks off whatever reads from it, by DecodingCancelled."""

    def __init__(self, file: BinaryIO, cancelled: threading.Event) -> None:
        super().__init__(file)
        self._file = file
        self._cancelled = cancelled
        self._open_until_s: float | None = time.monotonic() + OPEN_WITHIN_S

    def opened(self) -> None:
        """The container is open: from here on there is no hurry either."""
        super().opened()
        self._open_until_s = None

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise DecodingCancelled
        if self._open_until_s is not None and time.monotonic() > self._open_until_s:
            raise SttError("bad_audio", f"the file could not be opened within {OPEN_WITHIN_S:.0f} s")

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new position; a negative errno, as FFmpeg expects it, for places that no file has. Damaged files ask for
        them, and an exception would pass for an unreadable file."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, OverflowError):
            return -errno.EINVAL

    def tell(self) -> int:
        """The position."""
        return self._file.tell()
