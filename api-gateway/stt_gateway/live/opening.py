"""Opening of a connection's session: a new one, a resumed one, or one rebuilt after Redis lost it."""

import asyncio
import hashlib
import secrets
import uuid

import structlog

from stt_gateway.core.live.time_limits import FIRST_AUDIO_S
from stt_gateway.core.requests.session_request import Resume
from stt_gateway.live.detached import DetachedSessions
from stt_gateway.live.session import Session
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import Ready
from stt_shared.contracts.makers import LOCAL_TENANT, Maker
from stt_shared.contracts.services import ServiceName
from stt_shared.contracts.session import AUDIO_RATE_HZ, SessionConfig, decode_config, encode_json
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.metrics import SESSIONS_TOTAL
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import STAGE_GATEWAY, StreamKeys
from stt_shared.streams.ownership import Ownership
from stt_shared.streams.session_opening import AttachRefusal, Hold, OpenedSession, StartPosition

_log = structlog.get_logger()

IN_USE_PATIENCE_MS = 1000.0
"""Time to retry an id in use: a client may open it again before the suite notices that its last connection closed."""
IN_USE_RETRY_S = 0.05
_HOLD_MARGIN_S = 5.0


class SessionOpener:
    """Opener of one client's sessions, new and resumed ones; those of other tenants are out of its reach.

    ``gateway``: the id of this replica. ``resumable``: whether the client can come back to a session.
    ``idle_timeout_s``: how long the client may send nothing; None: as the settings say.
    Both methods return the session with its `ready`. They raise SttError for a client that cannot be served, and Redis
    errors.
    """

    def __init__(
        self,
        bus: Bus,
        settings: GatewaySettings,
        detached: DetachedSessions,
        maker: Maker,
        max_utterance_s: int,
        *,
        gateway: str,
        resumable: bool,
        idle_timeout_s: float | None = None,
    ) -> None:
        self._bus = bus
        self._gateway = gateway
        self._resume_window_s = settings.resume_window_s if resumable else 0.0
        self._maker = maker
        self._detached = detached
        self._max_utterance_s = max_utterance_s
        self._settings = settings
        self._idle_timeout_s = idle_timeout_s or settings.session_idle_timeout_s
        self._hold = Hold(self._idle_timeout_s + settings.resume_window_s, FIRST_AUDIO_S + _HOLD_MARGIN_S)

    async def open(self, session_id: str, config: SessionConfig, resume: Resume | None) -> tuple[Session, Ready]:
        """Begin a session with this id and queue it for its workers.

        ``resume``: given for a session that is rebuilt from what its client knows. Raises SttError not_found when
        ``resume`` does not say what the client knows, conflict when the id is in use.
        """
        at = keys.session_keys_of(self._maker.tenant, session_id)
        epoch, token = uuid.uuid4().hex, resume.token if resume else secrets.token_urlsafe(24)
        start = _start_position(resume)
        try:
            opened = await self._open_when_free(at, epoch, config, token, start)
            owner = Ownership(at, epoch, STAGE_GATEWAY, opened.fence)
            if config.callback_url:
                await self._bus.callbacks.watch_session(at.id, epoch, config.callback_url, self._maker.tenant)
                if resume is not None and opened.replaces:
                    # The same session is rebuilt: its client is told of the end that it will have.
                    await self._bus.callbacks.drop(keys.session_callback_id(opened.replaces))
            await self._bus.sessions.announce(owner)
            await self._bus.sessions.enqueue(owner)
        except UNREACHABLE:
            # Redis may have opened it. A client without a token of its own could not open the id again.
            if resume is None:
                self._detached.undo_open(self._bus, at, epoch)
            raise
        rebuilt = resume is not None and not resume.is_opening
        session = Session(
            self._bus, owner, config, self._settings, had_audio=rebuilt, idle_timeout_s=self._idle_timeout_s
        )
        SESSIONS_TOTAL.labels(ServiceName.GATEWAY).inc()
        _log.info("session opened", session_id=session_id, epoch=epoch, supersedes=opened.replaces)
        return session, session.ready(token, None if resume is None else False, start.event, self._max_utterance_s)

    async def resume(self, session_id: str, resume: Resume) -> tuple[Session, Ready] | None:
        """Resume a session that still exists; return None if it does not, or lacks something that its client has.

        Raises SttError not_found when the token is not that session's, unless the client may be opening it.
        """
        at = keys.session_keys_of(self._maker.tenant, session_id)
        known = resume.known
        attached = await self._bus.sessions.attach(
            at,
            token_hash(at, resume.token),
            finals=known.finals if known else 0,
            committed_samples=_samples(known.committed_ms) if known else 0,
            ttl_s=keys.SESSION_TTL_S,
            gateway=self._gateway,
        )
        if isinstance(attached, AttachRefusal):
            _log.info("session not resumed", session_id=session_id, cause=attached.value)
            if attached is AttachRefusal.OTHER and not resume.is_opening:
                raise _not_found()
            return None
        owner = Ownership(at, attached.epoch, STAGE_GATEWAY, attached.fence)
        await self._bus.sessions.announce(owner)
        await self._bus.sessions.enqueue_unowned(owner)
        _log.info("session resumed", session_id=session_id, epoch=attached.epoch, fence=attached.fence)
        session = Session(
            self._bus,
            owner,
            decode_config(attached.config),
            self._settings,
            seq=attached.audio_seq,
            position=attached.held,
            stopped=attached.stopped,
            idle_timeout_s=self._idle_timeout_s,
        )
        return session, session.ready(resume.token, True, resume.last_event, self._max_utterance_s)

    async def _open_when_free(
        self, at: StreamKeys, epoch: str, config: SessionConfig, token: str, start: StartPosition
    ) -> OpenedSession:
        give_up_ms = monotonic_ms() + IN_USE_PATIENCE_MS
        while True:
            opened = await self._bus.sessions.open(
                at,
                epoch,
                encode_json(config),
                wall_ms(),
                keys.SESSION_TTL_S,
                token_hash=token_hash(at, token),
                beginning=start,
                hold=self._hold,
                key_id=self._maker.key_id,
                gateway=self._gateway,
                resume_window_s=self._resume_window_s,
            )
            if opened is not None:
                return opened
            if monotonic_ms() > give_up_ms:
                raise SttError(
                    "conflict",
                    f"session_id {at.name!r} is in use: resume that session with its resume_token, or take another id; "
                    "this one is free when the session has ended, or some time after its connection was lost "
                    f"({self._settings.resume_window_s:g} s)",
                )
            await asyncio.sleep(IN_USE_RETRY_S)


def _start_position(resume: Resume | None) -> StartPosition:
    """Return the start position; it counts `ready` as the first event, although that never enters the log."""
    if resume is None:
        return StartPosition(event=1)
    known = resume.known
    if known is None:
        raise _not_found()
    return StartPosition(resume.last_event + 1, known.finals, _samples(known.committed_ms), _samples(known.start_ms))


def _not_found() -> SttError:
    return SttError("not_found", "no session of this id and token; begin a new one")


def token_hash(at: StreamKeys, token: str) -> str:
    """Return what Redis and the store know of a session's token."""
    # It names the stored session too, so sessions of two tenants must not have the same one.
    prefix = "" if at.tenant == LOCAL_TENANT else f"{at.tenant}\0"
    return hashlib.sha256((prefix + token).encode()).hexdigest()


def _samples(milliseconds: int) -> int:
    return milliseconds * AUDIO_RATE_HZ // 1000
