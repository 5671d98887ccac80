"""Writer of a session's ingest log: waits for room and for Redis, and explains why a frame was refused."""

import asyncio
import contextlib
from collections.abc import Iterator

from stt_gateway.live.backpressure import Backpressure
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta, IngestPosition
from stt_shared.contracts.session import SessionConfig, VocabularyUpdate
from stt_shared.process.clock import monotonic_ms
from stt_shared.process.metrics import REFUSED_WRITES
from stt_shared.redis.outage import UNREACHABLE, Outage, unavailable
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership, Standing, WriteResult

FULL_RETRY_S = 0.02
UNREACHABLE_RETRY_S = 0.1
REDIS_PATIENCE_MS = 10_000.0
"""Time that Redis may be unreachable before a session is given up."""


class IngestWriter:
    """Writer of one session's frames. One frame at a time.

    ``seq``: number of the last frame in the log; ``position``: what of the client's audio is in the log.
    """

    def __init__(
        self, bus: Bus, owner: Ownership, config: SessionConfig, *, seq: int, position: IngestPosition
    ) -> None:
        self._bus = bus
        self._owner = owner
        self._seq = seq
        self._backpressure = Backpressure(config)
        self._give_up_ms = float("inf")
        self._had_outage = False
        self.position = position

    @property
    def is_blocked(self) -> bool:
        """Whether a frame waits for room in the full log."""
        return self._backpressure.is_blocked

    def lift_limit(self) -> None:
        """Remove the limit of the log: the client sends no more, and the rest is short."""
        self._backpressure.lift()

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """Let a frame that waits give up, and later ones wait for nothing, inside the context."""
        self._give_up_ms = monotonic_ms()
        try:
            yield
        finally:
            self._give_up_ms = float("inf")

    async def append(
        self,
        kind: FrameKind,
        data: bytes,
        received_wall_ms: float,
        position: IngestPosition,
        update: VocabularyUpdate | None = None,
    ) -> bool:
        """Append one frame, with which the log reaches ``position``; return False if the session has ended.

        Raises SttError superseded or unavailable.
        """
        frame = Frame(self._seq + 1, kind, data, FrameMeta(round(received_wall_ms, 3), vocabulary=update))
        outage = Outage(patience_s=REDIS_PATIENCE_MS / 1000, retry_s=UNREACHABLE_RETRY_S)
        while True:
            try:
                written = await self._bus.sessions.append_audio(
                    self._owner, frame, position, max_bytes=self._backpressure.max_bytes
                )
            except UNREACHABLE as error:
                if monotonic_ms() > self._give_up_ms:
                    raise unavailable() from error
                await outage.wait(error)
                continue
            outage.end()
            if written in (WriteResult.OK, WriteResult.DUPLICATE):
                self._seq, self.position = frame.seq, position
                self._backpressure.stored()
                return True
            if written is not WriteResult.FULL:
                REFUSED_WRITES.labels(written).inc()
                await self._raise_reason(written)
                return False
            self._backpressure.refused()
            if monotonic_ms() > self._give_up_ms:
                raise SttError("unavailable", "the session's workers do not keep up; connect again")
            await asyncio.sleep(FULL_RETRY_S)

    async def check(self) -> int:
        """Check that the session is still this writer's and not stalled; return its committed samples.

        Raises SttError superseded, unavailable or no_worker, and Redis errors.
        """
        try:
            progress = await self._bus.sessions.progress(self._owner)
            self._check_standing(progress.standing)
            if self._had_outage:
                await self._bus.sessions.enqueue_unowned(self._owner)
                self._had_outage = False
        except UNREACHABLE:
            self._had_outage = True
            raise
        await self._backpressure.check(self._bus, self._owner.keys, progress.positions)
        return progress.committed_samples

    async def is_ours(self) -> bool:
        """Return whether no other connection has the session. Raises Redis errors."""
        return await self._bus.sessions.standing(self._owner) in (Standing.OWNER, Standing.ENDED)

    async def _raise_reason(self, written: WriteResult) -> None:
        """Raise the reason why a frame was refused; return when the session has simply ended."""
        try:
            standing = await self._bus.sessions.standing(self._owner)
        except UNREACHABLE as error:
            raise unavailable() from error
        self._check_standing(standing)
        if written is not WriteResult.GONE:
            raise SttError("unavailable", "the session's store lost part of this session; connect again")

    def _check_standing(self, standing: Standing) -> None:
        if standing is Standing.LOST:
            raise SttError("unavailable", "the session's store lost this session; connect again")
        if standing is Standing.SUPERSEDED:
            raise SttError("superseded", f"another connection has session {self._owner.keys.name} now")
