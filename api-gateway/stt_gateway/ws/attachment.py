"""A session while a connection has it: the client's messages in, the session's events out, until one of them ends."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from stt_gateway.context import GatewayContext
from stt_gateway.core.live.framing import joined_ms
from stt_gateway.core.live.messages import Audio, Configure, Finalize, Foreign, Keepalive, Message, Stop
from stt_gateway.core.live.rate_limit import RateLimit, message_cost_s
from stt_gateway.core.requests.parameters import quoted
from stt_gateway.core.requests.principal import SignInExpired
from stt_gateway.keys.accounts import SessionAccount
from stt_gateway.live.client_socket import CLOSE_DONE, ClientGone, ClientSocket
from stt_gateway.live.event_sender import EventSender
from stt_gateway.live.session import Session
from stt_gateway.ws.message_reader import MessageReader
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms
from stt_shared.process.cpus import usable_cpus
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.outage import UNREACHABLE

_log = structlog.get_logger()

CHECK_EVERY_S = 1.0
CONNECTION_LOST = 1006
CORES = usable_cpus()
CONTROLS_PER_S, CONTROLS_AT_ONCE = 1.0, 10.0
"""Limits on `finalize` and `configure`: each of the former is answered by a final, which costs as much as many
partials, and each of the latter may be long."""
_CONTAINER_BYTES_PER_S = 192_000
"""Assumed rate of containers: compressed audio, lossless included, rarely needs more; only a decoder knows its
duration."""


@dataclass(frozen=True)
class Closed:
    """Outcome: all events were sent, or the client does not read them; ``code`` is the close code."""

    code: int


@dataclass(frozen=True)
class OtherSession:
    """Outcome: ``first``, which no audio preceded, names a session other than the one opened for the client."""

    session_id: str
    first: Message


class Displaced(SttError):
    """Outcome: the session gave its place to another client."""

    def __init__(self) -> None:
        super().__init__("at_capacity", "all places are taken, and this one went to another client; try again later")


Outcome = Closed | OtherSession | Exception
"""How an attachment ended; an exception is ClientGone, an SttError, or a defect."""


class Attachment:
    """One session on one connection.

    ``may_choose``: the client may still name another session. ``resumable``: it can come back to this one.
    """

    def __init__(
        self,
        context: GatewayContext,
        client: ClientSocket,
        messages: MessageReader,
        session: Session,
        sender: EventSender,
        account: SessionAccount,
        *,
        may_choose: bool,
        resumable: bool,
    ) -> None:
        self._context = context
        self._client = client
        self._messages = messages
        self._session = session
        self._sender = sender
        self._account = account
        self._may_choose = may_choose
        self._resumable = resumable
        self._rate_limit = RateLimit(context.settings.max_audio_rate, context.settings.audio_burst_s)
        self._control_limit = RateLimit(CONTROLS_PER_S, CONTROLS_AT_ONCE)
        self._ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    async def run(self, first: Message | None) -> Outcome:
        """Serve the session, beginning with the message ``first``; then end, abandon or detach it."""
        sending = self._start(self._send, "send events")
        others = [
            self._start(lambda: self._receive(first), "receive"),
            self._start(self._session.run_timers, "session timers"),
            self._start(self._check_regularly, "check session"),
        ]
        self._context.sessions.add(self._session, self._client.address, self._displace)
        try:
            outcome = await self._ended
            async with self._session.paused_writes():
                for task in others:
                    task.cancel()
            outcome = await self._leave(outcome, sending)
        finally:
            self._context.sessions.discard(self._session)
            self._context.accounts.settle(self._account, self._session.received_s)
            await cancel_and_wait(sending, *others)
        _log.info("connection detached", session_id=self._session.id, outcome=_describe(outcome))
        return outcome

    def _displace(self) -> None:
        if not self._ended.done():
            _log.info("session displaced", session_id=self._session.id)
            self._ended.set_result(Displaced())

    def _start(self, part: Callable[[], Awaitable[Outcome | None]], name: str) -> "asyncio.Task[Outcome | None]":
        return asyncio.create_task(self._until_ended(part), name=name)

    async def _until_ended(self, part: Callable[[], Awaitable[Outcome | None]]) -> Outcome | None:
        """Run one part of the attachment; its outcome is that of the whole, unless another part ended first."""
        outcome: Outcome | None
        try:
            outcome = await part()
        except Exception as error:
            # ws/endpoint.py decides what the client learns, and logs what nobody expects.
            outcome = error
        if outcome is not None and not self._ended.done():
            self._ended.set_result(outcome)
        return outcome

    async def _leave(self, outcome: Outcome, sending: "asyncio.Task[Outcome | None]") -> Outcome:
        session = self._session
        if isinstance(outcome, SttError) and not outcome.kind.retryable and not isinstance(outcome, SignInExpired):
            if not sending.done() and await session.fail(outcome):
                # The error is sent like any other event, after those that wait.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._context.settings.send_timeout_s):
                        return await sending or outcome
        elif outcome == Closed(CLOSE_DONE):
            pass
        elif _is_for_good(outcome) or not session.is_worth_keeping or not self._resumable:
            await session.abandon()
        else:
            # A client that comes back finds the session as it was.
            self._context.detached.add(session)
        return outcome

    async def _send(self) -> Outcome:
        try:
            return Closed(await self._sender.run())
        except ClientGone:
            # An event met a closed connection. What the client sent before it closed is still to be read, and how it
            # closed.
            await asyncio.sleep(self._context.settings.send_timeout_s)
            raise

    async def _receive(self, first: Message | None) -> Outcome:
        session, message = self._session, first
        while True:
            if message is not None:
                named = message.session_id
                if named is not None and named != session.id:
                    if not self._may_choose or session.has_audio:
                        raise SttError(
                            "bad_message", f"session_id {quoted(named)}; this connection's is {session.id!r}"
                        )
                    return OtherSession(named, message)
                await _apply(session, message)
                # A client that sends too fast is read later and loses nothing.
                if (wait_s := self._pace(message)) > 0:
                    await asyncio.sleep(wait_s)
            message = await self._messages.next()

    def _pace(self, message: Message) -> float:
        """Return for how many seconds nothing more should be read of the client."""
        now_ms = monotonic_ms()
        wait_s = self._rate_limit.spend(message_cost_s(_audio_s(self._session, message)), now_ms)
        is_control = isinstance(message, Finalize | Configure)
        return max(wait_s, self._control_limit.spend(1, now_ms)) if is_control else wait_s

    async def _check_regularly(self) -> None:
        session, context = self._session, self._context
        async with context.bus.sessions.announcements(session.owner.keys) as inbox:
            while True:
                await inbox.get(CHECK_EVERY_S)
                # Nothing is read while the client is paced or a frame waits for room.
                self._client.check_ended()
                session.framer.join(joined_ms(context.settings.frame_ms, len(context.sessions), CORES))
                try:
                    await session.check(self._sender.last_sent_ms)
                    if await self._account.charge_if_due(session.received_s):
                        await session.end("quota_exceeded", "the key has no audio left today; the session is stopped")
                except UNREACHABLE as error:
                    # The tasks that write and read for the session decide when the outage has lasted too long.
                    _log.warning("session not checked", session_id=session.id, cause=str(error))
                if session.waits_for_room and self._client.is_lost():
                    # Nobody would read of the disconnection before there is room, which may never come.
                    raise ClientGone(CONNECTION_LOST)


def _is_for_good(outcome: Outcome) -> bool:
    return isinstance(outcome, OtherSession | Displaced) or (isinstance(outcome, ClientGone) and outcome.for_good)


async def _apply(session: Session, message: Message) -> None:
    match message:
        case Audio():
            await session.audio(message)
        case Finalize():
            await session.finalize()
        case Configure():
            await session.configure(message.update())
        case Stop():
            await session.stop()
        case Keepalive():
            await session.keepalive()
        case Foreign():
            await session.ignore(message.error)


def _audio_s(session: Session, message: Message) -> float:
    """Return how many seconds of audio a message counts for."""
    if not isinstance(message, Audio):
        return 0.0
    duration_ms = session.framer.duration_ms(len(message.chunk))
    return len(message.chunk) / _CONTAINER_BYTES_PER_S if duration_ms is None else duration_ms / 1000


def _describe(outcome: Outcome) -> str:
    match outcome:
        case Closed():
            return f"closed {outcome.code}"
        case OtherSession():
            return "other session"
        case SttError():
            return outcome.code
        case ClientGone():
            return "client gone"
        case _:
            return "internal"
