"""Owner of what is counted of each API key: counters of a minute or day, and places of what it has open."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stt_shared.redis.pipeline import Pipeline
from stt_shared.streams import keys
from stt_shared.streams.scripts import script

LEASE_MS = 20_000
"""Time after which a place is free that its gateway has not renewed, because it was killed."""


@dataclass(frozen=True)
class Counter:
    """What is added to a counter. ``key``: the hash that holds it; ``limit``: 0 for none."""

    key: str
    field: str
    amount: int
    limit: int
    ttl_s: int


@dataclass(frozen=True)
class Spent:
    """What came of adding. ``refused``: the counter that would have passed its limit, so that nothing was added.

    ``held``: what each counter holds now.
    """

    refused: Counter | None
    held: Sequence[int]


class QuotaCounters:
    """Counters and places of API keys. All calls raise the errors of Redis."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._spend = script("spend")
        self._hold_place = script("hold_place")

    async def spend(self, counters: Sequence[Counter]) -> Spent:
        """Add to several counters of one API key at once, or to none of them.

        A lost reply may add twice.
        """
        refused, *held = await self._pipeline.call(
            self._spend,
            [counter.key for counter in counters],
            [part for one in counters for part in (one.field, one.amount, one.limit, one.ttl_s)],
        )
        return Spent(counters[refused - 1] if refused else None, held)

    async def take_place(self, at: str, connection: str, name: str, limit: int) -> bool:
        """Take a place for a connection of something so named; return False if ``limit`` others are taken.

        ``at``: the hash of the places. May be repeated.
        """
        return bool(await self._pipeline.call(self._hold_place, [at], [LEASE_MS, limit, connection, name]))

    async def renew_places(self, at: str, names: Mapping[str, str]) -> None:
        """Renew the places of these connections and their names, also of those that Redis has lost."""
        pairs = itertools.chain.from_iterable(names.items())
        await self._pipeline.call(self._hold_place, [at], [LEASE_MS, 0, *pairs])

    async def leave_place(self, at: str, connection: str) -> None:
        """Give a connection's place back."""
        await self._pipeline.command("HDEL", at, connection)

    async def names_at(self, at: str, now_ms: float) -> set[str]:
        """Return the names of what has a place."""
        held: list[bytes] = await self._pipeline.command("HVALS", at)
        places = [one.decode().partition(" ") for one in held]
        return {name for ends_ms, _, name in places if int(ends_ms) > now_ms}

    async def note_use(self, key_id: str, day: str) -> None:
        """Note that there are counters of this day. May be repeated."""
        await self._pipeline.command("ZADD", keys.USES, 0, f"{day} {key_id}")

    async def uses(self) -> list[tuple[str, str]]:
        """Return the API keys and days that were noted, the oldest first."""
        noted: list[bytes] = await self._pipeline.command("ZRANGE", keys.USES, 0, -1)
        return [(key_id, day) for day, _, key_id in (one.decode().partition(" ") for one in noted)]

    async def forget_use(self, key_id: str, day: str) -> None:
        """Forget what ``note_use`` noted."""
        await self._pipeline.command("ZREM", keys.USES, f"{day} {key_id}")

    async def counted(self, key_id: str, day: str, new_epoch: str) -> tuple[str, dict[str, int]]:
        """Return the epoch of a day's counters, and what they hold; '' if there are none.

        The epoch is another one, ``new_epoch``, after Redis has lost them.
        """
        at = keys.counted_on_day(key_id, day)
        if not await self._pipeline.command("EXISTS", at):
            return "", {}
        await self._pipeline.command("HSETNX", at, "epoch", new_epoch)
        answer: Any = await self._pipeline.command("HGETALL", at)
        # RESP3 has a map; a script's reply (redis/cluster_pipeline.py) is a list.
        fields = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
        found = {name.decode(): value for name, value in fields.items()}
        epoch = found.pop("epoch", b"").decode()
        return epoch, {name: int(value) for name, value in found.items()}
