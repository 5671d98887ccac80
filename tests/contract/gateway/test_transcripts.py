"""The routes of stored transcripts, on a real SQLite file."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import httpx2
import msgspec
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from redis.asyncio import Redis
from support.gateway_harness import Gateway
from support.key_samples import limits_on
from support.wiring import bus_on

from stt_gateway.app import authorize_request
from stt_gateway.authorize import AllowAll
from stt_gateway.core.requests.principal import LOCAL
from stt_gateway.http import transcripts
from stt_gateway.http.transcripts import MAX_EDIT_BYTES
from stt_gateway.live.connection_limit import ConnectionLimit
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.engine import database_url
from stt_gateway.store.interface import Kind, Page, State, Transcript
from stt_gateway.store.migrating import migrate
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobSegment

pytestmark = pytest.mark.contract

AT = "/v1/stt/transcripts"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlTranscriptStore]:
    url = database_url(None, tmp_path)
    await migrate(url)
    opened = SqlTranscriptStore(url, LOCAL.reach)
    for number in range(1, 4):
        text = f"Grüße Nummer {number}"
        await opened.put(
            Transcript(
                id=f"job{number}",
                kind=Kind.JOB,
                state=State.COMPLETED,
                created_ms=1_767_225_600_000 + number * 1000,
                filename=f"Gespräch {number}.mp3",
                text=text,
                language="de",
                segments=[JobSegment(0, 0.0, 1.5, text, 0.9, [])],
            )
        )
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def http(store: SqlTranscriptStore, redis_client: Redis, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI(dependencies=[Depends(authorize_request)])
    app.include_router(transcripts.router)
    bus = bus_on(redis_client)
    app.state.context = SimpleNamespace(
        settings=GatewaySettings(),
        store=store,
        bus=bus,
        authorize=AllowAll(),
        limits=limits_on(bus, tmp_path),
        search_limit=ConnectionLimit(4, 3, "searches"),
    )

    @app.exception_handler(SttError)
    async def refused(_: Request, error: SttError) -> JSONResponse:
        return JSONResponse({"error": {"code": error.code, "message": error.message}}, error.kind.http_status)

    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def test_a_search_tells_what_matches(http: httpx2.AsyncClient) -> None:
    answer = await http.get(AT, params={"filename": "SPRACH 2", "query": "grusse", "language": "de"})
    assert answer.status_code == 200
    assert answer.json() == {
        "transcripts": [
            {
                "id": "job2",
                "kind": "job",
                "state": "completed",
                "title": "Gespräch 2.mp3",
                "filename": "Gespräch 2.mp3",
                "created_at": "2026-01-01T00:00:02.000Z",
                "duration": 0.0,
                "language": "de",
                "model": "",
                "task": "transcribe",
                "error": None,
                "conversation_id": None,
                "expires_at": None,
                "revision": 0,
                "snippet": {"text": "Grüße Nummer 2", "hits": [[0, 5]]},
                "title_hits": [[2, 10]],
                "filename_hits": [[2, 10]],
                "speaker_hits": [],
            }
        ],
        "next_cursor": None,
    }


async def test_pages_are_joined_by_the_cursor(http: httpx2.AsyncClient) -> None:
    seen, cursor = [], ""
    while cursor is not None:
        page = (await http.get(AT, params={"limit": "2", "cursor": cursor, "from": "2026-01-01"})).json()
        seen += [one["id"] for one in page["transcripts"]]
        cursor = page["next_cursor"]
    assert seen == ["job3", "job2", "job1"]


async def test_one_is_fetched_renamed_and_deleted(http: httpx2.AsyncClient) -> None:
    whole = (await http.get(f"{AT}/job1")).json()
    assert whole["text"] == "Grüße Nummer 1"
    assert whole["segments"][0]["end"] == 1.5
    renamed = await http.patch(f"{AT}/job1", json={"title": "Erstes"})
    assert (renamed.status_code, renamed.json()["title"], "text" in renamed.json()) == (200, "Erstes", False)
    assert (await http.get(AT, params={"filename": "erst"})).json()["transcripts"][0]["filename"] == "Gespräch 1.mp3"
    assert (await http.delete(f"{AT}/job1")).status_code == 204
    for answer in (
        await http.delete(f"{AT}/job1"),
        await http.get(f"{AT}/job1"),
        await http.patch(f"{AT}/job1", json={"title": "x"}),
        await http.get(f"{AT}/job1/export.txt"),
        await http.get(f"{AT}/job2/export.pdf"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("kind", "media_type", "text"),
    [
        ("txt", "text/plain", "Grüße Nummer 1\n"),
        ("srt", "application/x-subrip", "1\n00:00:00,000 --> 00:00:01,500\nGrüße Nummer 1\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nGrüße Nummer 1\n"),
    ],
)
async def test_a_transcript_is_exported(http: httpx2.AsyncClient, kind: str, media_type: str, text: str) -> None:
    answer = await http.get(f"{AT}/job1/export.{kind}")
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.text == text


async def test_speakers_are_named_in_all_forms(http: httpx2.AsyncClient, store: SqlTranscriptStore) -> None:
    one = await store.get("job1")
    assert one is not None
    talk = [
        JobSegment(0, 0.0, 1.0, "Grüße", 0.9, [], speaker="Speaker 1"),
        JobSegment(1, 2.5, 3.5, "Nummer 1", 0.9, [], speaker="Speaker 2"),
        JobSegment(2, 4.5, 5.5, "danke", 0.9, [], speaker="Speaker 3"),
    ]
    await store.put(msgspec.structs.replace(one, segments=talk))
    edit = {
        "speakers": {"Speaker 1": "Anna", "Speaker 2": "Bob"},
        "merge": {"Speaker 3": "Speaker 1"},
        "revision": (await http.get(f"{AT}/job1")).json()["revision"],
    }
    answer = await http.patch(f"{AT}/job1", json=edit)
    assert (answer.status_code, answer.json()["revision"], "segments" in answer.json()) == (200, 1, False)
    whole = (await http.get(f"{AT}/job1")).json()
    assert whole["speakers"] == [{"id": "Speaker 1", "name": "Anna"}, {"id": "Speaker 2", "name": "Bob"}]
    assert [segment["speaker"] for segment in whole["segments"]] == ["Anna", "Bob", "Anna"]
    texts = {kind: (await http.get(f"{AT}/job1/export.{kind}")).text for kind in ("txt", "srt", "vtt")}
    assert texts["txt"] == "Anna: Grüße\nBob: Nummer 1\nAnna: danke\n"
    assert "Anna: Grüße" in texts["srt"]
    assert "<v Bob>Nummer 1" in texts["vtt"]
    diarized = (await http.get(f"{AT}/job1/export.diarized_json")).json()
    assert [segment["speaker"] for segment in diarized["segments"]] == ["Anna", "Bob", "Anna"]
    (found,) = (await http.get(AT, params={"filename": "ANN"})).json()["transcripts"]
    assert (found["id"], found["speaker_hits"]) == ("job1", [{"text": "Anna", "hits": [[0, 3]]}])
    stale = await http.patch(f"{AT}/job1", json={"title": "x", "revision": 0})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "conflict")
    split = {"assign": [{"start": 4.5, "end": 5.5, "speaker": "Speaker 4"}], "speakers": {"Speaker 4": "Cleo"}}
    assert (await http.patch(f"{AT}/job1", json=split)).status_code == 200
    assert (await http.get(f"{AT}/job1")).json()["segments"][2]["speaker"] == "Cleo"


async def test_corrected_words_are_in_all_forms_and_versions_come_back(http: httpx2.AsyncClient) -> None:
    edit = {"texts": [{"segment": 0, "text": "Grüße, Nummer eins"}], "revision": 0}
    answer = await http.patch(f"{AT}/job1", json=edit)
    assert (answer.status_code, answer.json()["revision"]) == (200, 1)
    told = (await http.get(f"{AT}/job1")).json()
    assert (told["text"], told["segments"][0]["text"]) == ("Grüße, Nummer eins", "Grüße, Nummer eins")
    for kind in ("txt", "srt", "vtt", "json"):
        assert "Nummer eins" in (await http.get(f"{AT}/job1/export.{kind}")).text
    stale = await http.patch(f"{AT}/job1", json=edit)
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "conflict")
    unknown = await http.patch(f"{AT}/job1", json={"texts": [{"segment": 1, "text": "x"}], "revision": 1})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (422, "bad_config")
    versions = (await http.get(f"{AT}/job1/versions")).json()["versions"]
    assert [(one["revision"], one["title"]) for one in versions] == [(0, "Gespräch 1.mp3")]
    assert (await http.patch(f"{AT}/job1", json={"restore": 0, "revision": 1})).json()["revision"] == 2
    assert (await http.get(f"{AT}/job1")).json()["text"] == "Grüße Nummer 1"
    assert (await http.get(f"{AT}/nobody/versions")).status_code == 404


async def test_a_transcript_is_exported_as_a_document(http: httpx2.AsyncClient) -> None:
    whole = await http.get(f"{AT}/job1/export.md?utc_offset_minutes=-60")
    assert whole.headers["content-type"] == "text/markdown; charset=utf-8"
    assert whole.text == "# Gespräch 1.mp3\n\n2025-12-31 23:00 · de\n\n(0:00) Grüße Nummer 1\n"
    assert (await http.get(f"{AT}/job1/export.md?timestamps=false")).text.endswith("\n\nGrüße Nummer 1\n")
    word = await http.get(f"{AT}/job1/export.docx")
    with zipfile.ZipFile(io.BytesIO(word.content)) as package:
        assert "Grüße Nummer 1" in package.read("word/document.xml").decode()
    wrong = await http.get(f"{AT}/job1/export.docx?utc_offset_minutes=900")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "bad_config")


async def test_json_is_exported_as_it_is_told(http: httpx2.AsyncClient) -> None:
    assert (await http.get(f"{AT}/job1/export.json")).json() == (await http.get(f"{AT}/job1")).json()


async def test_text_without_segments_is_exported(http: httpx2.AsyncClient, store: SqlTranscriptStore) -> None:
    one = await store.get("job1")
    assert one is not None
    await store.put(msgspec.structs.replace(one, segments=[]))
    assert (await http.get(f"{AT}/job1/export.txt")).text == "Grüße Nummer 1\n"


async def test_wrong_parameters_are_refused(http: httpx2.AsyncClient) -> None:
    for answer, status, code in (
        (await http.get(AT, params={"limit": "0"}), 422, "bad_config"),
        (await http.get(AT + "?query=%ff%00&cursor=%ed%a0%80"), 422, "bad_config"),
        (await http.patch(f"{AT}/job1", json={"title": "x" * 256}), 422, "bad_config"),
        (await http.patch(f"{AT}/job1", content=b"{"), 400, "bad_message"),
        (await http.patch(f"{AT}/job1", content=b" " * (MAX_EDIT_BYTES + 1)), 413, "too_large"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("id", ["nobody", "%00", "%ff", "%ed%a0%80", "a" * 3000, "'%20OR%201=1"])
async def test_ids_that_nobody_has_are_not_found(http: httpx2.AsyncClient, id: str) -> None:
    assert (await http.get(f"{AT}/{id}")).status_code == 404
    assert (await http.delete(f"{AT}/{id}")).status_code == 404


async def test_a_search_ends_when_its_client_has_gone(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def search(*_: object) -> Page:
        began.set()
        try:
            return await asyncio.Future()
        finally:
            ended.set()

    monkeypatch.setattr(SqlTranscriptStore, "search", search)
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as client, asyncio.timeout(10):
        asking = asyncio.create_task(client.get(AT))
        await began.wait()
        asking.cancel()
        await ended.wait()
