"""Replay buffer of sent audio that may be needed again and audio to be sent, in numbered chunks with control messages.

Positions are bytes from the session's first byte. They never change, but chunk numbers do when the session is rebuilt.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

SAMPLE_BYTES = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}
"""Bytes per sample of the encodings of bare samples; every other encoding is a container."""
MAX_CHUNK_BYTES = 16 * 1024
MAX_CHUNK_MS = 500
"""Maximum length of a chunk; longer input is cut, because a chunk that the server has in part is sent again as a whole.
"""


@dataclass(frozen=True)
class AudioFormat:
    """Format of the audio.

    ``frame_bytes``: bytes of one sample of all channels; None for a container, whose bytes do not map to times.
    """

    sample_rate: int
    frame_bytes: int | None

    @classmethod
    def of(cls, encoding: str, sample_rate: int, channels: int) -> "AudioFormat":
        """Return the format for the parameters of the live path."""
        size = SAMPLE_BYTES.get(encoding)
        return cls(sample_rate, None if size is None else size * channels)

    def bytes_at(self, ms: float) -> int:
        """Return the position in bytes of a millisecond of the session's audio; 0 for a container."""
        return int(ms * self.sample_rate) // 1000 * (self.frame_bytes or 0)

    @property
    def max_chunk_bytes(self) -> int:
        """Bytes of the longest chunk, a whole number of samples."""
        if self.frame_bytes is None:
            return MAX_CHUNK_BYTES
        longest = min(MAX_CHUNK_BYTES, self.bytes_at(MAX_CHUNK_MS))
        return max(longest - longest % self.frame_bytes, self.frame_bytes)


@dataclass(frozen=True)
class Chunk:
    """A client chunk whose first byte is at position ``start``. ``seq`` counts from 1 without holes."""

    seq: int
    start: int
    data: bytes

    @property
    def end(self) -> int:
        """Position after the last byte."""
        return self.start + len(self.data)


@dataclass(frozen=True)
class Finalize:
    """Request to end an utterance at position ``end``, after chunk ``seq``."""

    seq: int
    end: int


@dataclass(frozen=True)
class Configure:
    """Change of keyterms and replacements at position ``end``, after chunk ``seq``: the fields of the message."""

    seq: int
    end: int
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Stop:
    """End of the audio at position ``end``, after chunk ``seq``."""

    seq: int
    end: int


Item = Chunk | Finalize | Configure | Stop


class ReplayBuffer:
    """Buffer of one session's audio.

    It keeps the bare samples that are not committed, at most ``max_s`` seconds. It keeps a container as a whole up to
    ``max_bytes``, and beyond that only the chunks that the server does not have.
    """

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
        self._configured: dict[str, Any] = {}  # by messages that were dropped
        self.stopped = False
        """Whether `stop` was added, after which nothing may follow."""

    @property
    def audio(self) -> AudioFormat:
        """Format of the audio."""
        return self._audio

    @property
    def kept_bytes(self) -> int:
        """Bytes of audio in memory, sent or not."""
        return self._kept_bytes

    @property
    def can_rebuild(self) -> bool:
        """Whether the buffer has all audio that a server needs after it lost the session."""
        return self._audio.frame_bytes is not None or self._whole

    @property
    def unread_bytes(self) -> int:
        """Bytes of audio that were sent but not acknowledged by the server."""
        unread = 0
        for item in reversed(self._sent):
            if item.seq <= self._received_seq:
                break
            unread += len(item.data) if isinstance(item, Chunk) else 0
        return unread

    def has_room(self) -> bool:
        """Return whether another chunk may be added.

        If a container has grown too long, drop the chunks that the server has.
        """
        if self._kept_bytes < self._max_bytes:
            return True
        if self._audio.frame_bytes is None:
            while self._kept_bytes >= self._max_bytes and self._sent and self._sent[0].seq <= self._received_seq:
                self._drop_first()
                self._whole = False
        return self._kept_bytes < self._max_bytes

    def push(self, data: bytes) -> None:
        """Add audio, at most ``max_chunk_bytes``. An incomplete sample waits for the rest of its bytes."""
        size = self._audio.frame_bytes or 1
        data = self._cut_sample + data
        whole = len(data) - len(data) % size
        self._cut_sample = data[whole:]
        self._add(data[:whole])

    def finalize(self) -> None:
        """End the utterance here; repeating it at the same position has no effect."""
        last = self._unsent[-1] if self._unsent else (self._sent[-1] if self._sent else None)
        if not isinstance(last, Finalize):
            self._unsent.append(Finalize(self._seq, self._end))

    def configure(self, fields: Mapping[str, Any]) -> None:
        """Change keyterms or replacements here."""
        self._unsent.append(Configure(self._seq, self._end, fields))

    def stop(self) -> None:
        """End the audio."""
        self._add(self._cut_sample)
        self._cut_sample = b""
        self._unsent.append(Stop(self._seq, self._end))
        self.stopped = True

    def next(self) -> Item | None:
        """Return the next item to send and mark it as sent; None when there is none."""
        if not self._unsent:
            return None
        item = self._unsent.popleft()
        self._sent.append(item)
        return item

    def received(self, seq: int) -> None:
        """Record that the server has all chunks up to ``seq``. They stay, because the server may lose them again."""
        self._received_seq = max(self._received_seq, seq)

    def trim(self, committed_ms: int) -> None:
        """Drop the audio before ``committed_ms``, which is never needed again."""
        if self._audio.frame_bytes is None:
            return
        position = self._audio.bytes_at(committed_ms)
        while self._sent and self._sent[0].end <= position and not isinstance(self._sent[0], Stop):
            self._drop_first()

    def resume(self, seq: int) -> None:
        """Prepare another connection of the same session, sending everything after chunk ``seq``, numbers unchanged.

        A control message directly after that chunk is sent again too: it is unknown whether it arrived, and a
        repetition is harmless.
        """
        while self._sent and _is_after(self._sent[-1], seq):
            self._unsent.appendleft(self._sent.pop())
        while self._unsent and not _is_after(self._unsent[0], seq):
            self._sent.append(self._unsent.popleft())
        self._received_seq = seq

    def rebuild(self, committed_ms: int) -> None:
        """Prepare a new start after the server lost the session, with the audio from ``committed_ms`` on.

        A container is sent again as a whole. Chunks are numbered from 1 again.
        """
        position = self._audio.bytes_at(committed_ms)
        items = [*self._sent, *self._unsent]
        self._sent.clear()
        self._unsent.clear()
        self._seq = self._kept_bytes = self._received_seq = 0
        # The server knows the configuration of the query alone.
        for item in items:
            if isinstance(item, Configure) and item.end <= position and self._audio.frame_bytes is not None:
                self._configured.update(item.fields)
        if self._configured:
            self._unsent.append(Configure(0, position, dict(self._configured)))
        for item in _from(items, position, keep_all=self._audio.frame_bytes is None):
            self._renumber(item)

    def _renumber(self, item: Item) -> None:
        if isinstance(item, Chunk):
            self._seq += 1
            self._kept_bytes += len(item.data)
            self._unsent.append(Chunk(self._seq, item.start, item.data))
        else:
            self._unsent.append(replace(item, seq=self._seq))

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
        elif isinstance(item, Configure):
            self._configured.update(item.fields)


def _is_after(item: Item, seq: int) -> bool:
    return item.seq > seq if isinstance(item, Chunk) else item.seq >= seq


def _from(items: Iterable[Item], position: int, *, keep_all: bool) -> Iterator[Item]:
    for item in items:
        if keep_all or isinstance(item, Stop) or item.end > position:
            if isinstance(item, Chunk) and item.start < position:
                yield Chunk(item.seq, position, item.data[position - item.start :])
            else:
                yield item
