"""Ports of 127.0.0.1 for servers that a test starts in a process of its own."""

import random
import socket

# Below what Linux and macOS give to outgoing connections: between the look at a port and the server's own bind, one of
# the many connections of a test run must not take it.
_PORTS = range(10_000, 32_000)


def free_port(also_free: int = 0) -> int:
    """A port that nothing uses, and neither the port ``also_free`` above it (a cluster node's second port)."""
    while True:
        port = random.choice(_PORTS)
        wanted = {port, port + also_free}
        if wanted <= set(_PORTS) and all(map(_is_free, wanted)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
