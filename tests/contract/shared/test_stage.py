"""Replicas take sessions from the work stream, and take over those of the dead."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
from redis.asyncio import Redis
from support.gateway_harness import until
from support.session_samples import final
from support.wiring import bus_on, open_bus, session_stage

from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import session_keys
from stt_shared.streams.ownership import RolledBack
from stt_shared.streams.sessions import WriteResult
from stt_shared.work.queue import LOOK_EVERY_S, SECOND_CHECK_S
from stt_shared.work.stage import Assignment, WorkQueue

pytestmark = pytest.mark.contract


@pytest.fixture
def redis_client(any_redis_client: Redis) -> Redis:
    return any_redis_client


@pytest.fixture
async def bus(redis_client: Redis) -> AsyncIterator[Bus]:
    async with open_bus(redis_client) as bus:
        yield bus


async def waiting(client: Redis, bus: Bus, *names: str) -> None:
    for name in names:
        at = session_keys(name)
        await bus.sessions.open(at, f"epoch-{name}", encode_json(SessionConfig()), 0, 60)
        await client.xadd(keys.SESSIONS_WAITING, {"id": name, "epoch": f"epoch-{name}"})


async def mark_alive(client: Redis, *replicas: str) -> None:
    for replica in replicas:
        await client.set(keys.replica_alive(replica), 1)


def holding(
    taken: dict[str, list[str]], release: asyncio.Event, replica: str
) -> Callable[[Assignment], Awaitable[None]]:
    """Records what ``replica`` takes, and holds it until ``release``."""

    async def handle(assignment: Assignment) -> None:
        taken[replica].append(assignment.owner.keys.id)
        await release.wait()

    return handle


async def test_replicas_share_the_sessions_each_owned_by_one(bus: Bus, redis_client: Redis) -> None:
    taken: dict[str, list[str]] = {"r1": [], "r2": []}
    release = asyncio.Event()
    handler = partial(holding, taken, release)
    await mark_alive(redis_client, *taken)
    stages = [session_stage(bus, handler(replica), replica_id=replica, capacity=6) for replica in taken]
    running = [asyncio.create_task(each.run()) for each in stages]
    names = [f"n{i}" for i in range(10)]
    await waiting(redis_client, bus, *names)
    await asyncio.sleep(1.5)
    assert sorted(taken["r1"] + taken["r2"]) == sorted(names)
    assert min(len(taken["r1"]), len(taken["r2"])) >= 4, "no replica takes more than it has room for"
    release.set()
    for each in stages:
        await each.drain(2)
    for task in running:
        await cancel_and_wait(task)
    assert await redis_client.xlen(keys.SESSIONS_WAITING) == 0


async def test_work_of_a_dead_replica_is_taken_over_and_the_dead_can_write_no_more(
    bus: Bus, redis_client: Redis
) -> None:
    await waiting(redis_client, bus, "n0")
    dead = WorkQueue(bus_on(redis_client), keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, "dead")
    await dead.open()
    (item,) = await dead.take(1)
    zombie = await bus.sessions.claim(session_keys("n0"), "epoch-n0", keys.STAGE_TRANSCRIBER, "dead")
    assert zombie is not None
    heir = WorkQueue(bus_on(redis_client), keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, "heir")
    await redis_client.set(keys.replica_alive("dead"), 1, px=700)
    assert await heir.adopt(1) == [], "still alive"
    await asyncio.sleep(0.8)
    assert await heir.adopt(1) == [], "one look finds nobody dead"
    await asyncio.sleep(SECOND_CHECK_S)
    (adopted,) = await heir.adopt(1)
    assert (adopted.entry_id, adopted.follows) == (item.entry_id, "dead")
    owner = await bus.sessions.claim(session_keys("n0"), "epoch-n0", keys.STAGE_TRANSCRIBER, "heir", adopted.follows)
    assert owner is not None
    assert (await bus.sessions.emit(zombie, final(1)))[0] is WriteResult.FENCED
    assert (await bus.sessions.emit(owner, final(1)))[0] is WriteResult.OK


async def test_the_many_sessions_of_a_dead_replica_are_taken_over_in_quick_rounds(
    bus: Bus, redis_client: Redis
) -> None:
    """At 16 each quarter of a second, the last of 300 waited five seconds."""
    names = [f"n{i}" for i in range(40)]
    await waiting(redis_client, bus, *names)
    dead, heir = (
        WorkQueue(bus_on(redis_client), keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, name)
        for name in ("dead", "heir")
    )
    await dead.open()
    assert len(await dead.take(40)) == 40
    await heir.adopt(16)
    await asyncio.sleep(SECOND_CHECK_S + 0.5)
    rounds = []
    for _ in range(3):
        adopted = await heir.adopt(16)
        rounds.append((len(adopted), heir.next_scan_s() < LOOK_EVERY_S / 2))
    assert rounds == [(16, True), (16, True), (8, False)]


async def test_a_replica_without_room_looks_no_more_often(redis_client: Redis) -> None:
    """A transcriber that is busy with files looks as well, and asked Redis five times as often."""
    queue = WorkQueue(bus_on(redis_client), keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, "full")
    await queue.open()
    assert await queue.adopt(0) == []
    assert queue.next_scan_s() > LOOK_EVERY_S / 2


async def test_a_session_that_breaks_does_not_take_the_others_along(bus: Bus, redis_client: Redis) -> None:
    handled: list[str] = []

    async def handle(assignment: Assignment) -> None:
        if assignment.owner.keys.id == "bad":
            raise ValueError("broken")
        handled.append(assignment.owner.keys.id)

    each = session_stage(bus, handle)
    running = asyncio.create_task(each.run())
    await waiting(redis_client, bus, "bad", "good")
    async with asyncio.timeout(10):
        while not handled:
            await asyncio.sleep(0.02)
    await cancel_and_wait(running)
    assert handled == ["good"]


async def test_what_nobody_with_room_takes_is_taken_by_one_without(bus: Bus, redis_client: Redis) -> None:
    taken: dict[str, list[str]] = {"full": [], "free": []}
    release = asyncio.Event()
    handler = partial(holding, taken, release)
    await mark_alive(redis_client, *taken)
    stages = {replica: session_stage(bus, handler(replica), replica_id=replica, capacity=8) for replica in taken}
    stages["full"].set_preferred(0)
    stages["free"].set_preferred(2)
    running = [asyncio.create_task(each.run()) for each in stages.values()]
    await waiting(redis_client, bus, "n0", "n1")
    async with asyncio.timeout(10):
        while len(taken["free"]) < 2:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.6)
    assert taken["full"] == []
    await waiting(redis_client, bus, "n2", "n3", "n4")
    async with asyncio.timeout(10):
        while sum(map(len, taken.values())) < 5:
            await asyncio.sleep(0.02)
    release.set()
    for each in stages.values():
        await each.drain(2)
    for task in running:
        await cancel_and_wait(task)


@pytest.mark.parametrize("recorded", ["", "r1"], ids=["nobody", "the same replica"])
async def test_a_session_whose_claim_a_failover_lost_is_taken_again(
    bus: Bus, redis_client: Redis, recorded: str
) -> None:
    taken: list[Assignment] = []

    async def handle(assignment: Assignment) -> None:
        taken.append(assignment)
        if len(taken) == 1:
            await redis_client.hset(assignment.owner.keys.state, "owner:transcriber", recorded)
            await redis_client.hincrby(assignment.owner.keys.state, "fence:transcriber", -1)

    await mark_alive(redis_client, "r1")
    running = asyncio.create_task(session_stage(bus, handle).run())
    await waiting(redis_client, bus, "n0")
    await until(lambda: len(taken) == 2, 15)
    await until(lambda: is_empty(redis_client), 5)
    await cancel_and_wait(running)
    assert [each.owner.fence for each in taken] == [2, 2]


async def is_empty(client: Redis) -> bool:
    return int(await client.xlen(keys.SESSIONS_WAITING)) == 0


async def test_a_session_that_was_rolled_back_is_taken_again(bus: Bus, redis_client: Redis) -> None:
    taken: list[Assignment] = []

    async def handle(assignment: Assignment) -> None:
        taken.append(assignment)
        if len(taken) == 1:
            raise RolledBack("audio is missing")

    await mark_alive(redis_client, "r1")
    running = asyncio.create_task(session_stage(bus, handle).run())
    await waiting(redis_client, bus, "n0")
    await until(lambda: len(taken) == 2)
    await until(lambda: is_empty(redis_client), 5)
    await cancel_and_wait(running)
    assert [each.owner.fence for each in taken] == [2, 4], "letting go raises it too"
    assert not await bus.sessions.owns(taken[0].owner)
