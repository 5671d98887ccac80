"""Decoding of live sessions: turns ingest frames into 16 kHz frames, in order, until STOP."""

import contextlib
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from functools import partial
from typing import cast

import structlog

from stt_audio.live.decoder import DecoderWarning, live_decoder
from stt_audio.live.pipeline import LivePipeline
from stt_audio.live.progress import Progress
from stt_audio.pcm_writer import UNSERVED_S, PcmWriter, Unserved
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import Notice
from stt_shared.contracts.frames import Frame, FrameKind, StreamError
from stt_shared.contracts.services import ServiceName
from stt_shared.process.metrics import SESSIONS, SESSIONS_TOTAL
from stt_shared.redis.outage import REDIS_ERRORS, UNREACHABLE, Outage, until_answered
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership, OwnershipLost, RolledBack, Standing
from stt_shared.streams.reader import LogHole, LogReader
from stt_shared.streams.session_state import SessionState
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import Assignment

_log = structlog.get_logger()


class LiveSessions:
    """Live sessions of this replica, with the resources they share. ``handle`` runs one of them."""

    def __init__(
        self,
        bus: Bus,
        executor: Executor,
        max_decoded_samples: int,
        guard: CrashGuard | None = None,
    ) -> None:
        self._bus = bus
        self._executor = executor
        self._max_decoded_samples = max_decoded_samples
        self._guard = guard or CrashGuard(bus)

    async def handle(self, assignment: Assignment) -> None:
        """Decode one session until its STOP, its end or the loss of its ownership."""
        SESSIONS_TOTAL.labels(ServiceName.AUDIO_PROCESSOR).inc()
        with SESSIONS.labels(ServiceName.AUDIO_PROCESSOR).track_inprogress(), contextlib.suppress(OwnershipLost):
            state = SessionState.read(assignment.fields)
            writer = PcmWriter(self._bus, assignment.owner, seq=state.pcm_seq, unserved_s=UNSERVED_S)
            writer.channels = state.config.channels_apart
            try:
                await self._decode(assignment, state, writer)
            except LogHole as hole:
                _log.error("log hole found", session_id=writer.session_id, cause=str(hole))
                await _write_failure(writer, SttError("internal", "audio was lost on its way to the decoder"))
            except SttError as error:
                await _write_failure(writer, error)
            except Unserved as unserved:
                await _write_failure(writer, SttError("no_worker", str(unserved)))
            except (OwnershipLost, RolledBack, *REDIS_ERRORS):
                raise
            except Exception:
                # Whatever the error is, the client must not wait forever; the stage logs it.
                await _write_failure(writer, SttError("internal", "the decoder failed"))
                raise

    async def _decode(self, assignment: Assignment, state: SessionState, writer: PcmWriter) -> None:
        progress = Progress.read(state)
        if progress.ended:
            return
        writer.position_samples = progress.written_samples
        trial = await self._guard.session(assignment, "consumed_seq")
        decoder = live_decoder(
            state.config, self._executor, self._max_decoded_samples, progress.checkpoint(), progress.done_samples
        )
        reader = self._bus.sessions.read_audio(assignment.owner.keys, progress.keep_from - 1)
        try:
            async with contextlib.aclosing(self._frames(assignment.owner, reader, writer)) as frames:
                await LivePipeline(writer, decoder, progress, partial(self._warn, assignment.owner), trial).run(frames)
        finally:
            await decoder.close()
            if trial is not None:
                await trial.end()

    async def _warn(self, owner: Ownership, warning: DecoderWarning) -> None:
        notice = Notice(session_id=owner.keys.name, code=warning.code, message=warning.message)
        await until_answered(lambda: self._bus.sessions.emit(owner, notice))

    async def _frames(
        self, owner: Ownership, reader: LogReader[Frame], writer: PcmWriter
    ) -> AsyncGenerator[Frame, None]:
        """Yield ingest frames for as long as this replica owns the session, even if the Redis connection is lost.

        Raises RolledBack.
        """
        outage = Outage()
        while True:
            try:
                items = cast(AsyncGenerator[Frame | None, None], reader.items())
                async with contextlib.aclosing(items):
                    async for frame in items:
                        outage.end()
                        if frame is not None:
                            yield frame
                        elif not await self._continues(owner, reader, writer):
                            return
            except UNREACHABLE as error:
                # A refusal comes at once, and the question below may be answered all the same.
                await outage.wait(error)
                await until_answered(lambda: self._continues(owner, reader, writer))

    async def _continues(self, owner: Ownership, reader: LogReader[Frame], writer: PcmWriter) -> bool:
        progress = await self._bus.sessions.progress(owner)
        if progress.standing is not Standing.OWNER:
            return False
        if progress.audio_seq < reader.position or progress.pcm_seq < writer.seq:
            raise RolledBack("the logs are behind their reader and writer")
        return True


async def _write_failure(writer: PcmWriter, error: SttError) -> None:
    _log.info("session failed", session_id=writer.session_id, code=error.code, cause=error.message)
    await writer.write(FrameKind.STOP, error=StreamError(error.code, error.message), is_last=True)
