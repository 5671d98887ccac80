"""Messages of a client of OpenAI's Realtime API. Fields that are not known are ignored."""

from typing import Any

import msgspec

from stt_gateway.core.openai.realtime.update import SessionUpdate
from stt_gateway.core.requests.base64_text import base64_bytes
from stt_gateway.core.requests.parameters import quoted


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    event_id: str | None = None


class Append(_Message, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """Audio of any length."""

    audio: bytes


class Commit(_Message, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """End of a turn."""


class Clear(_Message, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """Request to forget the audio that is in no item yet."""


class Update(_Message, frozen=True, kw_only=True, tag="session.update"):
    """Change of the session."""

    session: SessionUpdate


class BetaUpdate(_Message, frozen=True, kw_only=True, tag="transcription_session.update"):
    """Change of the session in the form of the beta."""

    session: SessionUpdate


ClientMessage = Append | Commit | Clear | Update | BetaUpdate

_decode = msgspec.json.Decoder(ClientMessage).decode
_TYPES = (
    "session.update",
    "transcription_session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
)
_MAX_BRACKETS = 1000


class NotUnderstood(Exception):
    """A message that is no message of this API. ``event_id``: the client's id of it, if it has one."""

    def __init__(self, code: str, message: str, param: str | None = None, event_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id


def client_message(data: str | bytes) -> ClientMessage:
    """Parse a message. Raises NotUnderstood."""
    if isinstance(data, bytes):
        raise NotUnderstood(
            "invalid_event", "a message must be text, with audio as base64 in input_audio_buffer.append"
        )
    # Valid messages hardly nest: this bounds the depth before parsing.
    if data.count("{") + data.count("[") > _MAX_BRACKETS:
        raise NotUnderstood("invalid_json", "the message is nested too deeply")
    try:
        try:
            return _decode(data)
        except msgspec.ValidationError as error:
            # The first thing that is wrong is told before all of the text was read.
            return _tolerated(msgspec.json.decode(data), str(error))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise NotUnderstood("invalid_json", f"the message is not valid JSON: {str(error)[:200]}") from None


def _tolerated(message: Any, refusal: str) -> ClientMessage:
    """Parse audio in an unusual form of base64; raise what is wrong with any other message."""
    if not isinstance(message, dict):
        raise NotUnderstood("invalid_event", "a message must be a JSON object with a type")
    given = message.get("event_id")
    event_id = given[:512] if isinstance(given, str) else None
    kind = message.get("type")
    if kind is None:
        raise NotUnderstood("missing_required_parameter", "Missing required parameter: 'type'.", "type", event_id)
    if kind not in _TYPES:
        allowed = ", ".join(map(repr, _TYPES))
        message = f"Invalid value: {quoted(str(kind))}. Supported values are: {allowed}."
        raise NotUnderstood("invalid_value", message, "type", event_id)
    if kind == "input_audio_buffer.append" and isinstance(message.get("audio"), str):
        try:
            return Append(audio=base64_bytes(message["audio"]), event_id=event_id)
        except ValueError:
            raise NotUnderstood("invalid_value", "audio is not valid base64", "audio", event_id) from None
    what, _, path = refusal.partition(" - at `$.")
    param = path.rstrip("`") or None
    code = "missing_required_parameter" if "missing required field" in what else "invalid_value"
    raise NotUnderstood(code, f"{what[:200]}{f' in {param}' if param else ''}", param, event_id)
