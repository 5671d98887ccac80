"""Options of a listening TCP socket."""

import socket

BACKLOG = 1024
UNREAD_TIMEOUT_MS = 30_000
"""Time after which a connection is dropped whose peer leaves data unacknowledged, even if it is already closed."""


def drop_dead_peers(listener: socket.socket) -> None:
    """Make the kernel drop connections of ``listener`` whose peers are gone; accepted sockets inherit this (Linux)."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT_MS)
