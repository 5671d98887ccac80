"""The command line and an address of https: whom it trusts."""

import asyncio
import shutil
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.certificates import make_authority, make_certificate
from support.gateway_harness import running_gateway, stand_ins

import stt_client
from stt_cli.errors import CliError
from stt_cli.http.jobs import jobs_client
from stt_cli.http.readiness import ask_health
from stt_cli.http.tls import CA_VARIABLE, client_tls, trust

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates"),
]


def posted(url: str, file: Path) -> str:
    with jobs_client(url) as jobs:
        return jobs.submit(file, {}, lambda _: None)


async def test_an_authority_is_trusted_once_it_is_named(
    redis_client: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CA_VARIABLE, raising=False)
    authority = make_authority(tmp_path)
    cert, key = make_certificate(tmp_path, "live", "localhost")
    file = tmp_path / "talk.mp3"
    file.write_bytes(b"ID3")
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path / "spool", tls_cert=cert, tls_key=key) as gateway,
    ):
        for ask in (lambda: ask_health(gateway.url, 5), lambda: posted(gateway.url, file)):
            with pytest.raises(CliError, match="is not trusted: unable to get local issuer certificate; name its auth"):
                await asyncio.to_thread(ask)
        monkeypatch.setenv(CA_VARIABLE, "")
        trust(authority)
        assert (await asyncio.to_thread(ask_health, gateway.url, 5)).status
        assert await asyncio.to_thread(posted, gateway.url, file)
        async with stt_client.connect(gateway.url, tls=client_tls()) as session:
            await session.stop()
            assert [event["type"] async for event in session][-1] == "done"
        # What OpenSSL itself reads, for every program.
        monkeypatch.setenv(CA_VARIABLE, "")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        assert (await asyncio.to_thread(ask_health, gateway.url, 5)).status


@pytest.mark.parametrize(("content", "complaint"), [(None, "cannot be read"), ("", "no certificates in PEM")])
def test_a_file_without_an_authority_is_refused(
    content: str | None, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CA_VARIABLE, "")
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(CliError, match=complaint):
        trust(tmp_path / "ca.pem")
