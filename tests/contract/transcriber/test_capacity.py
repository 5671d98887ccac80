"""A transcriber as it runs, on an engine whose speed changes: places follow it, and there is always one."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from support.gateway_harness import line, running_gateway, tell_status, until
from support.wiring import bus_on

from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.streams import keys
from stt_shared.streams.replicas import Replicas, ReplicaStatus
from stt_transcriber import app
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.engines.instant import InstantEngine
from stt_transcriber.settings import TranscriberSettings

pytestmark = pytest.mark.contract


class Changing(InstantEngine):
    """Takes as long as it is told."""

    def __init__(self) -> None:
        super().__init__("changing", 1)
        self.max_batch = 1
        self.takes_s = 0.5
        self.decodes = 0

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        self.decodes += 1
        time.sleep(self.takes_s)
        return super().decode(requests)


@pytest.fixture
async def engine(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Changing]:
    engine = Changing()

    def load(*_: Any, **__: Any) -> Changing:
        return engine

    monkeypatch.setattr(app, "load_engine", load)
    stop = asyncio.Event()
    monkeypatch.setattr("stt_shared.work.service.stop_signal", lambda: stop)
    monkeypatch.setattr("stt_transcriber.core.schedule.speed.LEAST_S", 0.1)
    monkeypatch.setattr("stt_transcriber.core.schedule.speed.COST_SHARE", 0.3)
    monkeypatch.setattr("stt_transcriber.core.schedule.speed.COST_SHARE_SLOWED", 0.3)
    running = asyncio.create_task(app.run(TranscriberSettings(redis_url=redis_url, vad="rms")))
    yield engine
    engine.takes_s = 0.0
    stop.set()
    await running


async def reported(client: Redis) -> ReplicaStatus | None:
    """What the transcriber says of itself, once it is ready."""
    found = [one for one in await Replicas(client).living() if one.service == "transcriber" and one.state == "ready"]
    return found[0] if found else None


async def test_a_busy_moment_at_the_start_is_forgotten(engine: Changing, redis_client: Redis) -> None:
    status: ReplicaStatus = await until(lambda: reported(redis_client))
    assert status.capacity <= 2
    engine.takes_s = 0.02

    async def grown() -> bool:
        status = await reported(redis_client)
        return status is not None and status.capacity > 15

    await until(grown)
    # They are taken as well, not only reported.
    bus = bus_on(redis_client)
    for number in range(6):
        at = keys.session_keys(f"s{number}")
        await bus.sessions.open(at, "e", encode_json(SessionConfig()), 0, 60)
        await redis_client.xadd(keys.SESSIONS_WAITING, {"id": at.id, "epoch": "e"})

    async def taken() -> bool:
        status = await reported(redis_client)
        return status is not None and status.sessions == 6

    await until(taken)
    engine.takes_s = 0.5

    async def shrunk() -> bool:
        status = await reported(redis_client)
        return status is not None and status.capacity == 1

    await until(shrunk, 20)
    status = await until(lambda: reported(redis_client))
    assert status.sessions == 6, "who is in stays"
    assert status.detail["places"]["limit"] in ("partials", "least")


async def test_replicas_on_one_machine_share_it(engine: Changing, redis_client: Redis) -> None:
    engine.takes_s = 0.02
    await until(lambda: reported(redis_client))

    async def places() -> int:
        status = await reported(redis_client)
        return status.capacity if status else 0

    async def more_than_15() -> bool:
        return await places() > 15

    await until(more_than_15)
    alone: ReplicaStatus = await until(lambda: reported(redis_client))
    await tell_status(redis_client, "transcriber", detail=alone.detail)

    async def halved() -> bool:
        return await places() <= alone.capacity / 2 + 1

    await until(halved)


async def test_a_machine_that_is_too_slow_still_has_a_place(engine: Changing, redis_client: Redis) -> None:
    engine.takes_s = 4.0
    status: ReplicaStatus = await until(lambda: reported(redis_client), 20)
    assert (status.sessions, status.capacity) == (0, 1)


async def test_silent_sessions_give_their_places_back_when_their_connections_go(
    engine: Changing, redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    engine.takes_s = 0.001
    await tell_status(redis_client, "audio-processor", capacity=16)

    async def has_sessions(count: int) -> bool:
        status = await reported(redis_client)
        return status is not None and status.sessions == count

    async with running_gateway(redis_client, redis_url, tmp_path) as gateway, contextlib.AsyncExitStack() as lines:
        await until(lambda: has_sessions(0))
        silent = [await lines.enter_async_context(line(gateway.stream(f"session_id=s{n}"))) for n in range(4)]
        await until(lambda: has_sessions(4))
        for one in silent:
            one.socket.transport.abort()
        await until(lambda: has_sessions(0), 5)
