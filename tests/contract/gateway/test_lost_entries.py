"""A session whose entry in the work stream was lost, as in a failover to a replica, is queued again."""

from typing import Any
from urllib.parse import urlencode

import pytest
import redis
from redis.asyncio import Redis
from support.gateway_harness import Gateway, Workers, line, until

from stt_shared.streams import keys
from stt_shared.streams.sessions import SessionStreams

pytestmark = pytest.mark.contract


async def lose_entry(client: Redis, workers: Workers) -> None:
    """As if the store had kept the session and nothing that came after it."""
    hand = await workers.hand("s1")
    await client.xtrim(keys.SESSIONS_WAITING, maxlen=0)
    await client.hset(hand.owner.keys.state, "owner:transcriber", "")


async def test_when_its_client_resumes_it(gateway: Gateway, workers: Workers, redis_client: Redis) -> None:
    async with line(gateway.stream("session_id=s1")) as talking:
        ready = await talking.hear("ready")
        await talking.send(bytes(3200))
        await lose_entry(redis_client, workers)
        talking.socket.transport.abort()
    query = {"session_id": "s1", "resume_token": ready["resume_token"]}
    async with line(gateway.stream(urlencode(query))) as talking:
        await talking.hear("ready")
        await until(lambda: len(workers.hands) == 2)


async def test_when_the_store_answers_again(
    gateway: Gateway, workers: Workers, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress, failures = SessionStreams.progress, iter([redis.ConnectionError("gone")])

    async def failing_once(*arguments: Any) -> Any:
        for error in failures:
            raise error
        return await progress(*arguments)

    async with line(gateway.stream("session_id=s1")) as talking:
        await talking.hear("ready")
        await talking.send(bytes(3200))
        await lose_entry(redis_client, workers)
        monkeypatch.setattr(SessionStreams, "progress", failing_once)
        await until(lambda: len(workers.hands) == 2)
