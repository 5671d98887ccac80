"""Writing side of a live session: ordered and framed audio, control frames and acks, from the gateway to Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import redis
import structlog

from stt_gateway.core.live.framing import Framer, Piece
from stt_gateway.core.live.messages import Audio
from stt_gateway.core.live.reorder import Chunk, Missing, Reorder
from stt_gateway.core.live.silence import SilenceWatch
from stt_gateway.core.live.stored_chunks import StoredChunks
from stt_gateway.core.requests.session_request import effective_config
from stt_gateway.live.backpressure import PROGRESS, Backpressure
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import Ack, Error, Event, Gap, Limits, Notice, Ready, iso_timestamp
from stt_shared.contracts.frames import INGEST_START, Frame, FrameKind, FrameMeta, IngestPosition
from stt_shared.contracts.session import AUDIO_RATE_HZ, SessionConfig
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.metrics import REFUSED_WRITES, StageTimings
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import STAGE_GATEWAY
from stt_shared.streams.ownership import Ownership, WriteResult

_log = structlog.get_logger()

FULL_RETRY_S = 0.02
UNREACHABLE_RETRY_S = 0.1
REDIS_PATIENCE_MS = 10_000.0
"""Time that Redis may be unreachable before a session is given up."""
FIRST_AUDIO_S = 10.0
"""Time that a session may be silent before its first audio."""
FIRST_AUDIO_KEPT_S = 60.0
"""Limit to which keepalives may extend that: a place is meant for a client that sends audio."""
HASTY_MS = 3000
"""Length of a session's first audio that is sent in short frames, because the user is waiting for the first word."""
ACK_EVERY_MS = 1000.0
STANDSTILL_MS = 200.0
"""Delay of a timer that shows that the process stood still: a running process never wakes up this late."""
_FENCE = f"fence:{STAGE_GATEWAY}"
_LOOKED_AT = ("epoch", _FENCE, "committed_samples", *PROGRESS)


class Session:
    """Writing side of an open session. One task may write at a time; the methods ensure that themselves.

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
        held: IngestPosition = INGEST_START,
        had_audio: bool = False,
        stopped: bool = False,
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._reorder = Reorder(held.seq)
        self._chunks = StoredChunks(held)
        self.framer = Framer(config, settings.frame_ms, HASTY_MS if held == INGEST_START else 0)
        self._silence = SilenceWatch(config.endpointing_ms)
        self._room = Backpressure(config)
        self._lock = asyncio.Lock()
        self._seq = seq
        self._held = held
        self._committed_ms = 0
        self._acked = (0, 0)
        self._ack_due_ms = 0.0
        self._give_up_ms = float("inf")
        self._opened_ms = self._last_sign_ms = monotonic_ms()
        self.owner = owner
        self.config = config
        self.timings = StageTimings()
        self.has_audio = had_audio or held != INGEST_START
        """Whether any audio came, stored in Redis or not."""
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
            resume_from_seq=self._held.seq,
            limits=Limits(settings.max_message_bytes, settings.max_session_s, max_utterance_s),
            config=effective_config(self.config),
            timestamp=iso_timestamp(wall_ms()),
        )

    @property
    def id(self) -> str:
        """Session id."""
        return self.owner.keys.id

    async def audio(self, message: Audio) -> None:
        """Accept a chunk; return when the frames that it completes are in Redis. Waits while the log is full."""
        now_ms = self._sign_of_life()
        async with self._lock:
            if self.stopped:
                return
            self.has_audio = self.has_audio or len(message.chunk) > 0
            self._silence.audio_arrived(now_ms, self.framer.duration_ms(len(message.chunk)))
            await self._pass_on(self._reorder.push(message.seq, message.chunk), now_ms)
            self._silence.audio_handled(monotonic_ms())

    @property
    def waits_for_room(self) -> bool:
        """Whether a frame waits for room in the full ingest log, and all later messages of the client with it."""
        return self._room.is_blocked

    async def finalize(self) -> None:
        """End the current utterance after the audio so far."""
        self._sign_of_life()
        async with self._lock:
            if not self.stopped:
                await self._control(FrameKind.FINALIZE)

    async def stop(self) -> None:
        """End the audio; `done` will follow."""
        self._sign_of_life()
        self._room.lift()
        async with self._lock:
            if not self.stopped:
                await self._control(FrameKind.STOP)

    async def keepalive(self) -> None:
        """Handle a keepalive: the client is silent on purpose."""
        self._sign_of_life()
        try:
            await self._bus.client.expire(self.owner.keys.state, keys.SESSION_TTL_S)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            # The keys live for an hour: the next message will extend a lifetime that was not extended here.
            _log.warning("session not extended", session_id=self.id, cause=str(error))

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
                    await self._control(FrameKind.IDLE)
                elif self.framer.due_ms is not None and now_ms >= self.framer.due_ms:
                    await self._append_all(self.framer.flush())

    async def check(self, last_event_ms: float) -> None:
        """Check ownership, progress and time limits, and send an ack when due; to be called every second.

        ``last_event_ms``: when something was last sent to the client (monotonic).
        """
        epoch, fence, committed, *progress = await self._bus.sessions.fields(self.owner.keys, *_LOOKED_AT)
        self._check_place(epoch, fence)
        await self._room.check(self._bus, self.owner.keys, progress)
        self._committed_ms = int(committed or 0) * 1000 // AUDIO_RATE_HZ
        await self._acknowledge()
        now_ms = monotonic_ms()
        idle_ms = self._settings.session_idle_timeout_s * 1000
        if self.stopped:
            if now_ms - max(self._last_sign_ms, last_event_ms) > idle_ms:
                raise SttError("no_worker", "the session's workers do not answer; connect again")
        elif now_ms - self._opened_ms > self._settings.max_session_s * 1000:
            limit = f"the session reached the limit of {self._settings.max_session_s} s and is stopped"
            await self._emit(Notice(session_id=self.id, code="session_limit", message=limit))
            await self.stop()
        elif not self._lock.locked():
            self._check_idle(now_ms, idle_ms)

    def _check_idle(self, now_ms: float, idle_ms: float) -> None:
        silence_ms = idle_ms if self.has_audio else min(idle_ms, FIRST_AUDIO_S * 1000)
        if now_ms - self._last_sign_ms > silence_ms:
            raise SttError("idle", f"nothing came for {silence_ms / 1000:g} s; send audio or keepalive more often")
        if not self.has_audio and now_ms - self._opened_ms > FIRST_AUDIO_KEPT_S * 1000:
            raise SttError("idle", f"no audio came within {FIRST_AUDIO_KEPT_S:g} s; connect when there is some")

    async def fail(self, error: SttError) -> bool:
        """Append the error to the session's results, which ends it; return False when that is not possible."""
        event = Error(session_id=self.id, code=error.code, message=error.message, retryable=error.kind.retryable)
        return await self._emit(event)

    async def abandon(self) -> None:
        """Free the id and end the audio after the client has gone, so that nothing waits for more."""
        try:
            await self._bus.sessions.leave(self.owner, forget=not self.is_worth_keeping)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            _log.warning("session id not freed: redis unavailable", session_id=self.id, cause=str(error))
        if not self.is_worth_keeping:
            return
        try:
            await self.stop()
        except SttError as error:
            _log.info("session not stopped", session_id=self.id, cause=error.code)

    async def is_ours(self) -> bool:
        """Return whether no other connection has the session. Raises Redis errors."""
        epoch, fence = await self._bus.sessions.fields(self.owner.keys, "epoch", _FENCE)
        return (epoch, fence) == (self.owner.epoch.encode(), str(self.owner.fence).encode())

    @property
    def is_worth_keeping(self) -> bool:
        """Whether the session has audio or was stopped, so that a client may come back to it."""
        return self.has_audio or self.stopped

    @contextlib.asynccontextmanager
    async def paused_writes(self) -> AsyncIterator[None]:
        """Ensure that no write is in flight: a task cancelled inside leaves no frame whose arrival is unknown."""
        self._give_up_ms = monotonic_ms()
        async with self._lock:
            yield
        self._give_up_ms = float("inf")

    def _sign_of_life(self) -> float:
        self._last_sign_ms = monotonic_ms()
        return self._last_sign_ms

    async def _pass_on(self, parts: list[Chunk | Missing], now_ms: float) -> None:
        for part in parts:
            if isinstance(part, Missing):
                self._chunks.skip(part.last)
                await self._tell_missing(part)
            else:
                if pieces := self.framer.push(self._chunks.add(part.seq, part.data), now_ms):
                    await self._append_all(pieces)

    async def _tell_missing(self, missing: Missing) -> None:
        at_ms = round(self.framer.duration_ms(self._chunks.passed_bytes) or 0)
        cause = f"chunks {missing.first} to {missing.last} never came"
        await self._emit(Gap(session_id=self.id, from_ms=at_ms, to_ms=at_ms, cause=cause))

    async def _control(self, kind: FrameKind) -> None:
        await self._pass_on(self._reorder.release(), monotonic_ms())
        await self._append_all(self.framer.flush())
        if kind is FrameKind.STOP and self.framer.cut_sample_bytes:
            message = f"the last {self.framer.cut_sample_bytes} bytes are no whole sample and were ignored"
            await self._emit(Notice(session_id=self.id, code="half_sample", message=message))
        await self._append(kind, b"", wall_ms())
        self._silence.settled()
        self.stopped = kind is FrameKind.STOP

    async def _append_all(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            received_wall_ms = wall_ms() - (monotonic_ms() - piece.last_ms)
            await self._append(FrameKind.AUDIO, piece.data, received_wall_ms)
            self.timings.add("receive", monotonic_ms() - piece.first_ms)

    async def _append(self, kind: FrameKind, data: bytes, received_wall_ms: float) -> None:
        frame = Frame(self._seq + 1, kind, data, FrameMeta(received_ms=round(received_wall_ms, 3)))
        held = self._chunks.held(len(data))
        unreachable_since_ms: float | None = None
        while True:
            try:
                written = await self._bus.sessions.append_audio(self.owner, frame, held, max_bytes=self._room.max_bytes)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                unreachable_since_ms = unreachable_since_ms or monotonic_ms()
                if monotonic_ms() > min(unreachable_since_ms + REDIS_PATIENCE_MS, self._give_up_ms):
                    raise SttError("unavailable", "the session's store does not answer; connect again") from error
                await asyncio.sleep(UNREACHABLE_RETRY_S)
                continue
            if written in (WriteResult.OK, WriteResult.DUPLICATE):
                self._seq, self._held = frame.seq, held
                self._chunks.stored(held)
                self._room.stored()
                return
            if written is not WriteResult.FULL:
                REFUSED_WRITES.labels(written).inc()
                await self._explain(written)
                return
            self._room.refused()
            if monotonic_ms() > self._give_up_ms:
                raise SttError("unavailable", "the session's workers do not keep up; connect again")
            await asyncio.sleep(FULL_RETRY_S)

    async def _explain(self, written: WriteResult) -> None:
        """Raise the reason why a frame was refused; return when the session has simply ended."""
        try:
            place = await self._bus.client.hmget(self.owner.keys.state, ["epoch", _FENCE])
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise SttError("unavailable", "the session's store does not answer; connect again") from error
        self._check_place(*place)
        if written is not WriteResult.GONE:
            raise SttError("unavailable", "the session's store lost part of this session; connect again")
        # The session was ended by an event that is on its way to the client.
        self.stopped = True

    def _check_place(self, epoch: Any, fence: Any) -> None:
        if epoch is None or fence is None:
            raise SttError("unavailable", "the session's store lost this session; connect again")
        if epoch.decode() != self.owner.epoch or int(fence) != self.owner.fence:
            raise SttError("superseded", f"another connection has session {self.id} now")

    async def _acknowledge(self) -> None:
        position = (self._held.seq, self._committed_ms)
        now_ms = monotonic_ms()
        if position == self._acked or now_ms < self._ack_due_ms:
            return
        if await self._emit(Ack(session_id=self.id, received_seq=position[0], committed_ms=position[1])):
            self._acked, self._ack_due_ms = position, now_ms + ACK_EVERY_MS

    async def _emit(self, event: Event) -> bool:
        try:
            written, _ = await self._bus.sessions.emit(self.owner, event)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            _log.warning("event not stored", session_id=self.id, kind=type(event).__name__, cause=str(error))
            return False
        return written is WriteResult.OK
