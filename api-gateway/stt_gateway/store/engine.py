"""Connections to the database and the settings that each needs before its first statement."""

import os
import sqlite3
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, exc, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from stt_gateway.store import sqlite_connection
from stt_gateway.store.failures import StoreError, as_stt_error

SQLITE_FILE = "transcripts.db"
LOCK_WAIT_S = 5.0
"""Longest wait of a statement for a lock, and of a call for a free connection."""
STATEMENT_S = 15.0
"""Time limit of a statement in PostgreSQL; a migration has no limit."""
_WRITES = "stt_writes"


def database_url(given: str | None, data_dir: Path) -> URL:
    """Return ``DATABASE_URL`` in the form that the store accepts, or else the URL of a SQLite file in ``data_dir``.

    Raises ValueError.
    """
    if not given:
        return URL.create("sqlite", database=str(data_dir.absolute() / SQLITE_FILE))
    try:
        # SQLAlchemy's own message about a bad URL quotes it, including the password.
        url = make_url("postgresql" + given[8:] if given.startswith("postgres:") else given)
    except (exc.ArgumentError, ValueError):
        raise ValueError("DATABASE_URL is no URL; it must be sqlite:////PATH or postgresql://USER@HOST/NAME") from None
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise ValueError(
            f"DATABASE_URL begins with {kind}:; allowed are sqlite:////PATH and postgresql://USER@HOST/NAME"
        )
    if kind == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("DATABASE_URL names no file; it must be sqlite:////PATH")
    return url.set(drivername=kind)


def is_sqlite(url: URL) -> bool:
    """Return True for SQLite, False for PostgreSQL."""
    return url.get_backend_name() == "sqlite"


def open_engine(url: URL, *, pool_size: int = 5, creating: bool = False) -> AsyncEngine:
    """Return an engine for a ``url`` from ``database_url``. A SQLite file is created only if ``creating`` is set: a
    file that was removed must be reported, not replaced by an empty one."""
    if is_sqlite(url):
        return _sqlite(Path(url.database or ""), pool_size, creating)
    engine = create_async_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=LOCK_WAIT_S,
        pool_pre_ping=True,
        # Otherwise errors, and with them the logs, would contain what was to be stored.
        hide_parameters=True,
        connect_args={
            "connect_timeout": int(LOCK_WAIT_S),
            # Plan for the actual values: a search for a rare word and one for a common word need different plans.
            "prepare_threshold": None,
        },
    )
    if not creating:
        event.listen(engine.sync_engine, "begin", _limit)
    return engine


def writing(engine: AsyncEngine) -> AsyncEngine:
    """Return the same engine for transactions that write."""
    return engine.execution_options(**{_WRITES: True})


@asynccontextmanager
async def read_transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Provide a connection for statements that read. Raises as ``as_stt_error``."""
    with as_stt_error():
        async with engine.connect() as connection:
            yield connection


@asynccontextmanager
async def write_transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Provide a connection for a transaction that writes, and commit it. Raises as ``as_stt_error``."""
    with as_stt_error():
        async with writing(engine).begin() as connection:
            yield connection


async def close_engine(engine: AsyncEngine) -> None:
    """Close all connections of an engine; nothing of them is left when it returns."""
    await engine.dispose()
    await sqlite_connection.threads_ended()


async def empty_log(engine: AsyncEngine) -> None:
    """Empty SQLite's write-ahead log, which keeps deleted rows until then."""
    async with engine.connect() as connection:
        # Must run outside a transaction. Active readers limit what it truncates; the next run does the rest.
        await connection.execute(text("COMMIT"))
        await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        await connection.execute(text("BEGIN"))


def _sqlite(path: Path, pool_size: int, creating: bool) -> AsyncEngine:
    mode = "rwc" if creating else "rw"
    url = URL.create(
        "sqlite+aiosqlite", database=f"file:{urllib.parse.quote(str(path))}", query={"mode": mode, "uri": "true"}
    )
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=LOCK_WAIT_S,
        connect_args={"timeout": LOCK_WAIT_S, "async_creator_fn": sqlite_connection.connect},
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)

    def remember(_: Any, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = _file_of(path)

    def compare(_: Any, entry: ConnectionPoolEntry, __: Any) -> None:
        # Linux keeps a deleted file alive for the process that has it open: writes would succeed and be lost.
        if entry.info.get("file") != _file_of(path):
            raise exc.DisconnectionError("the database's file was replaced")

    event.listen(engine.sync_engine, "connect", remember)
    event.listen(engine.sync_engine, "checkout", compare)
    return engine


def _file_of(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _prepare(connection: Any, _: ConnectionPoolEntry) -> None:
    # Python's sqlite3 opens a transaction only before statements that look like writes; see _begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("foreign_keys = ON", "secure_delete = ON", "synchronous = FULL", "cache_size = -32768"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads before it writes cannot wait for another writer: SQLite rejects it immediately.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _limit(connection: Connection) -> None:
    # For the transaction, not for the connection: poolers (PgBouncer, Neon, Supabase) refuse the start-up parameter
    # `options`, and may give each transaction another connection.
    connection.exec_driver_sql(
        f"SELECT set_config('statement_timeout', '{STATEMENT_S * 1000:.0f}', true),"
        f" set_config('lock_timeout', '{LOCK_WAIT_S * 1000:.0f}', true)"
    )


def check_sqlite() -> None:
    """Check that this Python's SQLite supports full-text search. Raises StoreError."""
    connection = sqlite3.connect(":memory:")
    try:
        for tokenizer in ("ascii", "trigram"):
            connection.execute(f"CREATE VIRTUAL TABLE try_{tokenizer} USING fts5(text, tokenize='{tokenizer}')")
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"SQLite {sqlite3.sqlite_version} of this Python cannot search ({error}); it must be 3.35 or later with"
            " FTS5, or set DATABASE_URL to a PostgreSQL server"
        ) from error
    finally:
        connection.close()
