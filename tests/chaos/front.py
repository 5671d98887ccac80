"""The load balancer in front of the gateways, and the bad network in front of that.

Each new connection of a session goes to another gateway than its last one, if another one answers. Sessions can be cut
off, swallowed (half-open: nothing passes any more, and nobody notices) and kept out.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_SESSION = re.compile(rb"[?&]session_id=([^& ]+)")
_PORTION = 64 * 1024


@dataclass(eq=False)
class Link:
    """One connection of a client, and its other half to a gateway."""

    session_id: str
    gateway: Any
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    target: bytes
    """The first line of its request."""
    is_resumption: bool
    opened: float
    ready: float | None = None
    """When the gateway's ``ready`` passed by; monotonic seconds, as ``opened``."""
    swallows: bool = False

    def cut(self) -> None:
        """Both ends see the connection reset."""
        for writer in (self.client, self.server):
            writer.transport.abort()


class Front:
    """A TCP server on ``port``. ``links``: the open or last connection of each session.

    ``gateways`` returns those that run, as objects with a ``port`` on this machine.
    """

    def __init__(self, gateways: Callable[[], Sequence[Any]]) -> None:
        self._gateways = gateways
        self._server: asyncio.Server | None = None
        self.links: dict[str, Link] = {}
        self.history: list[Link] = []
        self.kept_out: dict[str, float] = {}
        """Sessions whose connections are refused, and until when; monotonic seconds."""

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stt/stream"

    def ready_after(self, session_id: str, at: float) -> float | None:
        """When a session had its first connection after a moment; monotonic seconds."""
        moments = (link.ready for link in self.history if link.session_id == session_id)
        return next((ready for ready in moments if ready is not None and ready > at), None)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_PORTION)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in self.links.values():
            link.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n")
            found = _SESSION.search(request)
            session_id = found.group(1).decode() if found else ""
            if self.kept_out.get(session_id, 0) > time.monotonic():
                writer.transport.abort()
                return
            opened = time.monotonic()
            gateway, from_server, to_server = await self._reach(session_id)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            writer.transport.abort()
            return
        link = Link(session_id, gateway, writer, to_server, request, session_id in self.links, opened)
        self.links[session_id] = link
        self.history.append(link)
        to_server.write(request)
        halves = [
            asyncio.create_task(self._pipe(link, reader, to_server)),
            asyncio.create_task(self._pipe(link, from_server, writer, listens=True)),
        ]
        await asyncio.wait(halves)

    async def _reach(self, session_id: str) -> tuple[Any, asyncio.StreamReader, asyncio.StreamWriter]:
        last = self.links.get(session_id)
        # Least loaded first, so that both have sessions; the last one of this session at the end of the row.
        open_links = [link.gateway for link in self.links.values() if not link.server.transport.is_closing()]
        gateways = sorted(
            self._gateways(), key=lambda each: (last is not None and each is last.gateway, open_links.count(each))
        )
        for gateway in gateways:
            with contextlib.suppress(OSError):
                return gateway, *await asyncio.open_connection("127.0.0.1", gateway.port, limit=_PORTION)
        raise ConnectionRefusedError("no gateway answers")

    async def _pipe(
        self, link: Link, source: asyncio.StreamReader, drain: asyncio.StreamWriter, *, listens: bool = False
    ) -> None:
        try:
            while data := await source.read(_PORTION):
                if link.swallows or drain.transport.is_closing():
                    continue
                if listens and link.ready is None and b'"ready"' in data:
                    link.ready = time.monotonic()
                drain.write(data)
                await drain.drain()
            if not link.swallows:
                drain.close()
        except (OSError, RuntimeError):
            # One end was reset (uvloop: RuntimeError when this side did it): the other learns it the same way.
            if not link.swallows:
                link.cut()
