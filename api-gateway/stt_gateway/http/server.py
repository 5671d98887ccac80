"""The server of the gateway: uvicorn's, with the differences that the gateway needs."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import uvicorn

from stt_gateway.http.connections import HEAD_TIMEOUT_S
from stt_shared.process import gc

_TLS_CLOSE_S = 5.0
"""Time that a client has to answer the end of a TLS connection."""


class GatewayServer(uvicorn.Server):
    """uvicorn server without its own signal handling, which would kill the process by the signal instead of exiting
    with status 0. Its handshakes of TLS have a time limit."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then exempt the objects that exist by then from garbage collection."""
        if self.config.ssl is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            for listener in sockets or ():
                await self._listen(listener, self.config.ssl)
        gc.freeze_gc()

    async def _listen(self, listener: socket.socket, tls: ssl.SSLContext) -> None:
        """Serve TLS on this socket: as uvicorn would, which leaves a silent client a minute for its handshake."""

        def protocol() -> asyncio.Protocol:
            config = self.config
            connection: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return connection

        server = await asyncio.get_running_loop().create_server(
            protocol,
            sock=listener,
            ssl=tls,
            backlog=self.config.backlog,
            ssl_handshake_timeout=HEAD_TIMEOUT_S,
            ssl_shutdown_timeout=_TLS_CLOSE_S,
        )
        self.servers.append(server)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield
