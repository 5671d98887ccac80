"""Rounds of faults under a crowd of sessions, with every word counted."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from chaos.count import Count
from chaos.crowd import Crowd
from chaos.talk import speak_sdk

from containers.compose import SERVICES
from containers.suite import ContainerSuite

ROUNDS = [
    ("transcriber", "kill"),
    ("audio-processor", "kill"),
    ("api-gateway", "kill"),
    ("transcriber", "stop"),
    ("audio-processor", "stop"),
    ("api-gateway", "stop"),
    ("transcriber", "crash"),
    ("audio-processor", "crash"),
    ("api-gateway", "crash"),
    # Its data is gone with it: what sessions need, their clients know.
    ("redis", "kill"),
    ("redis", "stop"),
]
"""Service and fault: each kind of container in each way that it can go."""
# Redis is its container's first process, which no signal from inside kills.


@dataclass
class Report:
    """``faults``: how many by service and fault; ``hit``: sessions in mid-speech in the hands of those that went."""

    faults: Counter[str] = field(default_factory=Counter)
    hit: int = 0
    count: Count = field(default_factory=Count)
    stories: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "faults": sum(self.faults.values()),
            "faults_by_kind": dict(self.faults),
            "session_faults": self.hit,
            "sessions": self.count.sessions,
            "words": self.count.words,
            "lost": self.count.lost,
            "doubled": self.count.doubled,
            "other": self.count.summary(),
            "stories": self.stories,
        }


def crowd_of(suite: ContainerSuite, rng: random.Random, sessions: int = 6) -> Crowd:
    """Clients that resume, with time for containers to start on a busy machine."""
    waits = {"timeout_s": 180.0, "swing_s": 120.0}
    return Crowd(suite, speak_sdk, rng, sessions=sessions, pace=1.5, seconds=(15.0, 30.0), **waits)


async def play(
    suite: ContainerSuite,
    rounds: Iterable[tuple[str, str]],
    *,
    seed: int,
    sessions: int = 6,
    tell: Callable[[int, Report], None] = lambda number, report: None,
) -> Report:
    """One fault after the other, each when most sessions are in mid-speech and all containers of that service are
    ready; those of others may still be on their way back."""
    report, rng = Report(), random.Random(seed)
    async with crowd_of(suite, rng, sessions) as crowd:
        for number, (service, fault) in enumerate(rounds, 1):
            await asyncio.sleep(rng.uniform(0.0, 1.0))
            await suite.ready(*(SERVICES if service == "redis" else [service]))
            await crowd.in_full_swing()
            report.hit += await strike(suite, crowd, service, fault, rng)
            report.faults[f"{service} {fault}"] += 1
            tell(number, report)
        await suite.ready()
    report.count = crowd.total
    report.stories = [talk.story() for talk in crowd.bad[:5]]
    return report


async def strike(suite: ContainerSuite, crowd: Crowd, service: str, fault: str, rng: random.Random) -> int:
    """Of a service's containers the one with the most sessions; return how many sessions in mid-speech were hit."""
    containers = suite.of(service)
    if service == "api-gateway":
        links = suite.front.links
        at = [links[talk.session_id].gateway.name for talk in crowd.mid_speech if talk.session_id in links]
        held: dict[str, int] = dict(Counter(at))
    elif service == "redis":
        held = {each.name: len(crowd.mid_speech) for each in containers}
    else:
        held = await suite.sessions()
    victim = max(containers, key=lambda each: (held.get(each.name, 0), rng.random()))
    await suite.strike(victim, fault)
    return held.get(victim.name, 0)
