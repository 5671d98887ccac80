"""SQLite files: snapshots while others write, and checks for damage."""

import contextlib
import os
import shutil
import sqlite3
import struct
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL

from stt_gateway.store.engine import LOCK_WAIT_S
from stt_gateway.store.failures import StoreError
from stt_gateway.store.maintenance.progress import Progress
from stt_gateway.store.versions import VERSION_TABLE

MAGIC = b"SQLite format 3\0"
_PAGES_AT_ONCE = 1000
_MAX_PROBLEMS = 5
_HEAD = struct.Struct(">16xH10xI")
"""Of a database file: the bytes of a page and the number of pages."""
_LARGEST_PAGE = 65536
"""Bytes of a page that the head, with two bytes for it, calls 1."""


def existing(url: URL) -> Path:
    """Return the file of a store. Raises StoreError if there is none."""
    store = Path(url.database or "")
    if not store.is_file():
        raise StoreError(f"there is no transcript store at {store}; check DATABASE_URL or DATA_DIR")
    return store


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Provide a connection that reads an existing file."""
    address = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=LOCK_WAIT_S)
    try:
        yield connection
    finally:
        connection.close()


def copy(source: Path, target: Path, what: str, progress: Progress) -> None:
    """Copy one moment's content into a file, whose own content it replaces in one transaction. Raises sqlite3.Error."""

    def show(_status: int, left: int, pages: int) -> None:
        progress(what, pages - left, pages)

    with opened(source) as read, contextlib.closing(sqlite3.connect(target, timeout=LOCK_WAIT_S)) as written:
        # Within a transaction, whose content stays the same. Otherwise a copy begins again whenever somebody writes,
        # and never ends while the suite is busy.
        read.execute("BEGIN")
        read.execute("SELECT count(*) FROM sqlite_master")
        read.backup(written, pages=_PAGES_AT_ONCE, progress=show)


def make_single(path: Path) -> None:
    """Give up the write-ahead log of a file that nobody else has open, so that it is all there is."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def empty_log_of(path: Path) -> None:
    """Move the write-ahead log's content into the file, as far as readers allow."""
    with contextlib.closing(sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def damage(path: Path) -> list[str]:
    """Return what SQLite finds wrong with a file, in some lines; nothing if it is sound."""
    try:
        with opened(path) as connection:
            found = [str(line) for (line,) in connection.execute(f"PRAGMA integrity_check({_MAX_PROBLEMS})")]
            broken = connection.execute("PRAGMA foreign_key_check").fetchmany(_MAX_PROBLEMS)
    except sqlite3.DatabaseError as error:
        return [str(error)]
    problems = [] if found == ["ok"] else [line.replace("\n", " ") for line in found]
    return problems + [f"row {row} of {table} refers to none of {parent}" for table, row, parent, _ in broken]


def is_cut_off(path: Path) -> bool:
    """Return whether a file is shorter than its head says. SQLite takes what is missing for zeros."""
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
        return len(head) < _HEAD.size or path.stat().st_size < _pages_bytes(*_HEAD.unpack(head))


def _pages_bytes(page_bytes: int, pages: int) -> int:
    return pages * (_LARGEST_PAGE if page_bytes == 1 else page_bytes)


def version_of(path: Path) -> str | None:
    """Return the version of the tables in a sound file; None if it is no transcript store."""
    with opened(path) as connection:
        try:
            row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608
        except sqlite3.OperationalError:
            return None
    return None if row is None else str(row[0])


@contextlib.contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """Provide a folder of this user's alone on the disk of a file, removed at the end. Raises OSError."""
    beside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{beside.name}-", dir=beside.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_aside(path: Path) -> Path:
    """Rename a file that SQLite cannot read, with those that belong to it, and return its new name."""
    kept = path.with_name(f"{path.name}.damaged")
    # The logs first: SQLite would apply them to whatever has the file's name.
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{kept}{suffix}")
    return kept
