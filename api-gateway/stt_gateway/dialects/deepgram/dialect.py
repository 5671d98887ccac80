"""The dialect of ``WS /v1/listen``: Deepgram's query, messages, results and errors on a session of this suite."""

import hashlib
from collections.abc import Callable, Sequence

from msgspec import UNSET, UnsetType

from stt_gateway.core.deepgram.errors import close_code, close_reason, error_name
from stt_gateway.core.deepgram.live_request import LiveRequest, live_request
from stt_gateway.core.deepgram.parameters import TextForm
from stt_gateway.core.live import messages as own
from stt_gateway.core.requests.parameters import NotAllowed
from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_gateway.core.requests.vocabulary import keyterms_of
from stt_gateway.dialects.base import Payload, Reply, Step
from stt_gateway.dialects.deepgram.finalizing import Finalizing
from stt_gateway.dialects.deepgram.messages import (
    ClientMessage,
    CloseStream,
    Configure,
    Finalize,
    KeepAlive,
    SchemaError,
    check_size,
    message_from_bytes,
    message_from_text,
)
from stt_gateway.dialects.deepgram.pauses import Pauses
from stt_gateway.dialects.deepgram.results import Results
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import (
    Ack,
    Done,
    Error,
    Final,
    Finalized,
    Partial,
    Ready,
    SpeechEnded,
    SpeechStarted,
    decode_event,
)

MAX_UNREADABLE = 100
"""Messages that cannot be read and are only answered; the next one ends the connection."""


class DeepgramDialect:
    """One connection to ``WS /v1/listen``.

    ``request_id``: what the client knows the session by; ``created``: when it connected (ISO 8601); ``model``: tells
    the name of what runs.
    """

    resumable = False

    def __init__(self, request_id: str, created: str, model: Callable[[], str]) -> None:
        self._request_id = request_id
        self._created = created
        self._model = model
        self._asked: LiveRequest | None = None
        self._results = Results(request_id, TextForm(), 1)
        self._pauses = Pauses(None)
        self._finalizing = Finalizing()
        self._ended: dict[int, int] = {}
        self._sha256 = hashlib.sha256()
        self._received_bytes = self._finalized_bytes = 0
        self._bytes_per_s = 0
        self._unreadable = 0
        self.close_reason = ""
        """Reason of the close frame."""

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest:
        """Parse the query of the handshake. Raises SttError bad_config."""
        self._asked = asked = live_request(pairs, defaults, self._request_id)
        config = asked.session.config
        channels = len(config.channels_apart) or 1
        self._results = Results(self._request_id, asked.form, channels)
        self._pauses = Pauses(asked.utterance_end_ms)
        self._bytes_per_s = (config.frame_bytes() or 0) * config.sample_rate
        return asked.session

    def greeting(self) -> Sequence[Payload]:
        """Return nothing: the handshake is the greeting."""
        return ()

    def parse_message(self, data: Payload, request: SessionRequest | None, max_bytes: int) -> Sequence[Step]:
        """Parse a message. Raises SttError too_large, or bad_message after too many that cannot be read."""
        if isinstance(data, bytes):
            check_size(len(data), max_bytes)
            message = message_from_bytes(data)
            return self._audio(data) if message is None else self._steps(message)
        check_size(len(data) if data.isascii() else len(data.encode(errors="surrogatepass")), max_bytes)
        try:
            return self._steps(message_from_text(data))
        except SchemaError as error:
            self._unreadable += 1
            if self._unreadable > MAX_UNREADABLE:
                raise SttError("bad_message", error.description) from None
            return (Reply(self._results.error("SchemaError", error.description, error.message)),)

    def render_event(self, kind: str, body: bytes) -> Sequence[Payload]:
        """Return the messages for an event."""
        match decode_event(body):
            case Ready():
                self._results.model = self._model()
            case Partial() as event:
                return (self._results.interim(event, _channel(event.channel)),)
            case Final() as event:
                return self._final(event)
            case SpeechStarted() as event:
                return self._speech_started(event)
            case SpeechEnded() as event:
                channel = _channel(event.channel)
                self._ended[channel] = event.end_ms
                self._finalizing.speech_ended(channel, event.end_ms)
            case Finalized() as event if self._finalizing.finalized(event.at_ms):
                return (self._results.finalized(event.at_ms),)
            case Ack() as event:
                return self._settled(event.committed_ms)
            case Done() as event:
                metadata = self._results.metadata(self._sha256.hexdigest(), self._created, event.duration_ms)
                return (*self._utterance_ends(self._pauses.silent_until(event.duration_ms)), metadata)
        return ()

    def render_error(self, error: Error) -> Payload | None:
        """Return the error."""
        return self._results.error(error_name(error.code), error.message)

    def close_code(self, code: str) -> int:
        """Return Deepgram's close code."""
        self.close_reason = close_reason(code)
        return close_code(code)

    def _audio(self, data: bytes) -> Sequence[Step]:
        # By an empty message older clients end their stream.
        if not data:
            return (own.Stop(),)
        self._sha256.update(data)
        self._received_bytes += len(data)
        audio = own.Audio(chunk=data)
        received_ms = self._received_ms
        if received_ms is None:
            return (audio,)
        return (audio, *map(Reply, self._utterance_ends(self._pauses.received(received_ms))))

    def _steps(self, message: ClientMessage) -> Sequence[Step]:
        match message:
            case KeepAlive():
                return (own.Keepalive(),)
            case CloseStream():
                return (own.Stop(),)
            case Finalize():
                return self._finalize()
            case Configure():
                try:
                    keyterms = None if message.keyterms is None else [*keyterms_of(message.keyterms)]
                except NotAllowed as error:
                    return (Reply(self._results.not_configured(f"keyterms must have {error}")),)
                changes = [] if keyterms is None else [own.Configure(keyterms=keyterms)]
                return (*changes, Reply(self._results.configured(keyterms)))

    def _finalize(self) -> Sequence[Step]:
        if self._finalized_bytes == self._received_bytes:
            # Nothing came since the last one, or at all.
            position_ms = self._received_ms or self._finalizing.settled_ms
            return () if self._finalizing.is_pending else (Reply(self._results.finalized(position_ms)),)
        self._finalized_bytes = self._received_bytes
        self._finalizing.ask(self._received_ms or 0)
        return (own.Finalize(),)

    def _final(self, event: Final) -> Sequence[Payload]:
        channel = _channel(event.channel)
        is_last = self._finalizing.final(channel, event.end_ms, event.committed_ms)
        has_ended = self._ended.get(channel, -1) > event.start_ms
        is_endpoint = has_ended and self._asked is not None and self._asked.has_endpoints
        result = self._results.final(event, channel, is_endpoint=is_endpoint, is_from_finalize=is_last)
        ends = self._pauses.final(channel, event.end_ms, self._received_ms, event.lag_ms)
        return (result, *self._utterance_ends(ends))

    def _speech_started(self, event: SpeechStarted) -> Sequence[Payload]:
        channel = _channel(event.channel)
        self._finalizing.speech_began(channel, event.start_ms)
        told = self._utterance_ends(self._pauses.speech(channel, event.start_ms))
        if self._asked and self._asked.vad_events:
            told.append(self._results.speech_started(event.start_ms, channel))
        return told

    def _settled(self, position_ms: int) -> Sequence[Payload]:
        told = [self._results.finalized(position_ms)] if self._finalizing.settled(position_ms) else []
        return (*told, *self._utterance_ends(self._pauses.silent_until(position_ms)))

    def _utterance_ends(self, ends: Sequence[tuple[int, int]]) -> list[str]:
        return [self._results.utterance_end(end_ms, channel) for channel, end_ms in ends]

    @property
    def _received_ms(self) -> int | None:
        """Position of the client's audio; None if its bytes do not say."""
        return self._received_bytes * 1000 // self._bytes_per_s if self._bytes_per_s else None


def _channel(given: int | UnsetType) -> int:
    return 0 if given is UNSET else given
