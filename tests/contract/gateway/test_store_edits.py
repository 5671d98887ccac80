"""Edits of stored transcripts, on both databases: all or nothing, counted, found, and kept by later writes."""

import asyncio
import threading
from typing import Any

import msgspec
import pytest
from support.store_samples import NOW_MS, ids, transcript

from stt_gateway.core.speakers.changes import GivenPassage, SpeakerChanges
from stt_gateway.core.speakers.edits import Speaker, edited
from stt_gateway.core.texts.edits import GivenText
from stt_gateway.store import earlier_versions, sql_store
from stt_gateway.store.editing import changed_columns
from stt_gateway.store.interface import Search, Snippet, TranscriptEdit, Version
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobSegment

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)

TALK = transcript(
    text="How are you? Fine.",
    segments=[
        JobSegment(0, 0.0, 1.0, "How are you?", 0.9, [], speaker="Speaker 1"),
        JobSegment(1, 1.0, 2.0, "Fine.", 0.9, [], speaker="Speaker 2"),
    ],
)


def named(revision: int | None = None, **names: str | None) -> TranscriptEdit:
    given = {f"Speaker {id[1:]}": name for id, name in names.items()}
    return TranscriptEdit(speakers=SpeakerChanges(names=given), revision=revision)


async def speakers_of(store: SqlTranscriptStore, id: str = "job1") -> tuple[int, list[Speaker]]:
    kept = await store.get(id)
    assert kept is not None
    return kept.revision, edited(kept.segments, kept.speaker_edits)[1]


async def test_a_speaker_is_named_and_found_by_the_name(store: SqlTranscriptStore) -> None:
    await store.put(TALK)
    await store.put(transcript(2))
    changed = await store.edit("job1", named(s1="Anna Müller"), NOW_MS)
    assert changed is not None
    assert changed.revision == 1
    page = await store.search(Search(filename="mull"))
    assert ids(page) == ["job1"]
    assert page.found[0].speaker_hits == [Snippet("Anna Müller", [(5, 9)])]
    assert (page.found[0].title_hits, page.found[0].summary.revision) == ([], 1)
    # No part reaches from one name to another.
    assert ids(await store.search(Search(filename="wav anna"))) == []
    # Other searches have none.
    assert [hit.speaker_hits for hit in (await store.search(Search(query="fine"))).found] == [[]]
    await store.edit("job1", named(s1=None), NOW_MS)
    assert ids(await store.search(Search(filename="anna"))) == []


async def test_edits_survive_what_is_delivered_again_or_grows(store: SqlTranscriptStore) -> None:
    await store.put(TALK)
    await store.edit("job1", named(s1="Anna"), NOW_MS)
    await store.edit("job1", TranscriptEdit(speakers=SpeakerChanges(merge={"Speaker 2": "Speaker 1"})), NOW_MS)
    grown = [*TALK.segments, JobSegment(2, 2.0, 3.0, "Bye.", 0.9, [], speaker="Bea")]
    assert await store.put(msgspec.structs.replace(TALK, segments=grown))
    assert await speakers_of(store) == (2, [Speaker("Speaker 1", "Anna"), Speaker("Bea", None)])
    for name in ("anna", "bea"):
        assert ids(await store.search(Search(filename=name))) == ["job1"]


async def test_an_edit_of_another_revision_is_a_conflict(store: SqlTranscriptStore) -> None:
    await store.put(TALK)
    assert await store.edit("job1", named(0, s1="Anna"), NOW_MS)
    with pytest.raises(SttError, match="its revision is 1, not 0") as caught:
        await store.edit("job1", named(0, s2="Bob"), NOW_MS)
    assert caught.value.code == "conflict"
    assert await speakers_of(store) == (1, [Speaker("Speaker 1", "Anna"), Speaker("Speaker 2", None)])
    # What has been done already is no conflict: its answer was lost.
    repeated = await store.edit("job1", named(0, s1="Anna"), NOW_MS)
    assert repeated is not None
    assert repeated.revision == 1
    titled = await store.edit("job1", TranscriptEdit("Talk", revision=1), NOW_MS)
    assert titled is not None
    assert (titled.title, titled.revision) == ("Talk", 2)


async def test_an_edit_is_made_as_a_whole_or_not_at_all(store: SqlTranscriptStore) -> None:
    await store.put(TALK)
    wrong = SpeakerChanges(assign=[GivenPassage(0.0, 1.0, "Speaker 3")], names={"Speaker 9": "Anna"})
    with pytest.raises(SttError, match="no speaker 'Speaker 9'"):
        await store.edit("job1", TranscriptEdit("Talk", wrong), NOW_MS)
    kept = await store.get("job1")
    assert kept is not None
    assert (kept.title, kept.revision) == ("file1.wav", 0)
    assert (await speakers_of(store))[1] == [Speaker("Speaker 1", None), Speaker("Speaker 2", None)]


async def test_edits_at_the_same_time_are_all_made(store: SqlTranscriptStore) -> None:
    await store.put(TALK)
    await asyncio.gather(
        store.edit("job1", named(s1="Anna"), NOW_MS),
        store.put(TALK),
        store.edit("job1", named(s2="Bob"), NOW_MS),
        store.edit("job1", TranscriptEdit("Talk"), NOW_MS),
        store.put(TALK),
    )
    assert await speakers_of(store) == (3, [Speaker("Speaker 1", "Anna"), Speaker("Speaker 2", "Bob")])
    for name in ("anna", "bob", "talk"):
        assert ids(await store.search(Search(filename=name))) == ["job1"]


async def test_of_edits_for_one_revision_one_is_made(store: SqlTranscriptStore) -> None:
    await store.put(TALK)
    outcomes = await asyncio.gather(
        *(store.edit("job1", named(0, s1=name), NOW_MS) for name in ("Anna", "Bob", "Carl")), return_exceptions=True
    )
    assert sorted(isinstance(outcome, SttError) for outcome in outcomes) == [False, True, True]
    assert (await speakers_of(store))[0] == 1


async def test_a_deleted_transcript_has_no_names_any_more(store: SqlTranscriptStore) -> None:
    await store.put(TALK)
    await store.edit("job1", named(s1="Anna"), NOW_MS)
    assert await store.delete("job1", NOW_MS + 10_000)
    assert ids(await store.search(Search(filename="anna"))) == []
    assert await store.edit("job1", named(s1="Anna"), NOW_MS) is None


async def test_a_corrected_text_is_found_and_earlier_versions_come_back(store: SqlTranscriptStore) -> None:
    await store.put(TALK)
    corrected = TranscriptEdit(texts=[GivenText(0, "Who are you?")], revision=0)
    await store.edit("job1", corrected, NOW_MS)
    await store.edit("job1", named(1, s2="Bob"), NOW_MS + 1000)
    # Written again, as a live transcript that grows is: the correction stays, and is what is found.
    grown = [*TALK.segments, JobSegment(2, 2.0, 3.0, "Bye.", 0.9, [], speaker="Bea")]
    assert await store.put(msgspec.structs.replace(TALK, text="How are you? Fine. Bye.", segments=grown))
    kept = await store.get("job1")
    assert kept is not None
    assert kept.text == "Who are you? Fine. Bye."
    assert ids(await store.search(Search(query="who are you"))) == ["job1"]
    assert ids(await store.search(Search(query="how are you"))) == []
    with pytest.raises(SttError, match="its revision is 2, not 0") as caught:
        await store.edit("job1", corrected, NOW_MS)
    assert caught.value.code == "conflict"

    assert await store.versions("job1") == [Version(1, "file1.wav", NOW_MS + 1000), Version(0, "file1.wav", NOW_MS)]
    undone = await store.edit("job1", TranscriptEdit(restore=0, revision=2), NOW_MS + 2000)
    assert undone is not None
    assert undone.revision == 3
    assert ids(await store.search(Search(query="how are you"))) == ["job1"]
    assert ids(await store.search(Search(filename="bob"))) == []
    redone = await store.edit("job1", TranscriptEdit(restore=2), NOW_MS + 3000)
    assert redone is not None
    assert redone.revision == 4
    assert ids(await store.search(Search(query="who are you"))) == ids(await store.search(Search(filename="bob")))
    with pytest.raises(SttError, match="revision 9 is not kept"):
        await store.edit("job1", TranscriptEdit(restore=9), NOW_MS)
    assert await store.delete("job1", NOW_MS + 4000)
    assert await store.versions("job1") == []


async def test_long_corrections_of_a_short_transcript_hold_no_live_session_up(
    store: SqlTranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def noted(*given: Any) -> dict[str, Any]:
        threads.append(threading.current_thread())
        return changed_columns(*given)

    monkeypatch.setattr(sql_store, "changed_columns", noted)
    await store.put(TALK)
    await store.edit("job1", TranscriptEdit(texts=[GivenText(0, "Who?")], revision=0), NOW_MS)
    await store.edit("job1", TranscriptEdit(texts=[GivenText(0, "who " * 1000)] * 6, revision=1), NOW_MS)
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


async def test_the_first_version_and_the_newest_are_kept(
    store: SqlTranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlier_versions, "MOST_VERSIONS", 2)
    await store.put(TALK)
    for n in range(5):
        await store.edit("job1", TranscriptEdit(f"Title {n}"), NOW_MS + n)
    assert [one.revision for one in await store.versions("job1")] == [4, 3, 0]
