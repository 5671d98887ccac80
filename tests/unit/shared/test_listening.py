"""Sockets and files that a gateway starts with."""

import errno
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stt_cli.up.listen import open_listener
from stt_gateway.__main__ import listening_socket
from stt_gateway.http.open_files import ENOUGH
from stt_gateway.settings import GatewaySettings
from stt_shared.process.listening import UNREAD_TIMEOUT_MS, CannotListen

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


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this system has no sockets for IPv4 and IPv6 together")
@pytest.mark.parametrize("kind", ["launcher", "gateway"])
def test_all_addresses_are_those_of_ipv4_too(kind: str) -> None:
    listener = open_listener("::", 0) if kind == "launcher" else listening_socket(GatewaySettings(host="::", port=0))
    with listener:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, listener.getsockname()[1])), listener.accept()[0] as accepted:
                assert accepted.getpeername()[0].endswith(host)


@pytest.mark.parametrize(
    ("host", "cause"),
    [
        ("nosuch.invalid", ""),
        ("a" * 64 + ".example", "no host name"),
        ("here..there", "no host name"),
        ("198.51.100.9", "no address of this machine"),
    ],
)
def test_a_gateway_names_an_address_that_is_none(host: str, cause: str) -> None:
    with pytest.raises(CannotListen, match=f"^cannot listen on {host}: .*{cause}.*STT_HOST"):
        listening_socket(GatewaySettings(stt_host=host, port=0))


@pytest.mark.parametrize(
    ("address", "auth", "starts"),
    [
        ("127.0.0.1", None, True),
        ("127.8.8.8", None, True),
        ("::1", None, True),
        ("localhost", None, True),
        ("0.0.0.0", None, False),
        ("::", None, False),
        ("192.168.1.20", None, False),
        ("studio.lan", None, False),
        ("0.0.0.0", "off", True),
        ("0.0.0.0", "keys", True),
    ],
)
def test_whoever_listens_to_others_says_who_may_come(address: str, auth: str | None, starts: bool) -> None:
    unguarded = GatewaySettings(stt_host=address, auth=auth).unguarded  # type: ignore[arg-type]
    assert (unguarded is None) is starts
    assert starts or f"STT_HOST={address}" in (unguarded or "")


@pytest.mark.parametrize(("auth", "code", "said"), [("", 2, "AUTH"), ("nobody", 2, "AUTH"), ("off", 1, "Redis")])
def test_a_gateway_that_listens_to_others_does_not_start_unasked(
    auth: str, code: int, said: str, tmp_path: Path
) -> None:
    env = {**os.environ, "STT_HOST": "0.0.0.0", "PORT": "0", "REDIS_URL": "redis://127.0.0.1:9", "REDIS_WAIT_S": "0.1"}
    env |= {"AUTH": auth, "DATA_DIR": str(tmp_path)} if auth else {"DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "stt_gateway"], env=env, capture_output=True, text=True, timeout=60)
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, last.startswith("error: ")) == (code, True)
    assert said in last


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"^port {port} is in use; .*PORT="):
            listening_socket(GatewaySettings(stt_host="127.0.0.1", port=port))


def test_a_port_that_is_for_root_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(CannotListen, match=r"^no permission to listen on port 80;"):
        listening_socket(GatewaySettings(stt_host="127.0.0.1", port=80))


def test_the_soft_limit_of_open_files_is_raised() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    script = (
        "import resource; from stt_gateway.http import open_files\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)); open_files.raise_soft_limit()\n"
        "print(open_files.soft_limit())"
    )
    raised = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(raised) == (ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH))
