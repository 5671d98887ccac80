"""Half-open connections: found within two seconds, and without the probe never."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis
from support.fault_proxy import FaultProxy

from stt_shared.redis import subscriber
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.client import connect
from stt_shared.redis.pipeline import LuaFunction, Pipeline

pytestmark = pytest.mark.contract

CHANNEL = "stt:results:{s1}"
PUSH = LuaFunction.of("return redis.call('RPUSH', KEYS[1], ARGV[1])")


@pytest.fixture
async def proxy(redis_client: Redis, redis_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
async def through(proxy: FaultProxy) -> AsyncIterator[Redis]:
    client = connect(proxy.url)
    yield client
    await client.aclose()


async def until_heard(client: Redis, hub: ChannelHub, break_it: Callable[[], None], timeout_s: float) -> float:
    """Seconds from the fault until a message arrives again."""
    async with hub.listen(CHANNEL) as inbox:
        await inbox.get(0.2)
        await client.publish(CHANNEL, b"before")
        assert await inbox.get(1.0) == b"before"
        break_it()
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            await client.publish(CHANNEL, b"after")
            if await inbox.get(0.05) == b"after":
                return time.monotonic() - began
        raise TimeoutError


@pytest.mark.parametrize("fault", ["black_hole", "drop_replies"])
async def test_a_half_open_subscriber_is_found_within_two_seconds(
    fault: str, redis_client: Redis, through: Redis, proxy: FaultProxy
) -> None:
    async with ChannelHub(through, "stt:replica:probe") as hub:
        took_s = await until_heard(redis_client, hub, lambda: getattr(proxy, fault)(only_old=True), 5)
    assert took_s < 2.3, "found in 2 s and replaced"


async def test_without_the_probe_it_stays_deaf(redis_client: Redis, through: Redis, proxy: FaultProxy) -> None:
    """The negative twin."""
    async with ChannelHub(through, "stt:replica:probe", probes=False) as hub:
        with pytest.raises(TimeoutError):
            await until_heard(redis_client, hub, lambda: proxy.black_hole(only_old=True), 4)


async def test_a_connection_that_was_reset_is_replaced_and_readers_are_notified(
    redis_client: Redis, through: Redis, proxy: FaultProxy
) -> None:
    async with ChannelHub(through, "stt:replica:probe") as hub:
        took_s = await until_heard(redis_client, hub, proxy.cut, 3)
    assert took_s < 1.0


async def test_readers_learn_that_they_may_have_missed_something(through: Redis, proxy: FaultProxy) -> None:
    async with ChannelHub(through, "stt:replica:probe") as hub, hub.listen(CHANNEL) as inbox:
        await inbox.get(0.2)
        proxy.black_hole(only_old=True)
        began = time.monotonic()
        assert await inbox.get(10.0) is None
        assert time.monotonic() - began < 2.0


async def test_a_quiet_healthy_connection_is_left_alone(through: Redis, proxy: FaultProxy) -> None:
    async with ChannelHub(through, "stt:replica:probe") as hub, hub.listen(CHANNEL) as inbox:
        await inbox.get(0.2)
        began = time.monotonic()
        assert await inbox.get(3 * subscriber.PROBE_AFTER_S) is None
        assert time.monotonic() - began >= 3 * subscriber.PROBE_AFTER_S - 0.05, "nothing was said to be missing"


async def test_a_process_that_stood_still_itself_does_not_blame_the_connection(through: Redis) -> None:
    async with ChannelHub(through, "stt:replica:probe") as hub, hub.listen(CHANNEL) as inbox:
        await inbox.get(0.2)
        for _ in range(2):
            await asyncio.sleep(subscriber.PROBE_AFTER_S + 0.02)  # a probe is on its way
            time.sleep(1.5 * subscriber.PROBE_AFTER_S)  # noqa: ASYNC251 - the point
        began = time.monotonic()
        assert await inbox.get(0.5) is None
        assert time.monotonic() - began >= 0.45, "nothing was said to be missing"


async def test_a_command_over_a_half_open_connection_is_done_over_a_new_one(through: Redis, proxy: FaultProxy) -> None:
    await through.set("key", 1)
    proxy.black_hole(only_old=True)
    began = time.monotonic()
    assert await through.get("key") == b"1"
    assert time.monotonic() - began < 2.3


async def test_a_pipeline_over_a_half_open_connection_goes_on_over_a_new_one(through: Redis, proxy: FaultProxy) -> None:
    pipeline = Pipeline(through)
    await pipeline.call(PUSH, ["row"], [1])
    proxy.black_hole(only_old=True)
    began = time.monotonic()
    assert await pipeline.call(PUSH, ["row"], [2]) == 2
    assert time.monotonic() - began < 2.3
