"""Database failures translated for clients: one line, and whether trying again may help."""

import contextlib
import sqlite3
from collections.abc import Iterator

import structlog
from sqlalchemy import URL, exc

from stt_shared.contracts.errors import SttError

_log = structlog.get_logger()

_SQLITE = {
    sqlite3.SQLITE_INTERRUPT: "took too long to answer; try again",
    sqlite3.SQLITE_BUSY: "is locked by another program; try again",
    sqlite3.SQLITE_LOCKED: "is locked by another program; try again",
    sqlite3.SQLITE_FULL: "is out of disk space; nothing was stored",
    sqlite3.SQLITE_IOERR: "cannot be read or written (input/output error); nothing was stored",
    sqlite3.SQLITE_READONLY: "is read-only; nothing was stored",
    sqlite3.SQLITE_CANTOPEN: "is gone: its file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "is damaged; restore it from a backup",
}
_POSTGRESQL = {
    "08": "does not answer; try again",
    "25006": "is read-only; nothing was stored",
    "3F": "may not be used: its user lacks a right to the schema",
    "40": "is busy; try again",
    "42501": "may not be used: its user lacks a right",
    "42P01": "is gone: its tables are missing",
    "53100": "is out of disk space; nothing was stored",
    "53": "is out of resources; try again",
    "55": "is locked by another program; try again",
    "57014": "took too long to answer; try again",
    "57": "is shutting down or starting; try again",
    "58": "cannot be read or written (input/output error); nothing was stored",
}


class StoreError(RuntimeError):
    """Raised for a database that a gateway cannot start with; the message is for the operator."""


@contextlib.contextmanager
def as_store_error(url: URL) -> Iterator[None]:
    """Turn the errors of an unusable database into StoreError; our own bugs pass through unchanged."""
    try:
        yield
    except (exc.TimeoutError, exc.DBAPIError, sqlite3.Error, OSError) as error:
        # Without a statement it is an error of the connection.
        is_ours = isinstance(error, exc.DBAPIError | sqlite3.Error) and _meaning(error) is None
        if is_ours and getattr(error, "statement", None) is not None:
            raise
        # The query may contain a password.
        place = url.set(password=None, query={}).render_as_string()
        raise StoreError(
            f"cannot use the database {place}: {_reason(error)}; check DATABASE_URL or DATA_DIR"
        ) from error


@contextlib.contextmanager
def as_stt_error() -> Iterator[None]:
    """Turn the errors of an unusable database into SttError ``unavailable``; our own bugs pass through unchanged."""
    try:
        yield
    except exc.TimeoutError as error:
        raise _unavailable("is busy: no connection became free; try again", error) from error
    except (exc.DBAPIError, sqlite3.Error) as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        raise _unavailable(meaning, error) from error
    except OSError as error:
        raise _unavailable("does not answer; try again", error) from error


def _unavailable(meaning: str, error: Exception) -> SttError:
    # The statement and its values are left out since they contain transcripts. The database's own message about being
    # locked, full or gone does not.
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    _log.warning("transcript store failed", cause=type(cause).__name__, reason=_reason(error), meaning=meaning)
    return SttError("unavailable", f"the transcript store {meaning}")


def _reason(error: Exception) -> str:
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if isinstance(cause, OSError) and cause.filename:
        return f"{cause.filename}: {cause.strerror}"
    return str(cause).partition("\n")[0]


def _meaning(error: exc.DBAPIError | sqlite3.Error) -> str | None:
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        # The low byte is the primary code; the upper bytes distinguish its variants.
        if code is not None and (known := _SQLITE.get(code & 0xFF)):
            return known
        return "is gone: its tables are missing" if "no such table" in str(cause) else None
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return next((_POSTGRESQL[state[:n]] for n in (5, 2) if state[:n] in _POSTGRESQL), None)
    return "does not answer; try again" if isinstance(error, exc.OperationalError | exc.InterfaceError) else None
