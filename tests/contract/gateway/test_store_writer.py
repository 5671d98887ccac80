"""Utterances and results reach the transcript store, once, whichever process dies."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from support.gateway_harness import until
from support.wiring import bus_on

from stt_cli.up.child import die_with_parent
from stt_gateway.core.requests.principal import Reach
from stt_gateway.core.subtitles.subtitles import cues
from stt_gateway.store.engine import database_url
from stt_gateway.store.interface import Kind, Search, StoredUtterance, Transcript, TranscriptStore
from stt_gateway.store.migrating import migrate
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_gateway.store.writer import StoreWriter
from stt_shared.contracts.conversation import MAX_WORDS, CompactWord, SpeakersTold, UnrecognizedSpeech, Utterance
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import RevisedUtterance, SpeakerTurn
from stt_shared.contracts.jobs import JobConfig, JobResult, JobSegment, JobWarning, JobWord, TimeSpan
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.jobs import NewJob

pytestmark = pytest.mark.contract

TESTS = Path(__file__).parents[2]


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
    task = asyncio.create_task(StoreWriter(bus_on(redis_client), store, "g1", 0).run())
    yield
    await cancel_and_wait(task)


def said(
    number: int,
    *,
    store: bool = True,
    conversation: str | None = None,
    instance: str = "i1",
    text: str = "",
    words: Sequence[CompactWord] = (),
) -> Utterance:
    return Utterance(
        conversation_id=conversation,
        session_id="talk",
        instance=instance,
        utterance=number,
        speaker="Ann",
        text=text or f"words {number}",
        language="en",
        confidence=0.9,
        spoken_ms=int(wall_ms()),
        start_ms=number * 1000,
        end_ms=number * 1000 + 800,
        store=store,
        words=list(words),
    )


async def empty(client: Redis) -> bool:
    return await client.xlen(keys.TRANSCRIPTS_WAITING) + await client.xlen(keys.JOBS_ENDED) == 0


async def test_a_session_that_asks_for_it_is_kept_once_per_utterance(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    for number in (1, 2, 2, 1, 3):
        await bus.conversations.send(said(number))
    await bus.conversations.send(said(1, store=False, instance="i2"))
    await until(lambda: empty(redis_client))
    page = await store.search(Search())
    (found,) = page.found
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert (kept.kind, kept.text, kept.duration_s) == (Kind.LIVE, "words 1 words 2 words 3", 3.8)
    assert [segment.start for segment in kept.segments] == [1.0, 2.0, 3.0]


async def test_speech_without_a_text_is_kept_with_its_session(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)

    def missed(start_ms: int, instance: str = "i1") -> UnrecognizedSpeech:
        return UnrecognizedSpeech(
            conversation_id=None,
            session_id="talk",
            instance=instance,
            spoken_ms=int(wall_ms()),
            start_ms=start_ms,
            end_ms=start_ms + 1500,
        )

    for speech in (missed(100), missed(100), missed(100, "i2")):
        await bus.conversations.send_unrecognized(speech)
    await bus.conversations.send(said(3))
    await until(lambda: empty(redis_client))
    (found,) = (await store.search(Search())).found
    await bus.conversations.send_unrecognized(missed(9000))
    await until(lambda: empty(redis_client))
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert kept.unrecognized == [TimeSpan(0.1, 1.6), TimeSpan(9.0, 10.5)]
    assert (kept.text, kept.duration_s) == ("words 3", 10.5)
    late = missed(100)
    assert await store.delete(found.summary.id, wall_ms())
    await bus.conversations.send_unrecognized(late)
    await until(lambda: empty(redis_client))
    assert await store.session_unrecognized(found.summary.id) == []
    assert len(await store.session_unrecognized("talk.i2")) == 1


async def test_channels_of_a_kept_session_stay_apart(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    # Numbered by their ends: the second began first.
    word = CompactWord("yes", 2100, 2700, 0.9)
    short = replace(said(1, conversation="room", text="yes", words=[word]), channel=1, start_ms=2000, end_ms=2800)
    long = replace(said(2, conversation="room", text="all along"), channel=0, start_ms=500, end_ms=4000)
    for utterance in (short, long):
        await bus.conversations.send(utterance)
    for channel in (0, 1):
        speech = UnrecognizedSpeech(
            conversation_id="room",
            session_id="talk",
            instance="i1",
            spoken_ms=int(wall_ms()),
            start_ms=0,
            end_ms=900,
            channel=channel,
        )
        await bus.conversations.send_unrecognized(speech)
    await until(lambda: empty(redis_client))
    (found,) = (await store.search(Search())).found
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert kept.text == "all along yes"
    assert [(one.id, one.channel, one.start) for one in kept.segments] == [(0, 0, 0.5), (1, 1, 2.0)]
    assert [one.channel for one in kept.segments[1].words] == [1]
    assert kept.unrecognized == [TimeSpan(0.0, 0.9, 0), TimeSpan(0.0, 0.9, 1)]
    assert [one.utterance.channel for one in await store.conversation("room")] == [1, 0]


def told(
    as_of: int, *utterances: RevisedUtterance, conversation: str | None = None, store: bool = True
) -> SpeakersTold:
    return SpeakersTold(
        conversation_id=conversation,
        session_id="talk",
        instance="i1",
        as_of=as_of,
        told_ms=int(wall_ms()),
        utterances=list(utterances),
        store=store,
    )


async def test_speakers_of_a_kept_session_are_those_that_were_told_last(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    words = [CompactWord(word, 2000 + 100 * at, 2090 + 100 * at, 0.9) for at, word in enumerate(("words", "2"))]
    await bus.conversations.send_speakers(told(1, RevisedUtterance(1, "Speaker 1")))
    for utterance in (said(1), said(2, words=words), said(3)):
        await bus.conversations.send(utterance)
    turns = [SpeakerTurn(0, "Speaker 1"), SpeakerTurn(1, "Speaker 2")]
    await bus.conversations.send_speakers(told(3, RevisedUtterance(2, "Speaker 1", turns)))
    # An older account that arrives later.
    await bus.conversations.send_speakers(told(2, RevisedUtterance(2, "Speaker 7"), RevisedUtterance(3, None)))
    await until(lambda: empty(redis_client))
    (found,) = (await store.search(Search())).found
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert kept.text == "words 1 words 2 words 3"
    assert [(one.id, one.speaker, one.text) for one in kept.segments] == [
        (0, "Speaker 1", "words 1"),
        (1, "Speaker 1", "words"),
        (2, "Speaker 2", "2"),
        (3, "", "words 3"),
    ]
    late = told(9, RevisedUtterance(1, "Speaker 3"))
    assert await store.delete(found.summary.id, wall_ms())
    assert await store.session_speakers(found.summary.id) == {}
    await bus.conversations.send_speakers(late)
    await until(lambda: empty(redis_client))
    assert await store.session_speakers(found.summary.id) == {}


async def test_a_conversation_has_the_speakers_that_were_told_last_until_it_is_deleted(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    def spoken(number: int, speaker: str | None, *, is_voice: bool) -> Utterance:
        return replace(said(number, conversation="c", store=False), speaker=speaker, is_voice=is_voice)

    def at(as_of: int, *utterances: RevisedUtterance) -> SpeakersTold:
        return told(as_of, *utterances, conversation="c", store=False)

    async def speakers() -> list[str | None]:
        await until(lambda: empty(redis_client))
        return [one.utterance.speaker for one in await store.conversation("c")]

    bus = bus_on(redis_client)
    await bus.conversations.send(spoken(1, "Speaker 1", is_voice=True))
    await bus.conversations.send(spoken(2, None, is_voice=True))
    await bus.conversations.send(spoken(3, "Ann", is_voice=False))
    await bus.conversations.send_speakers(at(3, *(RevisedUtterance(number, "Speaker 1") for number in (1, 3))))
    assert await speakers() == ["Speaker 1", "", "Ann"]
    await bus.conversations.send_speakers(at(4, RevisedUtterance(1, "Speaker 2"), RevisedUtterance(2, "Speaker 1")))
    assert await speakers() == ["Speaker 2", "Speaker 1", "Ann"]
    assert (await store.search(Search())).found == [], "the session is not to be stored"

    late = at(5, RevisedUtterance(1, "Speaker 3"))
    assert await store.delete_conversation("c", wall_ms())
    await bus.conversations.send_speakers(late)
    assert await speakers() == []
    assert await store.session_speakers("talk.i1") == {}


async def test_words_of_a_kept_session_stay_with_their_times(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    text = "this is a sentence that is by far too long to be shown in two lines so it must be cut between two words"
    words = [CompactWord(word, 1000 + 100 * at, 1090 + 100 * at, 0.25) for at, word in enumerate(text.split())]
    bus = bus_on(redis_client)
    await bus.conversations.send(said(1, text=text, words=words, conversation="c"))
    await bus.conversations.send(said(2, conversation="c"))
    await until(lambda: empty(redis_client))
    (found,) = (await store.search(Search())).found
    kept = await store.get(found.summary.id)
    assert kept is not None
    first, second = kept.segments
    assert (first.confidence, first.words[1]) == (0.9, JobWord("is", 1.1, 1.19, 0.25))
    assert len(first.words) == len(words)
    assert second.words == []
    shown = cues(kept.segments)
    assert len(shown) > 2
    assert {round(cue.start, 2) for cue in shown[:-1]} <= {word.start for word in first.words}, "cut at a word's time"
    (log,) = [fields for _, fields in await redis_client.xrange(keys.conversation_keys("local", "c").log, count=1)]
    assert b"words" not in msgspec.json.decode(log[b"event"], type=dict[str, object]), "viewers do not get them"


async def test_the_longest_utterance_with_all_its_words_stays_small() -> None:
    words = [CompactWord("Donaudampfschiff", 14_000_000 + at, 14_000_000 + at, 0.123) for at in range(MAX_WORDS)]
    assert len(msgspec.json.encode(said(1, words=words))) < 32 * 1024


async def test_a_deleted_transcript_stays_deleted_and_the_others_are_kept(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    late = said(1)
    await bus.conversations.send(late)
    await until(lambda: empty(redis_client))
    (found,) = (await store.search(Search())).found
    await asyncio.sleep(0.9)  # what was said has ended by its own times
    assert await store.delete(found.summary.id, wall_ms())
    await bus.conversations.send(late)
    await bus.conversations.send(said(1, instance="i2"))
    await until(lambda: empty(redis_client))
    assert [one.summary.id for one in (await store.search(Search())).found] == ["talk.i2"]


async def test_what_nobody_can_read_does_not_stop_the_others(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    for kind, body in (("utterance", b"{"), ("utterance", b"{}"), ("job", b"\xff"), ("from a later version", b"{}")):
        await bus.transcripts.put(kind, body)
    await redis_client.xadd(keys.TRANSCRIPTS_WAITING, {"something": "else"})
    await bus.conversations.send(said(1))
    await until(lambda: empty(redis_client))
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
        await until(lambda: empty(redis_client))
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
        await until(lambda: empty(redis_client))
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
        await until(lambda: empty(redis_client))
    finally:
        await cancel_and_wait(task)
    assert written[-1] == 100
    assert len(written) < 30


async def test_another_session_of_the_same_name_is_another_transcript(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    await bus.conversations.send(said(1))
    await bus.conversations.send(said(1, instance="i2"))
    await until(lambda: empty(redis_client))
    assert len((await store.search(Search())).found) == 2


async def test_a_conversation_is_kept_with_its_speakers(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    await bus_on(redis_client).conversations.send(said(1, store=False, conversation="c"))
    await until(lambda: empty(redis_client))
    (settled,) = await store.conversation("c")
    assert (settled.utterance.speaker, settled.utterance.text) == ("Ann", "words 1")
    assert (await store.search(Search())).found == []


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
    await until(lambda: empty(redis_client))
    assert await store.get(job_id) is not None
    assert await store.find_by_content("k1") is None


async def test_a_job_is_kept_when_it_has_ended_and_found_by_its_content(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    job_id = await job_with_result(bus_on(redis_client))
    await until(lambda: empty(redis_client))
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
    await until(lambda: empty(redis_client))
    assert await store.get("job1") is not None


async def pending(client: Redis, count: int) -> bool:
    """One gateway has taken ``count`` entries that it has not stored yet, and there are no others."""
    summary = await client.xpending(keys.TRANSCRIPTS_WAITING, "store")
    return bool(summary["pending"] == count == await client.xlen(keys.TRANSCRIPTS_WAITING))


async def stored_by_a_new_gateway(client: Redis, store: TranscriptStore) -> None:
    await client.set(keys.replica_alive("new"), 1)
    task = asyncio.create_task(StoreWriter(bus_on(client), store, "new", 0).run())
    try:
        await until(lambda: empty(client))
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
    redis_client: Redis, redis_url: str, store: TranscriptStore, tmp_path: Path, moment: str
) -> None:
    bus = bus_on(redis_client)
    await bus.conversations.send(said(1, conversation="c"))
    await dies(redis_url, tmp_path, moment)
    at_death = len(await store.conversation("c")), len((await store.search(Search())).found)
    assert at_death == {"taken": (0, 0), "appended": (1, 0), "written": (1, 1)}[moment]
    heir = asyncio.create_task(StoreWriter(bus_on(redis_client), store, "heir", 0).run())
    try:
        await until(lambda: empty(redis_client))
    finally:
        await cancel_and_wait(heir)
    assert [one.utterance.text for one in await store.conversation("c")] == ["words 1"]
    (found,) = (await store.search(Search())).found
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert kept.text == "words 1"


async def test_without_the_late_acknowledgement_a_killed_gateway_takes_it_along(
    redis_client: Redis, redis_url: str, store: TranscriptStore, tmp_path: Path
) -> None:
    """The negative twin: acknowledged when it is taken, and nobody stores it any more."""
    bus = bus_on(redis_client)
    await bus.conversations.send(said(1, conversation="c"))
    await dies(redis_url, tmp_path, "taken", "eager")
    assert await empty(redis_client)
    heir = asyncio.create_task(StoreWriter(bus_on(redis_client), store, "heir", 0).run())
    try:
        await asyncio.sleep(2.0)
        await bus.conversations.send(said(2, conversation="c"))
        await until(lambda: empty(redis_client))
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
        await until(lambda: empty(redis_client))
    finally:
        await cancel_and_wait(heir)
    assert len((await store.search(Search())).found) == 1
