"""Transcribers for live sessions alone and for files alone: each leaves the other's work alone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from support.gateway_harness import until
from support.job_harness import ended, posted, seconds
from support.wiring import bus_on

from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.jobs import JobResult
from stt_shared.contracts.services import TranscriberWork
from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.streams import keys
from stt_shared.streams.replicas import Replicas, ReplicaStatus
from stt_transcriber import app
from stt_transcriber.settings import TranscriberSettings

pytestmark = pytest.mark.contract

JOB = "job-0123456789abcdef"


@asynccontextmanager
async def transcriber(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, work: TranscriberWork
) -> AsyncIterator[Callable[[], None]]:
    stop = asyncio.Event()
    monkeypatch.setattr("stt_shared.work.service.stop_signal", lambda: stop)
    settings = TranscriberSettings(
        redis_url=redis_url,
        vad="rms",
        whisper_engine=EngineName.INSTANT,
        whisper_model="instant",
        TRANSCRIBER_WORK=work,
    )
    running = asyncio.create_task(app.run(settings))
    yield stop.set
    stop.set()
    await running


async def reported(client: Redis, *, with_places: bool = False) -> ReplicaStatus | None:
    living = await Replicas(client).living()
    found = [one for one in living if one.state == "ready" and (one.capacity > 0 or not with_places)]
    return found[0] if found else None


async def open_session(client: Redis) -> None:
    await bus_on(client).sessions.open(keys.session_keys("s"), "e", encode_json(SessionConfig()), 0, 60)
    await client.xadd(keys.SESSIONS_WAITING, {"id": "s", "epoch": "e"})


async def owner(client: Redis) -> str:
    return await bus_on(client).sessions.owner_of(keys.session_keys("s"), keys.STAGE_TRANSCRIBER)


async def test_one_for_files_takes_no_session(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_session(redis_client)
    async with transcriber(redis_url, monkeypatch, TranscriberWork.FILES):
        status: ReplicaStatus = await until(lambda: reported(redis_client))
        assert (status.capacity, status.detail["work"]) == (0, "files")
        await posted(redis_client, JOB, seconds(5))
        assert isinstance(await ended(redis_client, JOB), JobResult)
        assert not await owner(redis_client)


async def test_one_for_live_sessions_takes_no_file(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await posted(redis_client, JOB, seconds(5))
    async with transcriber(redis_url, monkeypatch, TranscriberWork.LIVE):
        status: ReplicaStatus = await until(lambda: reported(redis_client, with_places=True))
        assert status.detail["work"] == "live"
        await open_session(redis_client)
        await until(lambda: owner(redis_client))
        assert await redis_client.xlen(keys.JOBS_WAITING) == 1
        assert not await redis_client.exists(keys.JOB_CHUNKS)
