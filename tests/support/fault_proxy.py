"""A TCP proxy that breaks on demand: between a client and a server on TCP or a Unix socket.

``black_hole`` keeps connections open and lets nothing through, in either direction, as a lost network does; what was
held is lost with the connection. ``drop_replies`` lets requests through. ``cut`` resets every connection.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from types import TracebackType
from urllib.parse import urlsplit

_CHUNK = 65536


class FaultProxy:
    """``target``: a Redis URL (``unix://…`` or ``redis://host:port``), or "host:port". An async context manager.

    ``tls``: what its clients speak; to the target it is plain.
    """

    def __init__(self, target: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._requests_pass = True
        self._replies_pass = True
        self._only_old = False
        self._held: set[asyncio.StreamWriter] = set()
        self.delay_s = 0.0

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """What a client takes for the server."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._pipes):
            task.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        for writer in list(self._writers):
            writer.close()

    async def __aenter__(self) -> "FaultProxy":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def black_hole(self, *, only_old: bool = False) -> None:
        """Nothing passes any more; with ``only_old`` connections made from now on are well."""
        self._break(requests=False, only_old=only_old)

    def drop_replies(self, *, only_old: bool = False) -> None:
        """The server gets and does all, its replies are lost."""
        self._break(requests=True, only_old=only_old)

    def _break(self, *, requests: bool, only_old: bool) -> None:
        if only_old:
            self._held |= self._writers
        self._only_old = only_old
        self._requests_pass, self._replies_pass = requests, False

    def pass_through(self) -> None:
        """All is well for connections made from now on and for those of before."""
        self._requests_pass = self._replies_pass = True
        self._held.clear()

    def lead_to(self, target: str) -> None:
        """Connections made from now on go to another server; those of before stay where they are."""
        self._target = target

    def cut(self) -> None:
        """Every connection is reset (RST); new ones are well."""
        for writer in list(self._writers):
            connected = writer.get_extra_info("socket")
            if connected is not None and connected.family == socket.AF_INET:
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self._target if "://" in self._target else f"redis://{self._target}")
        if parts.scheme == "unix":
            return await asyncio.open_unix_connection(parts.path)
        return await asyncio.open_connection(parts.hostname, parts.port or 6379)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await self._connect()
        except OSError:
            to_client.close()
            return
        self._writers |= {to_client, to_server}
        for reader, writer, is_request in ((from_client, to_server, True), (from_server, to_client, False)):
            task = asyncio.create_task(self._pipe(reader, writer, is_request))
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)

    def _passes(self, writer: asyncio.StreamWriter, is_request: bool) -> bool:
        if self._only_old and writer not in self._held:
            return True
        return self._requests_pass if is_request else self._replies_pass

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_request: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self._passes(writer, is_request):
                    writer.write(data)
                    await writer.drain()
        # The end of a connection is news too, and is swallowed with the rest.
        if self._passes(writer, is_request):
            writer.close()
        self._writers.discard(writer)
