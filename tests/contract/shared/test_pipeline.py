"""Calls of many callers in one round trip: each gets its own answer or error, and waits for nobody who is gone."""

import asyncio
import contextlib
import os
import signal

import pytest
import redis
from redis.asyncio import Redis
from support.gateway_harness import until
from support.ports import free_port

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.redis.client import connect
from stt_shared.redis.outage import Refused
from stt_shared.redis.pipeline import MAX_BATCH, LuaFunction, Pipeline

pytestmark = pytest.mark.contract

PUSH = LuaFunction.of("redis.call('RPUSH', KEYS[1], ARGV[1]) return ARGV[1]")
FAIL = LuaFunction.of("return redis.error_reply('REFUSED ' .. ARGV[1])")


async def test_every_caller_gets_its_own_answer_and_the_order_of_calls_is_kept(redis_client: Redis) -> None:
    pipeline = Pipeline(redis_client)
    numbers = range(3 * MAX_BATCH)
    answers = await asyncio.gather(*(pipeline.call(PUSH, ["row"], [number]) for number in numbers))
    assert [int(answer) for answer in answers] == list(numbers)
    assert [int(item) for item in await redis_client.lrange("row", 0, -1)] == list(numbers)


async def test_a_server_that_knows_no_function_is_taught_and_nothing_is_done_twice(redis_client: Redis) -> None:
    pipeline = Pipeline(redis_client)
    await redis_client.script_flush()
    await asyncio.gather(*(pipeline.call(PUSH, ["row"], [number]) for number in range(20)))
    assert await redis_client.llen("row") == 20
    assert await redis_client.script_exists(PUSH.sha) == [True]


async def test_commands_travel_in_the_same_row(redis_client: Redis) -> None:
    pipeline = Pipeline(redis_client)
    await pipeline.call(PUSH, ["row"], [1])
    wrong, missing, _, both = await asyncio.gather(
        pipeline.command("HGET", "row", "x"),
        pipeline.command("HMGET", "nothing", "a", "b"),
        pipeline.call(PUSH, ["row"], [2]),
        pipeline.command("LRANGE", "row", 0, -1),
        return_exceptions=True,
    )
    assert isinstance(wrong, redis.ResponseError)
    assert (missing, both) == ([None, None], [b"1", b"2"])


async def test_a_function_that_must_be_taught_holds_no_command_up(redis_client: Redis) -> None:
    pipeline = Pipeline(redis_client)
    await redis_client.script_flush()
    _, before = await asyncio.gather(pipeline.call(PUSH, ["row"], [1]), pipeline.command("LRANGE", "row", 0, -1))
    assert before == [], "it is carried out a moment later"
    assert await pipeline.command("LRANGE", "row", 0, -1) == [b"1"]


async def test_an_error_reaches_its_caller_alone(redis_client: Redis) -> None:
    pipeline = Pipeline(redis_client)
    outcomes = await asyncio.gather(
        pipeline.call(PUSH, ["row"], [1]),
        pipeline.call(FAIL, [], ["x"]),
        pipeline.call(PUSH, ["row"], [2]),
        return_exceptions=True,
    )
    assert [outcomes[0], outcomes[2]] == [b"1", b"2"]
    assert isinstance(outcomes[1], redis.ResponseError)
    with pytest.raises(TypeError):
        await pipeline.call(PUSH, ["row"], [None])  # type: ignore[list-item]
    assert await pipeline.call(PUSH, ["row"], [3]) == b"3"


async def test_a_caller_that_is_gone_disturbs_nobody(redis_client: Redis) -> None:
    pipeline = Pipeline(redis_client)
    gone = asyncio.create_task(pipeline.call(PUSH, ["row"], [1]))
    stays = asyncio.create_task(pipeline.call(PUSH, ["row"], [2]))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == b"2"
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_lost_server_is_an_error_for_all_and_the_pipeline_goes_on_when_it_is_back() -> None:
    with EmbeddedRedis() as server:
        client = connect(server.url)
        pipeline = Pipeline(client)
        assert await pipeline.call(PUSH, ["row"], [1]) == b"1"
        os.kill(server.pid, signal.SIGKILL)
        while not server.has_ended:
            await asyncio.sleep(0.01)
        outcomes = await asyncio.gather(*(pipeline.call(PUSH, ["row"], [n]) for n in range(3)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [redis.ConnectionError] * 3
        assert len({id(outcome) for outcome in outcomes}) == 3
        server.start()
        assert await pipeline.call(PUSH, ["row"], [2]) == b"2"
        await client.aclose()


async def test_a_connection_that_broke_off_is_made_again_without_an_error(redis_client: Redis) -> None:
    pipeline = Pipeline(redis_client)
    await pipeline.call(PUSH, ["row"], [1])
    with contextlib.suppress(redis.ConnectionError):
        await redis_client.client_kill_filter(_type="normal", skipme=False)
    assert await pipeline.call(PUSH, ["row"], [2]) == b"2"


async def test_what_too_few_replicas_have_is_refused_until_they_have_it() -> None:
    with EmbeddedRedis(("--port", str(free_port()))) as master, EmbeddedRedis() as replica:
        async with connect(master.url) as client, connect(replica.url) as follower:
            pipeline = Pipeline(client, min_replicas=1)
            with pytest.raises(Refused, match="0 of 1 replicas have it"):
                await pipeline.call(PUSH, ["row"], [1])
            port = (await client.config_get("port"))["port"]
            await follower.replicaof("127.0.0.1", port)
            await until(lambda: _follows(follower))
            assert await pipeline.call(PUSH, ["row"], [2]) == b"2"
            assert await follower.lrange("row", -1, -1) == [b"2"]
            os.kill(replica.pid, signal.SIGSTOP)
            with pytest.raises(Refused):
                await pipeline.call(PUSH, ["row"], [3])
            os.kill(replica.pid, signal.SIGCONT)
            assert await pipeline.call(PUSH, ["row"], [4]) == b"4"
            assert await Pipeline(client).call(PUSH, ["row"], [5]) == b"5"


async def _follows(client: Redis) -> bool:
    return bool((await client.info("replication"))["master_link_status"] == "up")
