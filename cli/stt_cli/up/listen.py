"""The listening socket, opened once and passed to every gateway replica."""

import socket

from stt_cli.errors import CliError
from stt_shared.process import listening


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listening TCP socket; port 0 picks a free one. Raises a one-line CliError if it cannot be opened."""
    try:
        return listening.open_listener(host, port)
    except listening.CannotListen as error:
        raise CliError(str(error)) from None


def url_of(listener: socket.socket, *, tls: bool = False) -> str:
    """Return a URL of this listener that a browser on this machine can open."""
    host, port = listener.getsockname()[:2]
    return url_at(host, port, tls=tls)


def url_at(host: str, port: int, *, tls: bool = False) -> str:
    """Return a URL of what listens on an address that a browser on this machine can open."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{'https' if tls else 'http'}://{reachable}:{port}"
