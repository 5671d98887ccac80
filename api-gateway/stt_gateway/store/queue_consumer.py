"""Consumer of a work queue of the transcript store: at least once, so that any gateway may die at any moment."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import msgspec
import structlog

from stt_shared.contracts.errors import SttError
from stt_shared.redis.client import BLOCK_MS
from stt_shared.redis.outage import REDIS_ERRORS
from stt_shared.work.queue import WorkItem, WorkQueue

_log = structlog.get_logger()

Entry = TypeVar("Entry")
Answer = TypeVar("Answer")

GROUP = "store"
AT_ONCE = 32
RETRY_S = 0.5


class QueueConsumer(Generic[Entry]):
    """Consumer that passes each entry of ``queue`` to ``store``, those of dead gateways too.

    ``parse`` reads an entry's fields; entries for which it raises KeyError, ValueError or msgspec.DecodeError are
    dropped. ``store`` returns whether the entry is done; otherwise it stays pending, and ``store`` must acknowledge it
    later or release it, so that it is delivered again. ``flush`` runs after each batch and returns the time (of the
    event loop) at which it has to run again.
    """

    def __init__(
        self,
        queue: WorkQueue,
        parse: Callable[[Mapping[bytes, bytes]], Entry],
        store: Callable[[WorkItem, Entry], Awaitable[bool]],
        flush: Callable[[], Awaitable[float]] | None = None,
    ) -> None:
        self._queue = queue
        self._parse = parse
        self._store = store
        self._flush = flush
        self._flush_at_s = float("inf")
        self._next_scan_s = 0.0

    async def run(self) -> None:
        """Consume until cancelled."""
        while True:
            try:
                await self._queue.open()
                while True:
                    for item in await self._next():
                        await self._consume(item)
                    if self._flush is not None:
                        self._flush_at_s = await self._flush()
            except REDIS_ERRORS as error:
                _log.warning("redis failed, retrying", cause=str(error))
                await asyncio.sleep(RETRY_S)
            except Exception:
                # Nobody takes over its pending entries while this gateway lives, so it must continue.
                _log.exception("store writer failed")
                await asyncio.sleep(RETRY_S)

    async def _next(self) -> list[WorkItem]:
        clock = asyncio.get_running_loop().time
        # 0 would wait forever.
        block_ms = round(max(1.0, min(BLOCK_MS, (self._flush_at_s - clock()) * 1000)))
        items = await self._queue.take(AT_ONCE, block_ms)
        if clock() >= self._next_scan_s:
            self._next_scan_s = clock() + self._queue.next_scan_s()
            items += await self._queue.adopt(AT_ONCE)
        return items

    async def _consume(self, item: WorkItem) -> None:
        try:
            entry = self._parse(item.fields)
        except (msgspec.DecodeError, KeyError, ValueError) as error:
            _log.error("entry dropped: cannot be parsed", cause=str(error))
            await self._queue.done(item, delete=True)
            return
        try:
            is_done = await self._store(item, entry)
        except REDIS_ERRORS:
            raise
        except Exception:
            # Any failure of one entry is caught here so that the others need not wait; it stays pending and is retried.
            _log.exception("entry not stored")
            self._queue.release_entry(item)
            return
        if is_done:
            await self._queue.done(item, delete=True)


async def until_stored(write: Callable[[], Awaitable[Answer]]) -> Answer:
    """Repeat ``write``, which must be idempotent, until the database is available.

    Meanwhile the entry stays pending, so it is not lost, here or in another gateway.
    """
    while True:
        try:
            return await write()
        except SttError as error:
            _log.warning("database unavailable, retrying", cause=error.message)
            await asyncio.sleep(RETRY_S)
