"""Redis did as it was asked and the answer was lost, or it went away: nobody's session may be forgotten over that."""

import asyncio

import pytest
import redis
from redis.asyncio import Redis
from support.wiring import bus_on, read_state, session_stage

from stt_shared.redis.client import connect
from stt_shared.streams import keys
from stt_shared.work.heartbeat import ALIVE_MS
from stt_shared.work.stage import Assignment

pytestmark = pytest.mark.contract
AT = keys.session_keys("s1")


async def test_a_claim_repeated_is_the_same_claim(redis_client: Redis) -> None:
    bus = bus_on(redis_client)
    await bus.sessions.open(AT, "e1", b"{}", 0, 60)
    first = await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r1", name=b"1-0")
    assert first is not None
    assert await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r1", name=b"1-0") == first
    assert await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r1", name=b"2-0") is None, (
        "another entry of the session"
    )
    assert await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r2", name=b"1-0") is None, "another replica"


async def test_a_takeover_repeated_is_the_same_takeover(redis_client: Redis) -> None:
    bus = bus_on(redis_client)
    await bus.sessions.open(AT, "e1", b"{}", 0, 60)
    await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "dead", name=b"1-0")
    heir = await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r2", "dead", name=b"1-0")
    assert heir is not None
    assert await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r2", "dead", name=b"1-0") == heir


async def test_what_was_given_up_is_found_again_though_the_error_lives_on(redis_url: str, redis_client: Redis) -> None:
    errors: list[Exception] = []
    again = asyncio.Event()

    async def handle(assignment: Assignment) -> None:
        if errors:
            again.set()
            return
        try:
            raise redis.ConnectionError("away")
        except redis.ConnectionError as error:
            errors.append(error)  # its traceback holds all that it passed through
            raise

    client = connect(redis_url)
    bus = bus_on(client)
    await bus.sessions.open(AT, "e1", b"{}", 0, 60)
    await client.xadd(keys.SESSIONS_WAITING, {"id": AT.id, "epoch": "e1"})
    await client.set(keys.replica_alive("r1"), 1, px=10 * ALIVE_MS)
    stage = session_stage(bus, handle, stage=keys.STAGE_AUDIO, deletes=False)
    running = asyncio.create_task(stage.run())
    try:
        async with asyncio.timeout(8):
            await again.wait()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.aclose()


async def test_a_session_that_is_deleted_while_it_is_taken_is_left_alone(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled: list[str] = []

    async def handle(assignment: Assignment) -> None:
        handled.append(assignment.owner.keys.id)

    async def deleted(at: keys.StreamKeys) -> dict[bytes, bytes]:
        if at.id == AT.id:
            await redis_client.delete(at.state)
        return await read_state(redis_client, at)

    bus = bus_on(redis_client)
    monkeypatch.setattr(bus.sessions, "all_fields", deleted)
    for session_id in (AT.id, "s2"):
        await bus.sessions.open(keys.session_keys(session_id), "e1", b"{}", 0, 60)
        await redis_client.xadd(keys.SESSIONS_WAITING, {"id": session_id, "epoch": "e1"})
    stage = session_stage(bus, handle, stage=keys.STAGE_AUDIO, deletes=True)
    running = asyncio.create_task(stage.run())
    try:
        async with asyncio.timeout(8):
            while await redis_client.xlen(keys.SESSIONS_WAITING):
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert handled == ["s2"]
