"""Options of a listening TCP socket."""

import socket

BACKLOG = 1024
UNREAD_TIMEOUT_MS = 30_000
"""A connection whose peer leaves data unacknowledged for this long is dropped, also when it is closed already."""


def drop_dead_peers(listener: socket.socket) -> None:
    """Have the kernel drop connections of ``listener`` whose peers are gone; accepted sockets inherit it (Linux)."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT_MS)
