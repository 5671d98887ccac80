"""Heartbeats: who lives, and who is forgotten."""

import asyncio

import msgspec
import pytest
from redis.asyncio import Redis

from stt_shared.streams import keys
from stt_shared.streams.replicas import Replicas, ReplicaStatus
from stt_shared.work.heartbeat import Heartbeat

pytestmark = pytest.mark.contract


@pytest.fixture
def redis_client(any_redis_client: Redis) -> Redis:
    return any_redis_client


async def test_heartbeats_come_and_go(any_redis_url: str, redis_client: Redis) -> None:
    def describe() -> ReplicaStatus:
        return ReplicaStatus(id="r1", service="transcriber", state="ready", started_ms=1, sessions=2, capacity=3)

    heartbeat = Heartbeat(any_redis_url, "r1", describe, lambda: b"metric 1\n")
    heartbeat.start()
    await asyncio.sleep(0.4)
    (replica,) = await Replicas(redis_client).living()
    assert replica == describe()
    assert await Replicas(redis_client).metrics([replica]) == {"r1": b"metric 1\n"}
    await asyncio.to_thread(heartbeat.stop)
    assert await Replicas(redis_client).living() == []


async def test_a_replica_that_dies_is_forgotten(redis_client: Redis) -> None:
    status = ReplicaStatus(id="r9", service="transcriber", state="ready", started_ms=1)
    await redis_client.hset(keys.REPLICAS, "r9", msgspec.json.encode(status))
    assert await Replicas(redis_client).living() == []
    assert await redis_client.hlen(keys.REPLICAS) == 0
