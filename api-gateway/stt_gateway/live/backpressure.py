"""Limit on a session's ingest log, and on how long a frame waits for room in it."""

import structlog

from stt_gateway.core.live.stall import StallWatch
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import SessionConfig
from stt_shared.process.clock import monotonic_ms
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import STAGE_AUDIO, STAGE_TRANSCRIBER, StreamKeys
from stt_shared.streams.sessions import MAX_INGEST_LOG_BYTES

_log = structlog.get_logger()

MAX_INGEST_LOG_S = 60
"""Duration of bare samples that may wait to be decoded; containers are bounded by bytes alone."""


class Backpressure:
    """Size limit of one session's ingest log, and stall detection for a frame that waits for room in it."""

    def __init__(self, config: SessionConfig) -> None:
        sample_bytes = config.frame_bytes()
        self.max_bytes = MAX_INGEST_LOG_BYTES
        """Bytes of audio that may wait to be decoded."""
        if sample_bytes is not None:
            self.max_bytes = min(self.max_bytes, MAX_INGEST_LOG_S * config.sample_rate * sample_bytes)
        self._watch = StallWatch()

    def lift(self) -> None:
        """Remove the limit: the client sends no more, and the rest is short."""
        self.max_bytes = 2**62

    @property
    def is_blocked(self) -> bool:
        """Whether a frame waits for room."""
        return self._watch.is_blocked

    def refused(self) -> None:
        """Note that a frame found no room."""
        self._watch.block(monotonic_ms())

    def stored(self) -> None:
        """Note that a frame found room."""
        self._watch.unblock()

    async def check(self, bus: Bus, at: StreamKeys, positions: tuple[int, int, int]) -> None:
        """Raise SttError no_worker when the session cannot continue; ``positions``: see SessionProgress."""
        if not self._watch.is_blocked:
            return
        served = {stage: await bus.sessions.has_worker(at, stage) for stage in (STAGE_AUDIO, STAGE_TRANSCRIBER)}
        if self._watch.is_stalled(positions, all(served.values()), monotonic_ms()):
            _log.warning("session stalled", session_id=at.id, served=served)
            raise SttError("no_worker", "the session's workers have stopped; connect again")
