"""Redis dies, comes back, pauses, and drops its subscribers."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from redis.crc import key_slot
from support.cluster_servers import ClusterServers
from support.rollback import roll_back, snapshot
from support.sentinel_servers import SentinelServers

from chaos.run import Run, scenario
from chaos.suite import Setup
from chaos.talk import Speak, speak_raw, speak_sdk
from stt_shared.streams.keys import session_keys

AOF = Setup(aof=True)
SESSIONS = 50


@scenario("redis-killed-with-aof", AOF)
async def redis_with_aof(run: Run) -> None:
    """kill -9 of Redis; it comes back with what its append-only file holds."""
    await _restart(run, speak_raw, rounds=6, away_s=(0.1, 3.0))


@scenario("redis-killed-empty", short=True)
async def redis_empty(run: Run) -> None:
    """kill -9 of Redis; it comes back empty, and the clients have what is needed."""
    await _restart(run, speak_sdk, rounds=6, away_s=(0.1, 3.0))


@scenario("sentinel-failover", Setup(redis="sentinels"))
async def sentinel_failover(run: Run) -> None:
    """kill -9 of the master; sentinels promote the replica, and the old master comes back as the replica's replica."""
    await _fail_over(run)


@scenario("sentinel-failover-behind", Setup(redis="sentinels"))
async def sentinel_failover_behind(run: Run) -> None:
    """The same with a replica that lacks what was written in the last 100 to 800 ms."""
    servers = run.suite.replicated
    assert isinstance(servers, SentinelServers)

    async def fall_behind() -> None:
        await asyncio.to_thread(servers.cut_replication)
        await run.pause(0.1, 0.8)

    await _fail_over(run, fall_behind)


@scenario("redis-rolled-back")
async def redis_rolled_back(run: Run) -> None:
    """Redis is what it was 100 to 800 ms ago, all at once: no connection is lost, nothing announces it."""
    async with run.crowd(speak_sdk) as crowd:
        for _ in range(run.rounds(12)):
            run.row.faults += 1
            run.row.session_faults += len(crowd.mid_speech)
            then = await snapshot(run.suite.redis)
            await run.pause(0.1, 0.8)
            await roll_back(run.suite.redis, then)
            await run.pause(2.0, 3.0)
            await crowd.in_full_swing()


@scenario("cluster-failover", Setup(redis="cluster"))
async def cluster_failover(run: Run) -> None:
    """kill -9 of one of three masters; its replica takes its place, and the old master comes back as its replica."""
    await _fail_over(run)


@scenario("cluster-resharding", Setup(redis="cluster"))
async def cluster_resharding(run: Run) -> None:
    """Slots of sessions in mid-speech move from master to master."""
    cluster = run.suite.replicated
    assert isinstance(cluster, ClusterServers)
    async with run.crowd(speak_raw, sessions=SESSIONS) as crowd:
        for _ in range(run.rounds(20)):
            slots = {key_slot(session_keys(talk.session_id).state.encode()) for talk in crowd.mid_speech}
            run.row.faults += len(slots)
            run.row.session_faults += len(crowd.mid_speech)
            for slot in slots:
                await asyncio.to_thread(cluster.move_slot, slot, run.rng)
            await run.pause(0.5, 1.0)
            await crowd.in_full_swing()


async def _nothing() -> None:
    pass


async def _fail_over(run: Run, before: Callable[[], Awaitable[None]] = _nothing) -> None:
    servers = run.suite.replicated
    assert servers is not None
    async with run.crowd(speak_sdk, sessions=SESSIONS) as crowd:
        for _ in range(run.rounds(20)):
            await _until(servers.is_replicated)
            run.row.faults += 1
            run.row.session_faults += len(crowd.mid_speech)
            await before()
            began = time.monotonic()
            old = await asyncio.to_thread(servers.kill_master, run.rng)
            await _until(lambda: old not in servers.masters())  # noqa: B023
            run.row.timings_ms.setdefault("promoted", []).append((time.monotonic() - began) * 1000)
            await run.suite.ready()
            run.row.timings_ms.setdefault("ready", []).append((time.monotonic() - began) * 1000)
            await asyncio.to_thread(servers.bring_back, old)
            await run.pause(1.0, 2.0)
            await crowd.in_full_swing()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.05)


async def _restart(run: Run, speak: Speak, rounds: int, away_s: tuple[float, float]) -> None:
    async with run.crowd(speak) as crowd:
        for _ in range(run.rounds(rounds)):
            run.row.faults += 1
            run.row.session_faults += len(crowd.mid_speech)
            run.suite.kill_redis()
            await run.pause(*away_s)
            run.suite.start_redis()
            await run.suite.ready()
            await run.pause(1.0, 2.0)
            await crowd.in_full_swing()


@scenario("redis-paused")
async def redis_paused(run: Run) -> None:
    """CLIENT PAUSE of all commands, or of writes, for 2 to 4 s."""
    async with run.crowd(speak_raw) as crowd:
        for number in range(run.rounds(6) + 1):
            run.row.faults += 1
            run.row.session_faults += len(crowd.mid_speech)
            pause_ms = run.rng.randint(2000, 4000)
            await run.suite.redis.client_pause(pause_ms, all=number % 2 == 0)
            await asyncio.sleep(pause_ms / 1000)
            await run.pause(1.0, 2.0)
            await crowd.in_full_swing()


@scenario("pubsub-killed", short=True)
async def pubsub_killed(run: Run) -> None:
    """CLIENT KILL TYPE pubsub every 100 ms: what was published meanwhile is in the log only."""
    killed = 0
    async with run.crowd(speak_raw) as crowd:
        for _ in range(run.rounds(8)):
            for _ in range(30):
                run.row.faults += 1
                killed += await run.suite.redis.client_kill_filter(_type="pubsub")
                await asyncio.sleep(0.1)
            run.row.session_faults += len(crowd.mid_speech)
            await crowd.in_full_swing()
    run.row.notes["connections killed"] = killed
