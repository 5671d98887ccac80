"""Sockets and files that a gateway starts with."""

import socket

import pytest

from stt_cli.listen import open_listener
from stt_gateway.__main__ import listening_socket
from stt_gateway.settings import GatewaySettings
from stt_shared.listening import UNREAD_TIMEOUT_MS

pytestmark = pytest.mark.unit


def accepted_timeout_ms(listener: socket.socket) -> int:
    """TCP_USER_TIMEOUT of a connection that this listener has accepted."""
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
        return accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no TCP_USER_TIMEOUT")
@pytest.mark.parametrize("kind", ["launcher", "gateway", "inherited"])
def test_connections_to_peers_that_are_gone_end(kind: str) -> None:
    if kind == "launcher":
        listener = open_listener("127.0.0.1", 0)
    elif kind == "gateway":
        listener = listening_socket(GatewaySettings(port=0))
    else:
        inherited = socket.create_server(("127.0.0.1", 0))
        listener = listening_socket(GatewaySettings(listen_fd=inherited.detach()))
    with listener:
        assert accepted_timeout_ms(listener) == UNREAD_TIMEOUT_MS
