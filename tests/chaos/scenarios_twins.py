"""Negative twins: a mechanism is switched off, and the count must show it. Otherwise the scenario proved nothing."""

import asyncio
import signal
from unittest import mock

from chaos import scenarios_network, scenarios_processes, scenarios_store
from chaos.run import Run, scenario
from chaos.suite import Setup
from chaos.talk import speak_raw, speak_sdk
from stt_client.replay import ReplayBuffer


@scenario("without-fence", Setup(without="fence"), must_lose=True)
async def fence(run: Run) -> None:
    """Zombies, and Redis does not look at fences."""
    await scenarios_processes.zombie(run, "transcriber", rounds=2, must_refuse=False)


@scenario("without-log", Setup(without="log"), must_lose=True)
async def log(run: Run) -> None:
    """Subscribers are killed, and nobody looks into the log."""
    await scenarios_store.pubsub_killed(run)


@scenario("without-replay", must_lose=True, short=True)
async def replay(run: Run) -> None:
    """Gateways die with chunks that they have not taken yet, and the client sends nothing again."""

    def resume(self: ReplayBuffer, seq: int) -> None:
        """Goes on with what was not sent yet."""

    with mock.patch.object(ReplayBuffer, "resume", resume):
        async with run.crowd(speak_sdk) as crowd:
            for _ in range(run.rounds(2)):
                # Frozen for a while first: otherwise there may be nothing on its way in the moment of the kill.
                victim, strike = await crowd.strike("gateway", lambda replica: replica.send(signal.SIGSTOP))
                run.strikes.append(strike)
                await asyncio.sleep(1.0)
                victim.send(signal.SIGKILL)
                await victim.gone()
                await run.suite.ready()
                await crowd.in_full_swing()


@scenario("without-duplicate-check", Setup(proxied=True, without="duplicate-check"), must_lose=True)
async def dedupe(run: Run) -> None:
    """Replies of Redis are lost, and Redis takes what it had already."""
    await scenarios_network.replies_lost_with(run, speak_raw)


@scenario("without-probe", Setup(proxied=True, without="probe"), must_lose=True)
async def probe(run: Run) -> None:
    """Connections go dead without a word, and nobody probes them: they stay dead."""
    await scenarios_network.half_open_with(run, speak_raw)
    run.row.shown = bool(run.row.notes.get("never found"))
