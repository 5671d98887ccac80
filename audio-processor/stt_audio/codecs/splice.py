"""View of a file in which ranges of it, and other bytes, follow each other as one file."""

import bisect
import io
import itertools
from typing import BinaryIO

Piece = bytes | range
"""Bytes, or a range of offsets in the file."""


class SplicedFile:
    """Read-only view of ``pieces`` of ``file``, one after the other."""

    def __init__(self, file: BinaryIO, pieces: tuple[Piece, ...]) -> None:
        self._file = file
        self._pieces = pieces
        self._ends = list(itertools.accumulate(map(len, pieces)))
        self._at = 0

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, which may be fewer at the end of a piece; b'' only at the end."""
        index = bisect.bisect_right(self._ends, self._at)
        if index == len(self._pieces):
            return b""
        piece = self._pieces[index]
        begin = self._at - (self._ends[index] - len(piece))
        end = min(begin + size, len(piece))
        if isinstance(piece, bytes):
            data = piece[begin:end]
        else:
            self._file.seek(piece[begin])
            data = self._file.read(end - begin)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position and return it. Raises OSError for one before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        if base + offset < 0:
            raise OSError("a position before the start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the current position."""
        return self._at
