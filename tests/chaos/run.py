"""The registry of scenarios, what a scenario gets to play with, and playing them one after the other."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.report import Row
from chaos.strikes import Strike, StruckCrowd
from chaos.suite import ChaosSuite, Setup, Skip, running
from chaos.talk import Speak

SCENARIO_TIMEOUT_S = 600.0


@dataclass
class Run:
    """One scenario under way. ``scale`` stretches its rounds; ``short``: the least that shows it works."""

    suite: ChaosSuite
    row: Row
    rng: random.Random
    scale: float
    short: bool
    strikes: list[Strike] = field(default_factory=list)

    def rounds(self, full: int) -> int:
        """How often to do what the full form does ``full`` times."""
        return 1 if self.short else max(1, round(full * self.scale))

    async def pause(self, least_s: float, most_s: float) -> None:
        """A random time."""
        await asyncio.sleep(self.rng.uniform(least_s, most_s))

    @contextlib.asynccontextmanager
    async def crowd(self, speak: Speak, sessions: int = 24, **options: Any) -> AsyncIterator[StruckCrowd]:
        """Sessions all the while; their count and the timings of strikes go into the row."""
        if self.short:
            options = {"seconds": (6.0, 9.0), "pace": 3.0, **options}
        if self.row.must_lose:
            # A session that lost its last word never ends: it is given up sooner.
            options = {"timeout_s": 40.0, **options}
        crowd = StruckCrowd(self.suite, speak, self.rng, sessions=8 if self.short else sessions, **options)
        links_before = len(self.suite.front.history)
        async with crowd:
            yield crowd
        links = self.suite.front.history[links_before:]
        ready = [(link.ready - link.opened) * 1000 for link in links if link.is_resumption and link.ready is not None]
        self.row.timings_ms.setdefault("resumed", []).extend(ready)
        self.row.count.add(crowd.total)
        self.row.add_strikes(self.strikes)
        self.strikes = []
        if crowd.refused:
            self.row.notes["openings refused, and tried again"] = crowd.refused
        for talk in crowd.bad[:3]:
            self.row.notes[talk.id] = talk.story()


Play = Callable[[Run], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """``must_lose``: a negative twin. ``short``: part of the short form."""

    name: str
    play: Play
    setup: Setup
    must_lose: bool
    short: bool

    @property
    def about(self) -> str:
        return (self.play.__doc__ or "").strip().splitlines()[0]


REGISTRY: dict[str, Scenario] = {}


def scenario(
    name: str, setup: Setup | None = None, *, must_lose: bool = False, short: bool = False
) -> Callable[[Play], Play]:
    """Registers a scenario; those with equal setups share one suite."""

    def register(play: Play) -> Play:
        REGISTRY[name] = Scenario(name, play, setup or Setup(), must_lose, short)
        return play

    return register


def by_setup(scenarios: Iterable[Scenario]) -> dict[Setup, list[Scenario]]:
    """Those that can share one suite."""
    groups: dict[Setup, list[Scenario]] = {}
    for chosen in scenarios:
        groups.setdefault(chosen.setup, []).append(chosen)
    return groups


async def play_all(
    scenarios: Iterable[Scenario],
    *,
    seed: int,
    scale: float = 1.0,
    short: bool = False,
    keep_logs: Path | None = None,
    tell: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Plays scenarios, those with equal setups on one suite; a row for each, reported as soon as it is there."""
    rows = []
    for number, (setup, group) in enumerate(by_setup(scenarios).items()):
        logs = keep_logs / str(number) if keep_logs else None
        try:
            async with running(setup, logs) as suite:
                for chosen in group:
                    rows.append(await play(chosen, suite, seed=seed, scale=scale, short=short))
                    tell(rows[-1])
        except Skip as reason:
            rows += [Row(chosen.name, must_lose=chosen.must_lose, skipped=str(reason)) for chosen in group]
        except RuntimeError as error:
            rows += [Row(chosen.name, must_lose=chosen.must_lose, problems=[str(error)]) for chosen in group]
    return rows


async def play(chosen: Scenario, suite: ChaosSuite, *, seed: int, scale: float, short: bool) -> Row:
    """One scenario. Whatever it raises is a problem of its row, so that the others still run."""
    row = Row(chosen.name, must_lose=chosen.must_lose)
    run = Run(suite, row, random.Random(f"{seed} {chosen.name}"), scale, short)
    began = time.monotonic()
    try:
        async with asyncio.timeout(SCENARIO_TIMEOUT_S):
            await suite.ready()
            await chosen.play(run)
    except Skip as reason:
        row.skipped = str(reason)
    except Exception as error:
        row.problems.append(f"{type(error).__name__}: {error}"[:2000])
    row.took_s = time.monotonic() - began
    return row
