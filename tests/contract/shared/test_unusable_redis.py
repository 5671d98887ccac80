"""A Redis that this user, or this URL, cannot use: each is one line that says why, at once where waiting is in vain."""

import contextlib
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs
from support.certificates import make_authority, make_certificate
from support.cluster_servers import cluster_servers
from support.ports import free_port
from support.redis_servers import redis_binary, redis_server

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.redis import client as shared_client
from stt_shared.redis.client import wait_until_ready
from stt_shared.redis.rights import check_rights

pytestmark = pytest.mark.contract


async def said_of(url: str, wait_s: float = 60) -> str:
    began_s = time.monotonic()
    with pytest.raises(redis.ConnectionError) as caught:
        await wait_until_ready(url, wait_s)
    assert time.monotonic() - began_s < 30
    line = str(caught.value)
    assert "\n" not in line
    assert "secret" not in line
    return line


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    port = free_port()
    with EmbeddedRedis(("--port", str(port))):
        yield port


@pytest.mark.parametrize(
    ("rights", "command"),
    [
        ("-set", "(SET)"),
        ("-@stream", "(XGROUP)"),
        ("-@scripting", "(EVAL)"),
        ("-hset", "hset"),
        ("-subscribe", "(SUBSCRIBE)"),
        ("resetkeys ~other:*", "(SET)"),
        ("resetchannels &other:*", "(PUBLISH)"),
    ],
)
async def test_a_missing_right_is_named_with_the_command(plain: int, rights: str, command: str) -> None:
    with redis.Redis(port=plain) as server:
        server.execute_command(f"ACL SETUSER weak reset on >secret ~stt:* &stt:* +@all {rights}")
        line = await said_of(f"redis://weak:secret@127.0.0.1:{plain}")
        assert line.startswith(f"cannot use Redis at redis://127.0.0.1:{plain}: ")
        assert command in line
        assert server.keys("stt:write-probe:*") == []


def test_a_redis_that_is_emptied_meanwhile_can_be_used(plain: int) -> None:
    class Emptied(redis.Redis):
        def execute_command(self, *arguments: Any, **options: Any) -> Any:
            if arguments[0] in ("XREADGROUP", "XPENDING"):
                super().execute_command("FLUSHALL")  # type: ignore[no-untyped-call]
            return super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]

    with Emptied(port=plain) as client:
        check_rights(client, sharded=False)


async def test_the_user_of_the_handbook_may_do_all(plain: int) -> None:
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    rights = text.partition("ACL SETUSER stt on >SECRET ")[2].partition("`")[0]
    with redis.Redis(port=plain) as server:
        server.execute_command(f"ACL SETUSER stt on >SECRET {rights}")
    await wait_until_ready(f"redis://stt:SECRET@127.0.0.1:{plain}", 5)


async def test_a_database_that_does_not_exist_is_not_waited_for(plain: int) -> None:
    assert "DB index is out of range" in await said_of(f"redis://127.0.0.1:{plain}/99")


async def test_a_node_of_a_cluster_wants_the_url_of_a_cluster() -> None:
    with cluster_servers(1) as servers:
        assert "write redis+cluster://" in await said_of(servers.url.replace("redis+cluster", "redis"))
        await wait_until_ready(servers.url, 5)


async def test_a_wait_says_what_for_and_ends_with_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_client, "_SILENT_WAIT_S", 0.3)
    url = f"unix://{tmp_path}/redis.sock"
    with capture_logs() as logs:
        line = await said_of(url, 1)
    assert line.startswith(f"cannot reach Redis at {url}: ")
    assert "No such file or directory" in line
    assert line.endswith("(waited 1 s)")
    (entry,) = logs
    assert (entry["event"], entry["log_level"]) == ("waiting for redis", "warning")
    assert "No such file or directory" in entry["cause"]


def _own_address() -> str | None:
    """An address of this machine that is not the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("198.51.100.9", 9))  # sends nothing
        return str(probe.getsockname()[0])
    return None


async def test_protected_mode_is_said_without_the_servers_page() -> None:
    address, port = _own_address(), free_port()
    if address is None:
        pytest.skip("this machine has no address besides the loopback's")
    with EmbeddedRedis(("--port", str(port), "--bind", "0.0.0.0")):
        line = await said_of(f"redis://{address}:{port}")
    assert "protected mode" in line
    assert len(line) < 250


class Tls:
    """An authority, a client that it knows, and servers with certificates of it."""

    def __init__(self, folder: Path) -> None:
        self.authority = make_authority(folder)
        self.me, self.my_key = make_certificate(folder, "me", "me")
        self.folder = folder

    @contextlib.contextmanager
    def port(self, name: str, host: str = "localhost", *, days: int = 2, clients: bool = False) -> Iterator[int]:
        certificate, key = make_certificate(self.folder, name, host, days=days)
        binary, port = redis_binary(), free_port()
        assert binary is not None
        options = f"--tls-port {port} --tls-cert-file {certificate} --tls-key-file {key} "
        options += f"--tls-ca-cert-file {self.authority} --tls-auth-clients {'yes' if clients else 'no'}"
        with redis_server(binary, *options.split()):
            yield port


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    if redis_binary() is None or shutil.which("openssl") is None:
        pytest.skip("needs a redis-server with TLS, such as Debian's, and openssl")
    return Tls(tmp_path_factory.mktemp("tls"))


async def test_tls_on_one_side_only(tls: Tls, plain: int) -> None:
    with tls.port("good") as port:
        assert "write rediss://" in await said_of(f"redis://localhost:{port}", 1)
    # The server waits for the rest of what it takes for a command.
    assert "write redis://" in await said_of(f"rediss://localhost:{plain}", 2.5)


async def test_a_certificate_that_does_not_fit_is_not_waited_for(tls: Tls) -> None:
    known = f"ssl_ca_certs={tls.authority}"
    with tls.port("good") as port:
        assert "?ssl_ca_certs=/PATH names" in await said_of(f"rediss://localhost:{port}")
        await wait_until_ready(f"rediss://localhost:{port}?{known}", 5)
    with tls.port("host", "elsewhere.example") as port:
        assert "not valid for 'localhost'" in await said_of(f"rediss://localhost:{port}?{known}")
        await wait_until_ready(f"rediss://localhost:{port}?{known}&ssl_check_hostname=false", 5)
    with tls.port("old", days=-1) as port:
        assert "has expired" in await said_of(f"rediss://localhost:{port}?{known}")
    with tls.port("clients", clients=True) as port:
        url = f"rediss://localhost:{port}?{known}"
        assert "?ssl_certfile=/PATH&ssl_keyfile=/PATH" in await said_of(url)
        await wait_until_ready(f"{url}&ssl_certfile={tls.me}&ssl_keyfile={tls.my_key}", 5)
