"""The network between one replica and Redis."""

import asyncio
import time

from chaos.replica import Replica
from chaos.run import Run, scenario
from chaos.strikes import StruckCrowd
from chaos.suite import Setup
from chaos.talk import Speak, speak_sdk
from stt_shared.streams import keys
from stt_shared.streams.replicas import Replicas

PROXIED = Setup(proxied=True)
SERVICES = ("transcriber", "audio-processor", "gateway")


@scenario("redis-connections-cut", PROXIED, short=True)
async def cut(run: Run) -> None:
    """All connections of a replica to Redis are reset."""

    async def fault(crowd: StruckCrowd, service: str) -> None:
        for _ in range(5):
            _, strike = await crowd.strike(service, lambda replica: replica.proxy.cut(), moves=False)
            run.strikes.append(strike)
            await run.pause(0.1, 0.5)

    await _faults(run, fault, rounds=12)


@scenario("redis-connections-half-open", PROXIED)
async def half_open(run: Run) -> None:
    """All connections of a replica to Redis go dead without a word; new ones would be well."""
    await half_open_with(run, speak_sdk)


async def half_open_with(run: Run, speak: Speak) -> None:
    """Also for the twin; the time until a replica subscribes again is how long it took to find out."""
    found_ms = run.row.timings_ms.setdefault("found", [])

    async def fault(crowd: StruckCrowd, service: str) -> None:
        victim, strike = await crowd.strike(service, lambda r: r.proxy.black_hole(only_old=True), moves=False)
        run.strikes.append(strike)
        took = await _subscribes_again(run, victim, within_s=6.0)
        if took is None:
            run.row.notes["never found"] = float(run.row.notes.get("never found", 0)) + 1
        else:
            found_ms.append(took)
        victim.proxy.pass_through()
        await run.pause(0.5, 1.5)

    await _faults(run, fault, rounds=12, speak=speak)


async def _subscribes_again(run: Run, victim: Replica, within_s: float) -> float | None:
    """Milliseconds until it has a second connection to its own channel: the dead one is still there for Redis."""
    began = time.monotonic()
    mine = [status.id for status in await Replicas(run.suite.redis).living() if f"-{victim.pid}-" in status.id]
    while time.monotonic() < began + within_s and mine:
        ((_, subscribers),) = await run.suite.redis.pubsub_numsub(keys.replica_channel(mine[0]))
        if subscribers > 1:
            return (time.monotonic() - began) * 1000
        await asyncio.sleep(0.02)
    return None


@scenario("redis-partitioned", PROXIED)
async def partitioned(run: Run) -> None:
    """A replica cannot reach Redis for 1 to 8 s; others take its sessions, and what it writes afterwards is refused."""

    async def fault(crowd: StruckCrowd, service: str) -> None:
        victim, strike = await crowd.strike(service, lambda replica: replica.proxy.black_hole(), moves=False)
        run.strikes.append(strike)
        await run.pause(1.0, 3.0 if run.short else 8.0)
        victim.proxy.pass_through()
        # Connections that lost bytes are of no use any more; a network that comes back resets them.
        victim.proxy.cut()
        await run.suite.ready()

    await _faults(run, fault, rounds=12)


@scenario("redis-replies-lost", PROXIED)
async def replies_lost(run: Run) -> None:
    """Redis does what it is asked, and the replies are lost: what is asked again must not be done twice."""
    await replies_lost_with(run, speak_sdk)


async def replies_lost_with(run: Run, speak: Speak) -> None:
    """Also for the twin."""

    async def fault(crowd: StruckCrowd, service: str) -> None:
        victim, strike = await crowd.strike(service, lambda replica: replica.proxy.drop_replies(), moves=False)
        run.strikes.append(strike)
        await run.pause(0.05, 0.5)
        victim.proxy.pass_through()
        victim.proxy.cut()
        await run.pause(1.0, 2.0)
        await run.suite.ready()

    await _faults(run, fault, rounds=12, speak=speak)


async def _faults(run: Run, fault, *, rounds: int, speak: Speak = speak_sdk) -> None:  # type: ignore[no-untyped-def]
    async with run.crowd(speak) as crowd:
        for number in range(run.rounds(rounds) * (3 if run.short else 1)):
            await fault(crowd, SERVICES[number % len(SERVICES)])
            await crowd.in_full_swing()
