"""Fixtures for all tests, and the rule that every test module says what it needs."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from stt_cli.embedded_redis import EmbeddedRedis
from stt_shared.bus.client import connect

CATEGORIES = {"unit", "contract", "model", "e2e"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not CATEGORIES & {mark.name for mark in item.iter_markers()}:
            raise pytest.UsageError(f"{item.nodeid} has no category marker: one of {sorted(CATEGORIES)}")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Valkey server, for this run only."""
    with EmbeddedRedis() as server:
        yield server.url


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """A client on an empty server."""
    client = connect(redis_url)
    await client.flushall()
    try:
        yield client
    finally:
        await client.aclose()
