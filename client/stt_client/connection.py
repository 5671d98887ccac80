"""One connection of a session: sends queued audio, reads events at all times, and detects a dead server."""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket
from websockets.typing import Subprotocol

from stt_client.errors import ConnectionLost, SessionError, close_error, status_error
from stt_client.progress import Event
from stt_client.replay import Chunk, Configure, Finalize, Item, ReplayBuffer

KEEPALIVE_S = 5.0
"""Time without audio after which a keepalive is sent. A server waits 10 s for the first audio."""
MAX_EVENT_BYTES = 16 * 1024**2
_CLOSE_S = 1.0
_UNREAD_MS = 10_000
_UNREAD_BYTES = 256 * 1024
_BUSY_FACTOR = 4


@dataclass(frozen=True)
class Transport:
    """Options of connections. ``dead_after_s``: maximum time without any message, including requested pongs."""

    open_timeout_s: float = 10.0
    dead_after_s: float = 8.0
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    proxy: str | None = None


async def open_connection(
    url: str, subprotocols: Sequence[str], transport: Transport
) -> tuple[ClientConnection, Event]:
    """Open a connection; return it and its `ready`. Raises ConnectionLost, or SessionError for permanent failures."""
    tls: dict[str, Any] = {} if transport.tls is None else {"ssl": transport.tls}
    try:
        async with asyncio.timeout(transport.open_timeout_s):
            # Deflate does not make audio smaller. The connection's watch sends pings, because it knows when to.
            socket = await websocket(
                url,
                subprotocols=[Subprotocol(name) for name in subprotocols],
                compression=None,
                max_size=MAX_EVENT_BYTES,
                ping_interval=None,
                close_timeout=_CLOSE_S,
                open_timeout=None,
                additional_headers=transport.headers,
                proxy=transport.proxy,
                **tls,
            )
            try:
                return socket, await _first_event(socket)
            except BaseException:
                socket.transport.abort()
                raise
    except websockets.ConnectionClosed as closed:
        raise _closed(closed) from closed
    except websockets.InvalidStatus as error:
        answer = error.response
        raise status_error(answer.status_code, _message(answer.body), answer.headers.get("Retry-After", "")) from error
    except ssl.SSLCertVerificationError as error:
        raise SessionError("refused", f"the server's certificate is not trusted: {error.verify_message}") from error
    except TimeoutError as error:
        raise ConnectionLost("unreachable", f"no answer within {transport.open_timeout_s:g} s") from error
    except (OSError, websockets.InvalidHandshake) as error:
        raise ConnectionLost("unreachable", str(error) or type(error).__name__) from error


class Connection:
    """An open connection.

    ``deliver`` receives its events; it may wait, and nothing more is read meanwhile. ``more`` is set whenever an item
    was put into ``buffer``.
    """

    def __init__(
        self,
        socket: ClientConnection,
        buffer: ReplayBuffer,
        more: asyncio.Event,
        deliver: Callable[[Event], Awaitable[None]],
        dead_after_s: float,
    ) -> None:
        self._socket = socket
        self._buffer = buffer
        self._more = more
        self._deliver = deliver
        self._dead_after_s = dead_after_s
        self._last_message_s = time.monotonic()
        self._delivering = False

    async def run(self) -> None:
        """Run until `done`. Raises ConnectionLost or SessionError; when cancelled, it sends `stop` to the server."""
        parts = [
            asyncio.create_task(self._receive(), name="stt receive"),
            asyncio.create_task(self._watch(), name="stt watch"),
        ]
        sending = asyncio.create_task(self._send(), name="stt send")
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in parts:
                if part.done():
                    part.result()
        except asyncio.CancelledError:
            await self._abandon(sending)
            raise
        finally:
            await _end([*parts, sending])
            self._socket.transport.abort()

    async def _receive(self) -> None:
        try:
            while True:
                message = await self._socket.recv()
                self._last_message_s = time.monotonic()
                event: Event = json.loads(message)
                if event.get("type") == "error":
                    raise _error(event)
                self._delivering = True
                await self._deliver(event)
                self._delivering = False
                self._last_message_s = time.monotonic()
                if event.get("type") == "done":
                    await self._socket.close()
                    return
        except websockets.ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def _send(self) -> None:
        # The receiving task reports why the connection was closed.
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                item = self._buffer.next()
                if item is not None:
                    await self._socket.send(encoded(item))
                    continue
                self._more.clear()
                try:
                    async with asyncio.timeout(KEEPALIVE_S):
                        await self._more.wait()
                except TimeoutError:
                    # After `stop`, a keepalive would only keep the server from noticing that its workers are gone.
                    if not self._buffer.stopped:
                        await self._socket.send('{"type":"keepalive"}')

    async def _watch(self) -> None:
        """Detect a half-open connection, from which no close frame ever comes.

        Any message shows that the server is alive. After a time without messages the server is sent a ping, which it
        must answer. It has longer to answer if it has much audio to read, because a server that waits for room reads no
        pings either.
        """
        ask_after_s = 0.4 * self._dead_after_s
        while True:
            quiet_s = time.monotonic() - self._last_message_s
            if quiet_s < ask_after_s or self._delivering:
                await asyncio.sleep(max(ask_after_s - quiet_s, ask_after_s / 4))
                continue
            busy = self._buffer.unread_bytes > (self._buffer.audio.bytes_at(_UNREAD_MS) or _UNREAD_BYTES)
            answer_s = (self._dead_after_s - ask_after_s) * (_BUSY_FACTOR if busy else 1)
            asked_s = time.monotonic()
            asking = asyncio.create_task(self._ask(), name="stt ping")
            try:
                while self._last_message_s < asked_s and not self._delivering:
                    left_s = asked_s + answer_s - time.monotonic()
                    if left_s <= 0:
                        raise ConnectionLost("unreachable", f"nothing came for {self._dead_after_s:g} s")
                    await asyncio.wait({asking}, timeout=min(left_s, ask_after_s / 4))
                    if asking.done():
                        break
            finally:
                await _end([asking])

    async def _ask(self) -> None:
        # A closed connection gives no answer, and the receiving task reports that.
        with contextlib.suppress(websockets.ConnectionClosed):
            await (await self._socket.ping())
            self._last_message_s = time.monotonic()

    async def _abandon(self, sending: "asyncio.Task[None]") -> None:
        """Free the server's workers at once when the program leaves, instead of after the resume window."""
        await _end([sending])
        with contextlib.suppress(websockets.ConnectionClosed, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                if not self._buffer.stopped:
                    await self._socket.send('{"type":"stop"}')
                await self._socket.close()


def encoded(item: Item) -> bytes | str:
    """Encode an item as a message (framing=seq32)."""
    match item:
        case Chunk(seq, _, data):
            return seq.to_bytes(4, "big") + data
        case Finalize():
            return '{"type":"finalize"}'
        case Configure(fields=fields):
            return json.dumps({"type": "configure", **fields})
        case _:
            return '{"type":"stop"}'


async def _first_event(socket: ClientConnection) -> Event:
    event: Event = json.loads(await socket.recv())
    if event.get("type") == "error":
        raise _error(event)
    if event.get("type") != "ready" or "resume_token" not in event:
        raise SessionError("refused", "the server does not speak this protocol: its first message is not `ready`")
    return event


def _error(event: Event) -> ConnectionLost | SessionError:
    kind = ConnectionLost if event.get("retryable") else SessionError
    after_s = event.get("retry_after_s")
    retry_after_s = after_s if isinstance(after_s, int | float) and after_s >= 0 else None
    return kind(str(event.get("code")), str(event.get("message")), retry_after_s)


def _closed(closed: websockets.ConnectionClosed) -> ConnectionLost | SessionError:
    return close_error(closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else close_error(None, "")


def _message(body: bytes | bytearray) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    error = answer.get("error") if isinstance(answer, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


async def _end(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    # Their results, if any, have been checked; they only must not continue to run.
    await asyncio.gather(*tasks, return_exceptions=True)
