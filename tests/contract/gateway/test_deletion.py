"""Deleted transcripts are gone from the store, its search and Redis, on both databases; others stay."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import URL
from support.gateway_harness import Gateway, end_job, gateway_with_store, until
from support.key_samples import limits_on
from support.store_samples import about_sqlite, transcript, utterance
from support.wiring import bus_on

from stt_gateway.core.requests.principal import LOCAL
from stt_gateway.http.deletion import erase_job, erase_transcript
from stt_gateway.keys.accounts import Accounts
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_shared.contracts.conversation import Utterance
from stt_shared.contracts.events import Done, Final
from stt_shared.contracts.jobs import JobConfig, JobStatus
from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys
from stt_shared.streams.jobs import NewJob
from stt_shared.streams.ownership import Ownership

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)

JOBS = "/v1/stt/jobs"
TRANSCRIPTS = "/v1/stt/transcripts"
SECRET = "pomegranate"


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path, empty: URL) -> AsyncIterator[Gateway]:
    url = empty.render_as_string(hide_password=False)
    if empty.database and Path(empty.database).is_absolute():
        Path(empty.database).parent.mkdir(exist_ok=True)
    async with gateway_with_store(redis_client, redis_url, tmp_path, url) as gateway:
        yield gateway


async def everything(client: Redis) -> str:
    """All that Redis holds, keys and values."""
    held: list[Any] = []
    async for key in client.scan_iter("*"):
        kind = (await client.type(key)).decode()
        read: Any = {
            "hash": client.hgetall,
            "stream": client.xrange,
            "string": client.get,
            "set": client.smembers,
            "list": lambda key: client.lrange(key, 0, -1),
            "zset": lambda key: client.zrange(key, 0, -1),
        }
        held += [key, await read[kind](key)]
    return repr(held)


async def posted(http: httpx2.AsyncClient, name: str) -> str:
    sent = await http.post(JOBS, files={"file": (name, name.encode())})
    return str(sent.json()["job_id"])


async def status_of(http: httpx2.AsyncClient, path: str) -> int:
    return (await http.get(path)).status_code


async def is_stored(http: httpx2.AsyncClient, id: str) -> bool:
    return await status_of(http, f"{TRANSCRIPTS}/{id}") == 200


@pytest.mark.parametrize("at", [JOBS, TRANSCRIPTS])
async def test_a_deleted_job_is_gone_everywhere_and_its_neighbour_stays(
    gateway: Gateway, http: httpx2.AsyncClient, at: str
) -> None:
    job_id, other = await posted(http, f"{SECRET}.wav"), await posted(http, "other.wav")
    await end_job(gateway.client, job_id, f"{SECRET} and more")
    await end_job(gateway.client, other, "something else")
    await until(lambda: is_stored(http, job_id))
    await until(lambda: is_stored(http, other))
    assert SECRET in await everything(gateway.client)
    deleted = await http.delete(f"{at}/{job_id}")
    assert deleted.status_code == (200 if at == JOBS else 204)
    if at == JOBS:
        assert (deleted.json()["status"], "result" in deleted.json()) == ("completed", False)
    for path in (
        f"{JOBS}/{job_id}",
        f"{JOBS}/{job_id}/result.txt",
        f"{JOBS}/{job_id}/events",
        f"{TRANSCRIPTS}/{job_id}",
        f"{TRANSCRIPTS}/{job_id}/export.txt",
    ):
        assert await status_of(http, path) == 404, path
    for query in ({"query": SECRET}, {"filename": SECRET}):
        assert (await http.get(TRANSCRIPTS, params=query)).json()["transcripts"] == []
    assert SECRET not in await everything(gateway.client)
    assert await gateway.client.keys(f"*{job_id}*") == []
    assert [path.name for path in gateway.spooled] == [other]
    assert (await http.delete(f"{at}/{job_id}")).status_code == 404
    assert (await http.get(f"{JOBS}/{other}")).json()["result"]["text"] == "something else"
    assert [one["id"] for one in (await http.get(TRANSCRIPTS)).json()["transcripts"]] == [other]


async def test_the_same_file_is_heard_again_after_it_was_deleted(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = await posted(http, "a.wav")
    await end_job(gateway.client, job_id, "words")
    await until(lambda: is_stored(http, job_id))
    assert await posted(http, "a.wav") == job_id
    # Kept for longer than its job in Redis, which a late cancelling does not touch either.
    await gateway.client.delete(keys.job_keys(job_id).state)
    assert (await http.post(f"{JOBS}/{job_id}/cancel")).json()["result"]["text"] == "words"
    await http.delete(f"{TRANSCRIPTS}/{job_id}")
    assert await posted(http, "a.wav") != job_id


async def test_a_running_job_is_cancelled_first_and_deleted_when_asked_again(
    gateway: Gateway, http: httpx2.AsyncClient
) -> None:
    job_id = await posted(http, f"{SECRET}.wav")
    # It is no transcript yet, so nothing is deleted by that name.
    assert (await http.delete(f"{TRANSCRIPTS}/{job_id}")).status_code == 404
    assert (await http.get(f"{JOBS}/{job_id}")).json()["status"] == "queued"
    assert (await http.delete(f"{JOBS}/{job_id}")).json()["status"] == "cancelled"
    assert (await http.get(f"{JOBS}/{job_id}")).json()["status"] == "cancelled"
    assert (await http.delete(f"{JOBS}/{job_id}")).json()["status"] == "cancelled"
    assert await status_of(http, f"{JOBS}/{job_id}") == 404
    assert SECRET not in await everything(gateway.client)


async def test_what_was_deleted_on_its_way_to_the_store_does_not_come_back(
    store: SqlTranscriptStore,
) -> None:
    late = transcript(1)
    assert not await store.delete(late.id, late.created_ms + 500, may_come=True)
    assert not await store.put(late)
    assert await store.get(late.id) is None
    # The negative twin: nobody who was never there is remembered unasked.
    assert not await store.delete("job2", late.created_ms + 5000)
    assert await store.put(transcript(2))


def said(session: str, instance: str, number: int, text: str) -> Utterance:
    return Utterance(
        conversation_id="meeting",
        session_id=session,
        instance=instance,
        utterance=number,
        speaker=session,
        text=text,
        language="en",
        confidence=0.9,
        spoken_ms=int(wall_ms()),
        start_ms=number * 1000,
        end_ms=number * 1000 + 1,
        store=True,
    )


async def spoken(client: Redis, session: str, token: str, text: str, *, done: bool) -> str:
    """A live session that says this, as gateway and transcriber write it; answers the stored transcript's id."""
    bus, at, epoch = bus_on(client), keys.session_keys(session), token[:8]
    config = SessionConfig(conversation_id="meeting", store=True)
    await bus.sessions.open(at, epoch, encode_json(config), wall_ms(), 3600, token_hash=token)
    final = Final(
        session_id=session,
        text=text,
        confidence=0.9,
        timestamp="",
        utterance=1,
        start_ms=0,
        end_ms=1,
        language="en",
        words=[],
    )
    await bus.sessions.emit(Ownership(at, epoch), final)
    await bus.conversations.send(said(session, token[:16], 1, text))
    if done:
        await bus.sessions.emit(
            Ownership(at, epoch), Done(session_id=session, text=text, duration_ms=1, finals=1, timings_ms={})
        )
    return f"{session}.{token[:12]}"


async def test_a_deleted_session_is_gone_from_redis_and_from_its_conversation(
    gateway: Gateway, http: httpx2.AsyncClient
) -> None:
    ann = await spoken(gateway.client, "ann", "a" * 64, f"{SECRET} and more", done=True)
    bob = await spoken(gateway.client, "bob", "b" * 64, "what Bob says", done=True)
    for one in (ann, bob):
        await until(lambda one=one: is_stored(http, one))
    await http.patch(f"{TRANSCRIPTS}/{ann}", json={"title": "renamed"})
    assert SECRET in await everything(gateway.client)
    assert (await http.delete(f"{TRANSCRIPTS}/{ann}")).status_code == 204
    left = await everything(gateway.client)
    assert SECRET not in left
    assert left.count("what Bob says") >= 2, "his results, and his place in the conversation"
    assert (await http.get(TRANSCRIPTS, params={"query": SECRET})).json()["transcripts"] == []
    kept = (await http.get("/v1/stt/conversations/meeting")).json()["utterances"]
    assert [one["text"] for one in kept] == ["what Bob says"]
    assert (await http.delete(f"{TRANSCRIPTS}/{ann}")).status_code == 404


async def test_a_session_that_goes_on_keeps_what_it_needs(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    ann = await spoken(gateway.client, "ann", "a" * 64, SECRET, done=False)
    await until(lambda: is_stored(http, ann))
    assert (await http.delete(f"{TRANSCRIPTS}/{ann}")).status_code == 204
    assert await gateway.client.hget(keys.session_keys("ann").state, "state") == b"active"
    # What is said from now on is kept again, and nothing of what was said before.
    await bus_on(gateway.client).conversations.send(said("ann", "a" * 16, 2, "later words"))
    await until(lambda: is_stored(http, ann))
    assert (await http.get(f"{TRANSCRIPTS}/{ann}")).json()["text"] == "later words"


async def test_another_session_of_that_name_is_left_alone(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    first = await spoken(gateway.client, "ann", "a" * 64, SECRET, done=True)
    await until(lambda: is_stored(http, first))
    second = await spoken(gateway.client, "ann", "b" * 64, "the second Ann", done=True)
    await until(lambda: is_stored(http, second))
    assert (await http.delete(f"{TRANSCRIPTS}/{first}")).status_code == 204
    assert await gateway.client.exists(keys.session_keys("ann").state)
    assert await is_stored(http, second)


@about_sqlite
async def test_on_each_kind_of_server(any_redis_client: Redis, store: SqlTranscriptStore, tmp_path: Path) -> None:
    client, bus = any_redis_client, bus_on(any_redis_client)
    services: Any = SimpleNamespace(
        bus=bus,
        store=store,
        settings=SimpleNamespace(spool_dir=tmp_path),
        accounts=Accounts(bus, limits_on(bus, tmp_path)),
    )
    config = msgspec.json.encode(JobConfig(spool_name="job-0123456789abcdef", filename=SECRET))
    await bus.jobs.create([NewJob("job-0123456789abcdef", "e", config)], 0)
    at = keys.job_keys("job-0123456789abcdef")
    assert not await erase_job(services, LOCAL.reach, at.id), "it has not ended"
    await bus.jobs.finish(at, "e", JobStatus.FAILED, now_ms=0)
    assert await erase_job(services, LOCAL.reach, at.id)
    assert not await erase_job(services, LOCAL.reach, at.id)
    ann = await spoken(client, "ann", "a" * 64, SECRET, done=True)
    await client.delete(keys.TRANSCRIPTS_WAITING)
    await store.append([utterance(1, ann, "meeting")])
    assert await erase_transcript(services, LOCAL.reach, ann)
    assert not await erase_transcript(services, LOCAL.reach, ann)
    assert not await client.exists(keys.session_keys("ann").state)
    assert await client.xlen(keys.conversation_keys("local", "meeting").log) == 0
