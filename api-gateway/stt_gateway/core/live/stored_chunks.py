"""Record of which client chunks are in the log, and so never need to be sent again."""

from collections import deque

from stt_shared.contracts.frames import IngestPosition


class StoredChunks:
    """Mapping from the bytes of stored frames to the client chunks, in order, that they came from.

    It begins where the previous connection left off.
    """

    def __init__(self, position: IngestPosition) -> None:
        self._stored_seq = position.seq
        self._stored_seq_end = position.total_bytes - position.next_bytes  # where chunk `_stored_seq` ended
        self._ends: deque[tuple[int, int]] = deque()
        self._passed = self._stored_seq_end
        self._stored = position.total_bytes

    @property
    def passed_bytes(self) -> int:
        """Number of bytes of all chunks in order so far, stored or not."""
        return self._passed

    def add(self, seq: int, chunk: bytes) -> bytes:
        """Add chunk ``seq``, the next in order; return the part of it that is not in the log yet."""
        begin = self._passed
        self._passed += len(chunk)
        self._ends.append((seq, self._passed))
        return chunk[max(0, self._stored - begin) :]

    def skip(self, seq: int) -> None:
        """Give up the missing chunks up to ``seq``."""
        self._ends.append((seq, self._passed))

    def position_after(self, stored_bytes: int) -> IngestPosition:
        """Return the position that is reached once ``stored_bytes`` more are stored."""
        end = self._stored + stored_bytes
        seq, seq_end = self._stored_seq, self._stored_seq_end
        for number, number_end in self._ends:
            if number_end > end:
                break
            seq, seq_end = number, number_end
        return IngestPosition(seq, end - seq_end, end)

    def stored(self, position: IngestPosition) -> None:
        """Note that the log has reached ``position``."""
        self._stored_seq, self._stored = position.seq, position.total_bytes
        self._stored_seq_end = position.total_bytes - position.next_bytes
        while self._ends and self._ends[0][0] <= position.seq:
            self._ends.popleft()
