"""The command line with keys: the first one, and what client commands do with it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, running_gateway, stand_ins, until

from stt_cli.http.jobs import jobs_client
from stt_cli.http.readiness import ask_health

pytestmark = pytest.mark.contract


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path / "a", auth="keys") as gateway,
    ):
        yield gateway


def keys(folder: Path, *arguments: str) -> str:
    return command_line(folder, "keys", *arguments)


def command_line(folder: Path, *arguments: str) -> str:
    env = {**os.environ, "DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "stt_cli", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout


async def test_a_key_of_the_command_line_opens_the_suite(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STT_API_KEY", raising=False)
    health = await asyncio.to_thread(ask_health, gateway.url)
    assert (health.status, health.services) == ("healthy", {})
    key = (await asyncio.to_thread(keys, tmp_path / "a-data", "create", "me", "--scopes", "all")).strip()
    monkeypatch.setenv("STT_API_KEY", key)
    assert (await asyncio.to_thread(ask_health, gateway.url)).services
    audio = tmp_path / "a.mp3"
    audio.write_bytes(b"ID3")

    def post() -> str:
        with jobs_client(gateway.url) as client:
            return client.view(client.submit(audio, {}, lambda _: None)).job_id

    assert await asyncio.to_thread(post)
    id = key.split("_")[1]
    assert id in await asyncio.to_thread(keys, tmp_path / "a-data", "list")
    await asyncio.to_thread(keys, tmp_path / "a-data", "create", "guest", "--quota", "streams=2")
    assert "streams=2" in await asyncio.to_thread(keys, tmp_path / "a-data", "list")
    await asyncio.to_thread(keys, tmp_path / "a-data", "revoke", id)
    assert "revoked" in await asyncio.to_thread(keys, tmp_path / "a-data", "list")


async def test_a_running_gateway_deletes_a_tenant_of_the_command_line(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a-data"
    for tenant in ("acme", "other"):
        await asyncio.to_thread(keys, folder, "create", "me", "--tenant", tenant)
    said = await asyncio.to_thread(command_line, folder, "tenants", "delete", "acme")
    assert "revoked" in said

    async def is_gone() -> bool:
        listed = await asyncio.to_thread(keys, folder, "list")
        return "acme" not in listed and "other" in listed

    await until(is_gone, 60)
    with pytest.raises(subprocess.CalledProcessError) as nobody:
        await asyncio.to_thread(command_line, folder, "tenants", "delete", "nobody")
    assert (nobody.value.returncode, nobody.value.stderr.strip()) == (1, "error: there is no tenant nobody")
    with pytest.raises(subprocess.CalledProcessError) as local:
        await asyncio.to_thread(command_line, folder, "tenants", "delete", "local")
    assert "always there" in local.value.stderr
