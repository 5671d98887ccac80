"""Search in the transcript store, on both databases."""

import asyncio
import contextlib
from typing import Any

import pytest
from support.store_samples import FULL, NOW_MS, ids, transcript

from stt_gateway.core.requests.principal import Reach
from stt_gateway.store.interface import Kind, Page, Search
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.makers import LOCAL_TENANT

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)


def numbers(page: Page) -> list[int]:
    return [int(id.removeprefix("job")) for id in ids(page)]


NAMES = {
    1: "Müller_Gespräch 2026-01-31 (final).mp3",
    2: "会議録音_東京.m4a",
    3: "Совещание Ёлкин.wav",
    4: "100%_of\"quotes\" 'n' \\slashes*.wav",
    5: "한국어 회의.wav",
}


PARTS = [
    ("mull", [1]),
    ("MÜLLER_G", [1]),
    ("r_ge", [1]),
    ("-01-31 (fin", [1]),
    ("ü", [4, 1]),
    ("fi", [1]),
    ("東", [2]),
    ("録音", [2]),
    ("議録音_", [2]),
    ("елкин", [3]),
    ("ещ", [3]),
    ("100%_", [4]),
    ("%", [4]),
    ("_", [4, 2, 1]),
    ('"', [4]),
    ('"quotes"', [4]),
    ("' ", [4]),
    ("\\slashes*", [4]),
    ("*", [4]),
    ("회의", [5]),
    ("어 회", [5]),
    ("wav", [5, 4, 3]),
    (".", [5, 4, 3, 2, 1]),
    ("absent", []),
    ("mull' OR 1=1 --", []),
    ("NEAR(", []),
]


async def test_each_tenant_and_each_key_finds_its_own_in_texts_names_and_pages(store: SqlTranscriptStore) -> None:
    makers = [Reach(tenant, key) for tenant in ("acme", "other", LOCAL_TENANT) for key in ("k1", "k2")]
    for number in range(1, 25):
        maker = makers[number % len(makers)]
        made = transcript(number, text="the secret plan of all", filename=f"plan {maker.tenant}.wav")
        assert await store.of(maker).put(made)

    async def found(reach: Reach, **wanted: Any) -> list[int]:
        numbered, before = [], None
        while True:
            page = await store.of(reach).search(Search(**wanted, limit=3, before=before))
            numbered += numbers(page)
            if (before := page.next) is None:
                return numbered

    for search in ({}, {"query": "secret plan"}, {"query": "plan of"}, {"filename": "plan"}, {"language": "en"}):
        for at, maker in enumerate(makers):
            own = [number for number in range(24, 0, -1) if number % len(makers) == at]
            assert await found(maker, **search) == own, search
        for tenant in ("acme", "other", LOCAL_TENANT):
            theirs = [number for number in range(24, 0, -1) if makers[number % len(makers)].tenant == tenant]
            assert await found(Reach(tenant), **search) == theirs, search
            assert await store.of(Reach(tenant)).count() == len(theirs)
        assert await found(Reach("nobody"), **search) == []
    assert await found(Reach("acme"), filename="other") == [], "nor by another's name"


async def test_names_are_found_by_any_part(store: SqlTranscriptStore) -> None:
    for number, name in NAMES.items():
        await store.put(transcript(number, filename=name))
    found = [(part, numbers(await store.search(Search(filename=part)))) for part, _ in PARTS]
    assert found == PARTS


TEXTS = {
    1: "The quick brown fox jumps over the lazy dog. Don't panic!",
    2: "明日は東京都に行く予定です。AI技術の話。",
    3: "Die große Straße führt über den Fluß",
    4: "over the quick dog, the fox",
    5: "ทดสอบภาษาไทย กับ हिन्दी में खोज",
    6: "مُحَمَّد ذهب إلى السوق",
}


PHRASES = [
    ("quick", [4, 1]),
    ("QUICK, brown", [1]),
    ("the quick", [4, 1]),
    ("the fox", [4]),
    ("fox the", []),
    ("qui", []),
    ("don't", [1]),
    ("don’t panic", [1]),
    ("東京", [2]),
    ("京都に行", [2]),
    ("京東", []),
    ("東都", []),
    ("ai技術", [2]),
    ("GROSSE strasse fuhrt", [3]),
    ("fluss", [3]),
    ("ภาษา", [5]),
    ("हिन्दी में", [5]),
    ("محمد", [6]),
    ('"quick"', [4, 1]),
    ("quick AND brown", []),
    ("quick* OR fox", []),
    ("NEAR(the fox)", []),
    ("folded:quick", []),
    ("^the - {x}", []),
    ("'; DROP TABLE transcripts; --", []),
    ("!?", []),
    ("%", []),
]


async def test_texts_are_found_by_a_phrase(store: SqlTranscriptStore) -> None:
    for number, text in TEXTS.items():
        await store.put(transcript(number, text=text))
    found = [(phrase, numbers(await store.search(Search(query=phrase)))) for phrase, _ in PHRASES]
    assert found == PHRASES


async def test_hits_are_shown(store: SqlTranscriptStore) -> None:
    await store.put(FULL)
    (found,) = (await store.search(Search(query="TAG wie", filename="mul"))).found
    assert found.snippet is not None
    assert [found.snippet.text[a:b] for a, b in found.snippet.hits] == ["Tag. Wie"]
    assert [found.summary.title[a:b] for a, b in found.title_hits] == ["Mül"]
    assert found.filename_hits == found.title_hits


async def test_conditions_hold_together(store: SqlTranscriptStore) -> None:
    for number in range(1, 9):
        await store.put(
            transcript(
                number,
                language="de" if number % 2 else "en",
                kind=Kind.LIVE if number > 4 else Kind.JOB,
                filename="even.wav" if number % 2 == 0 else "odd.wav",
            )
        )
    at = NOW_MS + 3000
    assert ids(await store.search(Search(language="de"))) == ["job7", "job5", "job3", "job1"]
    assert ids(await store.search(Search(kind=Kind.LIVE, language="en"))) == ["job8", "job6"]
    assert ids(await store.search(Search(from_ms=at, to_ms=at + 2000))) == ["job4", "job3"]
    assert ids(await store.search(Search(query="number", language="de", from_ms=at))) == ["job7", "job5", "job3"]
    assert ids(await store.search(Search(filename="eve", kind=Kind.JOB))) == ["job4", "job2"]
    assert ids(await store.search(Search(filename="e", kind=Kind.JOB))) == ["job4", "job2"]
    assert ids(await store.search(Search(query="number 4", filename="eve", language="en"))) == ["job4"]
    assert ids(await store.search(Search(query="number 4", filename="odd"))) == []


@pytest.mark.parametrize("wanted", [Search(limit=3), Search(query="number", limit=3), Search(filename="wav", limit=3)])
async def test_pages_stay_in_order_while_others_write(store: SqlTranscriptStore, wanted: Search) -> None:
    # Stored in another order than created.
    for number in (3, 1, 7, 5, 2, 6, 4):
        await store.put(transcript(number))
    first = await store.search(wanted)
    assert ids(first) == ["job7", "job6", "job5"]
    await store.put(transcript(8))
    await store.delete("job5", NOW_MS)
    second = await store.search(Search(wanted.query, wanted.filename, before=first.next, limit=3))
    assert ids(second) == ["job4", "job3", "job2"]
    third = await store.search(Search(wanted.query, wanted.filename, before=second.next, limit=3))
    assert ids(third) == ["job1"]
    assert third.next is None


async def test_a_long_text_is_stored_and_found(store: SqlTranscriptStore) -> None:
    # Ten hours: more words than a tsvector has positions, and one of them more often than it counts.
    text = " ".join(f"the w{number}" for number in range(60_000)) + " needle in the hay"
    assert await store.put(transcript(text=text))
    (found,) = (await store.search(Search(query="needle in the"))).found
    assert found.snippet is not None
    assert [found.snippet.text[a:b] for a, b in found.snippet.hits] == ["needle in the"]


async def many_words(store: SqlTranscriptStore) -> Search:
    """Transcripts full of one word, and a search for a phrase of it that costs time and finds nothing."""
    for number in range(1, 41):
        await store.put(transcript(number, text="the cat " + "the the the the the the dog " * 3000))
    return Search(query="the the the the the the the")


async def test_a_search_that_takes_too_long_ends(store: SqlTranscriptStore, monkeypatch: pytest.MonkeyPatch) -> None:
    costly = await many_words(store)
    monkeypatch.setattr("stt_gateway.store.sql_store.SEARCH_S", 0.001)
    with pytest.raises(SttError, match="took too long") as failed:
        await store.search(costly)
    assert failed.value.code == "unavailable"
    assert (await store.get("job1")) is not None, "other calls have their time"
    monkeypatch.setattr("stt_gateway.store.sql_store.SEARCH_S", 10.0)
    assert (await store.search(costly)).found == []


async def test_few_searches_run_at_once(store: SqlTranscriptStore) -> None:
    await store.put(transcript(1))
    results = await asyncio.gather(*(store.search(Search()) for _ in range(6)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, SttError)]
    assert [error.code for error in refused] == ["at_capacity"] * 2
    assert ids(await store.search(Search())) == ["job1"], "over again"


async def test_a_search_whose_caller_has_gone_ends(store: SqlTranscriptStore) -> None:
    costly = await many_words(store)
    for _ in range(8):
        searching = asyncio.create_task(store.search(costly))
        await asyncio.sleep(0.005)
        searching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await searching
    assert len(ids(await store.search(Search()))) == 20
