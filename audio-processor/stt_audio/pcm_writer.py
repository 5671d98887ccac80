"""Writer of one PCM log: numbers the frames, tracks the position, waits when the log is full."""

import asyncio
import random
from functools import partial

import structlog

from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta, StreamError
from stt_shared.contracts.session import VocabularyUpdate
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.metrics import REFUSED_WRITES
from stt_shared.redis.outage import until_answered
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import STAGE_TRANSCRIBER
from stt_shared.streams.ownership import Ownership, OwnershipLost, RolledBack, WriteResult
from stt_shared.streams.session_state import MAX_PCM_LOG_SAMPLES, DecoderPosition

_log = structlog.get_logger()

UNSERVED_S = 60.0
"""Longest wait for room in a full log without a live transcriber. A live one detects a stalled session itself."""
_LOOK_EVERY_MS = 2000.0


class Unserved(Exception):
    """The log is full and no transcriber reads it."""


class PcmWriter:
    """Writer that appends to the PCM log of ``owner`` after frame ``seq`` and sample ``position_samples``.

    ``unserved_s``: longest wait for room in a full log without a live transcriber; None for files, which may wait
    forever. ``channels``: numbers of the channels that are interleaved in the audio; none: they are mixed to one.
    """

    def __init__(
        self,
        bus: Bus,
        owner: Ownership,
        *,
        seq: int = 0,
        position_samples: int = 0,
        max_samples: int = MAX_PCM_LOG_SAMPLES,
        unserved_s: float | None = None,
    ) -> None:
        self._bus = bus
        self._owner = owner
        self._max_samples = max_samples
        self._unserved_s = unserved_s
        self.channels: tuple[int, ...] = ()
        self.seq = seq
        self.position_samples = position_samples

    @property
    def session_id(self) -> str:
        """Session or job whose log is written."""
        return self._owner.keys.id

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels together."""
        return 2 * max(1, len(self.channels))

    def skip(self, pcm: bytes) -> None:
        """Count a frame that is already in the log."""
        self.seq += 1
        self.position_samples += len(pcm) // self.frame_bytes

    async def write(
        self,
        kind: FrameKind,
        pcm: bytes = b"",
        *,
        consumed: int = 0,
        keep_from: int = 0,
        decoder: DecoderPosition | None = None,
        is_last: bool = False,
        received_ms: float = 0.0,
        queue_ms: float = 0.0,
        decode_ms: float = 0.0,
        error: StreamError | None = None,
        vocabulary: VocabularyUpdate | None = None,
    ) -> None:
        """Append one frame, waiting until the log has room for it.

        ``consumed``, ``keep_from``, ``decoder`` and ``is_last`` are as in ``SessionStreams.append_pcm``. Raises
        OwnershipLost, RolledBack or Unserved.
        """
        served_ms = looked_ms = monotonic_ms()
        while True:
            meta = FrameMeta(
                received_ms,
                self.position_samples,
                queue_ms,
                decode_ms,
                wall_ms(),
                error,
                self.channels,
                vocabulary,
            )
            frame = Frame(self.seq + 1, kind, pcm, meta)
            append = partial(
                self._bus.sessions.append_pcm,
                self._owner,
                frame,
                consumed=consumed,
                keep_from=keep_from,
                decoder=decoder,
                is_last=is_last,
                max_samples=self._max_samples,
            )
            written = await until_answered(append)
            if written is not WriteResult.FULL:
                break
            await asyncio.sleep(random.uniform(0.02, 0.05))  # noqa: S311 - spreads the retries of many sessions
            now_ms = monotonic_ms()
            if self._unserved_s is None or now_ms - looked_ms < _LOOK_EVERY_MS:
                continue
            looked_ms = now_ms
            if await until_answered(self._is_served):
                served_ms = now_ms
            elif now_ms - served_ms >= 1000 * self._unserved_s:
                raise Unserved(f"no transcriber took the audio for {self._unserved_s:g} s")
        if written in (WriteResult.OK, WriteResult.DUPLICATE):
            self.skip(pcm)
            return
        REFUSED_WRITES.labels(written.value).inc()
        if written is WriteResult.HOLE:
            raise RolledBack(f"frame {frame.seq} was refused: an earlier one is missing")
        _log.info("write refused", session_id=self.session_id, reason=written.value)
        raise OwnershipLost(written.value)

    async def _is_served(self) -> bool:
        return await self._bus.sessions.has_worker(self._owner.keys, STAGE_TRANSCRIBER)
