"""Gateways on a real server, with stand-ins for the workers. A module may have its own variant of a fixture."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, Workers, running_gateway, stand_ins
from support.key_samples import open_key_store
from support.keyed_gateway import keyed

from stt_gateway.store.api_keys import KeyStore


@pytest.fixture
async def workers(redis_client: Redis) -> AsyncIterator[Workers]:
    async with stand_ins(redis_client) as workers:
        yield workers


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_client, redis_url, tmp_path) as gateway:
        yield gateway


@pytest.fixture
async def gateways(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> AsyncIterator[tuple[Gateway, Gateway]]:
    async with (
        running_gateway(redis_client, redis_url, tmp_path / "a") as one,
        running_gateway(redis_client, redis_url, tmp_path / "b") as other,
    ):
        yield one, other


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http:
        yield http


@pytest.fixture
async def key_store(tmp_path: Path) -> AsyncIterator[KeyStore]:
    """The keys of the keyed gateways."""
    opened = await open_key_store(tmp_path / "spool-data")
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def keyed_gateway(
    key_store: KeyStore, redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> AsyncIterator[Gateway]:
    """A gateway with AUTH=keys, at which as many wrong keys may be tried as a test likes."""
    async with keyed(redis_client, redis_url, tmp_path, max_auth_failures_per_minute=0) as gateway:
        yield gateway


@pytest.fixture
async def keyed_gateways(
    key_store: KeyStore, redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Two of them, with the same keys."""
    async with (
        keyed(redis_client, redis_url, tmp_path) as one,
        keyed(redis_client, redis_url, tmp_path) as other,
    ):
        yield one, other
