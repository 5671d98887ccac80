"""The door of every WebSocket: the one place where it is accepted, authorised, counted, served and closed."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog
from starlette.websockets import WebSocket

from stt_gateway.authorize import authorize, principal_of
from stt_gateway.context import GatewayContext, context_of
from stt_gateway.core.requests.subprotocols import answered
from stt_gateway.live.client_socket import CLOSE_SLOW_READER, ClientGone, ClientSocket, SlowReader
from stt_gateway.live.connection_limit import ConnectionLimit
from stt_shared.contracts.errors import SttError
from stt_shared.process.metrics import ERRORS_TOTAL
from stt_shared.redis.outage import UNREACHABLE, unavailable

_log = structlog.get_logger()


class Handler(Protocol):
    """Service on one WebSocket."""

    session_id: str
    """Id for the log; '' for a client without a session."""

    @property
    def stream_name(self) -> str | None:
        """Name of the stream, which a connection that resumes it has too; None if it cannot be resumed.

        Raises SttError.
        """

    has_session: bool
    """Whether the client has an open session, for which it should come back at once after an error."""

    async def run(self, client: ClientSocket) -> int:
        """Serve the client; return the close code. What it raises is sent to the client as an error."""

    def render_error(self, error: SttError, retry_after_s: float | None) -> str | bytes | None:
        """Return the message for an error; None: the close code is enough."""

    def close_code(self, code: str) -> int:
        """Return the close code that follows an error with this code."""


async def serve(
    websocket: WebSocket,
    handler: Handler,
    limit: ConnectionLimit | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    close_reason: Callable[[], str] = str,
    introduce: Callable[[ClientSocket], Awaitable[None]] | None = None,
) -> None:
    """Serve a client until its connection is closed. Raises nothing but cancellation.

    ``limit``: what counts the connection; None: the limit of live connections. ``headers``: more of them in the answer
    to the handshake. ``close_reason``: tells the reason of the close frame when the handler has ended.
    ``introduce`` reads what a client says about itself before it is authorised, its credential too if the handshake
    cannot carry one.
    """
    context = context_of(websocket)
    limit = limit or context.connection_limit
    client = ClientSocket(websocket, context.settings.send_timeout_s)
    # Accept before any check: a browser cannot read why a handshake was refused.
    subprotocol = answered(websocket.scope.get("subprotocols", ()))
    await websocket.accept(subprotocol, [(name.encode(), value.encode()) for name, value in (headers or {}).items()])
    try:
        if introduce is not None:
            with limit.counted(client.address):
                await introduce(client)
        await authorize(websocket, context.authorize, context.limits.count_request)
        principal = principal_of(websocket)
        with (
            limit.counted(client.address),
            context.key_holders.held(principal, client.end),
        ):
            async with context.limits.place(principal, handler.stream_name):
                code = await handler.run(client)
    except ClientGone:
        return
    except SlowReader:
        code = CLOSE_SLOW_READER
    except Exception as error:
        code = await _send_error(client, handler, _as_stt_error(error, handler), context)
    await client.close(code, close_reason())


async def _send_error(client: ClientSocket, handler: Handler, error: SttError, context: GatewayContext) -> int:
    """Send the error; return the close code."""
    ERRORS_TOTAL.labels(error.code).inc()
    retry_after_s = None if handler.has_session else context.retry_after_s(error)
    message = handler.render_error(error, retry_after_s)
    if message is not None:
        with contextlib.suppress(ClientGone, SlowReader):
            await client.send(message)
    return handler.close_code(error.code)


def _as_stt_error(error: Exception, handler: Handler) -> SttError:
    if isinstance(error, SttError):
        return error
    if isinstance(error, UNREACHABLE):
        _log.warning("connection refused: redis unavailable", session_id=handler.session_id, cause=str(error))
        return unavailable()
    # The only catch-all of the connections: no traceback may reach a client, no other connection may suffer.
    _log.error("connection failed", session_id=handler.session_id, exc_info=error)
    return SttError("internal", "internal server error; connect again")
