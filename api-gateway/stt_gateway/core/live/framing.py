"""Joining of small chunks into frames that are worth a round trip to Redis.

Bare samples are joined by their length, containers by the time they take to arrive, since only a decoder knows how much
audio they hold.
"""

import re

import msgspec

from stt_shared.contracts.session import SessionConfig

_LARGEST_FRAMES = 10
"""Longest piece, in frame lengths, into which a long chunk of bare samples is cut."""

_SHORT_FRAME_MS = 40

_CONTAINER_FRAME_BYTES = 32_768
"""Amount of container data that is sent at once: it arrives faster than real time, or in long messages."""
_DUE_SHARE = 0.75
"""Fraction of a frame's time after which a container chunk completes it, since senders are not quite regular."""

_CONTAINER = re.compile(
    rb"(?:RIFF|RIFX|RF64|BW64)....WAVE|fLaC|OggS\x00|\x1aE\xdf\xa3|\x00\x00..(?:ftyp|styp|moof)|ID3[\x02-\x04]\x00|"
    rb"FLV\x01|#!AMR",
    re.DOTALL,
)
"""Beginnings of containers, as far as a short first chunk shows them. The audio-processor decides what a stream is, by
longer signatures; here it only matters how to join chunks."""

_LONG_FRAMES = 1.6
_SESSIONS_A_CORE = 8
"""Sessions per core up to which the core has time left, so that nobody needs to wait for a longer frame."""


def joined_ms(frame_ms: int, sessions: int, cores: int) -> int:
    """Return the frame length for a gateway with this many sessions; it is ``frame_ms`` unless the gateway is busy.

    Each frame costs three processes and Redis a round trip, whatever its length.
    """
    return frame_ms if sessions <= _SESSIONS_A_CORE * cores else round(_LONG_FRAMES * frame_ms)


class Piece(msgspec.Struct, frozen=True):
    """Data of one frame. ``first_ms`` and ``last_ms``: arrival of its oldest and its newest byte (any clock)."""

    data: bytes
    first_ms: float
    last_ms: float


class Framer:
    """Framer of one session's chunks. It returns bare samples in whole sample frames (one sample of every channel),
    containers in whole chunks, also where bare samples were announced.

    ``hasty_ms``: length of the audio, from its first sample on, that is sent in short frames: a user who has just begun
    waits for the first word, and joining chunks would delay its beginning. For containers, the time since the first
    chunk counts.
    """

    def __init__(self, config: SessionConfig, frame_ms: int, hasty_ms: int = 0) -> None:
        self._sample_bytes = config.frame_bytes()
        self._sample_frame_bytes = self._sample_bytes or 1
        self._bytes_per_ms = self._sample_frame_bytes * config.sample_rate / 1000
        self._longest_bytes = self._bytes_of(frame_ms) * _LARGEST_FRAMES
        self._is_first = True
        self._hasty_ms = float(hasty_ms)
        self._passed_ms: float | None = None  # arrival of the last container data sent
        self._buffer = bytearray()
        self._first_ms = 0.0
        self._last_ms = 0.0
        self.join(frame_ms)

    @property
    def frame_ms(self) -> int:
        """Approximate frame length, without the short frames at the beginning."""
        return self._normal_ms

    def join(self, frame_ms: int) -> None:
        """Set the approximate frame length, which applies once the audio that is sent in short frames is over."""
        self._normal_ms = frame_ms
        self._present_ms = min(frame_ms, _SHORT_FRAME_MS) if self._hasty_ms > 0 else frame_ms
        self._wanted_bytes = self._bytes_of(self._present_ms)

    @property
    def buffered_bytes(self) -> int:
        """Number of bytes that wait for more, including an incomplete sample."""
        return len(self._buffer)

    @property
    def cut_sample_bytes(self) -> int:
        """Number of bytes at the end that do not form a whole sample frame yet."""
        return len(self._buffer) % self._sample_frame_bytes

    @property
    def due_ms(self) -> float | None:
        """Time at which the buffered data must be sent, however small; None when no whole sample is buffered."""
        return None if len(self._buffer) < self._sample_frame_bytes else self._first_ms + self._present_ms

    def duration_ms(self, n_bytes: int) -> float | None:
        """Return the duration of ``n_bytes`` of audio; None for a container, where it is not known yet."""
        return None if self._sample_bytes is None else n_bytes / self._bytes_per_ms

    def push(self, chunk: bytes, now_ms: float) -> list[Piece]:
        """Add a chunk; return the frames that it completes."""
        if not chunk:
            return []
        if self._is_first:
            self._is_first = False
            if _CONTAINER.match(chunk):
                self._sample_bytes, self._sample_frame_bytes = None, 1
        if len(self._buffer) < self._sample_frame_bytes:
            self._first_ms = now_ms
        self._last_ms = now_ms
        self._buffer += chunk
        if self._sample_bytes is None:
            return self._pop_container() if self._container_is_due(now_ms) else []
        return self._pop_samples() if len(self._buffer) >= self._wanted_bytes else []

    def flush(self) -> list[Piece]:
        """Return everything that is buffered, except an incomplete sample."""
        return self._pop_samples() if self._sample_bytes is not None else self._pop_container()

    def _container_is_due(self, now_ms: float) -> bool:
        if self._passed_ms is None or len(self._buffer) >= _CONTAINER_FRAME_BYTES:
            return True
        return now_ms - self._passed_ms >= _DUE_SHARE * self._present_ms

    def _pop_container(self) -> list[Piece]:
        if not self._buffer:
            return []
        piece = Piece(bytes(self._buffer), self._first_ms, self._last_ms)
        self._buffer.clear()
        if self._passed_ms is not None:
            self._spend_haste(self._last_ms - self._passed_ms)
        self._passed_ms = self._last_ms
        return [piece]

    def _pop_samples(self) -> list[Piece]:
        whole, longest = self.buffered_bytes - self.cut_sample_bytes, self._longest_bytes
        pieces = [
            Piece(bytes(self._buffer[start : min(start + longest, whole)]), self._first_ms, self._last_ms)
            for start in range(0, whole, longest)
        ]
        del self._buffer[:whole]
        self._spend_haste(whole / self._bytes_per_ms)
        return pieces

    def _spend_haste(self, passed_ms: float) -> None:
        if self._hasty_ms > 0:
            self._hasty_ms -= passed_ms
            self.join(self._normal_ms)

    def _bytes_of(self, frame_ms: int) -> int:
        return int(frame_ms * self._bytes_per_ms) // self._sample_frame_bytes * self._sample_frame_bytes
