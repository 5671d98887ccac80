"""OpenAI's Realtime API for transcription, in its present form and that of the beta: docs/dialects.md."""

from collections.abc import Sequence

import msgspec

from stt_gateway.core.live.messages import Audio, Configure, Finalize
from stt_gateway.core.openai.errors import openai_error
from stt_gateway.core.openai.realtime.events import Event, EventBuilder, encoded
from stt_gateway.core.openai.realtime.messages import (
    Append,
    BetaUpdate,
    Clear,
    ClientMessage,
    Commit,
    NotUnderstood,
    Update,
    client_message,
)
from stt_gateway.core.openai.realtime.secret_request import described_session
from stt_gateway.core.openai.realtime.session import RealtimeSession, fixed_change
from stt_gateway.core.openai.realtime.turns import TurnOptions, Turns
from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_gateway.dialects.base import Begin, Payload, Reply, Step
from stt_shared.contracts.errors import ERRORS, SttError
from stt_shared.contracts.events import (
    Ack,
    Done,
    Error,
    Final,
    Finalized,
    Notice,
    Partial,
    SpeechEnded,
    SpeechStarted,
    decode_event,
)
from stt_shared.contracts.session import Endpointing

NATIVE_PARAMETERS = frozenset(
    (
        "conversation_id",
        "fillers",
        "known_speakers",
        "redact",
        "redact_patterns",
        "replacements",
        "session_id",
        "speaker",
        "speakers",
        "store",
        "task",
    )
)
"""Parameters of the native API that may stand in the query; others are ignored, as OpenAI does."""
LEAST_COMMIT_MS = 100
CLOSE_REFUSED, CLOSE_FAILED, CLOSE_TOO_LARGE = 1008, 1011, 1009


class OpenAIRealtimeDialect:
    """``WS /v1/realtime``: one connection. ``prefix``: makes the ids of its events and items unique.

    ``described``: the session that a client secret was made for, as JSON; None without one.
    """

    resumable = False

    def __init__(self, prefix: str, described: bytes | None = None, *, is_beta: bool = False) -> None:
        self._session_id = f"sess_{prefix}"
        self._builder = EventBuilder(prefix, is_beta=is_beta)
        self._described = described
        self._session = RealtimeSession()
        self._defaults = Defaults()
        self._turns = Turns(self._builder, TurnOptions())
        self._received_bytes = 0
        self._boundary_bytes = 0  # what was received when the client committed or cleared last

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest | None:
        """Take the model and parameters of the native API from the query.

        Raises SttError bad_config, or unauthorized for a client secret that cannot be read.
        """
        self._defaults = defaults
        try:
            begun = described_session(self._described) if self._described is not None else self._session
        except msgspec.DecodeError:
            raise SttError("unauthorized", "the client secret is not valid") from None
        self._session = begun.from_query(pairs, NATIVE_PARAMETERS)
        self._apply_options()
        return None

    def greeting(self) -> Sequence[Payload]:
        """Return ``session.created``."""
        return [encoded(self._session_event("created"))]

    def parse_message(self, data: Payload, request: SessionRequest | None, max_bytes: int) -> Sequence[Step]:
        """Return the steps of a message. One that is not understood is answered, and the connection goes on."""
        if len(data) > max_bytes:
            message = f"a message of {len(data)} bytes; {max_bytes} are allowed"
            return self._refusal(NotUnderstood("string_above_max_length", message))
        try:
            return self._steps(client_message(data), request)
        except NotUnderstood as error:
            return self._refusal(error)

    def render_event(self, kind: str, body: bytes) -> Sequence[Payload]:
        """Return what follows from an event of the session."""
        return [encoded(event) for event in self._told(body)]

    def render_error(self, error: Error) -> Payload | None:
        """Return the error in OpenAI's form."""
        body = openai_error(ERRORS[error.code].http_status, error.code, error.message)["error"]
        return encoded(self._builder.error(body["type"], body["code"], error.message))

    def close_code(self, code: str) -> int:
        """Return the close code that follows an error."""
        if code == "too_large":
            return CLOSE_TOO_LARGE
        return CLOSE_FAILED if ERRORS[code].retryable else CLOSE_REFUSED

    def _steps(self, message: ClientMessage, request: SessionRequest | None) -> Sequence[Step]:
        match message:
            case Append():
                self._received_bytes += len(message.audio)
                begin = [Begin(self._session.request(self._defaults))] if request is None else []
                return [*begin, Audio(chunk=message.audio)]
            case Commit():
                return self._commit(message)
            case Clear():
                self._boundary_bytes = self._received_bytes
                self._turns.clear(self._position_ms)
                cleared = Reply(encoded(self._builder.event("input_audio_buffer.cleared")))
                return [cleared] if request is None else [cleared, Finalize()]
            case Update() | BetaUpdate():
                return self._update(message, request)

    def _commit(self, message: Commit) -> Sequence[Step]:
        buffered_ms = (self._received_bytes - self._boundary_bytes) / self._session.bytes_per_ms
        if buffered_ms < LEAST_COMMIT_MS:
            text = (
                f"Error committing input audio buffer: buffer too small. Expected at least {LEAST_COMMIT_MS}ms of"
                f" audio, but buffer only has {buffered_ms:.2f}ms of audio."
            )
            raise NotUnderstood("input_audio_buffer_commit_empty", text, event_id=message.event_id)
        self._boundary_bytes = self._received_bytes
        replies = [Reply(encoded(event)) for event in self._turns.commit(self._position_ms)]
        return [*replies, Finalize()]

    def _update(self, message: Update | BetaUpdate, request: SessionRequest | None) -> Sequence[Step]:
        wanted = self._session.updated(message.session)
        try:
            asked = wanted.request(self._defaults)
        except SttError as error:
            raise NotUnderstood("invalid_value", error.message, error.param or None, message.event_id) from None
        steps: list[Step] = []
        if request is not None:
            if fixed := fixed_change(request, asked, detects=wanted.turn_detection is not None):
                text = f"{fixed} cannot change once audio has come; open another connection"
                raise NotUnderstood("session_update_not_allowed", text, "session", message.event_id)
            if wanted.keywords != self._session.keywords:
                steps.append(Configure(keyterms=list(asked.config.keyterms)))
        self._session = wanted
        self._apply_options()
        is_beta = isinstance(message, BetaUpdate)
        return [*steps, Reply(encoded(self._session_event("updated", is_beta=is_beta)))]

    def _told(self, body: bytes) -> Sequence[Event]:
        turns = self._turns
        match decode_event(body):
            case Partial(text="") as partial:
                return turns.retracted(partial.start_ms, partial.end_ms)
            case Partial() as partial:
                return turns.partial(partial.start_ms, partial.stable)
            case Final() as final:
                return turns.final(final)
            case SpeechStarted() as started:
                return turns.speech_started(started.start_ms)
            case SpeechEnded() as ended:
                return turns.speech_ended(ended.end_ms)
            case Finalized() as finalized:
                return turns.marked(finalized.at_ms)
            case Ack() as ack:
                return turns.settled(ack.committed_ms)
            case Notice(code="session_limit") as notice:
                return [self._builder.error("invalid_request_error", "session_expired", notice.message)]
            case Done():
                return turns.end()
            case _:
                return ()

    @property
    def _position_ms(self) -> int:
        return int(self._received_bytes / self._session.bytes_per_ms)

    def _apply_options(self) -> None:
        session, config = self._session, self._session.request(self._defaults).config
        is_judged = config.endpointing is Endpointing.AUTO
        self._turns.options = TurnOptions(
            detects=session.turn_detection is not None,
            silence_ms=config.endpointing_max_ms if is_judged else config.endpointing_ms,
            padding_ms=session.padding_ms,
            has_logprobs=session.has_logprobs,
        )

    def _session_event(self, what: str, *, is_beta: bool | None = None) -> Event:
        in_beta = self._builder.is_beta if is_beta is None else is_beta
        session = self._session.beta_view(self._session_id) if in_beta else self._session.view(self._session_id)
        return self._builder.event(f"{'transcription_' if in_beta else ''}session.{what}", session=session)

    def _refusal(self, error: NotUnderstood) -> Sequence[Step]:
        event = self._builder.error(
            "invalid_request_error", error.code, error.message, param=error.param, event_id=error.event_id
        )
        return [Reply(encoded(event))]
