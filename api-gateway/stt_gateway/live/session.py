"""Writing side of a live session: ordered and framed audio, control frames and acks, from the gateway to Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from stt_gateway.core.live.acknowledgement import Acknowledgement
from stt_gateway.core.live.framing import Framer, Piece
from stt_gateway.core.live.messages import Audio
from stt_gateway.core.live.reorder import Chunk, Missing, Reorder
from stt_gateway.core.live.silence import SilenceWatch
from stt_gateway.core.live.stored_chunks import StoredChunks
from stt_gateway.core.live.time_limits import TimeLimits
from stt_gateway.core.requests.session_request import effective_config
from stt_gateway.live.ingest import IngestWriter
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import Ack, Error, Event, Gap, Limits, Notice, Ready, iso_timestamp
from stt_shared.contracts.frames import INGEST_START, FrameKind, IngestPosition
from stt_shared.contracts.session import AUDIO_RATE_HZ, SessionConfig, VocabularyUpdate
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.metrics import GAPS_TOTAL, StageTimings
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership, WriteResult

_log = structlog.get_logger()

HASTY_MS = 3000
"""Length of a session's first audio that is sent in short frames, because the user is waiting for the first word."""
MAX_FOREIGN_MESSAGES = 16
"""Messages of other protocols that are ignored before the first audio: greetings of telephone gateways and the like."""
STANDSTILL_MS = 200.0
"""Delay of a timer that shows that the process stood still: a running process never wakes up this late."""


class Session:
    """Writing side of an open session. One task may write at a time; the methods ensure that themselves.

    ``idle_timeout_s``: another one than that of the settings.
    All methods raise SttError when the session cannot continue: superseded, or unavailable when Redis is unreachable.
    """

    def __init__(
        self,
        bus: Bus,
        owner: Ownership,
        config: SessionConfig,
        settings: GatewaySettings,
        *,
        seq: int = 0,
        position: IngestPosition = INGEST_START,
        had_audio: bool = False,
        stopped: bool = False,
        idle_timeout_s: float | None = None,
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._ingest = IngestWriter(bus, owner, config, seq=seq, position=position)
        self._reorder = Reorder(position.seq)
        self._chunks = StoredChunks(position)
        self.framer = Framer(config, settings.frame_ms, HASTY_MS if position == INGEST_START else 0)
        self._silence = SilenceWatch(config.endpointing_ms)
        self._limits = TimeLimits(
            idle_timeout_s or settings.session_idle_timeout_s,
            settings.max_session_s,
            monotonic_ms(),
            answer_timeout_s=settings.session_idle_timeout_s,
        )
        self._acknowledgement = Acknowledgement()
        self._foreign_messages = 0
        self._lock = asyncio.Lock()
        self.owner = owner
        self.config = config
        self.timings = StageTimings()
        self.has_audio = had_audio or position != INGEST_START
        """Whether any audio came, stored in Redis or not."""
        self.audio_ms = 0.0
        """When audio came last, by the monotonic clock; 0: not on this connection."""
        self.stopped = stopped
        """Whether nothing more is written: STOP is in the log, or the session has ended."""

    def ready(self, token: str, resumed: bool | None, event: int, max_utterance_s: int) -> Ready:
        """Build the first event, which is sent only on the client's own connection: nobody else may read the token.

        ``resumed``: None if the client did not ask to resume. ``event``: number of the newest event before those that
        follow. ``max_utterance_s``: as the transcribers announce it.
        """
        settings = self._settings
        return Ready(
            event=event,
            session_id=self.id,
            resume_token=token,
            resumed=resumed,
            resume_from_seq=self._ingest.position.seq,
            limits=Limits(settings.max_message_bytes, settings.max_session_s, max_utterance_s),
            config=effective_config(self.config),
            timestamp=iso_timestamp(wall_ms()),
        )

    @property
    def id(self) -> str:
        """Session id, as the client knows it."""
        return self.owner.keys.name

    @property
    def received_s(self) -> float:
        """Bare samples that came so far, in seconds; 0 for a container, where only a decoder knows."""
        return (self.framer.duration_ms(self._chunks.passed_bytes) or 0.0) / 1000

    @property
    def is_worth_keeping(self) -> bool:
        """Whether the session has audio or was stopped, so that a client may come back to it."""
        return self.has_audio or self.stopped

    @property
    def waits_for_room(self) -> bool:
        """Whether a frame waits for room in the full ingest log, and all later messages of the client with it."""
        return self._ingest.is_blocked

    async def audio(self, message: Audio) -> None:
        """Accept a chunk; return when the frames that it completes are in Redis. Waits while the log is full."""
        now_ms = monotonic_ms()
        self._limits.message_received(now_ms)
        async with self._lock:
            if self.stopped:
                return
            if message.chunk:
                self.has_audio, self.audio_ms = True, now_ms
            self._silence.audio_arrived(now_ms, self.framer.duration_ms(len(message.chunk)))
            await self._append_chunks(self._reorder.push(message.seq, message.chunk), now_ms)
            self._silence.audio_handled(monotonic_ms())

    async def finalize(self) -> None:
        """End the current utterance after the audio so far."""
        self._limits.message_received(monotonic_ms())
        async with self._lock:
            if not self.stopped:
                await self._append_control(FrameKind.FINALIZE)

    async def configure(self, update: VocabularyUpdate) -> None:
        """Change the vocabulary of the utterances that begin after the audio so far."""
        self._limits.message_received(monotonic_ms())
        async with self._lock:
            if not self.stopped:
                await self._flush()
                await self._append(FrameKind.CONFIGURE, b"", wall_ms(), update)

    async def stop(self) -> None:
        """End the audio; `done` will follow."""
        self._limits.message_received(monotonic_ms())
        self._ingest.lift_limit()
        async with self._lock:
            if not self.stopped:
                await self._append_control(FrameKind.STOP)

    async def keepalive(self) -> None:
        """Handle a keepalive: the client is silent on purpose."""
        self._limits.message_received(monotonic_ms())
        try:
            await self._bus.sessions.extend(self.owner)
        except UNREACHABLE as error:
            # The keys live for an hour: the next message will extend a lifetime that was not extended here.
            _log.warning("session not extended", session_id=self.id, cause=str(error))

    async def ignore(self, error: SttError) -> None:
        """Ignore a message of another protocol, with a warning; raise its error once audio came, or if it is one too
        many."""
        self._limits.message_received(monotonic_ms())
        self._foreign_messages += 1
        if self.has_audio or self._foreign_messages > MAX_FOREIGN_MESSAGES:
            raise error
        if self._foreign_messages == 1:
            message = f"a message before the audio was ignored: {error.message}"
            await self._emit(Notice(session_id=self.id, code="unknown_message", message=message))

    async def run_timers(self) -> None:
        """Send audio that has waited long enough, and detect a client that fell silent. Runs until cancelled."""
        while True:
            now_ms = monotonic_ms()
            dues = [due for due in (self.framer.due_ms, self._silence.deadline_ms) if due is not None]
            wait_ms = max(1.0, min([float(self.framer.frame_ms), *(due - now_ms for due in dues)]))
            await asyncio.sleep(wait_ms / 1000)
            if monotonic_ms() - now_ms - wait_ms > STANDSTILL_MS:
                # This process stood still and has not read what came meanwhile: the client was not silent.
                self._silence.audio_handled(monotonic_ms())
            if self._lock.locked() or self.stopped:
                continue
            async with self._lock:
                now_ms = monotonic_ms()
                deadline_ms = self._silence.deadline_ms
                if deadline_ms is not None and now_ms >= deadline_ms:
                    await self._append_control(FrameKind.IDLE)
                elif self.framer.due_ms is not None and now_ms >= self.framer.due_ms:
                    await self._append_pieces(self.framer.flush())

    async def check(self, last_event_ms: float) -> None:
        """Check ownership, progress and time limits, and send an ack when due; to be called every second.

        ``last_event_ms``: when something was last sent to the client (monotonic).
        """
        committed_samples = await self._ingest.check()
        await self._acknowledge(committed_samples * 1000 // AUDIO_RATE_HZ)
        now_ms = monotonic_ms()
        if self.stopped:
            self._limits.check_answered(now_ms, last_event_ms)
        elif self._limits.is_too_long(now_ms):
            limit = f"the session reached the limit of {self._settings.max_session_s} s and is stopped"
            await self.end("session_limit", limit)
        elif not self._lock.locked():
            self._limits.check_idle(now_ms, has_audio=self.has_audio)

    async def end(self, code: str, message: str) -> None:
        """Tell the client why the session ends, and stop it: what was said so far gets its finals."""
        if not self.stopped:
            await self._emit(Notice(session_id=self.id, code=code, message=message))
            await self.stop()

    async def fail(self, error: SttError) -> bool:
        """Append the error to the session's results, which ends it; return False when that is not possible."""
        event = Error(session_id=self.id, code=error.code, message=error.message, retryable=error.kind.retryable)
        return await self._emit(event)

    async def abandon(self) -> None:
        """Free the id and end the audio after the client has gone, so that nothing waits for more."""
        try:
            await self._bus.sessions.leave(self.owner, forget=not self.is_worth_keeping)
        except UNREACHABLE as error:
            _log.warning("session id not freed: redis unavailable", session_id=self.id, cause=str(error))
        if not self.is_worth_keeping:
            return
        try:
            await self.stop()
        except SttError as error:
            _log.info("session not stopped", session_id=self.id, cause=error.code)

    async def is_ours(self) -> bool:
        """Return whether no other connection has the session. Raises Redis errors."""
        return await self._ingest.is_ours()

    @contextlib.asynccontextmanager
    async def paused_writes(self) -> AsyncIterator[None]:
        """Ensure that no write is in flight: a task cancelled inside leaves no frame whose arrival is unknown."""
        with self._ingest.impatient():
            async with self._lock:
                yield

    async def _append_chunks(self, chunks: list[Chunk | Missing], now_ms: float) -> None:
        for chunk in chunks:
            if isinstance(chunk, Missing):
                self._chunks.skip(chunk.last)
                await self._report_gap(chunk)
            elif pieces := self.framer.push(self._chunks.add(chunk.seq, chunk.data), now_ms):
                await self._append_pieces(pieces)

    async def _report_gap(self, missing: Missing) -> None:
        at_ms = round(self.framer.duration_ms(self._chunks.passed_bytes) or 0)
        cause = f"chunks {missing.first} to {missing.last} never came"
        GAPS_TOTAL.labels("chunks_missing").inc()
        await self._emit(Gap(session_id=self.id, from_ms=at_ms, to_ms=at_ms, cause=cause))

    async def _flush(self) -> None:
        """Append all audio so far; chunks that are missing are not waited for any longer."""
        await self._append_chunks(self._reorder.release(), monotonic_ms())
        await self._append_pieces(self.framer.flush())

    async def _append_control(self, kind: FrameKind) -> None:
        await self._flush()
        if kind is FrameKind.STOP and self.framer.cut_sample_bytes:
            message = f"the last {self.framer.cut_sample_bytes} bytes are no whole sample and were ignored"
            await self._emit(Notice(session_id=self.id, code="half_sample", message=message))
        await self._append(kind, b"", wall_ms())
        self._silence.utterance_ended()
        self.stopped = self.stopped or kind is FrameKind.STOP

    async def _append_pieces(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            received_wall_ms = wall_ms() - (monotonic_ms() - piece.last_ms)
            await self._append(FrameKind.AUDIO, piece.data, received_wall_ms)
            self.timings.add("receive", monotonic_ms() - piece.first_ms)

    async def _append(
        self, kind: FrameKind, data: bytes, received_wall_ms: float, update: VocabularyUpdate | None = None
    ) -> None:
        position = self._chunks.position_after(len(data))
        if await self._ingest.append(kind, data, received_wall_ms, position, update):
            self._chunks.stored(position)
        else:
            # The session was ended by an event that is on its way to the client.
            self.stopped = True

    async def _acknowledge(self, committed_ms: int) -> None:
        position, now_ms = (self._ingest.position.seq, committed_ms), monotonic_ms()
        if self._acknowledgement.is_due(position, now_ms) and await self._emit(
            Ack(session_id=self.id, received_seq=position[0], committed_ms=committed_ms)
        ):
            self._acknowledgement.sent(position, now_ms)

    async def _emit(self, event: Event) -> bool:
        try:
            written, _ = await self._bus.sessions.emit(self.owner, event)
        except UNREACHABLE as error:
            _log.warning("event not stored", session_id=self.id, kind=type(event).__name__, cause=str(error))
            return False
        return written is WriteResult.OK
