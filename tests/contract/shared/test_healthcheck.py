"""The containers' health check, on heartbeats in a real server."""

import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
import redis

from stt_shared.redis.client import connect_sync
from stt_shared.streams import keys
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work.healthcheck import find_problem

pytestmark = pytest.mark.contract


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect_sync(redis_url) as client:
        client.flushall()
        yield client


def register(client: redis.Redis, replica_id: str, state: str, *, alive: bool = True) -> None:
    status = ReplicaStatus(id=replica_id, service="audio", state=state, started_ms=0, reason="a decode hangs")
    client.hset(keys.REPLICAS, replica_id, msgspec.json.encode(status))
    if alive:
        client.set(keys.replica_alive(replica_id), 1)


def test_a_living_replica_of_this_host_is_well(client: redis.Redis) -> None:
    register(client, "audio-host1-7-abc", "ready")
    assert find_problem(client, "audio", "host1") is None


def test_a_replica_elsewhere_or_of_another_service_does_not_count(client: redis.Redis) -> None:
    register(client, "audio-host2-7-abc", "ready")
    register(client, "transcriber-host1-7-abc", "ready")
    assert find_problem(client, "audio", "host1") == "no audio on host1 has a heartbeat"


def test_a_replica_without_a_sign_of_life_is_dead(client: redis.Redis) -> None:
    register(client, "audio-host1-7-abc", "ready", alive=False)
    assert find_problem(client, "audio", "host1") is not None


@pytest.mark.parametrize("state", ["starting", "stalled"])
def test_a_replica_that_does_nothing_is_told_with_its_reason(client: redis.Redis, state: str) -> None:
    register(client, "audio-host1-7-abc", state)
    assert find_problem(client, "audio", "host1") == f"audio-host1-7-abc is {state}: a decode hangs"


def run_check(redis_url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "stt_shared.work.healthcheck", "audio", *arguments]
    return subprocess.run(
        command, env={"REDIS_URL": redis_url}, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_check_that_restarts_ignores_a_redis_that_is_away(client: redis.Redis, redis_url: str) -> None:
    assert run_check("redis://127.0.0.1:1/0", "--ignore-redis").returncode == 0
    assert run_check(redis_url, "--ignore-redis").returncode == 1, "nobody is there"


def test_the_command_exits_as_a_health_check_must() -> None:
    run = run_check("redis://127.0.0.1:1/0")
    assert run.returncode == 1
    assert run.stderr.startswith("cannot reach Redis at redis://127.0.0.1:1/0: ")
    assert len(run.stderr.splitlines()) == 1
