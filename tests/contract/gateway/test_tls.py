"""The gateway speaks TLS itself: with real sockets, while its certificate is replaced, and to those who should not."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs
from support.certificates import make_authority, make_certificate
from support.gateway_harness import FINALIZE, STOP, Gateway, line, running_gateway, stand_ins, tell_status, until

from stt_gateway.http import server
from stt_shared.process import certificate

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates"),
]


class Files:
    """The files of TLS_CERT and TLS_KEY, and clients that trust their authority."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = make_authority(folder)
        self.cert, self.key = folder / "live.pem", folder / "live.key"
        self.renew("first")

    def renew(self, name: str) -> int:
        """Put another certificate in place; answers its number."""
        cert, key = make_certificate(self.folder, name, "localhost")
        # As certbot does: in one step each, one after the other.
        key.rename(self.key)
        cert.rename(self.cert)
        show = ["openssl", "x509", "-noout", "-serial", "-in", str(self.cert)]
        return int(subprocess.run(show, check=True, capture_output=True, text=True).stdout.partition("=")[2], 16)

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "tls"
    folder.mkdir()
    return Files(folder)


def settings(files: Files) -> dict[str, Path]:
    return {"tls_cert": files.cert, "tls_key": files.key}


def shown(gateway: Gateway, trust: ssl.SSLContext) -> int:
    """The number of the certificate that a new connection is shown."""
    with socket.create_connection(("localhost", int(gateway.url.rpartition(":")[2])), timeout=5) as plain:
        with trust.wrap_socket(plain, server_hostname="localhost") as connection:
            found = connection.getpeercert()
            assert found is not None
            return int(str(found["serialNumber"]), 16)


async def test_http_uploads_and_websockets_go_over_tls(
    redis_client: Redis, redis_url: str, tmp_path: Path, files: Files
) -> None:
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path / "spool", **settings(files)) as gateway,
        httpx2.AsyncClient(base_url=gateway.url, verify=files.trust, trust_env=False) as http,
    ):
        await tell_status(redis_client, "transcriber", capacity=4, detail={"model": "base"})
        assert (await http.get("/health/live")).status_code == 200
        own_page = {"Origin": gateway.url}
        posted = await http.post("/v1/stt/jobs", files={"file": ("a.mp3", bytes(3_000_000))}, headers=own_page)
        assert posted.status_code == 202, posted.text
        assert gateway.spooled[0].stat().st_size == 3_000_000
        job = f"/v1/stt/jobs/{posted.json()['job_id']}"
        async with http.stream("GET", f"{job}/events") as answer:
            await http.post(f"{job}/cancel")
            assert "event: end" in (await answer.aread()).decode()
        async with line(gateway.stream(), ssl=files.trust, origin=gateway.url) as client:
            await client.hear("ready")
            await client.send(bytes(3200), FINALIZE, STOP)
            assert await client.rest() == 1000
            assert len(client.of("final")) == 1


async def test_a_renewed_certificate_is_shown_and_no_stream_is_dropped(
    redis_client: Redis, redis_url: str, tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "CHECK_EVERY_S", 0.02)
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path / "spool", **settings(files)) as gateway,
        line(gateway.stream(), ssl=files.trust) as client,
    ):
        await client.hear("ready")
        first = await asyncio.to_thread(shown, gateway, files.trust)
        with capture_logs() as logs:
            files.cert.write_text("not a certificate")
            await until(lambda: "certificate not replaced" in str(logs))
        assert await asyncio.to_thread(shown, gateway, files.trust) == first
        second = files.renew("second")
        assert second != first
        await until(lambda: asyncio.to_thread(lambda: shown(gateway, files.trust) == second))
        await client.send(bytes(3200), FINALIZE, STOP)
        assert await client.rest() == 1000
        assert len(client.of("final")) == 1


async def test_who_is_too_old_too_slow_or_not_using_tls_gets_nothing(
    redis_client: Redis, redis_url: str, tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", 0.5)
    async with running_gateway(redis_client, redis_url, tmp_path / "spool", **settings(files)) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        old = files.trust
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(OSError):  # noqa: PT011 -- its kind depends on OpenSSL
            await asyncio.to_thread(shown, gateway, old)
        for first_words in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            reader, writer = await asyncio.open_connection("localhost", port)
            writer.write(first_words)
            async with asyncio.timeout(3):
                assert b"HTTP" not in await reader.read()
            writer.close()


def test_a_file_that_cannot_be_used_is_one_line_at_the_start(files: Files) -> None:
    env = {"TLS_CERT": str(files.authority), "TLS_KEY": str(files.key), "REDIS_URL": "redis://127.0.0.1:1"}
    command = [sys.executable, "-m", "stt_gateway"]
    run = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (2, "error: TLS_KEY: the key is not that of the certificate in TLS_CERT\n")
