"""Gateways on a real server, with stand-ins for the workers. A module may have its own variant of a fixture."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, Workers, running_gateway, stand_ins


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
