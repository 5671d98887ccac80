"""aiosqlite's connection, with an end that a cancellation cannot hang, and that can be waited for."""

import asyncio
import sqlite3
import threading
import weakref
from functools import partial
from typing import Any

import aiosqlite

_ROWS_AT_ONCE = 64
_ending: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
"""Threads that have been told to stop."""


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
        _ending.add(self._thread)
        return super().stop()


async def threads_ended() -> None:
    """Wait until threads that have been told to stop have ended.

    Nobody waits for them after a cancellation, and they report to the event loop, which must still be there.
    """
    for thread in list(_ending):
        await asyncio.to_thread(thread.join)


def connect(*args: Any, **kwargs: Any) -> SqliteConnection:
    """Return a connection to be awaited. Arguments are those of ``sqlite3.connect``."""
    connection = SqliteConnection(partial(sqlite3.connect, *args, **kwargs), _ROWS_AT_ONCE)
    # As SQLAlchemy does: a connection that nobody closed must not keep the process alive.
    connection._thread.daemon = True
    return connection
