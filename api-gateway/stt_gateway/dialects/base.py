"""What a protocol must define so that its clients can use live sessions."""

from collections.abc import Sequence
from typing import Protocol

from stt_gateway.core.live.messages import Message
from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_shared.contracts.events import Error


class Dialect(Protocol):
    """One protocol of live sessions: its query, its messages, its events, its errors.

    A dialect that keeps no state may serve all connections; one that does is created for each. Nothing here waits.
    """

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest:
        """Parse the query of the handshake. Raises SttError bad_config."""

    def parse_message(self, data: str | bytes, request: SessionRequest, max_bytes: int) -> Message:
        """Parse a text or binary message. Raises SttError bad_message, or too_large beyond ``max_bytes``."""

    def render_event(self, kind: str, body: bytes) -> str | bytes | None:
        """Return the text or binary message for an event; None: this protocol has none.

        ``kind``: the event's ``type``; ``body``: its JSON, which ``decode_event`` decodes. Errors come to
        ``render_error`` instead.
        """

    def render_error(self, error: Error) -> str | bytes | None:
        """Return the message for an error, which ends the connection; None: the close code is enough."""

    def close_code(self, code: str) -> int:
        """Return the close code that follows an error with this code."""
