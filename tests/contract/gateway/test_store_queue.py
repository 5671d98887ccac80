"""Whatever waits for the transcript store reaches it once, whichever process dies and however it fails."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis
from support.gateway_harness import until
from support.store_samples import about_sqlite, all_stored, said
from support.wiring import bus_on

from stt_cli.up.child import die_with_parent
from stt_gateway.core.requests.principal import Reach
from stt_gateway.store.interface import Search, StoredUtterance, Transcript, TranscriptStore
from stt_gateway.store.writer import StoreWriter
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobConfig, JobResult, JobSegment, JobWarning
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.jobs import NewJob

pytestmark = [pytest.mark.contract, about_sqlite]
pytest_plugins = ("support.store_fixtures",)

TESTS = Path(__file__).parents[2]


async def test_what_nobody_can_read_does_not_stop_the_others(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    for kind, body in (("utterance", b"{"), ("utterance", b"{}"), ("job", b"\xff"), ("from a later version", b"{}")):
        await bus.transcripts.put(kind, body)
    await redis_client.xadd(keys.TRANSCRIPTS_WAITING, {"something": "else"})
    await bus.conversations.send(said(1))
    await until(lambda: all_stored(redis_client))
    assert len((await store.search(Search())).found) == 1


class Stumbling:
    """A store that fails, as no store should, the first time it is given a certain utterance."""

    def __init__(self, store: TranscriptStore, text: str) -> None:
        self._store = store
        self._text = text
        self.session_utterances = store.session_utterances
        self.session_unrecognized = store.session_unrecognized
        self.session_speakers = store.session_speakers
        self.put = store.put

    def of(self, _: Reach) -> "Stumbling":
        return self

    async def append(self, utterances: Sequence[StoredUtterance]) -> list[int]:
        if any(one.text == self._text for one in utterances):
            self._text = ""
            raise RuntimeError("a mistake of ours")
        return await self._store.append(utterances)


async def test_an_entry_that_fails_is_tried_again_behind_the_others(
    redis_client: Redis, store: TranscriptStore
) -> None:
    bus = bus_on(redis_client)
    await bus.conversations.send(said(1, conversation="c"))
    await bus.conversations.send(said(2, conversation="c"))
    stumbling = Stumbling(store, "words 1")
    task = asyncio.create_task(StoreWriter(bus_on(redis_client), stumbling, "g1", 0).run())  # type: ignore[arg-type]
    try:
        await until(lambda: all_stored(redis_client))
    finally:
        await cancel_and_wait(task)
    assert [one.utterance.text for one in await store.conversation("c")] == ["words 2", "words 1"]


class Slow:
    """A writer's view of the store: it has read what a session said, and writes only when it may. ``forgetful``: it
    believes what it read first."""

    def __init__(self, store: TranscriptStore, *, forgetful: bool) -> None:
        self._store = store
        self._read: list[StoredUtterance] | None = None
        self._forgetful = forgetful
        self.about_to_write = asyncio.Event()
        self.may_write = asyncio.Event()
        self.append = store.append
        self.session_unrecognized = store.session_unrecognized
        self.session_speakers = store.session_speakers

    def of(self, _: Reach) -> "Slow":
        return self

    async def session_utterances(self, session_id: str) -> list[StoredUtterance]:
        if self._read is None or not self._forgetful:
            self._read = await self._store.session_utterances(session_id)
        return self._read

    async def put(self, transcript: Transcript) -> bool:
        self.about_to_write.set()
        await self.may_write.wait()
        return await self._store.put(transcript)


@pytest.mark.parametrize("forgetful", [False, True])
async def test_of_two_writers_the_slower_one_does_not_take_the_others_words_back(
    redis_client: Redis, store: TranscriptStore, forgetful: bool
) -> None:
    """Forgetful is the negative twin."""
    bus = bus_on(redis_client)
    for name in ("slow", "swift"):
        await redis_client.set(keys.replica_alive(name), 1)
    slow = Slow(store, forgetful=forgetful)
    await bus.conversations.send(said(1))
    writers = [asyncio.create_task(StoreWriter(bus_on(redis_client), slow, "slow", 0).run())]  # type: ignore[arg-type]
    try:
        await slow.about_to_write.wait()
        writers.append(asyncio.create_task(StoreWriter(bus_on(redis_client), store, "swift", 0).run()))
        await bus.conversations.send(said(2))

        async def text() -> str:
            kept = await store.get("talk.i1")
            return kept.text if kept else ""

        async def is_whole() -> bool:
            return await text() == "words 1 words 2"

        await until(is_whole)
        slow.may_write.set()
        await until(lambda: all_stored(redis_client))
    finally:
        for task in writers:
            await cancel_and_wait(task)
    assert await text() == ("words 1" if forgetful else "words 1 words 2")


async def test_a_long_sessions_transcript_is_not_written_for_every_utterance(
    redis_client: Redis, store: TranscriptStore
) -> None:
    """Otherwise an hour costs the square of an hour."""
    written: list[int] = []

    class Counted(Stumbling):
        async def count(self, transcript: Transcript) -> bool:
            written.append(len(transcript.segments))
            await asyncio.sleep(0.02)
            return await store.put(transcript)

    counted = Counted(store, "nothing like this")
    counted.put = counted.count  # type: ignore[method-assign]
    bus = bus_on(redis_client)
    task = asyncio.create_task(StoreWriter(bus_on(redis_client), counted, "g1", 0).run())  # type: ignore[arg-type]
    try:
        for number in range(1, 101):
            await bus.conversations.send(said(number))
            await asyncio.sleep(0.01)
        # The writer rests for twenty times as long as its last write took.
        await until(lambda: all_stored(redis_client), 40)
    finally:
        await cancel_and_wait(task)
    assert written[-1] == 100
    assert len(written) < 30


async def job_with_result(bus: Bus, *warnings: JobWarning) -> str:
    config = JobConfig("job1", "talk.wav", 10, model="base", content_key="k1")
    await bus.jobs.create([NewJob("job1", "e1", msgspec.json.encode(config))], wall_ms())
    result = JobResult(
        "what was said", "en", 2.5, [JobSegment(0, 0.0, 2.5, "what was said", 0.9, [])], warnings=[*warnings]
    )
    await bus.jobs.finish(
        keys.job_keys("job1"), "e1", "completed", result=msgspec.json.encode(result), now_ms=wall_ms()
    )
    return "job1"


async def test_a_result_without_the_speakers_asked_for_answers_no_other_upload(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    job_id = await job_with_result(bus_on(redis_client), JobWarning("no_speakers", "no model"))
    await until(lambda: all_stored(redis_client))
    assert await store.get(job_id) is not None
    assert await store.find_by_content("k1") is None


async def test_a_job_is_kept_when_it_has_ended_and_found_by_its_content(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    job_id = await job_with_result(bus_on(redis_client))
    await until(lambda: all_stored(redis_client))
    kept = await store.get(job_id)
    assert kept is not None
    assert (kept.filename, kept.text, kept.model) == ("talk.wav", "what was said", "base")
    again = await store.find_by_content("k1")
    assert again is not None
    assert again.id == job_id
    assert await store.find_by_content("") is None


async def test_a_job_that_ended_while_no_gateway_ran_is_stored_when_one_does(
    redis_client: Redis, store: TranscriptStore
) -> None:
    job_id = await job_with_result(bus_on(redis_client))
    await stored_by_a_new_gateway(redis_client, store)
    assert await store.get(job_id) is not None


async def test_a_job_without_a_result_is_not_stored(redis_client: Redis, store: TranscriptStore) -> None:
    bus = bus_on(redis_client)
    await bus.jobs.create([NewJob("job1", "e1", msgspec.json.encode(JobConfig("job1")))], wall_ms())
    await bus.jobs.finish(keys.job_keys("job1"), "e1", "cancelled", now_ms=wall_ms())
    await stored_by_a_new_gateway(redis_client, store)
    assert await store.get("job1") is None


@pytest.mark.parametrize("only_redis", [True, False])
async def test_a_job_that_was_deleted_before_it_was_stored_stays_deleted(
    redis_client: Redis, store: TranscriptStore, only_redis: bool
) -> None:
    bus = bus_on(redis_client)
    job_id = await job_with_result(bus)
    if only_redis:
        assert await bus.jobs.delete(job_id)
    else:
        await store.delete(job_id, wall_ms(), may_come=True)
    await stored_by_a_new_gateway(redis_client, store)
    assert await store.get(job_id) is None


async def test_a_job_announced_by_an_earlier_version_is_stored_once_it_has_ended(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus, at = bus_on(redis_client), keys.job_keys("job1")
    await bus.jobs.create([NewJob("job1", "e1", msgspec.json.encode(JobConfig("job1")))], wall_ms())
    await bus.transcripts.put("job", b"job1")
    await bus.transcripts.put("job", b"job2")
    await until(lambda: pending(redis_client, 1))
    result = msgspec.json.encode(JobResult("what was said", "en", 2.5, []))
    await redis_client.hset(at.state, mapping={"status": "completed", "state": "done", "result": result})
    await until(lambda: all_stored(redis_client))
    assert await store.get("job1") is not None


async def pending(client: Redis, count: int) -> bool:
    """One gateway has taken ``count`` entries that it has not stored yet, and there are no others."""
    summary = await client.xpending(keys.TRANSCRIPTS_WAITING, "store")
    return bool(summary["pending"] == count == await client.xlen(keys.TRANSCRIPTS_WAITING))


async def stored_by_a_new_gateway(client: Redis, store: TranscriptStore) -> None:
    await client.set(keys.replica_alive("new"), 1)
    task = asyncio.create_task(StoreWriter(bus_on(client), store, "new", 0).run())
    try:
        await until(lambda: all_stored(client))
    finally:
        await cancel_and_wait(task)


async def dies(redis_url: str, folder: Path, *how: str) -> None:
    """Runs a gateway until it has killed itself over an entry."""
    env = {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "REDIS_URL": redis_url,
        "PORT": "0",
        "SPOOL_DIR": str(folder / "spool"),
        "DATA_DIR": str(folder),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "support.dying_gateway", *how, env=env, preexec_fn=die_with_parent
    )
    async with asyncio.timeout(30):
        assert await process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("moment", ["taken", "appended", "written"])
async def test_what_a_killed_gateway_had_in_hand_is_stored_once_by_another(
    redis_client: Redis, redis_url: str, store: TranscriptStore, sqlite_path: Path, moment: str
) -> None:
    bus = bus_on(redis_client)
    await bus.conversations.send(said(1, conversation="c"))
    await dies(redis_url, sqlite_path.parent, moment)
    at_death = len(await store.conversation("c")), len((await store.search(Search())).found)
    assert at_death == {"taken": (0, 0), "appended": (1, 0), "written": (1, 1)}[moment]
    heir = asyncio.create_task(StoreWriter(bus_on(redis_client), store, "heir", 0).run())
    try:
        await until(lambda: all_stored(redis_client))
    finally:
        await cancel_and_wait(heir)
    assert [one.utterance.text for one in await store.conversation("c")] == ["words 1"]
    (found,) = (await store.search(Search())).found
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert kept.text == "words 1"


async def test_without_the_late_acknowledgement_a_killed_gateway_takes_it_along(
    redis_client: Redis, redis_url: str, store: TranscriptStore, sqlite_path: Path
) -> None:
    """The negative twin: acknowledged when it is taken, and nobody stores it any more."""
    bus = bus_on(redis_client)
    await bus.conversations.send(said(1, conversation="c"))
    await dies(redis_url, sqlite_path.parent, "taken", "eager")
    assert await all_stored(redis_client)
    heir = asyncio.create_task(StoreWriter(bus_on(redis_client), store, "heir", 0).run())
    try:
        await asyncio.sleep(2.0)
        await bus.conversations.send(said(2, conversation="c"))
        await until(lambda: all_stored(redis_client))
    finally:
        await cancel_and_wait(heir)
    assert [one.utterance.text for one in await store.conversation("c")] == ["words 2"]


@pytest.mark.parametrize("work", ["an utterance", "a job"])
async def test_what_a_gateway_had_taken_when_it_died_is_taken_up_by_another(
    redis_client: Redis, store: TranscriptStore, work: str
) -> None:
    bus = bus_on(redis_client)

    class Away:
        def of(self, _: Reach) -> "Away":
            return self

        async def append(self, _: object) -> list[int]:
            raise SttError("unavailable", "the database is locked")

        put = append

    await redis_client.set(keys.replica_alive("dies"), 1)
    if work == "a job":
        await job_with_result(bus)
    else:
        await bus.conversations.send(said(1))
    stuck = asyncio.create_task(StoreWriter(bus_on(redis_client), Away(), "dies", 0).run())  # type: ignore[arg-type]

    stream = keys.JOBS_ENDED if work == "a job" else keys.TRANSCRIPTS_WAITING

    async def pending() -> bool:
        try:
            return bool((await redis_client.xpending(stream, "store"))["pending"])
        except Exception:
            return False

    await until(pending)
    await cancel_and_wait(stuck)
    await redis_client.delete(keys.replica_alive("dies"))
    await redis_client.set(keys.replica_alive("heir"), 1)
    heir = asyncio.create_task(StoreWriter(bus_on(redis_client), store, "heir", 0).run())
    try:
        await until(lambda: all_stored(redis_client))
    finally:
        await cancel_and_wait(heir)
    assert len((await store.search(Search())).found) == 1
