"""A choice of languages, from the client's request to what the workers are told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, line, running_gateway, stand_ins, tell_status
from support.posted_jobs import AUDIO, JOBS
from support.wiring import read_state

from stt_shared.streams import keys

pytestmark = pytest.mark.contract


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path, languages="en,German") as gateway,
    ):
        yield gateway


async def ready_config(gateway: Gateway, query: str) -> tuple[Any, Any]:
    async with line(gateway.stream(query)) as client:
        config = (await client.hear("ready"))["config"]
        return config["language"], config["languages"]


async def job_config(gateway: Gateway, **fields: str) -> tuple[Any, Any]:
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http:
        response = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, data=fields)
    assert response.status_code == 202, response.text
    state = await read_state(gateway.client, keys.job_keys(response.json()["job_id"]))
    config = msgspec.json.decode(state[b"config"])
    return config.get("language"), config.get("languages", [])


async def test_sessions_and_files_take_a_choice_or_the_servers(gateway: Gateway) -> None:
    for given, expected in (
        ({"languages": "fr,pt-BR"}, (None, ["fr", "pt"])),
        ({}, (None, ["en", "de"])),
        ({"languages": "auto"}, (None, [])),
        ({"languages": "fr"}, ("fr", [])),
        ({"language": "fr"}, ("fr", [])),
    ):
        query = "&".join(f"{name}={value}" for name, value in given.items())
        assert await ready_config(gateway, query) == expected
        assert await job_config(gateway, **given) == expected


async def test_a_choice_beside_one_language_or_beyond_the_model_is_refused(gateway: Gateway) -> None:
    await tell_status(gateway.client, "transcriber", detail={"languages": ["en", "de", "fr"], "capacity": 9})
    for query, told in (
        ({"language": "de", "languages": "de,fr"}, "given together"),
        ({"languages": "de,ja"}, "languages=ja is not allowed; the model here knows de, en, fr"),
    ):
        async with line(gateway.stream("&".join(f"{name}={value}" for name, value in query.items()))) as client:
            error = await client.hear("error")
        assert error["code"] == "bad_config"
        assert told in error["message"]
        async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http:
            response = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, data=query)
        assert response.status_code == 422
        assert told in response.json()["error"]["message"]
