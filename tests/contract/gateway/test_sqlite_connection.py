"""The end of a connection to SQLite whose statement is cancelled."""

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from stt_gateway.store.engine import close_engine, database_url, open_engine

pytestmark = pytest.mark.contract

_SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT max(i) FROM n"


@pytest.mark.parametrize("pause_s", [0, 0.02, 0.05])
async def test_a_statement_cancelled_twice_leaves_nothing_to_wait_for(tmp_path: Path, pause_s: float) -> None:
    engine = open_engine(database_url(None, tmp_path), creating=True)
    before = asyncio.all_tasks()

    async def query() -> None:
        async with engine.connect() as connection:
            await connection.execute(text(_SLOW))

    querying = asyncio.create_task(query())
    await asyncio.sleep(0.05)
    querying.cancel()
    await asyncio.sleep(pause_s)
    querying.cancel()
    await asyncio.wait([querying])
    await close_engine(engine)
    # As at the end of a process, which cancels what is left once and then waits for it.
    left = asyncio.all_tasks() - before
    for task in left:
        task.cancel()
    if left:
        _, waiting = await asyncio.wait(left, timeout=10)
        assert not waiting
    # A thread that went on with its statement would report to a loop that may be gone.
    assert not [thread for thread in threading.enumerate() if "_connection_worker" in thread.name]
