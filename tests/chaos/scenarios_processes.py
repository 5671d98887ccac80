"""Processes that die, are stopped, and freeze."""

import asyncio
import signal

from chaos.replica import Replica
from chaos.run import Run, scenario
from chaos.talk import Speak, speak_raw, speak_sdk

WORKERS = ("transcriber", "audio-processor")


@scenario("kill-transcriber", short=True)
async def kill_transcriber(run: Run) -> None:
    """kill -9 of a transcriber in mid-speech."""
    await kill(run, "transcriber", rounds=36)


@scenario("kill-audio-processor", short=True)
async def kill_audio_processor(run: Run) -> None:
    """kill -9 of an audio-processor in mid-speech."""
    await kill(run, "audio-processor", rounds=30)


async def kill(run: Run, service: str, rounds: int) -> None:
    """Kills replicas one after the other, and starts them again."""
    async with run.crowd(speak_sdk if service == "gateway" else speak_raw) as crowd:
        for _ in range(run.rounds(rounds)):
            victim, strike = await crowd.strike(service, lambda replica: replica.send(signal.SIGKILL))
            run.strikes.append(strike)
            await victim.gone()
            await run.pause(0.0, 1.0)
            await run.suite.ready()
            await crowd.in_full_swing()


@scenario("sigterm-transcriber")
async def stop_transcriber(run: Run) -> None:
    """SIGTERM of a transcriber: it hands over and leaves."""
    await _stop(run, "transcriber", rounds=8)


@scenario("sigterm-audio-processor")
async def stop_audio_processor(run: Run) -> None:
    """SIGTERM of an audio-processor: it hands over and leaves."""
    await _stop(run, "audio-processor", rounds=8)


async def _stop(run: Run, service: str, rounds: int, speak: Speak = speak_raw) -> None:
    left_ms = run.row.timings_ms.setdefault("left", [])
    async with run.crowd(speak) as crowd:
        for _ in range(run.rounds(rounds)):
            began = asyncio.get_running_loop().time()
            victim, strike = await crowd.strike(service, lambda replica: replica.send(signal.SIGTERM))
            run.strikes.append(strike)
            status = await victim.gone()
            left_ms.append((asyncio.get_running_loop().time() - began) * 1000)
            if status != 0:
                run.row.problems.append(f"{victim.name} left with status {status}")
            await run.suite.ready()
            await crowd.in_full_swing()


@scenario("zombie-transcriber", short=True)
async def zombie_transcriber(run: Run) -> None:
    """A transcriber is frozen for 3 to 6 s and wakes up: it can write nothing."""
    await zombie(run, "transcriber", rounds=8)


@scenario("zombie-audio-processor")
async def zombie_audio_processor(run: Run) -> None:
    """An audio-processor is frozen for 3 to 6 s and wakes up: it can write nothing."""
    await zombie(run, "audio-processor", rounds=8)


async def zombie(run: Run, service: str, rounds: int, speak: Speak = speak_raw, *, must_refuse: bool = True) -> None:
    """Freezes replicas one after the other."""
    refused, held = 0.0, 0
    # Sessions long enough to be still there when the zombie wakes up.
    async with run.crowd(speak, seconds=(16.0, 24.0), pace=1.5) as crowd:
        for _ in range(run.rounds(rounds)):
            victim, strike = await crowd.strike(service, lambda replica: replica.send(signal.SIGSTOP))
            run.strikes.append(strike)
            held += strike.hit
            await run.pause(3.0, 6.0)
            before = await _refused(run, victim)
            victim.send(signal.SIGCONT)
            # The metrics of a replica are in Redis two seconds later at the latest.
            await asyncio.sleep(2.6)
            refused += await _refused(run, victim) - before
            await run.suite.ready()
            await crowd.in_full_swing()
    run.row.notes["writes refused"] = refused
    if held and not refused and must_refuse:
        run.row.problems.append(f"{held} sessions had a zombie, and no write was refused")


async def _refused(run: Run, victim: Replica) -> float:
    return await run.suite.refused_writes(victim.pid)


@scenario("kill-gateway", short=True)
async def kill_gateway(run: Run) -> None:
    """kill -9 of a gateway; its clients go on at the other."""
    await kill(run, "gateway", rounds=30)


@scenario("sigterm-gateway")
async def stop_gateway(run: Run) -> None:
    """SIGTERM of a gateway; its clients go on at the other."""
    await _stop(run, "gateway", rounds=8, speak=speak_sdk)


@scenario("zombie-gateway")
async def zombie_gateway(run: Run) -> None:
    """A gateway is frozen for 3 to 6 s; its clients find out and go on at the other, or wait."""
    await zombie(run, "gateway", rounds=6, speak=speak_sdk, must_refuse=False)
