"""Twilio Media Streams: a call's audio in JSON, each track by itself. Twilio reads no results."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from stt_gateway.core.live.messages import Audio, Message, Stop, check_size
from stt_gateway.core.live.tracks import TrackAligner
from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_gateway.dialects.base import Payload, Step
from stt_gateway.dialects.telephony import SilentDialect, call_request, options_of, session_id_pair
from stt_shared.contracts.errors import SttError

TRACKS = ("inbound", "outbound")
"""In the order of their channels."""
CREDENTIALS = ("api_key", "access_token")
_ENCODINGS = {"audio/x-mulaw": "mulaw"}
_SILENCE = 0xFF
_MAX_MS = 10**9
_ALLOWED = 'a message is a JSON object such as {"event": "media", …}'


class _Format(msgspec.Struct, frozen=True, rename="camel"):
    encoding: str = "audio/x-mulaw"
    sample_rate: int = 8000


class _Start(msgspec.Struct, frozen=True, rename="camel"):
    stream_sid: str = ""
    call_sid: str = ""
    tracks: list[str] = msgspec.field(default_factory=lambda: [TRACKS[0]])
    media_format: _Format = _Format()
    custom_parameters: dict[str, Any] = {}


class _Media(msgspec.Struct, frozen=True):
    payload: bytes
    track: str = TRACKS[0]
    timestamp: Annotated[int, msgspec.Meta(ge=0, le=_MAX_MS)] | None = None


class _Message(msgspec.Struct, frozen=True):
    event: str
    start: _Start | None = None
    media: _Media | None = None


class TwilioDialect(SilentDialect):
    """``WS /v1/twilio``; one for each connection, which is introduced by messages before its query is parsed."""

    def __init__(self) -> None:
        super().__init__()
        self._call: _Start | None = None
        self._tracks: tuple[str, ...] = ()
        self._aligner: TrackAligner | None = None
        self._rate = 8000
        self._end_ms: dict[str, float] = {}

    def introduce(self, data: Payload, max_bytes: int) -> bool:
        """Take a message that comes before the session; return whether it was the last of them, `start`.

        Raises SttError bad_message or too_large.
        """
        message = _decoded(data, max_bytes)
        if message.event != "start":
            if message.event in ("media", "stop"):
                raise SttError("bad_message", f"{message.event} comes before start")
            return False
        if message.start is None:
            raise SttError("bad_message", "start holds nothing that describes the call")
        if unknown := sorted(set(message.start.tracks) - set(TRACKS)):
            raise SttError("bad_message", f"track {unknown[0][:40]!r}; tracks are {' and '.join(TRACKS)}")
        self._call = message.start
        self._tracks = tuple(track for track in TRACKS if track in message.start.tracks) or TRACKS[:1]
        return True

    @property
    def credential(self) -> str:
        """What the call says to be a key or a token; '' for nothing."""
        given = self._call.custom_parameters if self._call else {}
        return next((value for name in CREDENTIALS if isinstance(value := given.get(name), str) and value), "")

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest | None:
        """Return the request of the session: of the query, and of the call's custom parameters."""
        call = self._call
        assert call is not None
        encoding = _ENCODINGS.get(call.media_format.encoding)
        if encoding is None:
            raise SttError("bad_config", f"encoding {call.media_format.encoding[:40]!r}; audio/x-mulaw is heard")
        asked = [*pairs, *options_of(call.custom_parameters)]
        asked += session_id_pair(call.stream_sid, asked)
        rate, channels = call.media_format.sample_rate, len(self._tracks)
        audio = {"encoding": encoding, "sample_rate": str(rate), "channels": str(channels)}
        if channels > 1:
            audio["channel_mode"] = "separate"
        request = call_request(asked, audio, call.call_sid, defaults)
        self._rate = rate
        self._aligner = TrackAligner(channels, rate, _SILENCE)
        return request

    def parse_message(self, data: Payload, request: SessionRequest | None, max_bytes: int) -> Sequence[Step]:
        """Parse a message; those that are neither audio nor its end have no effect. Raises SttError."""
        message = _decoded(data, max_bytes)
        match message.event:
            case "media":
                return self._audio(message.media)
            case "stop":
                return (*self.leftover(), Stop())
            case "start":
                raise SttError("bad_message", "a second start; a connection is for one stream")
        return ()

    def leftover(self) -> Sequence[Message]:
        """Return the audio of a track that was held for that of another."""
        assert self._aligner is not None
        return [Audio(chunk=chunk)] if (chunk := self._aligner.flush()) else []

    def _audio(self, media: _Media | None) -> Sequence[Message]:
        assert self._aligner is not None
        if media is None or media.track not in self._tracks:
            raise SttError("bad_message", f"media without audio of a track that start names: {', '.join(self._tracks)}")
        # Without a timestamp it follows what came before.
        at_ms = self._end_ms.get(media.track, 0) if media.timestamp is None else media.timestamp
        self._end_ms[media.track] = at_ms + 1000 * len(media.payload) / self._rate
        chunk = self._aligner.push(self._tracks.index(media.track), at_ms, media.payload)
        return [Audio(chunk=chunk)] if chunk else []


_decoder = msgspec.json.Decoder(_Message, strict=False)


def _decoded(data: Payload, max_bytes: int) -> _Message:
    check_size(data, max_bytes)
    if isinstance(data, bytes):
        raise SttError("bad_message", f"a binary message; {_ALLOWED}")
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise SttError("bad_message", f"{str(error)[:200]}; {_ALLOWED}") from None
