"""Reordering of numbered chunks: early ones wait, repeated ones are dropped, and lasting gaps are reported."""

import msgspec

MAX_EARLY_CHUNKS = 128
MAX_EARLY_BYTES = 4 * 1024**2


class Chunk(msgspec.Struct, frozen=True):
    """Chunk ``seq``, in order."""

    seq: int
    data: bytes


class Missing(msgspec.Struct, frozen=True):
    """Gap: the chunks ``first`` to ``last`` never came."""

    first: int
    last: int


class Reorder:
    """Reorder buffer of one session's chunks that come after ``received_seq``.

    Numbers begin at 1 (a leading 0 is accepted too); chunks without a number are in order.
    """

    def __init__(self, received_seq: int = 0) -> None:
        self._next = received_seq + 1
        self._began = received_seq > 0
        self._early: dict[int, bytes] = {}
        self._early_bytes = 0

    @property
    def received_seq(self) -> int:
        """Number of the last chunk in order: all chunks up to it have been returned or given up."""
        return self._next - 1

    def push(self, seq: int | None, chunk: bytes) -> list[Chunk | Missing]:
        """Add a chunk; return what can be processed after it, in order."""
        if seq is None or (seq == self._next and not self._early):
            out = self.release() if self._early else []
            out.append(Chunk(self._next, chunk))
            self._next += 1
            self._began = True
            return out
        if seq == 0 and not self._began:
            self._next = 0
        self._began = True
        if seq < self._next or seq in self._early:
            return []
        self._early[seq] = chunk
        self._early_bytes += len(chunk)
        out = self._ready()
        while len(self._early) > MAX_EARLY_CHUNKS or self._early_bytes > MAX_EARLY_BYTES:
            out += self._give_up_hole()
        return out

    def release(self) -> list[Chunk | Missing]:
        """Return everything that waits, in order and with its gaps: nothing more is expected before it."""
        out: list[Chunk | Missing] = []
        while self._early:
            out += self._give_up_hole()
        return out

    def _give_up_hole(self) -> list[Chunk | Missing]:
        first = min(self._early)
        missing = Missing(self._next, first - 1)
        self._next = first
        return [missing, *self._ready()]

    def _ready(self) -> list[Chunk | Missing]:
        out: list[Chunk | Missing] = []
        while (chunk := self._early.pop(self._next, None)) is not None:
            self._early_bytes -= len(chunk)
            out.append(Chunk(self._next, chunk))
            self._next += 1
        return out
