"""Work stream with a consumer group per stage, used by one replica: a replica's pending entries are its work in hand.

An entry stays pending under its replica's name until the work is done or passed on. Entries of a dead replica may be
taken over. A replica is dead when it has no heartbeat in two checks that are so far apart that a living replica must
have sent one in between. After Redis stood still, all heartbeats have expired, and on a single check every replica
would take over from every other.
"""

import asyncio
import random
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from stt_shared.redis.client import ANSWER_TIMEOUT_S, BLOCK_MS
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.scripts import script
from stt_shared.work.heartbeat import BEAT_S

LOOK_EVERY_S = 0.25
"""Interval between checks of the heartbeats, varied by a fifth so that replicas do not all check at once."""
ROUND_S = 0.05
"""The same while a dead replica has more work than a check takes over; other replicas get their share meanwhile."""
SECOND_CHECK_S = BEAT_S + 0.2
_SLOW_CHECK_S = 0.25
"""Response time of Redis above which a check is ignored, since other heartbeats may not have got through either."""
_STALE_CHECK_S = 3.0
"""Time between two checks above which the earlier one is ignored, since it says nothing about the time between."""
_CLAIM_IDLE_MS = 500
_LOST_REPLY_S = ANSWER_TIMEOUT_S + 0.7
"""Time after which an entry that is pending for this replica but unknown here is adopted: the reply that delivered it
was lost."""

_LEAVE_ENTRY = script("leave_entry")


@dataclass(frozen=True)
class WorkItem:
    """An entry of a work stream.

    ``follows``: the dead replica that it was taken over from, '' for none. ``found_again``: the entry was delivered to
    this replica before.
    """

    entry_id: bytes
    fields: Mapping[bytes, bytes]
    follows: str = ""
    found_again: bool = False


class WorkQueue:
    """One work stream as one replica of one consumer group uses it. For one event loop."""

    def __init__(self, bus: Bus, stream: str, group: str, replica_id: str) -> None:
        self._bus = bus
        self._client = bus.client
        self._stream = stream
        self._group = group
        self._replica_id = replica_id
        # Weak references: an entry is in hand while its item is referenced, so a cancelled task need not release it.
        self._in_hand: weakref.WeakValueDictionary[bytes, WorkItem] = weakref.WeakValueDictionary()
        self._missing: dict[str, float] = {}
        self._checked_s = 0.0
        self._more_to_adopt = False
        self._own_look_due_s = 0.0

    async def open(self) -> None:
        """Create the group from the stream's beginning, so that work queued before the first replica is not lost."""
        try:
            await self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def take(self, count: int, block_ms: int = BLOCK_MS) -> list[WorkItem]:
        """Return up to ``count`` new entries; an empty list after ``block_ms`` without any."""
        try:
            answer: Any = await self._client.xreadgroup(
                self._group, self._replica_id, {self._stream: ">"}, count=count, block=block_ms
            )
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self.open()  # Redis lost its data
            return []
        streams = list(answer.items()) if isinstance(answer, dict) else list(answer or [])
        items = []
        for _, pages in streams:
            entries = pages[0] if pages and isinstance(pages[0], list) else pages
            items += [self._held(WorkItem(entry_id, fields)) for entry_id, fields in entries if fields]
        return items

    async def waiting(self) -> int | None:
        """Return the number of entries that no replica has taken; None when Redis does not know."""
        try:
            groups: Any = await self._client.xinfo_groups(self._stream)
        except redis.ResponseError:
            return 0  # Redis has lost its data
        return next((group["lag"] for group in groups if group["name"] == self._group.encode()), None)

    def next_scan_s(self) -> float:
        """Return the seconds to wait before the next ``adopt``."""
        if self._missing:
            since = asyncio.get_running_loop().time() - min(self._missing.values())
            if since < SECOND_CHECK_S:
                return SECOND_CHECK_S - since + 0.01
        return (ROUND_S if self._more_to_adopt else LOOK_EVERY_S) * random.uniform(0.8, 1.2)  # noqa: S311

    async def adopt(self, count: int) -> list[WorkItem]:
        """Return up to ``count`` entries of dead replicas, and of this replica those that it does not know of.

        Call it repeatedly: a single check never finds a replica dead.
        """
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
        self._more_to_adopt = False
        clock = asyncio.get_running_loop().time
        began = clock()
        summary: Any = await self._client.xpending(self._stream, self._group)
        names = [consumer["name"].decode() for consumer in summary.get("consumers", [])]
        items: list[WorkItem] = []
        if self._replica_id in names:
            names.remove(self._replica_id)
            if began >= self._own_look_due_s:
                self._own_look_due_s = began + _LOST_REPLY_S
                items = await self._recover_lost(count)
        for name in await self._dead(names, began):
            if len(items) >= count:
                break
            items += await self._take_over_from(name, count - len(items))
        self._more_to_adopt = 0 < count <= len(items)
        return items

    async def _dead(self, names: list[str], began: float) -> list[str]:
        if not names:
            self._missing.clear()
            return []
        heartbeats = await self._client.mget([keys.replica_alive(name) for name in names])
        now = asyncio.get_running_loop().time()
        if now - began > _SLOW_CHECK_S or began - self._checked_s > _STALE_CHECK_S:
            self._missing.clear()
        self._checked_s = now
        missing = [name for name, beat in zip(names, heartbeats, strict=True) if beat is None]
        self._missing = {name: self._missing.get(name, now) for name in missing}
        return [name for name, since in self._missing.items() if began - since >= SECOND_CHECK_S]

    async def _take_over_from(self, name: str, count: int) -> list[WorkItem]:
        ids = await self._pending_of(name, count)
        # When two replicas adopt at the same time, the second finds that the entry is not idle.
        return [
            self._held(WorkItem(entry_id, fields, follows=name))
            for entry_id, fields in await self._claim(ids, _CLAIM_IDLE_MS)
        ]

    async def _recover_lost(self, count: int) -> list[WorkItem]:
        idle_ms = int(_LOST_REPLY_S * 1000)
        ids = [
            entry_id
            for entry_id in await self._pending_of(self._replica_id, 100 + count, idle_ms)
            if entry_id not in self._in_hand
        ]
        return [
            self._held(WorkItem(entry_id, fields, found_again=True))
            for entry_id, fields in await self._claim(ids[:count], idle_ms)
        ]

    async def _pending_of(self, name: str, count: int, idle_ms: int = 0) -> list[bytes]:
        pending: Any = await self._client.xpending_range(
            self._stream, self._group, min="-", max="+", count=count, consumername=name, idle=idle_ms
        )
        return [entry["message_id"] for entry in pending]

    async def _claim(self, ids: list[bytes], idle_ms: int) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
        if not ids:
            return []
        wanted: Any = ids
        claimed: Any = await self._client.xclaim(
            self._stream, self._group, self._replica_id, min_idle_time=idle_ms, message_ids=wanted
        )
        return [(entry_id, fields) for entry_id, fields in claimed if fields]

    async def done(self, item: WorkItem, *, delete: bool) -> None:
        """Acknowledge an entry whose work is finished; ``delete`` it in the last stage that needs it.

        Nothing happens when another replica has taken the entry over.
        """
        await self._leave(item, delete, {})

    async def pass_on(self, item: WorkItem, fields: Mapping[bytes, bytes], *, delete: bool) -> None:
        """Replace an entry with a new one of ``fields`` in one step."""
        await self._leave(item, delete, fields)

    async def _leave(self, item: WorkItem, delete: bool, fields: Mapping[bytes, bytes]) -> None:
        goes_along = item.fields.get(b"first", b"")
        pairs = [part for pair in fields.items() for part in pair]
        arguments: list[Any] = [self._group, item.entry_id, self._replica_id, int(delete), goes_along, *pairs]
        if fields:
            # The entry named by "first" stays, because the new entry names it too.
            arguments[4] = b""
        await self._bus.pipeline.call(_LEAVE_ENTRY, [self._stream], arguments)
        self._in_hand.pop(item.entry_id, None)

    def release_entry(self, item: WorkItem) -> None:
        """Stop treating an entry as in hand, since an error's traceback may keep its item alive for a long time."""
        self._in_hand.pop(item.entry_id, None)

    def _held(self, item: WorkItem) -> WorkItem:
        self._in_hand[item.entry_id] = item
        return item
