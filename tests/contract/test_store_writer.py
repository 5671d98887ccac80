"""What was said and heard reaches the transcript store, once, whoever dies on the way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from gateway_bench import until
from redis.asyncio import Redis

from stt_gateway.store.engine import database_url
from stt_gateway.store.interface import Kind, Search, TranscriptStore
from stt_gateway.store.migrating import migrate
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_gateway.store_writer import StoreWriter
from stt_shared.bus import keys
from stt_shared.bus.functions import Functions
from stt_shared.bus.jobs import NewJob
from stt_shared.clock import wall_ms
from stt_shared.contracts.conversation import Utterance
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobConfig, JobResult, JobSegment
from stt_shared.tasks import cancel_and_wait

pytestmark = pytest.mark.contract


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[TranscriptStore]:
    url = database_url(None, tmp_path)
    await migrate(url)
    store = SqlTranscriptStore(url)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def writing(redis_client: Redis, store: TranscriptStore) -> AsyncIterator[None]:
    await redis_client.set(keys.replica_alive("g1"), 1)
    task = asyncio.create_task(StoreWriter(redis_client, store, "g1", 0).run())
    yield
    await cancel_and_wait(task)


def said(number: int, *, store: bool = True, conversation: str | None = None, instance: str = "i1") -> Utterance:
    return Utterance(
        conversation_id=conversation,
        session_id="talk",
        instance=instance,
        utterance=number,
        speaker="Ann",
        text=f"words {number}",
        language="en",
        confidence=0.9,
        spoken_ms=int(wall_ms()),
        start_ms=number * 1000,
        end_ms=number * 1000 + 800,
        store=store,
    )


async def empty(client: Redis) -> bool:
    return await client.xlen(keys.TRANSCRIPTS_WAITING) == 0


async def test_a_session_that_asks_for_it_is_kept_once_per_utterance(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    functions = Functions(redis_client)
    for number in (1, 2, 2, 1, 3):
        await functions.conversations.say(said(number))
    await functions.conversations.say(said(1, store=False, instance="i2"))
    await until(lambda: empty(redis_client))
    page = await store.search(Search())
    (found,) = page.found
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert (kept.kind, kept.text, kept.duration_s) == (Kind.LIVE, "words 1 words 2 words 3", 3.8)
    assert [segment.start for segment in kept.segments] == [1.0, 2.0, 3.0]


async def test_another_session_of_the_same_name_is_another_transcript(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    functions = Functions(redis_client)
    await functions.conversations.say(said(1))
    await functions.conversations.say(said(1, instance="i2"))
    await until(lambda: empty(redis_client))
    assert len((await store.search(Search())).found) == 2


async def test_a_conversation_is_kept_with_its_speakers(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    await Functions(redis_client).conversations.say(said(1, store=False, conversation="c"))
    await until(lambda: empty(redis_client))
    (settled,) = await store.conversation("c")
    assert (settled.utterance.speaker, settled.utterance.text) == ("Ann", "words 1")
    assert (await store.search(Search())).found == []


async def job_with_result(functions: Functions) -> str:
    config = JobConfig("job1", "talk.wav", 10, model="base", content_key="k1")
    await functions.jobs.create([NewJob("job1", "e1", msgspec.json.encode(config))], wall_ms())
    result = JobResult("what was said", "en", 2.5, [JobSegment(0, 0.0, 2.5, "what was said", 0.9, [])])
    await functions.conversations.keep("job", b"job1")
    await asyncio.sleep(0.2)
    await functions.jobs.finish(
        keys.job_keys("job1"), "e1", "completed", result=msgspec.json.encode(result), now_ms=wall_ms()
    )
    return "job1"


async def test_a_job_is_kept_when_it_has_ended_and_found_by_its_content(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    job_id = await job_with_result(Functions(redis_client))
    await until(lambda: empty(redis_client))
    kept = await store.get(job_id)
    assert kept is not None
    assert (kept.filename, kept.text, kept.model) == ("talk.wav", "what was said", "base")
    again = await store.find_by_content("k1")
    assert again is not None
    assert again.id == job_id
    assert await store.find_by_content("") is None


async def test_what_a_gateway_had_taken_when_it_died_is_taken_up_by_another(
    redis_client: Redis, store: TranscriptStore
) -> None:
    functions = Functions(redis_client)

    class Away:
        async def append(self, _: object) -> list[int]:
            raise SttError("unavailable", "the database is locked")

    await redis_client.set(keys.replica_alive("dies"), 1)
    await functions.conversations.say(said(1))
    stuck = asyncio.create_task(StoreWriter(redis_client, Away(), "dies", 0).run())  # type: ignore[arg-type]

    async def pending() -> bool:
        try:
            return bool((await redis_client.xpending(keys.TRANSCRIPTS_WAITING, "store"))["pending"])
        except Exception:
            return False

    await until(pending)
    await cancel_and_wait(stuck)
    await redis_client.delete(keys.replica_alive("dies"))
    await redis_client.set(keys.replica_alive("heir"), 1)
    heir = asyncio.create_task(StoreWriter(redis_client, store, "heir", 0).run())
    try:
        await until(lambda: empty(redis_client))
    finally:
        await cancel_and_wait(heir)
    assert len((await store.search(Search())).found) == 1
