"""A stream with a consumer group per stage, seen by one replica: whose pending entries are the work in whose hand.

An entry stays pending under its replica's name until the work is done or passed on. Entries of a replica that is dead
may be taken over. Dead is who shows no sign of life in two looks, so far apart that a living one must have given a sign
in between: after Redis stood still, the signs of all have expired, and everybody would take over from everybody.
"""

import asyncio
import random
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import redis
from redis.asyncio import Redis

from stt_shared.redis.client import ANSWER_TIMEOUT_S, BLOCK_MS
from stt_shared.streams import keys
from stt_shared.work.heartbeat import BEAT_S

LOOK_EVERY_S = 0.25
"""How often the signs of life are looked at, give or take a fifth, so that replicas don't look all at once."""
SECOND_LOOK_S = BEAT_S + 0.2
_SLOW_LOOK_S = 0.25
"""Redis took so long to answer that its clients may not have got their signs through: the look says nothing."""
_STALE_LOOK_S = 3.0
"""What was seen so long before the next look says nothing about the time between."""
_CLAIM_IDLE_MS = 500
_LOST_REPLY_S = ANSWER_TIMEOUT_S + 0.7
"""An entry given to this replica that nobody here knows of for so long: the answer that brought it was lost."""

_LEAVE_ENTRY = resources.files("stt_shared.streams").joinpath("scripts/leave_entry.lua").read_text()


@dataclass(frozen=True)
class WorkItem:
    """An entry of a work stream. ``follows`` names the dead replica that it was taken from, '' for none.
    ``found_again``: it had been given to this replica before."""

    entry_id: bytes
    fields: Mapping[bytes, bytes]
    follows: str = ""
    found_again: bool = False


class WorkQueue:
    """One stream seen by one replica of one group. For one event loop."""

    def __init__(self, client: Redis, stream: str, group: str, replica_id: str) -> None:
        self._client = client
        self._stream = stream
        self._group = group
        self._replica_id = replica_id
        # In hand is what somebody holds, so that one who is cancelled need not say so.
        self._in_hand: weakref.WeakValueDictionary[bytes, WorkItem] = weakref.WeakValueDictionary()
        self._missing: dict[str, float] = {}
        self._looked_s = 0.0
        self._own_look_due_s = 0.0

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
            items += [self._held(WorkItem(entry_id, fields)) for entry_id, fields in entries if fields]
        return items

    def next_scan_s(self) -> float:
        """How long to wait before the next ``adopt``."""
        if self._missing:
            since = asyncio.get_running_loop().time() - min(self._missing.values())
            if since < SECOND_LOOK_S:
                return SECOND_LOOK_S - since + 0.01
        return LOOK_EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311

    async def adopt(self, count: int) -> list[WorkItem]:
        """Up to ``count`` entries of dead replicas, and of this one those that it does not know of. Call it again
        and again: no single look finds anybody dead."""
        try:
            return await self._adopt(count)
        except redis.ResponseError as error:
            self._missing.clear()
            if "NOGROUP" not in str(error):
                raise
            await self.open()
            return []
        except BaseException:
            self._missing.clear()
            raise

    async def _adopt(self, count: int) -> list[WorkItem]:
        clock = asyncio.get_running_loop().time
        began = clock()
        summary: Any = await self._client.xpending(self._stream, self._group)
        names = [consumer["name"].decode() for consumer in summary.get("consumers", [])]
        items: list[WorkItem] = []
        if self._replica_id in names:
            names.remove(self._replica_id)
            if began >= self._own_look_due_s:
                self._own_look_due_s = began + _LOST_REPLY_S
                items = await self._found_again(count)
        for name in await self._dead(names, began):
            if len(items) >= count:
                break
            items += await self._taken_over(name, count - len(items))
        return items

    async def _dead(self, names: list[str], began: float) -> list[str]:
        if not names:
            self._missing.clear()
            return []
        signs = await self._client.mget([keys.replica_alive(name) for name in names])
        now = asyncio.get_running_loop().time()
        if now - began > _SLOW_LOOK_S or began - self._looked_s > _STALE_LOOK_S:
            self._missing.clear()
        self._looked_s = now
        missing = [name for name, sign in zip(names, signs, strict=True) if sign is None]
        self._missing = {name: self._missing.get(name, now) for name in missing}
        return [name for name, since in self._missing.items() if began - since >= SECOND_LOOK_S]

    async def _taken_over(self, name: str, count: int) -> list[WorkItem]:
        ids = await self._pending_of(name, count)
        # Of two replicas that adopt at once, the second finds the entry no longer idle.
        return [
            self._held(WorkItem(entry_id, fields, follows=name))
            for entry_id, fields in await self._claimed(ids, _CLAIM_IDLE_MS)
        ]

    async def _found_again(self, count: int) -> list[WorkItem]:
        idle_ms = int(_LOST_REPLY_S * 1000)
        ids = [
            entry_id
            for entry_id in await self._pending_of(self._replica_id, 100 + count, idle_ms)
            if entry_id not in self._in_hand
        ]
        return [
            self._held(WorkItem(entry_id, fields, found_again=True))
            for entry_id, fields in await self._claimed(ids[:count], idle_ms)
        ]

    async def _pending_of(self, name: str, count: int, idle_ms: int = 0) -> list[bytes]:
        pending: Any = await self._client.xpending_range(
            self._stream, self._group, min="-", max="+", count=count, consumername=name, idle=idle_ms
        )
        return [entry["message_id"] for entry in pending]

    async def _claimed(self, ids: list[bytes], idle_ms: int) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
        if not ids:
            return []
        wanted: Any = ids
        claimed: Any = await self._client.xclaim(
            self._stream, self._group, self._replica_id, min_idle_time=idle_ms, message_ids=wanted
        )
        return [(entry_id, fields) for entry_id, fields in claimed if fields]

    async def done(self, item: WorkItem, *, delete: bool) -> None:
        """The work is finished; ``delete`` by the last stage that needs the entry. Nothing happens when another
        replica has taken it over meanwhile."""
        await self._leave(item, delete, {})

    async def pass_on(self, item: WorkItem, fields: Mapping[bytes, bytes], *, delete: bool) -> None:
        """Puts a fresh entry of ``fields`` into the stream instead, in one step."""
        await self._leave(item, delete, fields)

    async def _leave(self, item: WorkItem, delete: bool, fields: Mapping[bytes, bytes]) -> None:
        goes_along = item.fields.get(b"first", b"")
        pairs = [part for pair in fields.items() for part in pair]
        arguments: list[Any] = [self._group, item.entry_id, self._replica_id, int(delete), goes_along, *pairs]
        if fields:
            # What goes along with the entry lives on with the fresh one.
            arguments[4] = b""
        await self._client.eval(_LEAVE_ENTRY, 1, self._stream, *arguments)
        self._in_hand.pop(item.entry_id, None)

    def release_entry(self, item: WorkItem) -> None:
        """Nobody here works on it any more. An error may keep all that it passed through alive for a long while."""
        self._in_hand.pop(item.entry_id, None)

    def _held(self, item: WorkItem) -> WorkItem:
        self._in_hand[item.entry_id] = item
        return item
