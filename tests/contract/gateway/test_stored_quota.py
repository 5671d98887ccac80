"""The quota of stored transcripts: for files and live sessions together, whatever gateway they come to."""

import asyncio
import contextlib
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import FINALIZE, STOP, Gateway, Line, end_job, line, until
from support.key_samples import stored_key
from support.keyed_gateway import bearer
from support.posted_jobs import ended
from support.store_samples import transcript
from support.wiring import bus_on

from stt_gateway.core.requests.api_key import WrittenKey
from stt_gateway.core.requests.principal import LOCAL, Reach, Scope
from stt_gateway.core.requests.quotas import Quotas
from stt_gateway.keys import commands
from stt_gateway.store.api_keys import KeyStore
from stt_gateway.store.engine import database_url
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_shared.contracts.conversation import Utterance
from stt_shared.contracts.jobs import JobStatus
from stt_shared.contracts.makers import Maker
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys

pytestmark = pytest.mark.contract

USER = (Scope.STREAM, Scope.JOBS, Scope.READ, Scope.DELETE)


async def key_with(key_store: KeyStore, limit: int) -> WrittenKey:
    return await stored_key(key_store, *USER, quotas=Quotas(stored_transcripts=limit))


def client_of(gateway: Gateway, key: WrittenKey) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=gateway.url + "/v1/stt", headers=bearer(key), trust_env=False, timeout=30)


def stream(gateway: Gateway, key: WrittenKey, query: str) -> contextlib.AbstractAsyncContextManager[Line]:
    return line(gateway.stream(query), additional_headers=bearer(key))


async def keep(tmp_path: Path, key: WrittenKey, *ids: str) -> None:
    """Transcripts that the key has made."""
    store = SqlTranscriptStore(database_url(None, tmp_path / "spool-data"), LOCAL.reach)
    for number, id in enumerate(ids):
        assert await store.of(Reach("acme", key.id)).put(transcript(number, id=id))
    await store.close()


async def post(http: httpx2.AsyncClient, name: str) -> tuple[int, str]:
    """Status, and the id of the job or the code of the error."""
    answer = await http.post("/jobs", files={"file": (f"{name}.mp3", name.encode())})
    body = answer.json()
    return answer.status_code, body["job_id"] if answer.status_code == 202 else body["error"]["code"]


async def test_files_at_two_gateways_at_once_get_no_more_than_is_left_and_deletions_give_back(
    keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore, redis_client: Redis, tmp_path: Path
) -> None:
    key = await key_with(key_store, 5)
    await keep(tmp_path, key, "t1", "t2")
    async with client_of(keyed_gateways[0], key) as one, client_of(keyed_gateways[1], key) as other:
        posted = await asyncio.gather(*(post((one, other)[at % 2], f"file{at}") for at in range(12)))
        accepted = [id for status, id in posted if status == 202]
        assert [answer for answer in posted if answer[0] != 202] == [(429, "quota_exceeded")] * 9
        assert len(keyed_gateways[0].spooled) + len(keyed_gateways[1].spooled) in (3, 6), (
            "nothing of the others is kept"
        )
        await end_job(redis_client, accepted[0], "words")
        await ended(keyed_gateways[0], accepted[1], JobStatus.FAILED)

        async def is_stored() -> bool:
            return (await one.get(f"/transcripts/{accepted[0]}")).status_code == 200

        await until(is_stored)
        assert (await post(one, "next"))[0] == 202, "one has failed, so it needs no room"
        assert await post(other, "too many") == (429, "quota_exceeded")
        assert (await one.delete("/transcripts/t1")).status_code == 204
        assert (await post(other, "again"))[0] == 202
        assert await post(one, "too many") == (429, "quota_exceeded")
        shown = (await one.get("/usage")).json()["stored"]
        assert shown == [{"key_id": key.id, "key_name": "a key", "transcripts": 2}]
    table = await asyncio.to_thread(commands.usage_table, database_url(None, tmp_path / "spool-data"))
    assert table[-1].split() == [key.id, "a", "key", "2"]


async def test_a_session_that_is_to_be_stored_is_refused_before_it_begins_and_never_later(
    keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore, redis_client: Redis, tmp_path: Path
) -> None:
    key = await key_with(key_store, 3)
    await keep(tmp_path, key, "t1")
    async with (
        stream(keyed_gateways[0], key, "store=true&session_id=a") as one,
        stream(keyed_gateways[1], key, "store=true&session_id=b") as two,
        client_of(keyed_gateways[0], key) as http,
    ):
        await one.hear("ready")
        token = (await two.hear("ready"))["resume_token"]
        await two.send(b"\0\0" * 1600, FINALIZE)
        await two.hear("final")
        for gateway in keyed_gateways:
            async with stream(gateway, key, "store=true") as refused:
                error = await refused.hear("error")
                assert (error["code"], error["retryable"], await refused.rest()) == ("quota_exceeded", False, 4512)
        assert await post(http, "file") == (429, "quota_exceeded")
        async with stream(keyed_gateways[0], key, "") as unstored:
            await unstored.hear("ready")
        # Words of an open session are stored, and it goes on with its one place.
        state = await redis_client.hgetall(keys.session_keys_of("acme", "a").state)
        await bus_on(redis_client).conversations.send(said("a", state[b"resume_token"].decode()[:16], key))

        async def stored() -> int:
            return len((await http.get("/transcripts")).json()["transcripts"])

        async def has_two() -> bool:
            return await stored() == 2

        await until(has_two)
        await keep(tmp_path, key, "t2", "t3")
        await one.send(b"\0\0" * 1600, FINALIZE)
        await one.hear("final")
        # Nor is one refused whose connection was lost.
        await two.socket.close()
        resuming = f"store=true&session_id=b&resume_token={token}&last_event=1"
        async with stream(keyed_gateways[0], key, resuming) as back:
            assert (await back.hear("ready"))["resumed"]
        await one.send(STOP)
        assert await one.rest() == 1000


async def test_a_place_counts_once_though_its_words_are_stored(
    keyed_gateway: Gateway, key_store: KeyStore, redis_client: Redis
) -> None:
    key = await key_with(key_store, 2)
    async with stream(keyed_gateway, key, "store=true&session_id=a") as one, client_of(keyed_gateway, key) as http:
        await one.hear("ready")
        state = await redis_client.hgetall(keys.session_keys_of("acme", "a").state)
        await bus_on(redis_client).conversations.send(said("a", state[b"resume_token"].decode()[:16], key))

        async def has_one() -> bool:
            return len((await http.get("/transcripts")).json()["transcripts"]) == 1

        await until(has_one)
        async with stream(keyed_gateway, key, "store=true&session_id=b") as two:
            await two.hear("ready")
            async with stream(keyed_gateway, key, "store=true") as refused:
                assert (await refused.hear("error"))["code"] == "quota_exceeded"
    await until(lambda: _is_empty(redis_client, key))


async def _is_empty(redis_client: Redis, key: WrittenKey) -> bool:
    return not await redis_client.exists(keys.storing_sessions(key.id))


def said(session_id: str, instance: str, key: WrittenKey) -> Utterance:
    return Utterance(
        conversation_id=None,
        session_id=session_id,
        instance=instance,
        utterance=1,
        speaker=None,
        text="words",
        language="en",
        confidence=0.9,
        spoken_ms=int(wall_ms()),
        start_ms=0,
        end_ms=900,
        store=True,
        maker=Maker("acme", key.id),
    )
