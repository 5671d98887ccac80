"""Route ``WS /v1/stt/stream``: a client's live session, or two in succession when the client names its own late."""

import asyncio
import contextlib
import functools
import uuid
from collections.abc import Awaitable, Callable, Iterator

import structlog
from fastapi import APIRouter, WebSocket

from stt_gateway.authorize import for_invited, needs, principal_of
from stt_gateway.context import context_of, query_of
from stt_gateway.core.live.messages import Message
from stt_gateway.core.live.time_limits import FIRST_AUDIO_KEPT_S
from stt_gateway.core.requests.parameters import quoted
from stt_gateway.core.requests.principal import Scope, check_invited
from stt_gateway.core.requests.session_request import SessionRequest
from stt_gateway.dialects.base import Dialect, Payload
from stt_gateway.dialects.native import NATIVE
from stt_gateway.live.client_socket import ClientSocket
from stt_gateway.live.event_sender import EventSender
from stt_gateway.live.opening import SessionOpener, token_hash
from stt_gateway.live.session import Session
from stt_gateway.outbound.callbacks import check_callback
from stt_gateway.store.known_voices import publish_known_voices
from stt_gateway.store.names import stored_id
from stt_gateway.ws.attachment import Attachment, Closed, Displaced, OtherSession, Outcome
from stt_gateway.ws.endpoint import serve
from stt_gateway.ws.message_reader import ID_RULE, MessageReader
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import Error, Ready
from stt_shared.contracts.services import ServiceName
from stt_shared.contracts.session import SessionConfig
from stt_shared.process.clock import monotonic_ms
from stt_shared.process.metrics import SESSIONS
from stt_shared.redis.outage import UNREACHABLE, unavailable
from stt_shared.streams.keys import is_valid_id, session_keys_of

_log = structlog.get_logger()

FIRST_MESSAGE_S = 0.2
"""Time that a client without ``session_id`` in its query has to name one; after that it is given one, and `ready`."""
IDLE_GATEWAY_PATIENCE_MS = 1000.0
"""Longer than replicas take to report their load and gateways take to read it."""
IDLE_GATEWAY_RETRY_S = 0.1

router = APIRouter()


@router.websocket("/v1/stt/stream")
@needs(Scope.STREAM)
@for_invited
async def stream(websocket: WebSocket) -> None:
    """Receive live audio and send events; docs/protocol.md is the contract."""
    await serve(websocket, StreamConnection(websocket, NATIVE))


class StreamConnection:
    """Live sessions of one connection, in the words of ``dialect``.

    ``idle_timeout_s``: how long its client may send nothing; None: as the settings say.
    """

    def __init__(self, websocket: WebSocket, dialect: Dialect, *, idle_timeout_s: float | None = None) -> None:
        self._context = context_of(websocket)
        self._websocket = websocket
        self._dialect = dialect
        self._idle_timeout_s = idle_timeout_s
        self._is_named_by_client = False
        self._last_event = 0
        self._is_admitted = False
        self.session_id = uuid.uuid4().hex
        self.has_session = False

    @functools.cached_property
    def asked(self) -> SessionRequest | None:
        """What the client asks for by its query; None if a message will. Raises SttError bad_config."""
        return self._dialect.parse_query(query_of(self._websocket), self._context.settings.live_defaults)

    @property
    def stream_name(self) -> str:
        """Name of the session. Raises SttError bad_config."""
        named = self.asked.session_id if self.asked else None
        return named if named is not None and is_valid_id(named) else self.session_id

    async def run(self, client: ClientSocket) -> int:
        """Serve the client until its session ends; return the close code."""
        with SESSIONS.labels(ServiceName.GATEWAY).track_inprogress():
            return await self._serve(client)

    def render_error(self, error: SttError, retry_after_s: float | None) -> Payload | None:
        """Render an error that could not go through the session's results."""
        event = Error(
            session_id=self.session_id,
            event=self._last_event + 1,
            code=error.code,
            message=error.message,
            retryable=error.kind.retryable,
            retry_after_s=retry_after_s,
        )
        return self._dialect.render_error(event)

    def close_code(self, code: str) -> int:
        """Return the dialect's close code."""
        return self._dialect.close_code(code)

    async def _serve(self, client: ClientSocket) -> int:
        asked = self.asked  # before the greeting, which may depend on it
        for message in self._dialect.greeting():
            await client.send(message)
        messages = MessageReader(client, self._dialect, asked, self._context.settings.max_message_bytes)
        request = await messages.request(self._idle_timeout_s or FIRST_AUDIO_KEPT_S)
        self._check_invited(request.config)
        first = await self._choose_session(client, request, messages)
        while True:
            outcome = await self._serve_session(client, request, messages, first)
            match outcome:
                case Closed():
                    return outcome.code
                case OtherSession():
                    first = outcome.first
                    self._name(outcome.session_id)
                case _:
                    # Whoever lost the place must not come back at once.
                    self.has_session = not isinstance(outcome, Displaced)
                    raise outcome

    async def _choose_session(
        self, client: ClientSocket, request: SessionRequest, messages: MessageReader
    ) -> Message | None:
        """Find the client's name for its session, in its query or its first message; return that message, if any."""
        if request.session_id is not None:
            if not is_valid_id(request.session_id):
                raise SttError("bad_config", f"session_id={quoted(request.session_id)} is not allowed; {ID_RULE}")
            self._name(request.session_id)
            return None
        # A client that cannot be served is refused before anything is waited for.
        with _opening():
            await self._retry_while_idle(lambda: self._context.admission.check(request.config, client.address))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_MESSAGE_S):
                first = await messages.next()
                if first.session_id is not None:
                    self._name(first.session_id)
                return first
        return None

    def _name(self, session_id: str) -> None:
        self.session_id = session_id
        self._is_named_by_client = True

    async def _serve_session(
        self, client: ClientSocket, request: SessionRequest, messages: MessageReader, first: Message | None
    ) -> Outcome:
        async with contextlib.AsyncExitStack() as held:
            with _opening():
                session, ready = await self._open(client, request, held)
            return await self._attach(client, messages, first, session, ready)

    async def _attach(
        self, client: ClientSocket, messages: MessageReader, first: Message | None, session: Session, ready: Ready
    ) -> Outcome:
        context = self._context
        self.has_session = True
        sender = EventSender(
            client,
            self._dialect,
            context.bus,
            session.owner,
            ready,
            session.timings,
            partials=session.config.interim_results,
        )
        try:
            may_choose = not self._is_named_by_client
            account = context.accounts.of(principal_of(self._websocket), session.owner, session.config)
            resumable = self._dialect.resumable
            attachment = Attachment(
                context, client, messages, session, sender, account, may_choose=may_choose, resumable=resumable
            )
            return await attachment.run(first)
        finally:
            self._last_event = sender.last_event

    async def _open(
        self, client: ClientSocket, request: SessionRequest, held: contextlib.AsyncExitStack
    ) -> tuple[Session, Ready]:
        """Resume the session that the client asks for, or open a new one, which holds a place if it is to be stored.

        Raises SttError and Redis errors.
        """
        context, resume = self._context, request.resume
        self._last_event = resume.last_event if resume else 0
        max_utterance_s = await context.admission.max_utterance_s()
        maker = principal_of(self._websocket).maker
        opener = SessionOpener(
            context.bus,
            context.settings,
            context.detached,
            maker,
            max_utterance_s,
            gateway=context.replica.id,
            resumable=self._dialect.resumable,
            idle_timeout_s=self._idle_timeout_s,
        )
        if resume is not None and principal_of(self._websocket).invited is not None:
            state = await context.bus.sessions.state(session_keys_of(maker.tenant, self.session_id))
            self._check_invited(request.config if state is None else state.config)
        if resume is not None and (resumed := await opener.resume(self.session_id, resume)):
            return resumed
        if not self._is_admitted:
            await context.limits.check_audio(principal_of(self._websocket))
            await check_callback(context.settings, context.bus.callbacks, request.config.callback_url)
            await self._retry_while_idle(lambda: context.admission.admit(request.config, client.address))
            self._is_admitted = True
        if request.config.known_speakers:
            await publish_known_voices(context.voices, context.bus.jobs, maker.tenant)
        place = None
        # One that Redis has lost goes on whatever is stored.
        if request.config.store and (resume is None or resume.is_opening):
            place = await held.enter_async_context(context.stored.session(principal_of(self._websocket)))
        session, ready = await opener.open(self.session_id, request.config, resume)
        if place is not None:
            await place.rename(stored_id(self.session_id, token_hash(session.owner.keys, ready.resume_token)))
        return session, ready

    def _check_invited(self, config: SessionConfig) -> None:
        """Raise SttError forbidden if the client is invited, but not to speak in the session's conversation."""
        principal = principal_of(self._websocket)
        check_invited(principal, config.conversation_id)
        if principal.invited is not None and config.store:
            raise SttError("forbidden", "an invitation does not store transcripts (store=true); use a key")
        if principal.invited is not None and config.known_speakers:
            raise SttError("forbidden", "an invitation does not name who is enrolled (known_speakers=true); use a key")

    async def _retry_while_idle(self, admit: Callable[[], Awaitable[None]]) -> None:
        """Await ``admit``, retrying ``at_capacity`` for IDLE_GATEWAY_PATIENCE_MS while this gateway has no session.

        The place of the client before this one may be free but not reported yet. Raises what ``admit`` raises.
        """
        give_up_ms = monotonic_ms() + IDLE_GATEWAY_PATIENCE_MS
        while True:
            try:
                return await admit()
            except SttError as error:
                if error.code != "at_capacity" or self._context.sessions or monotonic_ms() > give_up_ms:
                    raise
            await asyncio.sleep(IDLE_GATEWAY_RETRY_S)


@contextlib.contextmanager
def _opening() -> Iterator[None]:
    """Turn an outage of Redis into the error of a session that could not be opened."""
    try:
        yield
    except UNREACHABLE as error:
        _log.warning("session not opened: redis unavailable", cause=str(error))
        raise unavailable() from error
