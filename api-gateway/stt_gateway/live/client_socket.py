"""A client's WebSocket as its handlers use it: messages in and out, and exceptions for its end."""

import asyncio
import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect

from stt_gateway.core.requests.addresses import client_network
from stt_shared.contracts.errors import SttError

CLOSE_DONE = 1000
CLOSE_SLOW_READER = 1013
CLOSE_TIMEOUT_S = 1.0
CLEAN_CLOSES = (1000, 1001, 1005)
"""Close codes of clients that are done. Browsers send 1001 when a page is left; 1005 stands for a close without a
code."""
LOST = "stt.is_lost"
"""ASGI extension: a function that returns whether the connection broke without a close frame."""
UNANSWERED_S = "stt.unanswered_s"
"""ASGI extension: a function that returns the seconds since the client's last pong, or since the connection began."""


class ClientGone(Exception):
    """Error for a closed connection: nothing can be sent on it any more."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(code)
        self.for_good = code in CLEAN_CLOSES
        """Whether the client closed on purpose; otherwise the connection may have been lost."""


class SlowReader(Exception):
    """Error for a client that has not read a message in time."""


class ClientSocket:
    """One client's WebSocket. ``send_timeout_s``: time that the client has to read."""

    def __init__(self, websocket: WebSocket, send_timeout_s: float) -> None:
        self._websocket = websocket
        self._send_timeout_s = send_timeout_s
        self._ended: SttError | None = None
        self._receiving: asyncio.Timeout | None = None

    @property
    def address(self) -> str:
        """Network address of the client, as limits count it."""
        client = self._websocket.client
        return client_network(client.host) if client else ""

    async def receive(self) -> str | bytes:
        """Return the next message. Raises ClientGone, or the error with which the connection was ended."""
        self.check_ended()
        try:
            # No limit of time: ``end`` lets it expire at once.
            async with asyncio.timeout(None) as self._receiving:
                received = await self._websocket.receive()
        except TimeoutError:
            self.check_ended()
            raise
        finally:
            self._receiving = None
        if received["type"] == "websocket.disconnect":
            raise ClientGone(received.get("code"))
        text: str | None = received.get("text")
        data: str | bytes = received["bytes"] if text is None else text
        return data

    def end(self, error: SttError) -> None:
        """Make ``receive`` and ``check_ended`` raise this error from here on, also a ``receive`` that waits."""
        self._ended = error
        if self._receiving is not None and not self._receiving.expired():
            self._receiving.reschedule(asyncio.get_running_loop().time())

    def check_ended(self) -> None:
        """Raise the error with which the connection was ended, if it was."""
        if self._ended is not None:
            raise self._ended

    async def send(self, message: str | bytes) -> None:
        """Send a text or a binary message. Raises ClientGone or SlowReader."""
        try:
            async with asyncio.timeout(self._send_timeout_s):
                if isinstance(message, str):
                    await self._websocket.send_text(message)
                else:
                    await self._websocket.send_bytes(message)
        except TimeoutError as error:
            raise SlowReader from error
        except (WebSocketDisconnect, RuntimeError) as error:
            # Starlette and uvicorn raise RuntimeError for a socket that was closed in the meantime.
            raise ClientGone from error

    async def close(self, code: int, reason: str = "") -> None:
        """Close, unless the client has closed in the meantime or does not read at all.

        ``reason``: for the close frame, at most 123 bytes.
        """
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._websocket.close(code, reason)

    def unanswered_s(self) -> float:
        """Seconds since the client last answered a ping; 0 if the server does not know."""
        unanswered_s = self._websocket.scope.get("extensions", {}).get(UNANSWERED_S)
        return 0.0 if unanswered_s is None else unanswered_s()

    def is_lost(self) -> bool:
        """Whether the connection broke without a close frame, although nothing is read from it."""
        is_lost = self._websocket.scope.get("extensions", {}).get(LOST)
        return is_lost is not None and is_lost()
