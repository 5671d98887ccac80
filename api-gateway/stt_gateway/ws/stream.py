"""Route ``WS /v1/stt/stream``: one client's connection, from its first byte to the close code."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec
import redis
import structlog
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from stt_gateway.context import GatewayContext, context_of
from stt_gateway.core.live.framing import joined_ms
from stt_gateway.core.live.messages import (
    Audio,
    Finalize,
    Keepalive,
    Message,
    Stop,
    message_from_bytes,
    message_from_text,
)
from stt_gateway.core.live.rate_limit import AudioRateLimit
from stt_gateway.core.requests.parameters import Defaults, SessionRequest, session_request, shown
from stt_gateway.live.event_sender import CLOSE_DONE, ClientGone, EventSender, send_text
from stt_gateway.live.opening import Opening
from stt_gateway.live.session import Session
from stt_gateway.ws.protocol import LOST
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import Error, Ready
from stt_shared.process.clock import monotonic_ms
from stt_shared.process.cpus import usable_cpus
from stt_shared.process.metrics import ERRORS_TOTAL, SESSIONS
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams.keys import is_valid_id

_log = structlog.get_logger()

FIRST_MESSAGE_S = 0.2
"""Time that a client without ``session_id`` in its query has to name one; after that it is given one, and `ready`."""
LOOK_AFTER_S = 1.0
LONE_PATIENCE_MS = 1000.0
"""Longer than replicas take to report their load and gateways take to read it."""
LONE_RETRY_S = 0.1
CLOSE_TIMEOUT_S = 1.0
CONNECTION_LOST = 1006
CORES = usable_cpus()
_CONTAINER_BYTES_PER_S = 192_000
"""Assumed rate of containers: compressed audio, lossless included, rarely needs more; only a decoder knows its
duration."""

router = APIRouter()


@router.websocket("/v1/stt/stream")
async def stream(websocket: WebSocket) -> None:
    """Receive live audio and send events; docs/protocol.md is the contract."""
    # Accept before any check: a browser cannot read why a handshake was refused.
    await websocket.accept()
    with SESSIONS.labels("gateway").track_inprogress():
        await Connection(websocket, context_of(websocket), websocket.query_params.multi_items()).run()


@dataclass(frozen=True)
class _Closed:
    """Outcome: the sender has finished; ``code`` is the close code."""

    code: int


@dataclass(frozen=True)
class _Renamed:
    """Outcome: ``first``, which no audio preceded, names a session other than the one opened for the client."""

    session_id: str
    first: Message


_Outcome = _Closed | _Renamed | ClientGone | SttError


class Connection:
    """One client's WebSocket. It serves one session, or two in succession when the client names its own late."""

    def __init__(self, websocket: WebSocket, services: GatewayContext, query: Sequence[tuple[str, str]]) -> None:
        self._websocket = websocket
        self._query = query
        self._services = services
        self._settings = services.settings
        self._session_id = uuid.uuid4().hex
        self._named_by_client = False
        self._last_event = 0
        self._is_open = False
        self._has_place = False

    async def run(self) -> None:
        """Serve the client until the connection is closed. Raises nothing but cancellation."""
        client = self._websocket.client
        try:
            with self._services.connections.one_of(client.host if client else ""):
                code = await self._serve()
        except ClientGone:
            return
        except SttError as error:
            code = await self._tell(error)
        except Exception:
            # The only catch-all of this connection: no traceback may reach a client, no other connection may suffer.
            _log.exception("connection failed", session_id=self._session_id)
            code = await self._tell(SttError("internal", "internal server error; connect again"))
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            # The client may have closed in the meantime, or may not read at all.
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._websocket.close(code)

    async def _serve(self) -> int:
        settings = self._settings
        defaults = Defaults(settings.sample_rate, settings.channels, settings.vad_silence_threshold_ms)
        request = session_request(self._query, defaults)
        first: Message | None = None
        if request.session_id is not None:
            if not is_valid_id(request.session_id):
                raise SttError("bad_config", f"session_id={shown(request.session_id)} is not allowed; {_ID_RULE}")
            self._name(request.session_id)
        else:
            # A client that cannot be served is refused before anything is waited for.
            try:
                await self._patiently(lambda: self._services.admission.look(request.config))
            except (redis.ConnectionError, redis.TimeoutError) as error:
                raise _not_opened(error) from error
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_MESSAGE_S):
                    first = await self._receive(request)
            if first is not None and first.session_id is not None:
                self._name(first.session_id)
        while True:
            outcome = await self._serve_session(request, first)
            if isinstance(outcome, _Closed):
                return outcome.code
            if not isinstance(outcome, _Renamed):
                raise outcome
            first = outcome.first
            self._name(outcome.session_id)

    def _name(self, session_id: str) -> None:
        self._session_id = session_id
        self._named_by_client = True

    async def _serve_session(self, request: SessionRequest, first: Message | None) -> _Outcome:
        services = self._services
        self._is_open = False
        try:
            session, ready = await self._session(request)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            return _not_opened(error)
        self._is_open = True
        pump = EventSender(
            self._websocket,
            services.bus,
            session.owner,
            ready,
            session.timings,
            partials=session.config.interim_results,
            send_timeout_s=self._settings.send_timeout_s,
        )
        ended: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
        pumping = asyncio.create_task(_until(ended, lambda: self._forward(pump)), name="pump")
        others = [
            asyncio.create_task(_until(ended, lambda: self._listen(session, request, first)), name="receive"),
            asyncio.create_task(_until(ended, session.run_timers), name="tend"),
            asyncio.create_task(_until(ended, lambda: self._look_after(session, pump)), name="look after"),
        ]
        services.sessions.add(session)
        try:
            outcome = await ended
            async with session.paused_writes():
                for task in others:
                    task.cancel()
            ends_here = isinstance(outcome, SttError) and not outcome.kind.retryable
            if isinstance(outcome, SttError) and ends_here and not pumping.done() and await session.fail(outcome):
                # The error is sent like any other event, after those that wait.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.send_timeout_s):
                        ended_with = await pumping
                        outcome = ended_with if ended_with is not None else outcome
            elif ends_here or outcome == _Closed(CLOSE_DONE):
                pass
            elif _is_for_good(outcome) or not session.is_worth_keeping:
                await session.abandon()
            else:
                # A client that comes back finds the session as it was.
                services.detached.park(session)
        finally:
            services.sessions.discard(session)
            await cancel_and_wait(pumping, *others)
            self._last_event = pump.last_event
        _log.info("connection detached", session_id=session.id, outcome=_described(outcome))
        return outcome

    async def _session(self, request: SessionRequest) -> tuple[Session, Ready]:
        """Resume the session that the client asks for, or open a new one. Raises SttError and Redis errors."""
        services, resume = self._services, request.resume
        self._last_event = resume.last_event if resume else 0
        max_utterance_s = await services.admission.max_utterance_s()
        opening = Opening(services.bus, self._settings, max_utterance_s)
        if resume is not None and (resumed := await opening.resume(self._session_id, resume)):
            return resumed
        if not self._has_place:
            await self._patiently(lambda: services.admission.check(request.config))
            self._has_place = True
        return await opening.open(self._session_id, request.config, resume)

    async def _patiently(self, admitted: Callable[[], Awaitable[None]]) -> None:
        """Await ``admitted``, retrying ``at_capacity`` for LONE_PATIENCE_MS while this gateway serves no session.

        The place of the client before this one may be free but not reported yet. Raises what ``admitted`` raises.
        """
        give_up_ms = monotonic_ms() + LONE_PATIENCE_MS
        while True:
            try:
                return await admitted()
            except SttError as error:
                if error.code != "at_capacity" or self._services.sessions or monotonic_ms() > give_up_ms:
                    raise
            await asyncio.sleep(LONE_RETRY_S)

    async def _forward(self, pump: EventSender) -> _Outcome:
        return _Closed(await pump.run())

    async def _listen(self, session: Session, request: SessionRequest, first: Message | None) -> _Outcome:
        pace = AudioRateLimit(self._settings.max_audio_rate, self._settings.audio_burst_s)
        message = first
        while True:
            if message is not None:
                named = message.session_id
                if named is not None and named != session.id:
                    if self._named_by_client or session.has_audio:
                        raise SttError("bad_message", f"session_id {shown(named)}; this connection's is {session.id!r}")
                    return _Renamed(named, message)
                await _dispatch(session, message)
                # A client that sends too fast is read later and loses nothing.
                if (wait_s := pace.spend(_audio_s(session, message), monotonic_ms())) > 0:
                    await asyncio.sleep(wait_s)
            message = await self._receive(request)

    async def _look_after(self, session: Session, pump: EventSender) -> _Outcome:
        async with self._services.bus.channels.listen(session.owner.keys.state) as inbox:
            while True:
                await inbox.get(LOOK_AFTER_S)
                session.framer.join(joined_ms(self._settings.frame_ms, len(self._services.sessions), CORES))
                try:
                    await session.check(pump.last_sent_ms)
                except (redis.ConnectionError, redis.TimeoutError) as error:
                    # The tasks that write and read for the session decide when the outage has lasted too long.
                    _log.warning("session not checked", session_id=session.id, cause=str(error))
                if session.waits_for_room and self._is_lost():
                    # Nobody would read of the disconnection before there is room, which may never come.
                    raise ClientGone(CONNECTION_LOST)

    def _is_lost(self) -> bool:
        is_lost = self._websocket.scope.get("extensions", {}).get(LOST)
        return is_lost is not None and is_lost()

    async def _receive(self, request: SessionRequest) -> Message:
        """Return the next message. Raises ClientGone, or SttError for a message that is not allowed."""
        received = await self._websocket.receive()
        if received["type"] == "websocket.disconnect":
            raise ClientGone(received.get("code"))
        text: str | None = received.get("text")
        if text is None:
            return message_from_bytes(received["bytes"], request.framing, self._settings.max_message_bytes)
        message = message_from_text(text, self._settings.max_message_bytes)
        if message.session_id is not None and not is_valid_id(message.session_id):
            raise SttError("bad_message", f"session_id {shown(message.session_id)}; {_ID_RULE}")
        return message

    async def _tell(self, error: SttError) -> int:
        """Send an error that could not go through the session's results; return the close code."""
        event = Error(
            session_id=self._session_id,
            event=self._last_event + 1,
            code=error.code,
            message=error.message,
            retryable=error.kind.retryable,
            # A client that loses an open session should come back for it at once.
            retry_after_s=None if self._is_open else self._services.retry_after_s(error.kind),
        )
        ERRORS_TOTAL.labels(error.code).inc()
        with contextlib.suppress(ClientGone, TimeoutError):
            await send_text(self._websocket, msgspec.json.encode(event).decode(), self._settings.send_timeout_s)
        return error.kind.close_code


_ID_RULE = "an id is 1 to 128 letters, digits and . _ : @ -"


def _is_for_good(outcome: _Outcome) -> bool:
    return isinstance(outcome, _Renamed) or (isinstance(outcome, ClientGone) and outcome.for_good)


def _not_opened(error: Exception) -> SttError:
    _log.warning("session not opened: redis unavailable", cause=str(error))
    return SttError("unavailable", "the session's store does not answer; connect again")


async def _dispatch(session: Session, message: Message) -> None:
    match message:
        case Audio():
            await session.audio(message)
        case Finalize():
            await session.finalize()
        case Stop():
            await session.stop()
        case Keepalive():
            await session.keepalive()


def _audio_s(session: Session, message: Message) -> float:
    """Return how many seconds of audio a message counts for."""
    if not isinstance(message, Audio):
        return 0.0
    duration_ms = session.framer.duration_ms(len(message.chunk))
    return len(message.chunk) / _CONTAINER_BYTES_PER_S if duration_ms is None else duration_ms / 1000


async def _until(ended: "asyncio.Future[_Outcome]", part: Callable[[], Awaitable[_Outcome | None]]) -> _Outcome | None:
    """Run one part of a session and set its outcome in ``ended``, unless another part ended first."""
    outcome: _Outcome | None
    try:
        outcome = await part()
    except (ClientGone, SttError) as error:
        outcome = error
    except Exception:
        _log.exception("part of a session failed")
        outcome = SttError("internal", "internal server error; connect again")
    if outcome is not None and not ended.done():
        ended.set_result(outcome)
    return outcome


def _described(outcome: _Outcome) -> str:
    match outcome:
        case _Closed():
            return f"closed {outcome.code}"
        case _Renamed():
            return "renamed"
        case SttError():
            return outcome.code
        case _:
            return "client gone"
