"""What was sent and may be asked for again, and what waits to be sent: audio in numbered chunks, and the control
messages at their places among it.

Positions are bytes from the session's first. They never change; chunk numbers do, when the session is built anew.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SAMPLE_BYTES = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}
"""Encodings of bare samples; every other one is a container."""
MAX_CHUNK_BYTES = 16 * 1024
MAX_CHUNK_MS = 500
"""Longer input is cut: a chunk of which the server has a part is sent again as a whole."""


@dataclass(frozen=True)
class AudioFormat:
    """``frame_bytes``: one sample of all channels; None for a container, whose bytes have no time of their own."""

    sample_rate: int
    frame_bytes: int | None

    @classmethod
    def of(cls, encoding: str, sample_rate: int, channels: int) -> "AudioFormat":
        """The format that a query of the live path asks for."""
        size = SAMPLE_BYTES.get(encoding)
        return cls(sample_rate, None if size is None else size * channels)

    def bytes_at(self, ms: float) -> int:
        """Where a millisecond of the session's audio begins; 0 in a container."""
        return int(ms * self.sample_rate) // 1000 * (self.frame_bytes or 0)

    @property
    def max_chunk_bytes(self) -> int:
        """The longest chunk, in whole samples."""
        if self.frame_bytes is None:
            return MAX_CHUNK_BYTES
        longest = min(MAX_CHUNK_BYTES, self.bytes_at(MAX_CHUNK_MS))
        return max(longest - longest % self.frame_bytes, self.frame_bytes)


@dataclass(frozen=True)
class Chunk:
    """Audio from ``start`` on. Chunk numbers count from 1 without holes."""

    seq: int
    start: int
    data: bytes

    @property
    def end(self) -> int:
        """Position behind the last byte."""
        return self.start + len(self.data)


@dataclass(frozen=True)
class Finalize:
    """An utterance ends at position ``end``, behind chunk ``seq``."""

    seq: int
    end: int


@dataclass(frozen=True)
class Stop:
    """The end of the audio."""

    seq: int
    end: int


Item = Chunk | Finalize | Stop


class ReplayBuffer:
    """One session's audio. Of bare samples it keeps what is not settled, at most ``max_s`` seconds; of a container the
    whole recording, up to ``max_bytes``, and beyond that only what the server has not got yet."""

    def __init__(self, audio: AudioFormat, *, max_s: float, max_bytes: int) -> None:
        self._audio = audio
        self._max_bytes = max_bytes if audio.frame_bytes is None else audio.bytes_at(max_s * 1000)
        self._sent: deque[Item] = deque()
        self._unsent: deque[Item] = deque()
        self._cut_sample = b""
        self._seq = 0
        self._end = 0
        self._kept_bytes = 0
        self._received_seq = 0
        self._whole = True
        self.stopped = False
        """`stop` was put in: nothing may follow."""

    @property
    def audio(self) -> AudioFormat:
        """What its bytes are."""
        return self._audio

    @property
    def kept_bytes(self) -> int:
        """Audio in memory, sent or not."""
        return self._kept_bytes

    @property
    def can_rebuild(self) -> bool:
        """Everything is here that a server needs which has lost the session."""
        return self._audio.frame_bytes is not None or self._whole

    @property
    def unread_bytes(self) -> int:
        """Audio that was sent, and that the server has not told to have."""
        unread = 0
        for item in reversed(self._sent):
            if item.seq <= self._received_seq:
                break
            unread += len(item.data) if isinstance(item, Chunk) else 0
        return unread

    def has_room(self) -> bool:
        """Another chunk may be put in. Of a container that has grown too long, this drops what the server has."""
        if self._kept_bytes < self._max_bytes:
            return True
        if self._audio.frame_bytes is None:
            while self._kept_bytes >= self._max_bytes and self._sent and self._sent[0].seq <= self._received_seq:
                self._drop_first()
                self._whole = False
        return self._kept_bytes < self._max_bytes

    def push(self, data: bytes) -> None:
        """Puts audio in, at most ``max_chunk_bytes`` of it. Part of a sample waits here for its rest."""
        size = self._audio.frame_bytes or 1
        data = self._cut_sample + data
        whole = len(data) - len(data) % size
        self._cut_sample = data[whole:]
        self._add(data[:whole])

    def finalize(self) -> None:
        """Ends the utterance here. Twice at one place is once."""
        last = self._unsent[-1] if self._unsent else (self._sent[-1] if self._sent else None)
        if not isinstance(last, Finalize):
            self._unsent.append(Finalize(self._seq, self._end))

    def stop(self) -> None:
        """Ends the audio."""
        self._add(self._cut_sample)
        self._cut_sample = b""
        self._unsent.append(Stop(self._seq, self._end))
        self.stopped = True

    def next(self) -> Item | None:
        """What is to be sent now, once; None when nothing waits."""
        if not self._unsent:
            return None
        item = self._unsent.popleft()
        self._sent.append(item)
        return item

    def received(self, seq: int) -> None:
        """The server holds all chunks up to this one. They stay: it may lose them again."""
        self._received_seq = max(self._received_seq, seq)

    def settle(self, committed_ms: int) -> None:
        """Audio before this is never asked for again."""
        if self._audio.frame_bytes is None:
            return
        position = self._audio.bytes_at(committed_ms)
        while self._sent and self._sent[0].end <= position and not isinstance(self._sent[0], Stop):
            self._drop_first()

    def resume(self, seq: int) -> None:
        """Another connection of the same session: everything behind chunk ``seq`` is to be sent (again), with the same
        numbers. So is a control message directly behind that chunk: nobody knows if it arrived, and twice is harmless.
        """
        while self._sent and _is_behind(self._sent[-1], seq):
            self._unsent.appendleft(self._sent.pop())
        while self._unsent and not _is_behind(self._unsent[0], seq):
            self._sent.append(self._unsent.popleft())
        self._received_seq = seq

    def rebuild(self, committed_ms: int) -> None:
        """The server lost the session, and begins anew with the audio from ``committed_ms`` on (a container: with the
        whole recording). Chunks are numbered from 1 again."""
        position = self._audio.bytes_at(committed_ms)
        items = [*self._sent, *self._unsent]
        self._sent.clear()
        self._unsent.clear()
        self._seq = self._kept_bytes = self._received_seq = 0
        for item in _from(items, position, keep_all=self._audio.frame_bytes is None):
            self._renumber(item)

    def _renumber(self, item: Item) -> None:
        if isinstance(item, Chunk):
            self._seq += 1
            self._kept_bytes += len(item.data)
            self._unsent.append(Chunk(self._seq, item.start, item.data))
        else:
            self._unsent.append(type(item)(self._seq, item.end))

    def _add(self, data: bytes) -> None:
        if data:
            self._seq += 1
            self._unsent.append(Chunk(self._seq, self._end, data))
            self._end += len(data)
            self._kept_bytes += len(data)

    def _drop_first(self) -> None:
        item = self._sent.popleft()
        if isinstance(item, Chunk):
            self._kept_bytes -= len(item.data)


def _is_behind(item: Item, seq: int) -> bool:
    return item.seq > seq if isinstance(item, Chunk) else item.seq >= seq


def _from(items: Iterable[Item], position: int, *, keep_all: bool) -> Iterator[Item]:
    for item in items:
        if keep_all or isinstance(item, Stop) or item.end > position:
            if isinstance(item, Chunk) and item.start < position:
                yield Chunk(item.seq, position, item.data[position - item.start :])
            else:
                yield item
