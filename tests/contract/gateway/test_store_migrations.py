"""Tables of earlier versions, upgraded in place, on both databases."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, text
from support.old_store import store_of_0_1_0
from support.store_samples import FULL, NOW_MS, ids, transcript, utterance

from stt_gateway.core.requests.principal import LOCAL
from stt_gateway.core.speakers.edits import SpeakerEdits
from stt_gateway.store.engine import is_sqlite, open_engine, writing
from stt_gateway.store.interface import Search, State, Transcript
from stt_gateway.store.maintenance.check import check
from stt_gateway.store.migrating import migrate
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_shared.contracts.jobs import JobError, TimeSpan

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)

TAG, SONG = "0f0e0d0c0b0a09080706050403020100", "ffeeddccbbaa99887766554433221100"
OLD = {
    "place": 1, "id": "old", "kind": "job", "state": "completed", "created_ms": NOW_MS, "title": "old.wav",
    "filename": "old.wav", "duration_s": 2.5, "language": "en", "model": "base", "task": "transcribe",
    "conversation_id": "", "content_key": "k", "text": "old words", "segments": "[]",
}  # fmt: skip


async def tables_of(url: URL, revision: str) -> None:
    """Create the tables of an earlier version, with a transcript that it wrote."""

    def create(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "stt_gateway:store/migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        insert_old(connection)

    if is_sqlite(url):
        Path(url.database or "").parent.mkdir()
    engine = open_engine(url, creating=True)
    try:
        async with writing(engine).begin() as connection:
            await connection.run_sync(create)
    finally:
        await engine.dispose()


def insert_old(connection: Connection) -> None:
    named = ", ".join(f":{name}" for name in OLD)
    connection.execute(text(f"INSERT INTO transcripts ({', '.join(OLD)}) VALUES ({named})"), OLD)


async def test_speech_without_a_text_keeps_its_place_when_channels_come(empty: URL) -> None:
    await tables_of(empty, "0006")
    engine = open_engine(empty)
    row = "INSERT INTO unrecognized (session_id, start_ms, end_ms, expires_ms) VALUES ('talk', 100, 1600, NULL)"
    async with writing(engine).begin() as connection:
        await connection.execute(text(row))
    await migrate(empty)
    async with writing(engine).begin() as connection:  # a gateway of the earlier version that still runs
        await connection.execute(text(row.replace("100,", "2000,")))
    await engine.dispose()
    store = SqlTranscriptStore(empty, LOCAL.reach)
    try:
        assert await store.session_unrecognized("talk") == [TimeSpan(0.1, 1.6), TimeSpan(2.0, 1.6)]
    finally:
        await store.close()


async def test_a_store_of_0_1_0_is_found_and_told_as_it_was(empty: URL) -> None:
    store_of_0_1_0(empty)
    await migrate(empty)
    findings = await asyncio.to_thread(check, empty)
    assert [one for one in findings if one.level != "ok"] == []
    store = SqlTranscriptStore(empty, LOCAL.reach)
    try:
        for wanted, expected in (
            (Search(), [SONG, "talk.i1", TAG]),
            (Search(query="guten tag"), [TAG]),
            (Search(filename="mull"), [TAG]),
            (Search(query="half past", filename="talk"), ["talk.i1"]),
            (Search(language="en"), ["talk.i1"]),
        ):
            assert ids(await store.search(wanted)) == expected
        tag, song = await store.get(TAG), await store.get(SONG)
        assert tag is not None
        assert song is not None
        assert (tag.title, tag.filename, tag.content_key) == ("Gespräch Müller", "müller 1.mp3", "sha:options")
        assert [word.word for word in tag.segments[0].words] == ["Guten", "Tag."]
        assert (song.state, song.error) == (State.FAILED, JobError("bad_audio", "the file holds no audio"))
        spoken = await store.conversation("meeting")
        assert [(one.number, one.utterance.text) for one in spoken] == [(1, "It's half past nine."), (2, "We begin.")]
        # What goes on where it was: numbers, a title of one's own, what was deleted.
        assert await store.append([utterance(3, session="talk.i1", conversation="meeting")]) == [3]
        assert await store.put(msgspec.structs.replace(tag, title="", text="Guten Abend."))
        assert (await store.search(Search(query="guten abend"))).found[0].summary.title == "Gespräch Müller"
        assert not await store.put(transcript(id="gone", created_ms=1_750_000_004_000))
    finally:
        await store.close()


@pytest.mark.parametrize("revision", ["0001", "0002"])
async def test_tables_of_an_earlier_version_are_upgraded_with_what_they_hold(empty: URL, revision: str) -> None:
    await tables_of(empty, revision)
    await migrate(empty)
    store = SqlTranscriptStore(empty, LOCAL.reach)
    try:
        old = await store.get("old")
        assert old == transcript(
            id="old", created_ms=NOW_MS, title="old.wav", filename="old.wav", duration_s=2.5, model="base",
            content_key="k", text="old words",
        )  # fmt: skip
        assert await store.put(FULL)
        kept = await store.get(FULL.id)
        assert kept is not None
        assert told(kept) == told(FULL)
        assert ids(await store.search(Search())) == [FULL.id, "old"]
    finally:
        await store.close()


async def test_an_older_gateway_that_still_runs_can_store(url: URL, store: SqlTranscriptStore) -> None:
    engine = open_engine(url)
    async with writing(engine).begin() as connection:
        await connection.run_sync(insert_old)
    await engine.dispose()
    old = await store.get("old")
    assert old is not None
    assert told(old) == ([], None, [])
    assert (old.revision, old.speaker_edits) == (0, SpeakerEdits())


def told(one: Transcript) -> tuple[object, ...]:
    return one.unrecognized, one.track, one.warnings
