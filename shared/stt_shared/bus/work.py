"""Who works on what: a stream with a consumer group per stage, whose pending entries are the work in hand.

An entry stays pending under its replica's name until the work is done. When the replica's sign of life is gone, any
other may take its entries over; the fence (functions.claim) shuts the former one out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from redis.asyncio import Redis

from stt_shared.bus import keys
from stt_shared.bus.client import BLOCK_MS
from stt_shared.bus.functions import Functions, Ownership
from stt_shared.bus.keys import StreamKeys
from stt_shared.bus.log import read_state
from stt_shared.tasks import cancel_and_wait

_log = structlog.get_logger()

ORPHAN_CHECK_S = 0.5


@dataclass(frozen=True)
class WorkItem:
    """An entry of a work stream. ``follows`` names the dead replica that it was taken from, '' when it is fresh."""

    entry_id: bytes
    fields: Mapping[bytes, bytes]
    follows: str = ""


class WorkQueue:
    """One stream seen by one replica of one group."""

    def __init__(self, client: Redis, stream: str, group: str, replica_id: str) -> None:
        self._client = client
        self._stream = stream
        self._group = group
        self._replica_id = replica_id

    async def open(self) -> None:
        """Creates the group, from the stream's beginning: work that came before the first replica is not lost."""
        try:
            await self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def take(self, count: int, block_ms: int = BLOCK_MS) -> list[WorkItem]:
        """Up to ``count`` fresh entries; an empty list after ``block_ms`` without any."""
        try:
            answer: Any = await self._client.xreadgroup(
                self._group, self._replica_id, {self._stream: ">"}, count=count, block=block_ms
            )
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self.open()  # Redis came back empty
            return []
        streams = list(answer.items()) if isinstance(answer, dict) else list(answer or [])
        items = []
        for _, pages in streams:
            entries = pages[0] if pages and isinstance(pages[0], list) else pages
            items += [WorkItem(entry_id, fields) for entry_id, fields in entries if fields]
        return items

    async def adopt(self, count: int) -> list[WorkItem]:
        """Up to ``count`` entries of replicas that no longer give a sign of life."""
        try:
            summary: Any = await self._client.xpending(self._stream, self._group)
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self.open()
            return []
        items: list[WorkItem] = []
        for consumer in summary.get("consumers", []):
            name = consumer["name"].decode()
            if name == self._replica_id or await self._client.exists(keys.replica_alive(name)):
                continue
            pending = await self._client.xpending_range(
                self._stream, self._group, min="-", max="+", count=count - len(items), consumername=name
            )
            if not pending:
                continue
            ids: Any = [entry["message_id"] for entry in pending]
            # Of two replicas that adopt at once, the second finds the entry no longer idle.
            claimed: Any = await self._client.xclaim(
                self._stream, self._group, self._replica_id, min_idle_time=int(ORPHAN_CHECK_S * 1000), message_ids=ids
            )
            items += [WorkItem(entry_id, fields, follows=name) for entry_id, fields in claimed if fields]
            if len(items) >= count:
                break
        return items

    async def done(self, item: WorkItem, *, delete: bool) -> None:
        """The work is finished; ``delete`` by the last stage that needs the entry."""
        await self._client.xack(self._stream, self._group, item.entry_id)
        if delete:
            await self._client.xdel(self._stream, item.entry_id)


@dataclass(frozen=True)
class Assignment:
    """A session or job that this replica owns at this stage, and what its hash said at that moment."""

    owner: Ownership
    fields: Mapping[bytes, bytes]


class Stage:
    """Takes sessions (or jobs) while there is room and runs ``handle`` for each in a task of its own."""

    def __init__(
        self,
        client: Redis,
        functions: Functions,
        *,
        stream: str,
        stage: str,
        replica_id: str,
        keys_of: Callable[[str], StreamKeys],
        capacity: int,
        handle: Callable[[Assignment], Awaitable[None]],
        deletes: bool,
    ) -> None:
        self._client = client
        self._functions = functions
        self._queue = WorkQueue(client, stream, stage, replica_id)
        self._stage = stage
        self._replica_id = replica_id
        self._keys_of = keys_of
        self._capacity = capacity
        self._handle = handle
        self._deletes = deletes
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()

    @property
    def running(self) -> int:
        """Sessions in hand."""
        return len(self._running)

    async def run(self) -> None:
        """Takes work until cancelled. Work in hand goes on: see ``drain``."""
        await self._queue.open()
        loop = asyncio.get_running_loop()
        next_check = loop.time()
        while True:
            try:
                room = self._capacity - len(self._running)
                if room <= 0:
                    self._room.clear()
                    await self._room.wait()
                    continue
                items = await self._queue.take(min(room, 4))
                if loop.time() >= next_check:
                    next_check = loop.time() + ORPHAN_CHECK_S
                    room -= len(items)
                    items += await self._queue.adopt(room) if room > 0 else []
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("work queue unreachable", stage=self._stage, cause=str(error))
                await asyncio.sleep(0.2)
                continue
            for item in items:
                task = asyncio.create_task(self._work(item), name=f"{self._stage} work")
                self._running.add(task)
                task.add_done_callback(self._finished)

    async def drain(self, timeout_s: float) -> None:
        """Waits for the work in hand, then cancels what is left."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        for task in list(self._running):
            await cancel_and_wait(task)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.set()

    async def _work(self, item: WorkItem) -> None:
        work_id, epoch = item.fields[b"id"].decode(), item.fields[b"epoch"].decode()
        at = self._keys_of(work_id)
        log = _log.bind(session_id=work_id, stage=self._stage)
        try:
            owner = await self._functions.claim(at, epoch, self._stage, self._replica_id, item.follows)
            if owner is not None:
                log.info("taken over" if item.follows else "taken", fence=owner.fence)
                await self._handle(Assignment(owner, await read_state(self._client, at)))
            await self._queue.done(item, delete=self._deletes)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            # The entry stays pending under this replica's name; when that is gone, another takes it over.
            log.warning("given up: Redis unreachable", cause=str(error))
        except Exception:
            # The one net of this task: a broken session must not take the others with it.
            log.exception("failed")
            await self._queue.done(item, delete=self._deletes)
