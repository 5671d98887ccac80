"""The transcript store on both databases: real SQLite files, a real PostgreSQL server."""

import asyncio
from pathlib import Path

import pytest
from support.store_samples import FULL, NOW_MS, about_sqlite, ids, transcript, utterance

from stt_gateway.store import schema, sql_store
from stt_gateway.store.interface import Page, Search, State, TranscriptEdit
from stt_gateway.store.sql_store import REMEMBERED_MS, SqlTranscriptStore
from stt_shared.contracts.jobs import JobError

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)


async def test_what_is_put_comes_back(store: SqlTranscriptStore) -> None:
    assert await store.get("job1") is None
    assert await store.put(FULL)
    kept = await store.get("job1")
    assert kept is not None
    assert kept.title == "Gespräch Müller.mp3"
    assert kept.segments == FULL.segments
    assert (kept.unrecognized, kept.track, kept.warnings) == (FULL.unrecognized, FULL.track, FULL.warnings)
    assert (kept.text, kept.language, kept.duration_s, kept.model) == (FULL.text, "de", 3.25, "base")
    assert (kept.created_ms, kept.expires_ms, kept.conversation_id) == (FULL.created_ms, FULL.expires_ms, "c1")


async def test_a_put_again_changes_nothing(store: SqlTranscriptStore) -> None:
    await store.put(FULL)
    first = await store.get("job1")
    assert await store.put(FULL)
    assert await store.get("job1") == first
    assert ids(await store.search(Search(query="guten"))) == ["job1"]
    assert ids(await store.search(Search())) == ["job1"]


async def test_a_later_state_replaces_an_earlier_one_and_its_words(store: SqlTranscriptStore) -> None:
    await store.put(transcript(state=State.PROCESSING, text="first words"))
    assert await store.put(transcript(text="other words"))
    assert ids(await store.search(Search(query="first words"))) == []
    assert ids(await store.search(Search(query="other words"))) == ["job1"]
    # A write that comes late.
    assert not await store.put(transcript(state=State.PROCESSING, text="first words"))
    kept = await store.get("job1")
    assert kept is not None
    assert (kept.state, kept.text) == (State.COMPLETED, "other words")


async def test_an_error_is_kept(store: SqlTranscriptStore) -> None:
    await store.put(transcript(state=State.FAILED, error=JobError("bad_audio", "no sound")))
    kept = await store.get("job1")
    assert kept is not None
    assert kept.error == JobError("bad_audio", "no sound")


async def test_a_title_that_was_given_outlives_the_next_delivery(store: SqlTranscriptStore) -> None:
    await store.put(FULL)
    renamed = await store.edit("job1", TranscriptEdit("Erstes Gespräch"), NOW_MS)
    assert renamed is not None
    assert (renamed.title, renamed.filename) == ("Erstes Gespräch", "Gespräch Müller.mp3")
    await store.put(FULL)
    for part in ("erstes", "MULLER"):
        assert ids(await store.search(Search(filename=part))) == ["job1"]
    kept = await store.get("job1")
    assert kept is not None
    assert kept.title == "Erstes Gespräch"
    # No part reaches from one name to the other.
    assert ids(await store.search(Search(filename="gesprach gesprach"))) == []
    assert await store.edit("nobody", TranscriptEdit("x"), NOW_MS) is None


async def test_the_same_upload_is_answered_from_the_store(store: SqlTranscriptStore) -> None:
    await store.put(transcript(1, content_key="k", state=State.FAILED))
    assert await store.find_by_content("k") is None
    await store.put(transcript(2, content_key="k"))
    await store.put(transcript(3, content_key="k"))
    await store.put(transcript(4))
    found = await store.find_by_content("k")
    assert found is not None
    assert found.id == "job3"
    assert await store.find_by_content("") is None


async def test_transcripts_of_one_millisecond_all_find_a_place(
    store: SqlTranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if all ids had one hash.
    monkeypatch.setattr(
        sql_store, "place_of", lambda created_ms, id, attempt=0: schema.first_place(created_ms) + attempt
    )
    for number in range(5):
        assert await store.put(transcript(number, created_ms=NOW_MS))
        assert await store.put(transcript(number, created_ms=NOW_MS))
    assert sorted(ids(await store.search(Search()))) == [f"job{number}" for number in range(5)]


async def test_deleted_is_gone_and_stays_gone(store: SqlTranscriptStore) -> None:
    await store.put(FULL)
    await store.append([utterance(session="job1"), utterance(session="other")])
    assert await store.delete("job1", NOW_MS + 10_000)
    assert await store.get("job1") is None
    assert await store.find_by_content("sha:options") is None
    for wanted in (Search(), Search(query="guten"), Search(filename="mul"), Search(filename="m")):
        assert ids(await store.search(wanted)) == []
    assert not await store.delete("job1", NOW_MS + 10_000)
    # Deliveries that were on their way.
    assert not await store.put(FULL)
    assert await store.append([utterance(2, session="job1")]) == [0]
    assert [one.utterance.session_id for one in await store.conversation("c")] == ["other"]
    # The name may be used again.
    assert await store.put(transcript(created_ms=NOW_MS + 20_000))
    assert await store.append([utterance(20, session="job1")]) == [3]


@about_sqlite
async def test_nothing_of_a_deleted_text_is_left_in_the_files(store: SqlTranscriptStore, sqlite_path: Path) -> None:
    for number in range(30):
        await store.put(transcript(number, text=f"confidential{number} words", filename=f"secretname{number}.wav"))
    for number in range(30):
        await store.delete(f"job{number}", NOW_MS)
    await store.purge_expired(NOW_MS)
    left = b"".join(file.read_bytes() for file in sqlite_path.parent.iterdir())
    assert b"SQLite format" in left
    assert b"confidenti" not in left
    assert b"secretna" not in left
    assert b"retname" not in left


async def test_what_is_past_its_time_goes(store: SqlTranscriptStore) -> None:
    for number in range(1, 6):
        await store.put(transcript(number, expires_ms=NOW_MS + number if number < 5 else None))
    await store.append([utterance(1, expires_ms=NOW_MS), utterance(2)])
    assert await store.purge_expired(NOW_MS + 3) == 3
    assert ids(await store.search(Search(query="number"))) == ["job5", "job4"]
    assert [one.utterance.utterance for one in await store.conversation("c")] == [2]
    assert await store.purge_expired(NOW_MS + 3) == 0


async def test_more_than_a_batch_expires_in_steps(store: SqlTranscriptStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_store, "_PURGED_AT_ONCE", 2)
    for number in range(5):
        await store.put(transcript(number, expires_ms=NOW_MS))
    assert await store.purge_expired(NOW_MS) == 5


async def test_a_conversation_is_read_by_number(store: SqlTranscriptStore) -> None:
    assert await store.conversation("c") == []
    assert await store.append([utterance(1, "ann"), utterance(1, "bob", speaker="Bob")]) == [1, 2]
    # Delivered again, with one more.
    assert await store.append([utterance(1, "bob"), utterance(2, "ann", text="new")]) == [2, 3]
    read = await store.conversation("c")
    assert [(one.number, one.utterance.session_id) for one in read] == [(1, "ann"), (2, "bob"), (3, "ann")]
    assert read[1].utterance == utterance(1, "bob", speaker="Bob")
    assert [one.number for one in await store.conversation("c", after=1)] == [2, 3]
    assert [one.number for one in await store.conversation("c", after=1, limit=1)] == [2]
    assert [one.number for one in await store.conversation("c", since_ms=NOW_MS + 2000)] == [3]
    assert [one.text for one in await store.session_utterances("ann")] == ["ann 1", "new"]
    assert await store.append([]) == []


async def test_conversations_are_named_as_clients_like(store: SqlTranscriptStore) -> None:
    for name in ("会議 / 1", "a\0\ud800", "x" * 128):
        assert await store.append([utterance(1, f"s{len(name)}", name, speaker="\0Ann\n")]) == [1]
        (read,) = await store.conversation(name)
        assert read.utterance.speaker == "Ann"
        assert await store.delete_conversation(name, NOW_MS)


async def test_one_write_may_hold_several_conversations(store: SqlTranscriptStore) -> None:
    numbers = await store.append([utterance(1, "a", "x"), utterance(1, "b", "y"), utterance(2, "a", "x")])
    assert numbers == [1, 1, 2]


async def test_a_deleted_conversation_may_go_on(store: SqlTranscriptStore) -> None:
    await store.append([utterance(1), utterance(2)])
    assert await store.delete_conversation("c", NOW_MS + 5000)
    assert not await store.delete_conversation("c", NOW_MS + 5000)
    assert await store.append([utterance(1), utterance(3)]) == [0, 0]
    assert await store.append([utterance(10)]) == [3]
    # Nobody came back: nothing of it is kept.
    await store.delete_conversation("c", NOW_MS + 20_000)
    await store.purge_expired(NOW_MS + 20_000 + REMEMBERED_MS + 1)
    assert await store.append([utterance(1)]) == [1]


async def test_a_reader_misses_nothing_while_many_write(store: SqlTranscriptStore) -> None:
    writers, each = 4, 25
    seen: list[int] = []

    async def write(session: str) -> None:
        for number in range(1, each + 1):
            await store.append([utterance(number, session)])

    async def follow() -> None:
        while len(seen) < writers * each:
            new = await store.conversation("c", after=seen[-1] if seen else 0)
            seen.extend(one.number for one in new)
            await asyncio.sleep(0)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        for writer in range(writers):
            tasks.create_task(write(f"s{writer}"))
    assert seen == list(range(1, writers * each + 1))


async def test_texts_that_databases_refuse_are_kept_clean(store: SqlTranscriptStore) -> None:
    assert await store.put(transcript(text="a\0b \ud800 c", filename="x" * 10_000 + "\0🎧.wav"))
    kept = await store.get("job1")
    assert kept is not None
    assert (kept.text, kept.filename) == ("ab ? c", "x" * 255)
    assert await store.search(Search(query="\ud800 \0", filename="\udfff")) == Page([], None)
