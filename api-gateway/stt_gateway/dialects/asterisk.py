"""Asterisk's WebSocket channel (chan_websocket): control messages as text, then the call's audio in binary messages."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from stt_gateway.core.live.messages import Audio, check_size
from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_gateway.dialects.base import Begin, Payload, Step
from stt_gateway.dialects.telephony import SilentDialect, call_request
from stt_shared.contracts.errors import SttError

FORMATS = {
    "ulaw": ("mulaw", 8000),
    "alaw": ("alaw", 8000),
    "slin": ("pcm_s16le", 8000),
    **{f"slin{name}": ("pcm_s16le", rate) for name, rate in (("44", 44_100), ("192", 192_000))},
    **{f"slin{khz}": ("pcm_s16le", khz * 1000) for khz in (12, 16, 24, 32, 48, 96)},
}
"""By Asterisk's name: an encoding, and its rate."""
_NAME = re.compile(r"[A-Z][A-Z_]{1,40}")


class AsteriskDialect(SilentDialect):
    """``WS /v1/asterisk``; one for each connection. `MEDIA_START` begins the session, closing ends it."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: Sequence[tuple[str, str]] = ()
        self._defaults = Defaults()

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest | None:
        """Keep the query for `MEDIA_START`, which says what the audio is."""
        self._pairs, self._defaults = pairs, defaults
        return None

    def parse_message(self, data: Payload, request: SessionRequest | None, max_bytes: int) -> Sequence[Step]:
        """Parse audio or a control message, of which only `MEDIA_START` has an effect. Raises SttError.

        `MEDIA_XOFF` and `MEDIA_XON` are about audio to Asterisk, and none is sent.
        """
        check_size(data, max_bytes)
        if isinstance(data, bytes):
            if request is None:
                raise SttError("bad_message", "audio comes before MEDIA_START, which says what its format is")
            return [Audio(chunk=data)]
        name, values = _control(data)
        if name != "MEDIA_START":
            return ()
        if request is not None:
            raise SttError("bad_message", "a second MEDIA_START; a connection is for one channel")
        return [Begin(self._request(values))]

    def _request(self, values: dict[str, Any]) -> SessionRequest:
        format = str(values.get("format", ""))
        if format not in FORMATS:
            raise SttError(
                "bad_config", f"format {format[:40]!r}; one of {', '.join(FORMATS)} is heard, as in c(slin16)"
            )
        encoding, rate = FORMATS[format]
        audio = {"encoding": encoding, "sample_rate": str(rate), "channels": "1"}
        call_id = values.get("channel_id") or values.get("connection_id")
        return call_request(self._pairs, audio, None if call_id is None else str(call_id), self._defaults)


def _control(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the values of a control message, in plain text or JSON. Raises SttError bad_message."""
    if text.lstrip().startswith("{"):
        try:
            found = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise SttError("bad_message", f"{str(error)[:200]}; a control message is one of chan_websocket") from None
        name, values = str(found.get("event", "")), found
    else:
        name, *words = text.split() or [""]
        values = dict(word.partition(":")[::2] for word in words)
    if not _NAME.fullmatch(name):
        raise SttError("bad_message", f"{name[:40]!r} is no control message of chan_websocket, such as MEDIA_START")
    return name, values
