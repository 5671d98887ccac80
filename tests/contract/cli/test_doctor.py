"""`stt doctor` beside real servers: what it says of each, and its exit code."""

import asyncio
import json
import os
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis
from support.certificates import make_authority, make_certificate
from support.gateway_harness import running_gateway, stand_ins
from support.ports import free_port

from stt_cli.doctor.examine import examine
from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.contracts.findings import Finding, Level

pytestmark = pytest.mark.contract


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of the test's own, no model, a free port."""
    monkeypatch.chdir(tmp_path)
    for name in ("STT_HOST", "HOST", "AUTH", "DATABASE_URL", "REDIS_URL", "STT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("WHISPER_ENGINE", "instant"),
        ("DATA_DIR", str(tmp_path / "data")),
        ("SPOOL_DIR", str(tmp_path / "spool")),
        ("MODELS_DIR", str(tmp_path / "models")),
        ("PORT", str(free_port())),
    ):
        monkeypatch.setenv(name, value)


def examined() -> dict[str, Finding]:
    """The findings, by check."""
    return {one.check: one for one in examine()}


def wrong(found: dict[str, Finding]) -> dict[str, str]:
    return {name: one.message for name, one in found.items() if one.level is Level.ERROR}


def test_an_installation_without_faults_has_none() -> None:
    found = examined()
    assert wrong(found) == {}
    assert "starts a server of its own" in found["redis"].message
    assert "there is none yet" in found["store"].message
    assert not Path("data").exists()


def test_what_redis_says_of_itself_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedRedis(("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")) as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        found = examined()
        assert list(wrong(found)) == ["redis memory"]
        assert "allkeys-lru" in found["redis memory"].message
        assert found["redis persistence"].level is Level.WARNING
        assert found["redis clock"].level is Level.OK
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("appendonly", "yes")
            client.execute_command("ACL SETUSER default -xadd")
        assert "xadd" in wrong(examined())["redis"].lower()
        with redis.Redis.from_url(server.url) as client:
            client.execute_command("ACL SETUSER default +xadd -info")
        assert wrong(examined()) == {}
    assert "cannot reach Redis" in wrong(examined())["redis"]


def test_a_store_that_a_gateway_could_not_use_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:s3cret@127.0.0.1:1/stt")
    message = wrong(examined())["store"]
    assert "postgresql://me:***@127.0.0.1:1/stt" in message or "postgresql://me@127.0.0.1:1/stt" in message
    assert "s3cret" not in message
    monkeypatch.delenv("DATABASE_URL")
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data" / "transcripts.db")) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    assert "version 9999" in wrong(examined())["version"]


def test_who_may_come_and_where_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_authority(tmp_path)
    for days, level in ((-1, Level.ERROR), (2, Level.WARNING)):
        certificate, key = make_certificate(tmp_path, f"c{days}", "localhost", days=days)
        monkeypatch.setenv("TLS_CERT", str(certificate))
        monkeypatch.setenv("TLS_KEY", str(key))
        assert examined()["certificate"].level is level
    monkeypatch.setenv("STT_HOST", "0.0.0.0")
    assert "AUTH is not set" in wrong(examined())["access"]
    monkeypatch.setenv("AUTH", "off")
    monkeypatch.setenv("DATA_DIR", str(certificate / "data"))
    with socket.create_server(("0.0.0.0", int(os.environ["PORT"]))):
        found = examined()
    assert found["access"].level is Level.WARNING
    assert "no suite answers" in wrong(found)["port"]
    assert "is not a folder" in wrong(found)["disk DATA_DIR"]


async def test_a_running_suite_is_asked(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path / "a") as gateway:
        port = gateway.url.rpartition(":")[2]
        command = [sys.executable, "-m", "stt_cli", "doctor", "--json"]
        env = {**os.environ, "PORT": port, "REDIS_URL": redis_url}
        process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
    told = json.loads(said)
    found = {one["check"]: one for one in told["findings"]}
    assert process.returncode == 0
    assert told["ok"]
    assert "a suite answers" in found["port"]["message"]
    assert found["health"]["message"] == "the running suite is healthy"
