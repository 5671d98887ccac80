#!/usr/bin/env python3
"""Search in the transcript store: how long one search takes among 100,000 transcripts.

Texts and names are generated: words of a made-up list, many with accents, drawn by Zipf's law as in speech. What is
looked for is cut out of what is there, common and rare alike: parts of names of 1 to 8 letters, as one types them, and
runs of 1 to 4 words. Without --database-url, SQLite in a temporary folder. The database must be empty, or --filled by
an earlier run.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from common import write_result
from sqlalchemy import select, text

from stt_gateway.core.requests.principal import LOCAL
from stt_gateway.store.engine import database_url, is_sqlite, open_engine, writing
from stt_gateway.store.folding import fold
from stt_gateway.store.interface import Kind, Search, State, Transcript
from stt_gateway.store.migrating import migrate
from stt_gateway.store.postgres_search import PostgresSearch
from stt_gateway.store.rows import stored
from stt_gateway.store.schema import place_of, transcripts
from stt_gateway.store.search_index import folded_names
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_gateway.store.sqlite_search import SqliteSearch

BATCH = 1000
FIRST_MS = 1_700_000_000_000
EVERY_MS = 600_000
LANGUAGES = ("en", "de", "fr", "es", "pt")
ONSETS = ("b", "br", "d", "f", "g", "gr", "h", "k", "kl", "l", "m", "n", "p", "pr", "r", "s", "st", "t", "tr", "v", "w")
VOWELS = ("a", "e", "i", "o", "u", "ei", "au", "ä", "é", "ö", "ü")
CODAS = ("", "", "n", "r", "s", "t", "l", "ng", "ck")


def word_list(random_: random.Random, count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        syllables = min(4, 1 + len(found) // 300)
        parts = (random_.choice(ONSETS) + random_.choice(VOWELS) + random_.choice(CODAS) for _ in range(syllables))
        found["".join(parts)] = None
    return list(found)


def generated(random_: random.Random, count: int, words: list[str], n_words: int) -> Iterator[Transcript]:
    weights = [1 / (rank + 2.7) for rank in range(len(words))]
    totals = list(accumulate(weights))
    for number in range(count):
        said = random_.choices(words, cum_weights=totals, k=random_.randint(n_words // 2, n_words * 3 // 2))
        who, what = random_.choices(words, k=2)
        extension = random_.choice(("mp3", "wav", "m4a"))
        created_ms = FIRST_MS + number * EVERY_MS + random_.randrange(EVERY_MS)
        day = time.strftime("%Y-%m-%d", time.gmtime(created_ms / 1000))
        yield Transcript(
            id=f"{random_.getrandbits(128):032x}",
            kind=Kind.JOB,
            state=State.COMPLETED,
            created_ms=created_ms,
            filename=f"{what.capitalize()}_{who.capitalize()} {day} ({random_.randrange(20)}).{extension}",
            text=" ".join(said),
            duration_s=len(said) / 2.5,
            language=random_.choices(LANGUAGES, weights=(50, 30, 15, 4, 1))[0],
            model="base",
        )


async def fill(url: Any, made: Iterator[Transcript]) -> list[tuple[str, str]]:
    """Stores them, a thousand in one statement; names and texts of some, to look for."""
    index = SqliteSearch() if is_sqlite(url) else PostgresSearch()
    engine = open_engine(url, creating=True)
    kept: list[tuple[str, str]] = []
    indexes = [] if is_sqlite(url) else ["transcript_names", "transcript_texts"]
    async with engine.begin() as connection:
        # Much is loaded faster into a table whose index is made afterwards.
        for table_name in indexes:
            await connection.execute(text(f"DROP INDEX {table_name}_grams"))
    for some in batches(made):
        rows = [{**stored(one), "place": place_of(one.created_ms, one.id)} for one in some]
        folded: dict[Any, list[dict[str, Any]]] = {}
        for row in rows:
            name = folded_names(row["title"], row["filename"], ())
            for table, of_table in index.rows(row["place"], name, fold(row["text"])):
                folded.setdefault(table, []).append(of_table)
        async with writing(engine).begin() as connection:
            await connection.execute(index.insert(transcripts), rows)
            for table, of_all in folded.items():
                await connection.execute(index.insert(table), of_all)
        kept += [(row["filename"], row["text"]) for row in rows[::20]]
    if not is_sqlite(url):
        # As autovacuum would soon.
        async with engine.connect() as connection:
            for table_name in indexes:
                made_of = f"{table_name} USING gin (grams) WITH (fastupdate = off)"
                await connection.execute(text(f"CREATE INDEX {table_name}_grams ON {made_of}"))
            await connection.commit()
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("VACUUM ANALYZE"))
    await engine.dispose()
    return kept


async def some_of(url: Any) -> list[tuple[str, str]]:
    """Names and texts that an earlier run stored."""
    engine = open_engine(url)
    async with engine.connect() as connection:
        query = select(transcripts.c.filename, transcripts.c.text).where(transcripts.c.place % 20 == 0)
        kept = [(row.filename, row.text) for row in await connection.execute(query) if row.text.count(" ") > 5]
    await engine.dispose()
    return kept


def batches(made: Iterator[Transcript]) -> Iterator[tuple[Transcript, ...]]:
    while some := tuple(islice(made, BATCH)):
        yield some


def searches(random_: random.Random, kept: list[tuple[str, str]], count: int) -> dict[str, list[Search]]:
    def part(longest: int) -> str:
        name = random_.choice(kept)[0]
        length = random_.randint(1, longest)
        at = random_.randrange(len(name) - length)
        return name[at : at + length].strip() or name[:1]

    def phrase(least: int, most: int) -> str:
        said = random_.choice(kept)[1].split()
        length = random_.randint(least, most)
        at = random_.randrange(len(said) - length)
        return " ".join(said[at : at + length])

    return {
        "part of a name, 1-8 letters": [Search(filename=part(8)) for _ in range(count)],
        "part of a name, 1-2 letters": [Search(filename=part(2)) for _ in range(count)],
        "phrase, 2-4 words": [Search(query=phrase(2, 4)) for _ in range(count)],
        "one word": [Search(query=phrase(1, 1)) for _ in range(count)],
        "phrase, one language": [
            Search(query=phrase(1, 3), language=random_.choices(LANGUAGES)[0]) for _ in range(count)
        ],
        "no such name": [Search(filename=f"q{random_.randrange(10**6)}x") for _ in range(count)],
        "two words at random": [Search(query=phrase(1, 1) + " " + phrase(1, 1)) for _ in range(count)],
        "the newest": [Search() for _ in range(count)],
    }


async def timed(store: SqlTranscriptStore, wanted: list[Search]) -> dict[str, float]:
    took_ms, found = [], 0
    slowest = (0.0, Search())
    for one in wanted:
        began = time.perf_counter()
        page = await store.search(one)
        took_ms.append((time.perf_counter() - began) * 1000)
        slowest = max(slowest, (took_ms[-1], one), key=lambda pair: pair[0])
        found += bool(page.found)
    percentiles = statistics.quantiles(took_ms, n=100)
    return {
        "searches": len(wanted),
        "with_results": found,
        "p50_ms": round(percentiles[49], 2),
        "p95_ms": round(percentiles[94], 2),
        "p99_ms": round(percentiles[98], 2),
        "max_ms": round(slowest[0], 2),
    }


async def removed(store: SqlTranscriptStore, random_: random.Random) -> dict[str, float]:
    """Deletes a hundred, then cleans up as a gateway does now and then, while transcripts are stored."""
    took_ms = []
    for hit in (await store.search(Search(limit=100))).found:
        began = time.perf_counter()
        await store.delete(hit.summary.id, FIRST_MS)
        took_ms.append((time.perf_counter() - began) * 1000)
    cleaning = asyncio.create_task(store.purge_expired(FIRST_MS))
    began_s, longest_ms = time.perf_counter(), 0.0
    for one in generated(random_, 100_000, ["a", "word"], 2):
        began = time.perf_counter()
        await store.put(one)
        longest_ms = max(longest_ms, (time.perf_counter() - began) * 1000)
        if cleaning.done():
            break
        await asyncio.sleep(0.05)
    await cleaning
    return {
        "delete_p95_ms": round(statistics.quantiles(took_ms, n=100)[94], 2),
        "cleaning_s": round(time.perf_counter() - began_s, 2),
        "longest_put_meanwhile_ms": round(longest_ms, 2),
    }


async def measure(url: Any, options: argparse.Namespace) -> dict[str, Any]:
    random_ = random.Random(options.seed)
    await migrate(url)
    began = time.perf_counter()
    words = word_list(random_, 30_000)
    if options.filled:
        kept = await some_of(url)
    else:
        kept = await fill(url, generated(random_, options.transcripts, words, options.words))
    filled_s = time.perf_counter() - began
    store = SqlTranscriptStore(url, LOCAL.reach)
    try:
        # Connections, and the pages that any search reads.
        for one in (Search(), Search(query="x"), Search(filename="xyz"), Search(filename="x")):
            await store.search(one)
        figures = {
            name: await timed(store, wanted) for name, wanted in searches(random_, kept, options.searches).items()
        }
        removal = await removed(store, random_)
    finally:
        await store.close()
    return {
        "database": url.get_backend_name(),
        "transcripts": options.transcripts,
        "words_each": options.words,
        "filled_s": round(filled_s, 1),
        "figures": figures,
        "removal": removal,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database-url", help="an empty database; without: SQLite in a temporary folder")
    parser.add_argument("--filled", action="store_true", help="search in what an earlier run left there")
    parser.add_argument("--transcripts", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=120, help="words of a transcript, on average")
    parser.add_argument("--searches", type=int, default=300, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", help="keep the result as JSON here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stt-search-") as folder:
        url = database_url(options.database_url, Path(folder))
        result = asyncio.run(measure(url, options))
    write_result(options.out, "search", result)


if __name__ == "__main__":
    main()
