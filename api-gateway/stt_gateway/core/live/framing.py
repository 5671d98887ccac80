"""Joins small chunks to frames worth a trip to Redis: bare samples by their length, containers by the time they take to
arrive, since only a decoder knows how much audio they hold."""

import msgspec

from stt_shared.contracts.session import SessionConfig

_LARGEST_FRAMES = 10
"""A long chunk is cut into pieces of at most this many frames' length."""

_SHORT_FRAME_MS = 40

_CONTAINER_FRAME_BYTES = 32_768
"""So much container data is not held back: it arrives faster than real time, or in long messages."""
_DUE_SHARE = 0.75
"""A container chunk completes a frame after this share of its time, since senders are not quite regular."""

_LONG_FRAMES = 1.6
_SESSIONS_A_CORE = 8
"""With so many sessions a core has time left, and nobody need wait for a longer frame."""


def joined_ms(frame_ms: int, sessions: int, cores: int) -> int:
    """How long frames should be that usually have ``frame_ms``, at a gateway with so many sessions. Each frame costs
    three processes and Redis a trip, whatever its length."""
    return frame_ms if sessions <= _SESSIONS_A_CORE * cores else round(_LONG_FRAMES * frame_ms)


class Piece(msgspec.Struct, frozen=True):
    """The data of one frame. ``first_ms`` and ``last_ms``: when its oldest and its newest byte came (any clock)."""

    data: bytes
    first_ms: float
    last_ms: float


class Framer:
    """One session's chunks. Bare samples leave it in whole sample frames (one sample of every channel), containers in
    whole chunks.

    ``hasty_ms``: so much of the audio, from its first sample on, passes in short frames: who has just begun waits for
    the first word, and each frame that was joined from several would hold up its beginning. In a container it is the
    time since its first chunk that counts.
    """

    def __init__(self, config: SessionConfig, frame_ms: int, hasty_ms: int = 0) -> None:
        self._sample_bytes = config.frame_bytes()
        self._whole_from = self._sample_bytes or 1
        self._bytes_per_ms = self._whole_from * config.sample_rate / 1000
        self._longest_bytes = self._bytes_of(frame_ms) * _LARGEST_FRAMES
        self._hasty_ms = float(hasty_ms)
        self._passed_ms: float | None = None  # arrival of the last container data sent
        self._held = bytearray()
        self._first_ms = 0.0
        self._last_ms = 0.0
        self.join(frame_ms)

    @property
    def frame_ms(self) -> int:
        """About how long frames are."""
        return self._normal_ms

    def join(self, frame_ms: int) -> None:
        """Frames become about so long, once the audio that passes in haste is over."""
        self._normal_ms = frame_ms
        self._present_ms = min(frame_ms, _SHORT_FRAME_MS) if self._hasty_ms > 0 else frame_ms
        self._wanted_bytes = self._bytes_of(self._present_ms)

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for more, the part of a cut sample included."""
        return len(self._held)

    @property
    def cut_sample_bytes(self) -> int:
        """Bytes at the end that make no whole sample frame yet."""
        return len(self._held) % self._whole_from

    @property
    def due_ms(self) -> float | None:
        """When what is held must go, however small; None when no whole sample is held."""
        return None if len(self._held) < self._whole_from else self._first_ms + self._present_ms

    def duration_ms(self, n_bytes: int) -> float | None:
        """How long so many bytes sound; None for a container, where nobody knows yet."""
        return None if self._sample_bytes is None else n_bytes / self._bytes_per_ms

    def push(self, chunk: bytes, now_ms: float) -> list[Piece]:
        """Frames that are complete with this chunk."""
        if not chunk:
            return []
        if len(self._held) < self._whole_from:
            self._first_ms = now_ms
        self._last_ms = now_ms
        self._held += chunk
        if self._sample_bytes is None:
            return self._take_container() if self._container_is_due(now_ms) else []
        return self._take() if len(self._held) >= self._wanted_bytes else []

    def flush(self) -> list[Piece]:
        """All whole samples that are held."""
        return self._take() if self._sample_bytes is not None else self._take_container()

    def _container_is_due(self, now_ms: float) -> bool:
        if self._passed_ms is None or len(self._held) >= _CONTAINER_FRAME_BYTES:
            return True
        return now_ms - self._passed_ms >= _DUE_SHARE * self._present_ms

    def _take_container(self) -> list[Piece]:
        if not self._held:
            return []
        piece = Piece(bytes(self._held), self._first_ms, self._last_ms)
        self._held.clear()
        if self._passed_ms is not None:
            self._spend_haste(self._last_ms - self._passed_ms)
        self._passed_ms = self._last_ms
        return [piece]

    def _take(self) -> list[Piece]:
        whole, longest = self.held_bytes - self.cut_sample_bytes, self._longest_bytes
        pieces = [
            Piece(bytes(self._held[start : min(start + longest, whole)]), self._first_ms, self._last_ms)
            for start in range(0, whole, longest)
        ]
        del self._held[:whole]
        self._spend_haste(whole / self._bytes_per_ms)
        return pieces

    def _spend_haste(self, passed_ms: float) -> None:
        if self._hasty_ms > 0:
            self._hasty_ms -= passed_ms
            self.join(self._normal_ms)

    def _bytes_of(self, frame_ms: int) -> int:
        return int(frame_ms * self._bytes_per_ms) // self._whole_from * self._whole_from
