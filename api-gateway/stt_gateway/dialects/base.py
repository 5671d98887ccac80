"""What a protocol must define so that its clients can use live sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from stt_gateway.core.live.messages import Message
from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_shared.contracts.events import Error

Payload = str | bytes
"""Text or binary message of a WebSocket."""


@dataclass(frozen=True)
class Begin:
    """Step that begins the session with this request, for which the query was not enough."""

    request: SessionRequest


@dataclass(frozen=True)
class Reply:
    """Step that answers the client at once."""

    payload: Payload


Step = Message | Begin | Reply
"""What follows from a client's message."""


class Dialect(Protocol):
    """One protocol of live sessions: its query, its messages, its events, its errors.

    A dialect that keeps no state may serve all connections; one that does is created for each. Nothing here waits.
    """

    resumable: bool
    """Whether a client whose connection was lost can go on with its session; if not, the session is stopped then."""

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest | None:
        """Parse the query of the handshake; None: a message of the client will begin the session.

        Raises SttError bad_config.
        """

    def greeting(self) -> Sequence[Payload]:
        """Return the messages that a client gets once its query is accepted, before it has sent anything."""

    def parse_message(self, data: Payload, request: SessionRequest | None, max_bytes: int) -> Sequence[Step]:
        """Parse a text or binary message into its steps, in their order.

        ``request``: the session's, None before it begins; until then only replies and ``Begin`` are allowed, and
        after it no ``Begin``. Raises SttError bad_message, or too_large beyond ``max_bytes``; both end the connection.
        """

    def render_event(self, kind: str, body: bytes) -> Sequence[Payload]:
        """Return the messages for an event; none if this protocol has none for it.

        ``kind``: the event's ``type``; ``body``: its JSON, which ``decode_event`` decodes. Errors come to
        ``render_error`` instead.
        """

    def render_error(self, error: Error) -> Payload | None:
        """Return the message for an error, which ends the connection; None: the close code is enough."""

    def close_code(self, code: str) -> int:
        """Return the close code that follows an error with this code."""


@runtime_checkable
class Buffering(Protocol):
    """A dialect that holds audio back until more of it comes."""

    def leftover(self) -> Sequence[Message]:
        """Return what is held back, once, since nothing more comes of the client."""
