"""Address and options of a listening TCP socket."""

import ipaddress
import socket

DEFAULT_ADDRESS = "127.0.0.1"

BACKLOG = 1024
UNREAD_TIMEOUT_MS = 30_000
"""Time after which a connection is dropped whose peer leaves data unacknowledged, even if it is already closed."""


def listening_address(stt_host: str | None, host: str) -> str:
    """Return the address to listen on, from STT_HOST or else HOST.

    HOST counts only as an IP address or ``localhost``: csh exports it as the machine's name, and conda as a platform's.
    """
    if stt_host:
        return stt_host
    return host if host == "localhost" or _is_ip(host) else DEFAULT_ADDRESS


def note_of_ignored_host(stt_host: str | None, host: str) -> str | None:
    """Return a note for the user if HOST is set to something that does not count, otherwise None."""
    if stt_host or host == listening_address(None, host):
        return None
    return f"HOST={host} is ignored, since it is no IP address; STT_HOST names the address to listen on"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def drop_dead_peers(listener: socket.socket) -> None:
    """Make the kernel drop connections of ``listener`` whose peers are gone; accepted sockets inherit this (Linux)."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT_MS)
