"""Server of a bridge: accepts clients over TCP, a limited number at once, and lets them finish when it stops."""

import asyncio
import contextlib
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from stt_shared.process.tasks import cancel_and_wait

FINISH_S = 15.0
"""Time in which clients get their last words when the bridge stops."""
LAST_READS_S = 5.0
"""Time in which a bridge that stops takes what its clients had sent until then."""
LAST_READ_S = 0.1
SEND_TIMEOUT_S = 10.0

T = TypeVar("T")


class TcpClient:
    """One client. Once it is gone, what is sent to it is dropped, so that what it has said is still finished."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[float] = self._loop.create_future()
        self._is_gone = False

    @property
    def address(self) -> str:
        """Network address, for people who read the log."""
        return str((self._writer.get_extra_info("peername") or ["?"])[0])

    async def read(self, message: Coroutine[Any, Any, T], *, idle_s: float) -> T | None:
        """Return what ``message`` reads; None at the client's end, after ``idle_s``, or when the bridge stops."""
        reading = asyncio.create_task(message)
        ends: set[asyncio.Future[Any]] = {reading, self._stopped}
        try:
            await asyncio.wait(ends, timeout=idle_s, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() and self._stopped.done():
                left_s = self._stopped.result() - self._loop.time()
                await asyncio.wait({reading}, timeout=min(left_s, LAST_READ_S))
            return reading.result() if reading.done() else None
        except (asyncio.IncompleteReadError, OSError):
            return None
        finally:
            reading.cancel()

    async def send(self, data: bytes) -> None:
        """Send to the client, unless it has gone or has not read for SEND_TIMEOUT_S."""
        if self._is_gone:
            return
        try:
            self._writer.write(data)
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._writer.drain()
        except (OSError, TimeoutError):
            self._is_gone = True

    def stop(self) -> None:
        """Read what has arrived of the client and nothing more, as if it had ended its side."""
        if not self._stopped.done():
            self._stopped.set_result(self._loop.time() + LAST_READS_S)
            self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def close(self) -> None:
        """Close the connection after what was sent."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._writer.wait_closed()
        self._writer.transport.abort()


class TcpServer:
    """Serves each client with ``handle``, at most ``max_clients`` at once; the others get ``refusal``."""

    def __init__(
        self, handle: Callable[[TcpClient], Awaitable[None]], *, refusal: bytes, max_clients: int, line_bytes: int
    ) -> None:
        self._handle = handle
        self._refusal = refusal
        self._max_clients = max_clients
        self._line_bytes = line_bytes
        self._clients: dict[asyncio.Task[None], TcpClient] = {}

    async def run(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve until ``stop``; then let clients finish, for FINISH_S."""
        server = await asyncio.start_server(self._accept, sock=listener, limit=self._line_bytes)
        try:
            await stop.wait()
            server.close()
            for client in self._clients.values():
                client.stop()
            if self._clients:
                await asyncio.wait(self._clients, timeout=FINISH_S)
        finally:
            server.close()
            await cancel_and_wait(*self._clients)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = TcpClient(reader, writer)
        task = asyncio.create_task(self._serve(client, is_full=len(self._clients) >= self._max_clients))
        self._clients[task] = client
        task.add_done_callback(self._clients.pop)

    async def _serve(self, client: TcpClient, *, is_full: bool) -> None:
        try:
            await (client.send(self._refusal) if is_full else self._handle(client))
        except Exception:
            # One client's defect must not end the others.
            traceback.print_exc(file=sys.stderr)
        finally:
            await client.close()
