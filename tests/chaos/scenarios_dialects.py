"""kill -9 of each service under each dialect, and of all of them under a mixture of dialects."""

import contextlib
import itertools
import signal
from collections.abc import AsyncIterator, Sequence

from chaos.dialects.base import speaker
from chaos.dialects.conversational import Deepgram, Freeswitch, OpenAIRealtime
from chaos.dialects.silent import Asterisk, Twilio, view
from chaos.dialects.wyoming import bridge
from chaos.run import Run, scenario
from chaos.talk import Speak, Talk

SERVICES = ("transcriber", "audio-processor", "gateway")
SESSIONS = 8
PACE = 3.0
ROUNDS = 10
CLIENTS: dict[str, Speak] = {
    "openai-realtime": speaker(OpenAIRealtime),
    "deepgram": speaker(Deepgram),
    "twilio": speaker(Twilio, view),
    "asterisk": speaker(Asterisk, view),
    "freeswitch": speaker(Freeswitch),
}
"""Without Wyoming, whose clients need a bridge that runs."""
WYOMING, EVERY = "wyoming", "dialects"
RESUMES = frozenset((WYOMING,))
"""Dialects whose sessions outlive their gateway."""


@contextlib.asynccontextmanager
async def _speaks(run: Run, dialect: str) -> AsyncIterator[Speak]:
    """Yield what holds a talk in a dialect, or in another one each time."""
    if dialect in CLIENTS:
        yield CLIENTS[dialect]
        return
    async with bridge(run.suite.front.port, run.suite.front.links) as wyoming:
        speaks = [wyoming] if dialect == WYOMING else [*CLIENTS.values(), wyoming]
        turns = itertools.cycle(speaks)

        async def speak(talk: Talk) -> None:
            await next(turns)(talk)

        yield speak


async def _kill(run: Run, dialect: str, services: Sequence[str]) -> None:
    async with _speaks(run, dialect) as speak, run.crowd(speak, SESSIONS, pace=PACE) as crowd:
        for service in [*services] * run.rounds(ROUNDS):
            moves = service != "gateway" or dialect in RESUMES
            victim, strike = await crowd.strike(service, lambda replica: replica.send(signal.SIGKILL), moves=moves)
            run.strikes.append(strike)
            await victim.gone()
            await run.pause(0.0, 1.0)
            await run.suite.ready()
            await crowd.in_full_swing()
    if run.row.count.gone:
        run.row.notes["words that died with a gateway"] = run.row.count.gone


def _register(dialect: str, service: str) -> None:
    async def play(run: Run) -> None:
        await _kill(run, dialect, [service])

    play.__doc__ = f"kill -9 of {'an' if service[0] == 'a' else 'a'} {service}, whose clients speak {dialect}."
    scenario(f"{dialect}-kill-{service}")(play)


for _dialect, _service in itertools.product((*CLIENTS, WYOMING), SERVICES):
    _register(_dialect, _service)


@scenario(f"{EVERY}-kill")
async def kill_under_every_dialect(run: Run) -> None:
    """kill -9 of each service, whose clients speak all dialects."""
    await _kill(run, EVERY, SERVICES)
