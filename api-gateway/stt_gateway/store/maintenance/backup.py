"""Backups of a transcript store in one file: SQLite's own format, or that of pg_dump. Raises StoreError throughout."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL

from stt_gateway.store.engine import SQLITE_FILE, database_url, is_sqlite
from stt_gateway.store.failures import StoreError, as_store_error
from stt_gateway.store.maintenance import postgres_programs, sqlite_files
from stt_gateway.store.maintenance.contents import is_empty
from stt_gateway.store.maintenance.progress import Progress, no_progress
from stt_gateway.store.migrating import migrate
from stt_gateway.store.versions import is_known, newest_version

_KINDS = {sqlite_files.MAGIC: "SQLite", postgres_programs.MAGIC: "PostgreSQL"}


def backup(url: URL, file: Path, progress: Progress = no_progress) -> None:
    """Write the store as it is at one moment into a new file that only this user can read. Gateways may be running."""
    if file.exists():
        raise StoreError(f"{file} exists already; name a new file")
    with as_store_error(url), _complete(file) as unfinished:
        if is_sqlite(url):
            _backup_sqlite(sqlite_files.existing(url), unfinished, progress)
        else:
            _refuse_poolers(url)
            progress("dumping", 0, 0)
            postgres_programs.dump(url, unfinished)


def restore(url: URL, file: Path, *, replace: bool = False, progress: Progress = no_progress) -> None:
    """Put a backup into an empty store, or with ``replace`` in place of all that is in it, and migrate it.

    All or nothing; gateways may be running, and have the restored store from then on.
    """
    kind = _kind_of(file)
    if kind != _KINDS[sqlite_files.MAGIC if is_sqlite(url) else postgres_programs.MAGIC]:
        raise StoreError(f"{file} is a backup of {kind}, which can only be restored into {kind}; check DATABASE_URL")
    with as_store_error(url):
        if is_sqlite(url):
            _restore_sqlite(url, file, replace, progress)
        else:
            _restore_postgresql(url, file, replace, progress)


def _backup_sqlite(store: Path, unfinished: Path, progress: Progress) -> None:
    sqlite_files.copy(store, unfinished, "copying", progress)
    sqlite_files.make_single(unfinished)
    progress("checking", 0, 0)
    if problems := sqlite_files.damage(unfinished):
        raise StoreError(f"the transcript store is damaged, so no backup was made of it: {problems[0]}")
    if sqlite_files.version_of(unfinished) is None:
        raise StoreError(f"{store} holds no transcript store")


def _restore_sqlite(url: URL, file: Path, replace: bool, progress: Progress) -> None:
    if sqlite_files.is_cut_off(file):
        raise StoreError(f"{file} is cut off")
    store = Path(url.database or "")
    with sqlite_files.scratch_folder(store) as folder:
        # A faulty backup fails here, before the store is touched.
        prepared = database_url(None, folder)
        try:
            os.close(os.open(folder / SQLITE_FILE, os.O_CREAT | os.O_WRONLY, 0o600))
            sqlite_files.copy(file, folder / SQLITE_FILE, "reading", progress)
        except sqlite3.Error as error:
            raise StoreError(f"{file} cannot be read: {error}") from error
        progress("checking", 0, 0)
        if problems := sqlite_files.damage(folder / SQLITE_FILE):
            raise StoreError(f"{file} is damaged: {problems[0]}")
        _refuse_unknown(file, sqlite_files.version_of(folder / SQLITE_FILE))
        asyncio.run(migrate(prepared))
        _refuse_to_lose(url, replace)
        _write_sqlite(folder / SQLITE_FILE, store, progress)


def _write_sqlite(prepared: Path, store: Path, progress: Progress) -> None:
    if not store.exists():
        os.close(os.open(store, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        sqlite_files.copy(prepared, store, "writing", progress)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise
        # Gateways that have the damaged file open notice that it has another name, and open the new one.
        sqlite_files.move_aside(store)
        sqlite_files.make_single(prepared)
        os.rename(prepared, store)
    sqlite_files.empty_log_of(store)


def _restore_postgresql(url: URL, file: Path, replace: bool, progress: Progress) -> None:
    _refuse_unknown(file, postgres_programs.version_in(file))
    _refuse_poolers(url)
    _refuse_to_lose(url, replace)
    progress("restoring", 0, 0)
    postgres_programs.load(url, file)
    progress("migrating", 0, 0)
    asyncio.run(migrate(url))


def _refuse_unknown(file: Path, version: str | None) -> None:
    if version is None:
        raise StoreError(f"{file} is not a backup of a transcript store")
    if not is_known(version):
        raise StoreError(
            f"{file} was made by a later version of the suite: its tables are version {version}, and this one knows"
            f" those up to {newest_version()}; restore it with that version of the suite"
        )


def _refuse_to_lose(url: URL, replace: bool) -> None:
    is_new = is_sqlite(url) and not Path(url.database or "").exists()
    if not replace and not is_new and not asyncio.run(is_empty(url)):
        raise StoreError("the transcript store is not empty; --replace puts the backup in place of all that is in it")


def _refuse_poolers(url: URL) -> None:
    if postgres_programs.leads_through_a_pooler(url):
        raise StoreError(
            "DATABASE_URL leads to a pooler, whose connections PostgreSQL's programs would leave unusable for gateways;"
            " set it to the server itself for this command"
        )


def _kind_of(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            begins = opened.read(len(sqlite_files.MAGIC))
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror or error}") from error
    kind = next((kind for magic, kind in _KINDS.items() if begins.startswith(magic)), None)
    if kind is None:
        raise StoreError(f"{file} is not a backup of a transcript store")
    return kind


@contextlib.contextmanager
def _complete(file: Path) -> Iterator[Path]:
    """Provide an empty file beside ``file`` which gets its name at the end; a failure leaves neither."""
    unfinished = file.with_name(f"{file.name}.part")
    try:
        unfinished.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
    try:
        yield unfinished
        os.rename(unfinished, file)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{unfinished}{suffix}").unlink(missing_ok=True)
