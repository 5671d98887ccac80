"""Redis behind Sentinel: the suite finds the master, and follows it when another server becomes the master."""

import asyncio
from collections.abc import Iterator

import pytest
import redis
from support.gateway_harness import until
from support.sentinel_servers import SentinelServers, sentinel_servers

from stt_shared.redis.client import check_usable, connect, connect_sync, wait_until_ready

pytestmark = [pytest.mark.contract, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelServers]:
    with sentinel_servers(tmp_path_factory.mktemp("sentinel"), down_after_ms=500) as servers:
        yield servers


async def test_clients_find_the_master_and_the_next_one(servers: SentinelServers) -> None:
    await wait_until_ready(servers.url, 10)
    client = connect(servers.url)
    await client.set("before", 1)
    await until(lambda: asyncio.to_thread(servers.is_replicated), 20)
    old = await asyncio.to_thread(servers.kill_master)

    async def is_written() -> bool:
        try:
            await client.set("after", 2)
        except redis.ConnectionError:
            return False
        return True

    await until(is_written, 20)
    assert await asyncio.to_thread(servers.masters) != [old]
    assert await client.get("before") == b"1"
    with connect_sync(servers.url) as blocking:
        assert blocking.get("after") == b"2"
    await client.aclose()


def test_a_sentinel_that_is_taken_for_a_server_is_told(servers: SentinelServers) -> None:
    host = servers.url.partition("://")[2].partition(",")[0]
    with pytest.raises(redis.ConnectionError, match=r"it is a sentinel; write redis\+sentinel://"):
        check_usable(f"redis://{host}/0")


def test_a_name_that_the_sentinels_do_not_know_is_told(servers: SentinelServers) -> None:
    with pytest.raises(redis.ConnectionError, match="No master found for 'nobody'"):
        check_usable(servers.url.replace("/speech/", "/nobody/"))
