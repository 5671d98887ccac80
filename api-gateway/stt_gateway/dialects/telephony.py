"""What the dialects of telephony share: options of a call, and the formats of its audio."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from stt_gateway.core.requests.session_request import (
    CHANNEL_MODE,
    CHANNELS,
    CONVERSATION_ID,
    ENCODING,
    FRAMING,
    SAMPLE_RATE,
    SESSION_ID,
    STREAM_PARAMETERS,
    Defaults,
    SessionRequest,
    session_request,
)
from stt_gateway.dialects.base import Payload
from stt_gateway.dialects.native import NATIVE
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import Error

Pairs = list[tuple[str, str]]

AUDIO_FORMAT = (SAMPLE_RATE.name, ENCODING.name, CHANNELS.name, CHANNEL_MODE.name, FRAMING.name)
"""Parameters that a protocol answers itself when it says what its audio is."""
_NOT_BY_MESSAGE = frozenset({"framing", "resume_token", "last_event", "committed_ms", "finals", "start_ms"})
_OPTIONS = frozenset(STREAM_PARAMETERS.names) - _NOT_BY_MESSAGE
_MAX_REASON_BYTES = 123


class SilentDialect:
    """Part of a dialect whose clients read nothing: who reads along is a viewer of the call's conversation.

    An error is a close code, and its text the reason of the close frame.
    """

    resumable = False

    def __init__(self) -> None:
        self.close_reason = ""

    def greeting(self) -> Sequence[Payload]:
        """Return nothing: the client speaks first."""
        return ()

    def render_event(self, kind: str, body: bytes) -> Sequence[Payload]:
        """Return nothing: the client would take it for a command."""
        return ()

    def render_error(self, error: Error) -> Payload | None:
        """Keep the error as the reason of the close."""
        self.close_reason = f"{error.code}: {error.message}".encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        return None

    def close_code(self, code: str) -> int:
        """Return the close code of docs/protocol.md."""
        return NATIVE.close_code(code)


def options_of(given: Mapping[str, Any]) -> Pairs:
    """Return those of a call's free values that are parameters of a session; a list has commas between."""
    return [(name, _written(value)) for name, value in given.items() if name in _OPTIONS and value is not None]


def call_request(
    asked: Iterable[tuple[str, str]], audio: Mapping[str, str], call_id: str | None, defaults: Defaults
) -> SessionRequest:
    """Return the request of a session for a call whose audio its protocol describes.

    ``asked``: what the client asks for; ``audio``: parameters from the protocol, which the client may not give;
    ``call_id``: its conversation, unless the client names one. Raises SttError bad_config.
    """
    pairs = list(asked)
    names = {name for name, _ in pairs}
    if wrong := sorted(names & set(AUDIO_FORMAT)):
        raise SttError("bad_config", f"{wrong[0]} is given; the protocol itself says what its audio is", param=wrong[0])
    if call_id and CONVERSATION_ID.name not in names:
        pairs.append((CONVERSATION_ID.name, call_id))
    return session_request([*pairs, *audio.items()], defaults)


def session_id_pair(name: str, asked: Iterable[tuple[str, str]]) -> Pairs:
    """Return the session's name as a parameter, unless the client gives one or it can be none."""
    is_id = 0 < len(name) <= 128 and all(char.isascii() and (char.isalnum() or char in "._:@-") for char in name)
    return [(SESSION_ID.name, name)] if is_id and all(given != SESSION_ID.name for given, _ in asked) else []


def _written(value: Any) -> str:
    match value:
        case str():
            return value
        case list() if all(isinstance(one, str) for one in value):
            return ",".join(value)
        case _:
            return msgspec.json.encode(value).decode()
