"""Many sessions at once while things break: keeps them coming."""

import asyncio
import itertools
import random
import time
from types import TracebackType
from typing import Protocol

from chaos.count import Count
from chaos.front import Front
from chaos.talk import Speak, Talk, random_speech

SWING_S = 20.0
_numbers = itertools.count(1)


class Gateways(Protocol):
    """Where sessions can be opened. ``gateway_urls``: each gateway's own address; ``front``: before all of them."""

    @property
    def gateway_urls(self) -> list[str]: ...
    @property
    def front(self) -> Front: ...


class Crowd:
    """Keeps ``sessions`` talks going until it is left, then waits for those under way. ``total`` is the count."""

    def __init__(
        self,
        suite: Gateways,
        speak: Speak,
        rng: random.Random,
        *,
        sessions: int,
        pace: float = 2.0,
        seconds: tuple[float, float] = (10.0, 20.0),
        chunk_ms: int = 100,
        timeout_s: float = 90.0,
        swing_s: float = SWING_S,
    ) -> None:
        self.suite = suite
        self.total = Count()
        self.talks: list[Talk] = []
        self.bad: list[Talk] = []
        self.refused = 0
        self._speak = speak
        self._rng = rng
        self._sessions = sessions
        self._pace = pace
        self._seconds = seconds
        self._chunk_ms = chunk_ms
        self._timeout_s = timeout_s
        self._swing_s = swing_s
        self._leaving = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Crowd":
        self._tasks = [asyncio.create_task(self._one_after_another(slot)) for slot in range(self._sessions)]
        await self.in_full_swing()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        if kind is not None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            return
        await asyncio.gather(*self._tasks)

    async def in_full_swing(self) -> None:
        """Most sessions are in mid-speech, or at least some after a long wait. Raises TimeoutError for none."""
        deadline = time.monotonic() + self._swing_s
        while len(self.mid_speech) < (self._sessions + 1) // 2:
            if time.monotonic() > deadline:
                if not self.mid_speech:
                    raise TimeoutError(f"no session in mid-speech within {self._swing_s:g} s")
                return
            await asyncio.sleep(0.05)

    @property
    def mid_speech(self) -> list[Talk]:
        return [talk for talk in self.talks if talk.in_mid_speech]

    async def _one_after_another(self, slot: int) -> None:
        # Spread over the first second, so that sessions neither begin nor pause together.
        await asyncio.sleep(slot / self._sessions)
        while not self._leaving:
            speech = random_speech(self._rng, self._rng.uniform(*self._seconds))
            talk = Talk(
                f"chaos-{next(_numbers)}",
                speech,
                self._rng.choice(self.suite.gateway_urls),
                self.suite.front.url,
                self._pace,
                self._chunk_ms,
                timeout_s=self._timeout_s,
            )
            self.talks.append(talk)
            await self._speak(talk)
            counted = talk.counted()
            self.total.add(counted)
            self.refused += talk.refused
            self.talks.remove(talk)
            if not counted.is_exact:
                self.bad.append(talk)
