"""Quotas of keys, as clients of several gateways meet them."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import FINALIZE, STOP, Gateway, Line, Workers, line, until
from support.key_samples import stored_key
from support.keyed_gateway import keyed

from stt_gateway.core.requests.api_key import WrittenKey
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.quotas import Quotas
from stt_gateway.keys import accounts, limits, places
from stt_gateway.store.api_keys import KeyStore
from stt_shared.redis.pipeline import LuaFunction, Pipeline
from stt_shared.streams import keys, quotas

pytestmark = pytest.mark.contract

USER = (Scope.STREAM, Scope.JOBS, Scope.READ)


@pytest.fixture(autouse=True)
def an_endless_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets the turn of a minute."""
    monkeypatch.setattr(limits, "minute_of", lambda _: 7)


def bearer(key: WrittenKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.text}"}


def stream(gateway: Gateway, key: WrittenKey, query: str = "") -> contextlib.AbstractAsyncContextManager[Line]:
    return line(gateway.stream(query), additional_headers=bearer(key))


async def statuses(gateways: tuple[Gateway, ...], key: WrittenKey, count: int) -> list[int]:
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx2.AsyncClient(base_url=gateway.url, trust_env=False, verify=False, timeout=60)
            )
            for gateway in gateways
        ]
        answers = await asyncio.gather(
            *(clients[at % len(clients)].get("/v1/stt/transcripts/none", headers=bearer(key)) for at in range(count))
        )
    return [answer.status_code for answer in answers]


async def test_clients_of_two_gateways_together_get_no_more_than_the_quota(
    keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore
) -> None:
    key = await stored_key(key_store, *USER, quotas=Quotas(requests_per_minute=25))
    assert sorted(await statuses(keyed_gateways, key, 60)) == [404] * 25 + [429] * 35
    neighbour = await stored_key(key_store, *USER, quotas=Quotas(requests_per_minute=25))
    assert await statuses(keyed_gateways, neighbour, 5) == [404] * 5


async def test_answers_say_what_is_left_and_when_there_is_more(
    keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore
) -> None:
    key = await stored_key(key_store, Scope.READ, quotas=Quotas(requests_per_minute=3))
    async with httpx2.AsyncClient(base_url=keyed_gateways[0].url, headers=bearer(key), trust_env=False) as http:
        paths = ["/v1/stt/transcripts", "/v1/stt/keys", "/v1/stt/transcripts/none", "/v1/stt/transcripts", "/v1/models"]
        answers = [await http.get(path) for path in paths]
        assert [answer.status_code for answer in answers] == [200, 403, 404, 429, 429]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
        assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"3"}
        refused = answers[3]
        seconds = int(refused.headers["retry-after"])
        assert 1 <= seconds <= 60
        assert abs(seconds - int(refused.headers["x-ratelimit-reset"])) <= 1
        assert refused.json()["error"]["code"] == "rate_limited"
        assert refused.json()["error"]["retry_after_s"] == seconds
        assert answers[4].json()["error"]["code"] == "rate_limit_exceeded", "as OpenAI's clients know it"
        assert "x-ratelimit-limit" not in (await http.get("/health")).headers
    async with stream(keyed_gateways[1], key) as client:
        error = await client.hear("error")
        assert (error["code"], error["retryable"], await client.rest()) == ("rate_limited", True, 4433)
        assert 1 <= error["retry_after_s"] <= 60


async def test_no_more_streams_are_open_than_the_quota_wherever_they_are(
    keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore
) -> None:
    key = await stored_key(key_store, *USER, quotas=Quotas(streams=2))
    first, second = keyed_gateways
    async with stream(first, key, "session_id=s1") as one:
        await one.hear("ready")
        async with line(
            second.url.replace("http", "ws") + "/v1/stt/conversations/board", additional_headers=bearer(key)
        ) as viewer:
            await viewer.hear("following")
            for gateway in keyed_gateways:
                async with stream(gateway, key) as refused:
                    error = await refused.hear("error")
                    assert (error["code"], error["retry_after_s"]) == ("rate_limited", limits.STREAMS_RETRY_S)
                    assert await refused.rest() == 4433
        async with stream(second, key) as next_one:
            await next_one.hear("ready")
            await next_one.send(STOP)
            assert await next_one.rest() == 1000
        await one.send(STOP)
        assert await one.rest() == 1000


async def test_a_client_that_resumes_takes_the_place_of_its_connection_that_is_lost(
    keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore
) -> None:
    key = await stored_key(key_store, *USER, quotas=Quotas(streams=1))
    async with stream(keyed_gateways[0], key, "session_id=s1") as lost:
        token = (await lost.hear("ready"))["resume_token"]
        await lost.send(b"\0\0" * 1600)
        # The gateway does not know yet that this connection is lost.
        async with stream(keyed_gateways[1], key, f"session_id=s1&resume_token={token}&last_event=1") as back:
            assert (await back.hear("ready"))["resumed"]
            await lost.rest()
            async with stream(keyed_gateways[0], key) as refused:
                assert (await refused.hear("error"))["code"] == "rate_limited"


async def test_a_watched_job_is_an_open_stream(keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore) -> None:
    key = await stored_key(key_store, *USER, quotas=Quotas(streams=1))
    async with httpx2.AsyncClient(
        base_url=keyed_gateways[0].url, headers=bearer(key), trust_env=False, timeout=30
    ) as http:
        posted = await http.post("/v1/stt/jobs", files={"file": ("a.mp3", b"ID3")})
        events = f"/v1/stt/jobs/{posted.json()['job_id']}/events"
        async with asyncio.timeout(60), http.stream("GET", events) as watching:
            # Kept, since the connection ends with it.
            parts = watching.aiter_bytes()
            await anext(parts)
            refused = await http.get(events)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")

        async def is_free() -> bool:
            async with http.stream("GET", events) as again:
                return again.status_code == 200

        assert await until(is_free)


async def test_the_places_of_a_gateway_that_was_killed_are_free_again(
    keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "LEASE_MS", 400)
    key = await stored_key(key_store, *USER, quotas=Quotas(streams=1))
    async with stream(keyed_gateways[0], key) as held:
        await held.hear("ready")
        # Renewed every five seconds, so this gateway is as good as dead.
        await asyncio.sleep(0.5)
        async with stream(keyed_gateways[1], key) as client:
            await client.hear("ready")


async def test_places_are_renewed_while_their_streams_are_open(
    key_store: KeyStore,
    redis_client: Redis,
    redis_url: str,
    tmp_path: Path,
    workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quotas, "LEASE_MS", 3000)
    monkeypatch.setattr(places, "RENEW_EVERY_S", 0.1)
    key = await stored_key(key_store, *USER, quotas=Quotas(streams=1))
    async with keyed(redis_client, redis_url, tmp_path) as gateway, stream(gateway, key) as held:
        await held.hear("ready")
        # Also after Redis has lost them.
        await redis_client.delete(keys.open_streams(key.id))
        await until(lambda: redis_client.exists(keys.open_streams(key.id)))
        async with stream(gateway, key) as refused:
            assert (await refused.hear("error"))["code"] == "rate_limited"
    await until(lambda: _is_free(redis_client, key))


async def _is_free(redis_client: Redis, key: WrittenKey) -> bool:
    return not await redis_client.hgetall(keys.open_streams(key.id))


async def test_admins_give_quotas_to_keys(keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore) -> None:
    admin = bearer(await stored_key(key_store, *Scope))
    async with httpx2.AsyncClient(base_url=keyed_gateways[0].url + "/v1/stt", headers=admin, trust_env=False) as http:
        wanted = {"name": "guest", "scopes": ["read"], "quotas": {"requests_per_minute": 1}}
        made = (await http.post("/keys", json=wanted)).json()
        assert made["quotas"] == {"requests_per_minute": 1}
        assert [key["quotas"] for key in (await http.get("/keys")).json()["keys"]] == [{}, {"requests_per_minute": 1}]
        guest = {"Authorization": f"Bearer {made['key']}"}
        assert [(await http.get("/transcripts", headers=guest)).status_code for _ in range(2)] == [200, 429]
        refused = await http.post("/keys", json={**wanted, "quotas": {"flow": 1}})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "bad_config")


async def test_a_stream_costs_no_call_for_a_frame(
    keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "CHARGE_EVERY_MS", 1e9)
    key = await stored_key(key_store, *USER, quotas=Quotas(streams=1, requests_per_minute=5, audio_seconds_per_day=99))
    calls: list[str] = []
    call, command = Pipeline.call, Pipeline.command

    async def noted_call(self: Pipeline, function: LuaFunction, at: Sequence[str], arguments: Sequence[Any]) -> Any:
        calls.extend(name for name in at if name.startswith("stt:quotas:"))
        return await call(self, function, at, arguments)

    async def noted_command(self: Pipeline, *parts: Any) -> Any:
        calls.extend(name for name in parts[1:2] if str(name).startswith("stt:quotas:"))
        return await command(self, *parts)

    monkeypatch.setattr(Pipeline, "call", noted_call)
    monkeypatch.setattr(Pipeline, "command", noted_command)
    async with stream(keyed_gateways[0], key) as client:
        await client.hear("ready")
        assert {keys.requests_counted(key.id, 7), keys.open_streams(key.id)} < set(calls)
        opened = len(calls)
        for _ in range(50):
            await client.send(b"\0\0" * 1600)
        await client.send(FINALIZE)
        await client.hear("final")
        assert len(calls) == opened
        await client.send(STOP)
        assert await client.rest() == 1000
    await until(lambda: keys.open_streams(key.id) in calls[opened:])
