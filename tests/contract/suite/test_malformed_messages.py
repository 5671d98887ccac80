"""Malformed messages of every dialect: answered in its form, and nobody else notices. `make fuzz` sends more."""

import asyncio
import collections
import json
import random
from pathlib import Path
from typing import Any

import pytest
import websockets
from fuzz.dialects import DIALECTS
from fuzz.dialects.frame import SETTINGS, Attack, Wrong, batter
from fuzz.report import DISTURBED, WRONG, Tally
from support.process_suite import Suite, running_suite

pytestmark = pytest.mark.contract


async def test_each_dialect_answers_in_its_form_and_no_neighbour_notices(redis_url: str, tmp_path: Path) -> None:
    tallies = {name: Tally(name, tmp_path) for name in DIALECTS}

    async def play(suite: Suite, name: str) -> None:
        async with DIALECTS[name](suite) as attack:
            await batter(suite, attack, 400, 1, tallies[name], concurrency=2)

    async with running_suite(tmp_path, redis_url, **SETTINGS) as suite:
        await asyncio.gather(*(play(suite, name) for name in DIALECTS))
    for tally in tallies.values():
        assert not tally.findings, str(tally)
        assert sum(tally.outcomes.values()) >= 400
        assert tally.neighbours >= 2


class _Unreachable(Suite):
    """A suite whose gateway answers nobody, and which looks well."""

    deaths = ()  # type: ignore[assignment]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, proxy=_Proxy(), settings={})  # type: ignore[arg-type]

    async def healthy(self) -> bool:
        return True

    def logs(self) -> str:
        return ""


class _Proxy:
    url = "redis://127.0.0.1:1"


async def test_a_disturbed_neighbour_and_a_wrong_answer_are_found(tmp_path: Path) -> None:
    async def attack(rng: random.Random) -> collections.Counter[str]:
        if rng.random() < 0.5:
            raise Wrong("no answer")
        return collections.Counter({"told": 10})

    tally = Tally("dialect", tmp_path)
    await batter(_Unreachable(tmp_path), attack, 100, 1, tally)
    assert tally.findings[DISTURBED] == 2
    assert tally.findings[WRONG] > 0
    assert tally.outcomes["told"] > 50


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "Oops"},
        {"type": "Error", "description": "no variant"},
        {"type": "Results"},  # where an error is due
    ],
)
async def test_an_answer_in_another_form_is_wrong(answer: dict[str, Any], tmp_path: Path) -> None:
    async def serve(socket: websockets.ServerConnection) -> None:
        async for message in socket:
            if message == '{"type":"CloseStream"}':
                await socket.send(json.dumps({"type": "Metadata"}))
                return
            await socket.send(json.dumps(answer))

    suite = _Unreachable(tmp_path)
    async with websockets.serve(serve, "127.0.0.1", suite.port), DIALECTS["deepgram"](suite) as attack:
        with pytest.raises(Wrong):
            await _attack_often(attack)


async def _attack_often(attack: Attack) -> None:
    for number in range(20):
        await attack(random.Random(number))
