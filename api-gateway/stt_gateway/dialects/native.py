"""The suite's own protocol, as in docs/protocol.md. Events are in its shape already when they are stored."""

from collections.abc import Sequence
from typing import Any

import msgspec

from stt_gateway.core.live.messages import message_from_bytes, message_from_text
from stt_gateway.core.requests.session_request import Defaults, SessionRequest, session_request
from stt_gateway.dialects.base import Payload, Step
from stt_shared.contracts.conversation import Said
from stt_shared.contracts.errors import ERRORS
from stt_shared.contracts.events import Error


class NativeDialect:
    """``WS /v1/stt/stream``."""

    resumable = True

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest:
        """Parse the query of the handshake. Raises SttError bad_config."""
        return session_request(pairs, defaults)

    def greeting(self) -> Sequence[Payload]:
        """Return nothing: `ready` comes with the session."""
        return ()

    def parse_message(self, data: Payload, request: SessionRequest | None, max_bytes: int) -> Sequence[Step]:
        """Parse a message. Raises SttError bad_message or too_large."""
        assert request is not None
        if isinstance(data, bytes):
            return (message_from_bytes(data, request.framing, max_bytes),)
        return (message_from_text(data, max_bytes),)

    def render_event(self, kind: str, body: bytes) -> Sequence[Payload]:
        """Return the event as it is."""
        return (body.decode(),)

    def render_error(self, error: Error) -> Payload | None:
        """Return the ``error`` event."""
        return msgspec.json.encode(error).decode()

    def close_code(self, code: str) -> int:
        """Return the close code of docs/protocol.md."""
        return ERRORS.get(code, ERRORS["internal"]).close_code


NATIVE = NativeDialect()


def said_view(said: Said) -> dict[str, Any]:
    """Return an utterance, or other speakers of some, as viewers of its conversation see it."""
    view: dict[str, Any] = msgspec.to_builtins(said)
    for name in ("instance", "store", "epoch", "words", "maker", "is_voice", "as_of"):
        view.pop(name, None)
    return view


def viewer_error(code: str, message: str, retry_after_s: float | None) -> str:
    """Return the ``error`` message to a viewer, who has no session and counts no events."""
    view = {"type": "error", "code": code, "message": message, "retryable": ERRORS[code].retryable}
    if retry_after_s is not None:
        view["retry_after_s"] = retry_after_s
    return msgspec.json.encode(view).decode()
