"""Migration of the database's tables to this version, at every start."""

import asyncio
import os
import sqlite3
import time
from pathlib import Path

from alembic import command
from alembic.util import CommandError
from sqlalchemy import URL, Connection, text

from stt_gateway.store.engine import LOCK_WAIT_S, check_sqlite, close_engine, is_sqlite, open_engine, writing
from stt_gateway.store.failures import StoreError, as_store_error
from stt_gateway.store.versions import migration_config

# An arbitrary number, the same for all gateways.
_LOCK = 0x5354_5453


async def migrate(url: URL) -> None:
    """Create whatever is missing. If several gateways start at once, one does it and the others wait.

    Raises StoreError without a database, if SQLite cannot search, or if the tables belong to a later version.
    """
    if is_sqlite(url):
        check_sqlite()
        path = Path(url.database or "")
        with as_store_error(url):
            await asyncio.to_thread(_make_private, path)
            await asyncio.to_thread(_write_ahead, path)
    engine = open_engine(url, pool_size=1, creating=True)
    try:
        with as_store_error(url):
            async with writing(engine).begin() as connection:
                if not is_sqlite(url):
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                await connection.run_sync(_upgrade)
    finally:
        await close_engine(engine)


def _make_private(path: Path) -> None:
    # Create the file with its final permissions: other users of this machine must not read transcripts.
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _write_ahead(path: Path) -> None:
    # Must run outside a transaction; the setting persists in the file. Gateways that start at once may block each other
    # here, and SQLite's own lock timeout does not apply.
    deadline = time.monotonic() + LOCK_WAIT_S
    connection = sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None)
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)
    finally:
        connection.close()


def _upgrade(connection: Connection) -> None:
    config = migration_config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(f"the transcript store's tables are not of this version or an earlier one: {error}") from error
