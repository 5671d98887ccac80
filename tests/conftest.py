"""Fixtures for all tests, and the rule that every test module says what it needs."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from support.cluster_servers import cluster_servers
from support.redis_servers import redis_binary, redis_server

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.redis.client import connect

CATEGORIES = {"unit", "contract", "model", "e2e", "chaos", "browser", "docker", "install"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not CATEGORIES & {mark.name for mark in item.iter_markers()}:
            raise pytest.UsageError(f"{item.nodeid} has no category marker: one of {sorted(CATEGORIES)}")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Valkey server, for this run only."""
    with EmbeddedRedis() as server:
        yield server.url


@pytest.fixture(scope="session")
def redis7_url() -> Iterator[str]:
    """A Redis of this machine (7.0 is what Debian has)."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("no redis-server: set REDIS_SERVER, or install Debian's package redis-server")
    with redis_server(binary) as url:
        yield url


@pytest.fixture(scope="session")
def cluster_url() -> Iterator[str]:
    """A Redis Cluster of three masters."""
    with cluster_servers() as servers:
        yield servers.url


@pytest.fixture(scope="session", params=["valkey", "redis7", "cluster"])
def any_redis_url(request: pytest.FixtureRequest) -> str:
    """Each kind of server that the suite promises to work on."""
    fixture = {"valkey": "redis_url", "redis7": "redis7_url", "cluster": "cluster_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """A client on an empty server."""
    async for client in _emptied(redis_url):
        yield client


@pytest.fixture
async def any_redis_client(any_redis_url: str) -> AsyncIterator[Redis]:
    """A client on an empty server of each kind."""
    async for client in _emptied(any_redis_url):
        yield client


async def _emptied(url: str) -> AsyncIterator[Redis]:
    client = connect(url)
    await client.flushall()
    try:
        yield client
    finally:
        await client.aclose()
