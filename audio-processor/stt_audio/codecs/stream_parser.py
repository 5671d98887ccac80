"""Base of the parsers of compressed streams, which find the places where a decoder can begin.

They also find where the next recording begins, if several follow each other in one stream. They decode nothing and
check nothing but framing. A malformed stream yields no more starts, but never an error: FFmpeg
decides whether a stream can be decoded. Memory is bounded by ``MAX_PART_BYTES``.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

MAX_PART_BYTES = 65_536
"""Longest head, and longest part of a stream that is parsed as a whole. Pictures and the like are skipped instead."""


@dataclass(frozen=True)
class Start:
    """Sync point: a decoder that was fed ``head`` and ``lead`` can begin with byte ``at``."""

    at: int
    head: bytes
    lead: bytes


class StreamParser(ABC):
    """Parser of one recording. Subclasses read one part after the other."""

    ends = False
    """Whether the next recording begins where everything before ``undecided_bytes`` ends."""

    begins: Start | None = Start(0, b"", b"")
    """Where a decoder has to begin; None while that is not known."""

    refusal = ""
    """Why the stream cannot be decoded while it arrives, for the client."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._at = 0
        self._skip = 0
        self.is_lost = False
        """Whether the structure was not understood; neither starts nor an end are found any more."""
        self._starts: list[Start] = []
        self._head = b""
        self._lead = b""

    def feed(self, data: bytes) -> list[Start]:
        """Return the starts found in ``data``, with their offsets in everything that was fed."""
        self._starts = []
        if self.is_lost:
            return []
        self._pending += data
        while not self.ends:
            skipped = min(self._skip, len(self._pending))
            self._consume(skipped)
            self._skip -= skipped
            if self._skip:
                break
            n_bytes = self._part(self._pending)
            if n_bytes == 0:
                break
            self._skip = n_bytes
        if not self.ends and (len(self._pending) > MAX_PART_BYTES or len(self._head) > MAX_PART_BYTES):
            self._lose()
        return self._starts

    @property
    def undecided_bytes(self) -> int:
        """Number of bytes at the end of what was fed that may belong to the next recording."""
        return len(self._pending)

    @abstractmethod
    def _part(self, pending: bytearray) -> int:
        """Parse the part that ``pending`` begins with and return its length, which may exceed ``pending``; 0 when more
        data is needed."""

    def _end(self) -> int:
        """Stop parsing: another recording begins here."""
        self.ends = True
        return 0

    def _start(self, ahead: int = 0) -> None:
        self._starts.append(Start(self._at + ahead, self._head, self._lead))

    def _consume(self, n_bytes: int) -> None:
        del self._pending[:n_bytes]
        self._at += n_bytes

    def _lose(self) -> int:
        """Stop parsing: the structure is not understood, and no more starts are found."""
        self.is_lost = True
        self._pending.clear()
        self._starts = []
        return 0
