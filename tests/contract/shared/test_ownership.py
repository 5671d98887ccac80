"""Ownership of sessions when replicas die, leave, freeze or are added, and when Redis itself freezes."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis
from support.wiring import bus_on

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.client import connect
from stt_shared.streams import keys
from stt_shared.streams.keys import session_keys
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work import queue as work_queue
from stt_shared.work import rebalance
from stt_shared.work.heartbeat import ALIVE_MS, BEAT_S, Heartbeat
from stt_shared.work.queue import WorkItem
from stt_shared.work.stage import SESSIONS, Assignment, StageWorker, WorkQueue

pytestmark = pytest.mark.contract


@pytest.fixture
def redis_client(any_redis_client: Redis) -> Redis:
    return any_redis_client


class Replica:
    """A replica of one stage that holds its sessions until it is let go, with or without heartbeats."""

    def __init__(
        self,
        client: Redis,
        name: str,
        *,
        capacity: int = 100,
        stage: str = keys.STAGE_TRANSCRIBER,
        deletes: bool = True,
        may_move: Callable[[str], bool] = lambda work_id: True,
    ) -> None:
        self.client = client
        self.name = name
        self.owned: dict[str, Ownership] = {}
        self.taken_at: dict[str, float] = {}
        self.end = asyncio.Event()
        self.stage = StageWorker(
            bus_on(client),
            SESSIONS,
            stage=stage,
            replica_id=name,
            capacity=capacity,
            handle=self.handle,
            deletes=deletes,
            may_move=may_move,
        )
        self.tasks: list[asyncio.Task[None]] = []

    async def handle(self, assignment: Assignment) -> None:
        session_id = assignment.owner.keys.id
        self.owned[session_id] = assignment.owner
        self.taken_at[session_id] = time.monotonic()
        try:
            await self.end.wait()
        finally:
            self.owned.pop(session_id, None)

    async def beat(self) -> None:
        while True:
            await self.client.set(keys.replica_alive(self.name), 1, px=ALIVE_MS)
            await asyncio.sleep(BEAT_S)

    async def start(self) -> None:
        await self.client.set(keys.replica_alive(self.name), 1, px=ALIVE_MS)
        self.tasks = [asyncio.create_task(self.stage.run()), asyncio.create_task(self.beat())]

    async def stop_taking(self) -> None:
        await cancel_and_wait(self.tasks[0])

    async def kill(self) -> None:
        for task in self.tasks:
            await cancel_and_wait(task)
        await self.stage.drain(0)


@pytest.fixture
async def replicas(redis_client: Redis) -> AsyncIterator[Callable[..., Awaitable[Replica]]]:
    started: list[Replica] = []

    async def start(name: str, **options: object) -> Replica:
        replica = Replica(redis_client, name, **options)  # type: ignore[arg-type]
        started.append(replica)
        await replica.start()
        return replica

    yield start
    for replica in started:
        await replica.kill()


async def waiting(client: Redis, *names: str) -> None:
    for name in names:
        await bus_on(client).sessions.open(session_keys(name), f"epoch-{name}", encode_json(SessionConfig()), 0, 60)
        await client.xadd(keys.SESSIONS_WAITING, {"id": name, "epoch": f"epoch-{name}"})


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


def frame(seq: int) -> Frame:
    return Frame(seq, FrameKind.AUDIO, b"\x01\x02", FrameMeta(received_ms=1.0))


async def test_sessions_of_the_dead_are_owned_again_within_two_seconds(
    redis_client: Redis, replicas: Callable[..., Awaitable[Replica]]
) -> None:
    dying = [await replicas(f"r{n}", capacity=1) for n in range(20)]
    names = [f"s{n}" for n in range(20)]
    await waiting(redis_client, *names)
    await until(lambda: sum(len(replica.owned) for replica in dying) == 20)
    heirs = [await replicas(f"heir{n}") for n in range(2)]
    died_at: dict[str, float] = {}
    for replica in dying:
        await asyncio.sleep(random.uniform(0, 0.1))
        (name,) = replica.owned
        died_at[name] = time.monotonic()
        await replica.kill()
    await until(lambda: sum(len(heir.owned) for heir in heirs) == 20)
    took = sorted(heir.taken_at[name] - died_at[name] for heir in heirs for name in heir.owned)
    print(f"owned again after {took[0]:.2f} … {took[-1]:.2f} s, p95 {took[18]:.2f} s")
    assert took[18] < 2.0


@pytest.mark.parametrize("looks", [1, 2])
async def test_the_living_keep_their_sessions_when_redis_stood_still(
    redis_client: Redis, replicas: Callable[..., Awaitable[Replica]], looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one look, the negative twin, a living owner loses its session: all signs have expired at once."""
    if looks == 1:
        monkeypatch.setattr(work_queue, "SECOND_CHECK_S", -10.0)
        monkeypatch.setattr(work_queue, "_SLOW_CHECK_S", 100.0)
    owner = await replicas("owner")
    await waiting(redis_client, "s1")
    await until(lambda: len(owner.owned) == 1)
    other = await replicas("other")
    for _ in range(5 if looks == 2 else 20):
        await asyncio.sleep(random.uniform(0.8, 1.1))
        # As after a stall that is longer than signs live: they are gone, and come back with the next beat.
        await redis_client.delete(keys.replica_alive("owner"))
        if other.owned:
            break
    await asyncio.sleep(0.5)
    assert (len(other.owned) == 0) is (looks == 2)


async def test_a_pause_longer_than_the_signs_live_moves_nothing(
    redis_url: str,
) -> None:
    client, pausing = connect(redis_url), connect(redis_url)
    await client.flushall()
    names = [f"r{n}" for n in range(3)]
    beats = [Heartbeat(redis_url, name, lambda n=name: status(n), bytes) for name in names]  # type: ignore[misc]
    stages = [Replica(client, name, capacity=2) for name in names]
    for heartbeat in beats:
        heartbeat.start()
    try:
        for each in stages:
            each.tasks = [asyncio.create_task(each.stage.run())]
        await waiting(client, *(f"s{n}" for n in range(5)))
        await until(lambda: sum(len(each.owned) for each in stages) == 5)
        before = [set(each.owned) for each in stages]
        for pause_ms in (1300, 2500):
            await pausing.client_pause(pause_ms)
            await asyncio.sleep(pause_ms / 1000 + 1.5)
        assert [set(each.owned) for each in stages] == before
    finally:
        for each in stages:
            await each.kill()
        for heartbeat in beats:
            await asyncio.to_thread(heartbeat.stop)
        await client.aclose()
        await pausing.aclose()


def status(name: str) -> ReplicaStatus:
    return ReplicaStatus(id=name, service="transcriber", state="ready", started_ms=1)


async def test_a_redis_that_comes_back_empty_gets_new_work_to_everybody() -> None:
    with EmbeddedRedis() as server:
        client = connect(server.url)
        replica = Replica(client, "r1")
        replica.tasks = [asyncio.create_task(replica.stage.run())]
        await waiting(client, "s1")
        await until(lambda: "s1" in replica.owned)
        os.kill(server.pid, signal.SIGKILL)
        while not server.has_ended:
            await asyncio.sleep(0.01)
        server.start()
        await waiting(client, "s2")
        await until(lambda: "s2" in replica.owned)
        await replica.kill()
        await client.aclose()


@pytest.mark.parametrize("checks", [True, False])
async def test_who_was_frozen_does_not_take_the_entry_from_its_heir(
    redis_client: Redis, checks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain acknowledgement, the negative twin, removes the heir's entry: if the heir dies, nobody finds it."""
    await waiting(redis_client, "s1")
    frozen = WorkQueue(bus_on(redis_client), keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, "frozen")
    await frozen.open()
    (item,) = await frozen.take(1)
    heir = WorkQueue(bus_on(redis_client), keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, "heir")
    monkeypatch.setattr(work_queue, "_CLAIM_IDLE_MS", 0)
    await heir.adopt(1)
    await asyncio.sleep(work_queue.SECOND_CHECK_S)
    (adopted,) = await heir.adopt(1)
    assert adopted.follows == "frozen"
    if checks:
        await frozen.done(item, delete=True)
    else:
        await redis_client.xack(keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, item.entry_id)
    pending = await redis_client.xpending(keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER)
    assert (pending["pending"] == 1) is checks
    await heir.done(adopted, delete=True)
    assert (await redis_client.xlen(keys.SESSIONS_WAITING) == 0) is checks


async def test_an_entry_whose_delivery_was_lost_is_found_again(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_queue, "_LOST_REPLY_S", 0.3)
    queue = WorkQueue(bus_on(redis_client), keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, "r1")
    await queue.open()
    await waiting(redis_client, "s1", "s2")
    (held,) = await queue.take(1)
    # Redis gave it to this replica; the answer never came.
    await redis_client.xreadgroup(keys.STAGE_TRANSCRIBER, "r1", {keys.SESSIONS_WAITING: ">"}, count=1)
    found: list[WorkItem] = []
    async with asyncio.timeout(3):
        while not found:
            await asyncio.sleep(0.1)
            found = await queue.adopt(5)
    assert [item.fields[b"id"] for item in found] == [b"s2"]
    assert held.fields[b"id"] == b"s1"
    assert found[0].found_again


async def test_who_leaves_gives_its_sessions_to_others_at_once(
    redis_client: Redis, replicas: Callable[..., Awaitable[Replica]]
) -> None:
    leaver = await replicas("leaver")
    names = [f"s{n}" for n in range(20)]
    await waiting(redis_client, *names)
    await until(lambda: len(leaver.owned) == 20)
    former = dict(leaver.owned)
    heirs = [await replicas("heir1"), await replicas("heir2")]
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await leaver.stop_taking()
    await leaver.stage.hand_over()
    await until(lambda: sum(len(heir.owned) for heir in heirs) == 20)
    took_s = max(heir.taken_at[name] for heir in heirs for name in heir.owned) - began
    print(f"20 sessions handed over in {took_s:.3f} s")
    assert took_s < 1.0, "some hundredths on an idle machine"
    assert min(len(heir.owned) for heir in heirs) > 0
    bus = bus_on(redis_client)
    for name in names:
        assert await bus.sessions.append_pcm(former[name], frame(1), consumed=0) is WriteResult.FENCED
    for heir in heirs:
        heir.end.set()
    await until(lambda: not any(heir.stage.running for heir in heirs))
    assert await redis_client.xlen(keys.SESSIONS_WAITING) == 0, "nothing is left behind"


async def test_without_others_what_was_handed_over_waits_in_the_stream(
    redis_client: Redis, replicas: Callable[..., Awaitable[Replica]]
) -> None:
    leaver = await replicas("leaver")
    await waiting(redis_client, "s1")
    await until(lambda: len(leaver.owned) == 1)
    await leaver.stop_taking()
    await leaver.stage.hand_over()
    await asyncio.sleep(0.3)
    later = await replicas("later")
    await until(lambda: "s1" in later.owned)


async def test_handing_over_at_one_stage_is_no_business_of_the_other(
    redis_client: Redis, replicas: Callable[..., Awaitable[Replica]]
) -> None:
    transcriber = await replicas("t1")
    leaver = await replicas("a1", stage=keys.STAGE_AUDIO, deletes=False)
    await waiting(redis_client, "s1")
    await until(lambda: "s1" in transcriber.owned and "s1" in leaver.owned)
    first = transcriber.taken_at["s1"]
    await leaver.stop_taking()
    await leaver.stage.hand_over()
    heir = await replicas("a2", stage=keys.STAGE_AUDIO, deletes=False)
    await until(lambda: "s1" in heir.owned)
    await asyncio.sleep(0.2)
    assert transcriber.taken_at["s1"] == first
    heir.end.set()
    await until(lambda: heir.stage.running == 0)
    assert await redis_client.xlen(keys.SESSIONS_WAITING) == 1, "the transcriber still has its own"
    transcriber.end.set()
    await until(lambda: transcriber.stage.running == 0)
    await asyncio.sleep(0.05)
    assert await redis_client.xlen(keys.SESSIONS_WAITING) == 0


async def test_a_session_handed_over_while_the_other_stage_has_not_begun_is_not_lost_to_it(
    redis_client: Redis, replicas: Callable[..., Awaitable[Replica]]
) -> None:
    leaver = await replicas("t1")
    await waiting(redis_client, "s1")
    await until(lambda: "s1" in leaver.owned)
    await leaver.stop_taking()
    await leaver.stage.hand_over()
    heir, audio = await replicas("t2"), await replicas("a1", stage=keys.STAGE_AUDIO, deletes=False)
    await until(lambda: "s1" in heir.owned and "s1" in audio.owned)
    audio.end.set()
    await until(lambda: audio.stage.running == 0)
    heir.end.set()
    await until(lambda: heir.stage.running == 0)
    await asyncio.sleep(0.05)
    assert await redis_client.xlen(keys.SESSIONS_WAITING) == 0


async def test_a_session_moves_to_the_replica_it_is_meant_for(
    redis_client: Redis, replicas: Callable[..., Awaitable[Replica]]
) -> None:
    giver = await replicas("giver", may_move=lambda session_id: session_id != "s0")
    await waiting(redis_client, "s0", "s1", "s2")
    await until(lambda: len(giver.owned) == 3)
    others = {name: await replicas(name) for name in ("b", "c", "d")}
    await asyncio.sleep(0.2)
    for expected in (1, 2):
        assert await giver.stage.move_one("c")
        await until(lambda n=expected: len(others["c"].owned) == n)  # type: ignore[misc]
    assert not await giver.stage.move_one("c"), "what speaks stays"
    assert set(giver.owned) == {"s0"}
    assert not others["b"].owned
    assert not others["d"].owned


async def test_a_replica_that_is_added_gets_its_share_and_then_nothing_moves(
    redis_client: Redis,
    any_redis_url: str,
    replicas: Callable[..., Awaitable[Replica]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rebalance, "LOOK_EVERY_S", 0.4)
    both: list[Replica] = []
    beats: list[Heartbeat] = []
    tasks: list[asyncio.Task[None]] = []

    async def add(name: str) -> Replica:
        replica = await replicas(name, capacity=10)

        def describe() -> ReplicaStatus:
            return ReplicaStatus(
                id=name,
                service="transcriber",
                state="ready",
                started_ms=1,
                sessions=replica.stage.running,
                capacity=10,
            )

        beats.append(Heartbeat(any_redis_url, name, describe, bytes))
        beats[-1].start()
        tasks.append(
            asyncio.create_task(rebalance.keep_balanced(bus_on(redis_client), replica.stage, name, "transcriber"))
        )
        both.append(replica)
        return replica

    first = await add("a")
    await waiting(redis_client, *(f"s{n}" for n in range(4)))
    await until(lambda: len(first.owned) == 4)
    second = await add("b")
    await until(lambda: len(second.owned) == 2 and len(first.owned) == 2, 8)
    settled = (dict(first.taken_at), dict(second.taken_at))
    await asyncio.sleep(2.0)
    assert (first.taken_at, second.taken_at) == settled
    for task in tasks:
        await cancel_and_wait(task)
    for heartbeat in beats:
        await asyncio.to_thread(heartbeat.stop)
