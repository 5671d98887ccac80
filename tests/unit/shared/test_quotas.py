"""The owner of quotas: counters that nobody passes, and places that are free again when their gateway has died."""

import asyncio
import random
from unittest.mock import patch

import pytest
from support.fake_bus import fake_bus

from stt_shared.streams import keys
from stt_shared.streams import quotas as quotas_module
from stt_shared.streams.quotas import Counter, QuotaCounters

pytestmark = pytest.mark.unit

AT, OTHER = keys.requests_counted("k1", 7), keys.requests_counted("k1", 8)


def counters() -> QuotaCounters:
    return fake_bus().quotas


async def test_a_limit_is_reached_and_not_passed() -> None:
    counts, one = counters(), Counter(AT, "requests", 1, 3, 60)
    spent = [await counts.spend([one]) for _ in range(5)]
    assert [(found.refused, list(found.held)) for found in spent] == [
        (None, [1]), (None, [2]), (None, [3]), (one, [3]), (one, [3]),
    ]  # fmt: skip


async def test_counters_are_added_to_together_or_not_at_all() -> None:
    counts = counters()
    unlimited = Counter(OTHER, "bytes", 10, 0, 60)
    few = Counter(AT, "requests", 1, 1, 60)
    assert list((await counts.spend([unlimited, few])).held) == [10, 1]
    refused = await counts.spend([unlimited, few])
    assert (refused.refused, list(refused.held)) == (few, [10, 1])


async def test_what_was_counted_is_forgotten_in_time() -> None:
    bus = fake_bus()
    await bus.quotas.spend([Counter(AT, "requests", 1, 3, 60)])
    assert 0 < await bus.client.ttl(AT) <= 60


@pytest.mark.parametrize("seed", range(20))
async def test_clients_at_once_never_pass_the_limit_and_nobody_is_refused_without_need(seed: int) -> None:
    counts, chance = counters(), random.Random(seed)
    limit = chance.randrange(1, 10)
    amounts = [chance.randrange(13) for _ in range(chance.randrange(31))]
    spent = await asyncio.gather(*(counts.spend([Counter(AT, "x", amount, limit, 60)]) for amount in amounts))
    assert sum(amount for amount, found in zip(amounts, spent, strict=True) if not found.refused) <= limit
    for amount, found in zip(amounts, spent, strict=True):
        assert not found.refused or found.held[0] + amount > limit


@pytest.mark.parametrize("seed", range(20))
async def test_never_more_streams_are_open_than_there_are_places(seed: int) -> None:
    counts, chance = counters(), random.Random(seed)
    limit = chance.randrange(1, 5)
    held: dict[str, str] = {}
    for number in range(60):
        step = chance.randrange(8)
        if step < 5:
            # Some connections resume a stream that is open.
            stream = chance.choice(list(held.values())) if held and step == 0 else f"s{number}"
            is_let_in = await counts.take_place(keys.open_streams("k1"), f"c{number}", stream, limit)
            assert is_let_in == (stream in held.values() or len(set(held.values())) < limit)
            if is_let_in:
                held[f"c{number}"] = stream
        elif held and step < 7:
            connection = chance.choice(list(held))
            del held[connection]
            await counts.leave_place(keys.open_streams("k1"), connection)
        elif held:
            await counts.renew_places(keys.open_streams("k1"), held)


async def test_places_that_are_not_renewed_are_free_when_their_lease_is_over() -> None:
    counts = counters()
    with patch.object(quotas_module, "LEASE_MS", 200):
        assert await counts.take_place(keys.open_streams("k1"), "dead", "s1", 2)
        assert await counts.take_place(keys.open_streams("k1"), "alive", "s2", 2)
        assert not await counts.take_place(keys.open_streams("k1"), "next", "s3", 2)
    await counts.renew_places(keys.open_streams("k1"), {"alive": "s2"})
    await asyncio.sleep(0.3)
    assert await counts.take_place(keys.open_streams("k1"), "next", "s3", 2)
    assert not await counts.take_place(keys.open_streams("k1"), "one more", "s4", 2), "the renewed place is still held"


async def test_each_key_has_its_own_places() -> None:
    counts = counters()
    assert await counts.take_place(keys.open_streams("k1"), "c1", "s", 1)
    assert await counts.take_place(keys.open_streams("k2"), "c2", "s", 1)
