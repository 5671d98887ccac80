"""A session whose gateway is dead: once its client had time to come back, its last words are told and it ends."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis
from support.job_harness import LOUD, FirstSamples, Transcriber
from support.wiring import bus_on

from stt_shared.contracts.events import Done, Event, Final, decode_event
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.streams import keys
from stt_shared.streams.keys import session_keys
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_transcriber.live import session_runner

pytestmark = pytest.mark.contract

AT, OWNER = session_keys("call"), Ownership(session_keys("call"), "e")
GATEWAY = "gateway"
SECONDS = 3


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_runner, "FROZEN_MS", 500.0)


async def say(client: Redis, *, window_s: float = 0.0, ahead: int = 0) -> None:
    """Speech that nobody ends. ``ahead``: frames of the client that no audio-processor has decoded yet."""
    bus = bus_on(client)
    await bus.sessions.open(
        AT, "e", encode_json(SessionConfig(language="en")), 0, 60, gateway=GATEWAY, resume_window_s=window_s
    )
    await client.xadd(keys.SESSIONS_WAITING, {"id": AT.id, "epoch": "e"})
    await client.hset(AT.state, "audio_seq", ahead)
    samples = np.full(1600, LOUD, np.int16).tobytes()
    for number in range(10 * SECONDS):
        frame = Frame(number + 1, FrameKind.AUDIO, samples, FrameMeta(1.0, start_sample=1600 * number))
        assert await bus.sessions.append_pcm(OWNER, frame, consumed=0) is WriteResult.OK


async def events(client: Redis) -> list[Event]:
    entries: Any = await client.xrange(AT.results_log)
    return [decode_event(fields[b"event"]) for _, fields in entries]


async def is_done(client: Redis) -> bool:
    return bool(await client.hget(AT.state, "state") == b"done")


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_its_last_words_are_told(redis_client: Redis, redis_url: str) -> None:
    await say(redis_client)
    async with Transcriber(redis_url, "a", FirstSamples()):
        await until(lambda: is_done(redis_client))
    told = await events(redis_client)
    assert [final.utterance for final in told if isinstance(final, Final)] == [1]
    assert isinstance(told[-1], Done)


@pytest.mark.parametrize("case", ["the gateway lives", "the client may come back", "audio is on its way"])
async def test_it_goes_on_while_more_may_come(redis_client: Redis, redis_url: str, case: str) -> None:
    if case == "the gateway lives":
        await redis_client.set(keys.replica_alive(GATEWAY), 1)
    await say(
        redis_client, window_s=60 * (case == "the client may come back"), ahead=int(case == "audio is on its way")
    )
    async with Transcriber(redis_url, "a", FirstSamples()):
        await asyncio.sleep(3)
    assert not await is_done(redis_client)


async def test_a_client_that_comes_back_has_the_gateway_that_it_came_to(redis_client: Redis) -> None:
    sessions = bus_on(redis_client).sessions
    await sessions.open(AT, "e", encode_json(SessionConfig()), 0, 60, token_hash="t", gateway=GATEWAY)
    await sessions.attach(AT, "t", finals=0, committed_samples=0, ttl_s=60, gateway="other")
    assert await sessions.owner_of(AT, keys.STAGE_GATEWAY) == "other"
