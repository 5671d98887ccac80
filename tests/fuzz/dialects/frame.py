"""Malformed messages of one dialect at a started suite, next to sessions of other clients, whose words are counted."""

import asyncio
import collections
import itertools
import random
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from chaos.talk import random_speech, speak_raw
from support.process_suite import Suite, running_suite

from fuzz.report import DISTURBED, HANG, WRONG, Tally
from fuzz.suite import look_for_damage
from stt_cli.up.embedded_redis import EmbeddedRedis

HANG_S = 60.0
NEIGHBOURS = 2
NEIGHBOUR_S = 6.0
SETTINGS = {
    "MAX_OPENINGS_PER_MINUTE": "0",
    "TRANSCRIBER_MAX_SESSIONS": "1000",
    "AUDIO_MAX_SESSIONS": "1000",
    "RESUME_WINDOW_S": "2",
}

Attack = Callable[[random.Random], Awaitable[collections.Counter[str]]]
"""Sends malformed messages on a connection of its own; returns how they ended, one outcome for each of them.

Raises ``Wrong``.
"""
Attacker = Callable[[Suite], AbstractAsyncContextManager[Attack]]
"""Prepares the attack on a suite: starts what stands in front of it, for instance."""


class Wrong(Exception):
    """An answer that no client may get, or none where there must be one. The message says what was sent."""


async def fuzz_dialect(attacker: Attacker, count: int, seed: int, tally: Tally, concurrency: int = 4) -> None:
    """Start a suite and send it at least ``count`` messages; the same seed sends the same ones, in a similar order."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis() as redis:
        async with running_suite(Path(folder), redis.url, **SETTINGS) as suite, attacker(suite) as attack:
            await batter(suite, attack, count, seed, tally, concurrency)


async def batter(suite: Suite, attack: Attack, count: int, seed: int, tally: Tally, concurrency: int = 4) -> None:
    """Attack on several connections at once until ``count`` messages are sent, while neighbours speak."""
    numbers = itertools.count()
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for neighbour in range(NEIGHBOURS):
            group.create_task(
                _speak(suite, random.Random(f"neighbour {tally.part} {seed} {neighbour}"), is_over, tally)
            )
        async with asyncio.TaskGroup() as attacks:
            for _ in range(concurrency):
                attacks.create_task(_attack_often(attack, numbers, count, seed, tally))
        is_over.set()
    await look_for_damage(suite, tally)


async def _attack_often(attack: Attack, numbers: Iterator[int], count: int, seed: int, tally: Tally) -> None:
    while sum(tally.outcomes.values()) < count and not tally.is_over:
        name = f"{seed}-{next(numbers)}"
        try:
            async with asyncio.timeout(HANG_S):
                outcomes = await attack(random.Random(f"dialect {name}"))
        except TimeoutError:
            tally.find(HANG, name, f"no end within {HANG_S:g} s")
        except Wrong as wrong:
            tally.find(WRONG, name, str(wrong))
        else:
            for outcome, times in outcomes.items():
                tally.count(outcome, times)


async def _speak(suite: Suite, rng: random.Random, is_over: asyncio.Event, tally: Tally) -> None:
    """Hold one session after another, and count the words of each."""
    number = 0
    while number == 0 or not is_over.is_set():
        number += 1
        talk = suite.talk(f"neighbour-{rng.getrandbits(64):x}", random_speech(rng, NEIGHBOUR_S))
        talk.pace = 2.0
        await speak_raw(talk)
        tally.neighbours += 1
        if not talk.counted().is_exact:
            tally.find(DISTURBED, talk.id, talk.story())
