"""FreeSWITCH's mod_audio_stream: perhaps a text message with metadata, then 16-bit samples; JSON comes back."""

from collections.abc import Sequence
from typing import Any

import msgspec

from stt_gateway.core.live.messages import Audio, ForeignMessage, check_size, message_from_text
from stt_gateway.core.requests.session_request import (
    CHANNEL_MODE,
    CHANNELS,
    ENCODING,
    SAMPLE_RATE,
    Defaults,
    SessionRequest,
    session_request,
)
from stt_gateway.dialects.base import Begin, Payload, Step
from stt_gateway.dialects.native import NATIVE
from stt_gateway.dialects.telephony import options_of
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import Error

_RATE = "8000"
"""What the module sends unless it is told otherwise."""


class FreeswitchDialect:
    """``WS /v1/freeswitch``; one for each connection. Its first message begins the session, closing ends it."""

    resumable = False

    def __init__(self) -> None:
        self._pairs: list[tuple[str, str]] = []
        self._defaults = Defaults()

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest | None:
        """Check the query and keep it: metadata may come on top. Raises SttError bad_config."""
        self._pairs, self._defaults = list(pairs), defaults
        self._request({})
        return None

    def greeting(self) -> Sequence[Payload]:
        """Return nothing: the module speaks first."""
        return ()

    def parse_message(self, data: Payload, request: SessionRequest | None, max_bytes: int) -> Sequence[Step]:
        """Parse audio, metadata, or a message of the native protocol. Raises SttError."""
        check_size(data, max_bytes)
        if isinstance(data, bytes):
            begin = [Begin(self._request({}))] if request is None else []
            return [*begin, Audio(chunk=data)]
        if request is None:
            return [Begin(self._request(_metadata(data)))]
        try:
            return [message_from_text(data, max_bytes)]
        except ForeignMessage:
            # More metadata, which no session has a use for.
            return ()

    def render_event(self, kind: str, body: bytes) -> Sequence[Payload]:
        """Return the event as it is, which the module passes on as an event of FreeSWITCH."""
        return NATIVE.render_event(kind, body)

    def render_error(self, error: Error) -> Payload | None:
        """Return the ``error`` event."""
        return NATIVE.render_error(error)

    def close_code(self, code: str) -> int:
        """Return the close code of docs/protocol.md."""
        return NATIVE.close_code(code)

    def _request(self, metadata: dict[str, Any]) -> SessionRequest:
        """Return the request of the query and the metadata, of which the former counts."""
        given = {**dict(options_of(metadata)), **dict(self._pairs)}
        if len(dict(self._pairs)) < len(self._pairs):
            return session_request(self._pairs, self._defaults)  # which names what is given twice
        encoding = given.setdefault(ENCODING.name, "pcm_s16le")
        if encoding not in ("pcm_s16le", "mulaw", "alaw"):
            raise SttError("bad_config", f"encoding={encoding[:40]!r}; the module sends pcm_s16le")
        given.setdefault(SAMPLE_RATE.name, _RATE)
        # `stereo` of the module: the caller, and who is called.
        if given.setdefault(CHANNELS.name, "1") != "1":
            given.setdefault(CHANNEL_MODE.name, "separate")
        return session_request(given.items(), self._defaults)


def _metadata(text: str) -> dict[str, Any]:
    """Return what metadata says if it is a JSON object; it may be any text."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {}
