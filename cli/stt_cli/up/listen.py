"""The listening socket, opened once and passed to every gateway replica."""

import errno
import socket

from stt_cli.errors import CliError
from stt_shared.process.listening import BACKLOG, drop_dead_peers


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listening TCP socket; port 0 picks a free one. Raises a one-line CliError if it cannot be opened."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise CliError(
            f"cannot listen on {host}: {error.strerror or error}; STT_HOST or --host names an address"
        ) from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        drop_dead_peers(listener)
        listener.bind(address)
        # Listen here, not only in the replicas: two processes may both bind an address that nobody listens on yet.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CliError(f"port {port} is in use; choose another with PORT=… or --port") from None
        if error.errno == errno.EACCES:
            raise CliError(
                f"no permission to listen on port {port}; choose one above 1023 with PORT=… or --port"
            ) from None
        raise CliError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return a URL of this listener that a browser on this machine can open."""
    host, port = listener.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{reachable}:{port}"
