"""``python -m support.dying_gateway MOMENT [eager]``: a gateway that kills itself over what it is to keep.

MOMENT: ``taken`` (nothing is stored), ``appended`` (the utterance is, its transcript is not), ``written`` (all is, and
the entry is still pending). ``eager`` acknowledges an entry when it takes it: the twin that loses it.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from stt_gateway.__main__ import main
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_shared.streams import keys
from stt_shared.work.queue import WorkItem, WorkQueue


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


async def _at_once(*_: Any) -> NoReturn:
    _die()


def _afterwards(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def called(*given: Any) -> NoReturn:
        await call(*given)
        _die()

    return called


def _acknowledge_at_once() -> None:
    take = WorkQueue.take

    async def eager(queue: WorkQueue, count: int, block_ms: int = 1000) -> list[WorkItem]:
        items = await take(queue, count, block_ms)
        for item in items:
            assert queue._stream in (keys.TRANSCRIPTS_WAITING, keys.JOBS_ENDED)
            await queue.done(item, delete=True)
        return items

    WorkQueue.take = eager  # type: ignore[method-assign]


if __name__ == "__main__":
    match sys.argv[1]:
        case "taken":
            SqlTranscriptStore.append = _at_once  # type: ignore[method-assign]
        case "appended":
            SqlTranscriptStore.append = _afterwards(SqlTranscriptStore.append)  # type: ignore[method-assign, assignment]
        case "written":
            SqlTranscriptStore.put = _afterwards(SqlTranscriptStore.put)  # type: ignore[method-assign, assignment]
        case other:
            sys.exit(f"no such moment: {other}")
    if "eager" in sys.argv:
        _acknowledge_at_once()
    main()
