"""Byte sources for FFmpeg, which limit the bytes and the time that opening a container may take."""

import errno
import threading
import time
from typing import Protocol

from stt_shared.contracts.errors import SttError

MAX_HEADER_BYTES = 64 << 20
"""Most bytes read while opening: tags, pictures, attached files, an index. FFmpeg holds up to four copies of them."""
OPEN_WITHIN_S = 60.0


class Readable(Protocol):
    """Byte source; b'' marks its end."""

    def read(self, size: int, /) -> bytes:
        """Return at least one byte and at most ``size`` bytes; b'' at the end."""
        ...


class SeekableReadable(Readable, Protocol):
    """File, or a view of one."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position and return it."""
        ...

    def tell(self) -> int:
        """Return the current position."""
        ...


class DecodingCancelled(Exception):
    """Decoding was cancelled; the rest of the file is not needed."""


class StreamSource:
    """Stream that is still arriving; without ``seek``, so that FFmpeg treats it as a pipe."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._header_bytes_left: int | None = MAX_HEADER_BYTES
        self._failed = False

    def opened(self) -> None:
        """Lift the limit on the bytes read; called once the container is open."""
        self._header_bytes_left = None

    def read(self, size: int) -> bytes:
        """Return the next bytes. Raises SttError(too_large) when opening the container takes too many."""
        if self._failed:
            return b""  # FFmpeg may continue after an error, and only the first one is reported
        try:
            self._check()
            data = self._source.read(size)
            self._count(len(data))
        except Exception:
            self._failed = True
            raise
        return data

    def _check(self) -> None:
        """Raise an error if reading must end."""

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
    """Open file. Once ``cancelled`` is set, reading from it raises DecodingCancelled."""

    def __init__(self, file: SeekableReadable, cancelled: threading.Event) -> None:
        super().__init__(file)
        self._file = file
        self._cancelled = cancelled
        self._open_until_s: float | None = time.monotonic() + OPEN_WITHIN_S

    def opened(self) -> None:
        """Lift the limits on bytes and time; called once the container is open."""
        super().opened()
        self._open_until_s = None

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise DecodingCancelled
        if self._open_until_s is not None and time.monotonic() > self._open_until_s:
            raise SttError("bad_audio", f"the file could not be opened within {OPEN_WITHIN_S:.0f} s")

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position and return it; a negative errno, as FFmpeg expects, for an impossible position.

        Damaged files ask for such positions, and an exception would look like an unreadable file.
        """
        try:
            return self._file.seek(offset, whence)
        except (OSError, OverflowError):
            return -errno.EINVAL

    def tell(self) -> int:
        """Return the current position."""
        return self._file.tell()
