"""aiosqlite's connection, with an end that a cancellation cannot hang."""

import asyncio
import sqlite3
from functools import partial
from typing import Any

import aiosqlite

_ROWS_AT_ONCE = 64


class SqliteConnection(aiosqlite.Connection):
    """aiosqlite connection whose thread is told to stop once.

    When a statement is cancelled, SQLAlchemy closes the connection; when that is cancelled too, it also stops the
    thread. aiosqlite's ``close`` would then wait forever for a thread that has ended, and with it the process's exit.
    """

    _stopped = False

    def stop(self) -> asyncio.Future[Any] | None:
        """Stop the thread, and return what to wait for: None if it has been told before."""
        if self._stopped:
            return None
        self._stopped = True
        return super().stop()


def connect(*args: Any, **kwargs: Any) -> SqliteConnection:
    """Return a connection to be awaited. Arguments are those of ``sqlite3.connect``."""
    connection = SqliteConnection(partial(sqlite3.connect, *args, **kwargs), _ROWS_AT_ONCE)
    # As SQLAlchemy does: a connection that nobody closed must not keep the process alive.
    connection._thread.daemon = True
    return connection
