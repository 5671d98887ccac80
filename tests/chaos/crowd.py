"""Many sessions at once while things break: keeps them coming, notes whom each fault hit and how soon each went on."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType

import redis

from chaos.count import Count
from chaos.replica import Replica
from chaos.suite import STAGES, ChaosSuite, pid_of
from chaos.talk import Speak, Talk, random_speech

POLL_S = 0.02
WATCH_S = 30.0
SWING_S = 20.0
_numbers = itertools.count(1)


@dataclass
class Strike:
    """What one fault did to the sessions in mid-speech that it hit. Milliseconds from the fault."""

    hit: int = 0
    owned_ms: list[float] = field(default_factory=list)
    """Until the session had a new owner."""
    heard_ms: list[float] = field(default_factory=list)
    """Until the client had the new owner's first partial or final."""
    never: int = 0
    """Sessions that had no new owner within 30 s."""


class Crowd:
    """Keeps ``sessions`` talks going until it is left, then waits for those under way. ``total`` is the count."""

    def __init__(
        self,
        suite: ChaosSuite,
        speak: Speak,
        rng: random.Random,
        *,
        sessions: int,
        pace: float = 2.0,
        seconds: tuple[float, float] = (10.0, 20.0),
        chunk_ms: int = 100,
        timeout_s: float = 90.0,
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
        self._leaving = False
        self._tasks: list[asyncio.Task[None]] = []
        self._watches: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Crowd":
        self._tasks = [asyncio.create_task(self._one_after_another(slot)) for slot in range(self._sessions)]
        await self.in_full_swing()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        if kind is not None:
            for task in (*self._tasks, *self._watches):
                task.cancel()
            await asyncio.gather(*self._tasks, *self._watches, return_exceptions=True)
            return
        await asyncio.gather(*self._tasks)
        await asyncio.gather(*self._watches)

    async def in_full_swing(self) -> None:
        """Most sessions are in mid-speech, or at least some after a long wait. Raises TimeoutError for none."""
        deadline = time.monotonic() + SWING_S
        while len(self.mid_speech) < (self._sessions + 1) // 2:
            if time.monotonic() > deadline:
                if not self.mid_speech:
                    raise TimeoutError(f"no session in mid-speech within {SWING_S:g} s")
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

    # ---- faults

    async def strike(
        self, service: str, act: Callable[[Replica], Awaitable[None] | None], *, moves: bool = True
    ) -> tuple[Replica, Strike]:
        """Does something to a replica of ``service``, one with many sessions in mid-speech rather than another; goes on
        at once, the strike is filled in by and by. ``moves`` False: its sessions need no new owner to go on."""
        held = await self._held(service)
        victim = max(held, key=lambda replica: (len(held[replica]) + 0.1) * self._rng.uniform(0.5, 1.0))
        hit = held[victim]
        strike = Strike(hit=len(hit))
        pid, at = victim.pid, time.monotonic()
        doing = act(victim)
        if doing is not None:
            await doing
        if hit:
            owned: dict[str, tuple[int, float]] = {} if moves else {talk.id: (0, at) for talk in hit}
            self._watches.append(asyncio.create_task(self._watch(service, pid, at, hit, strike, owned)))
        return victim, strike

    async def _held(self, service: str) -> dict[Replica, list[Talk]]:
        """The sessions in mid-speech that each living replica holds."""
        talks = self.mid_speech
        living = [replica for replica in self.suite.of(service) if replica.runs]
        if service == "gateway":
            links = self.suite.front.links
            pids = [links[t.session_id].gateway.pid if t.session_id in links else 0 for t in talks]
        else:
            pids = [
                pid_of(o) for o in await self.suite.state([t.session_id for t in talks], f"owner:{STAGES[service]}")
            ]
        return {each: [t for t, pid in zip(talks, pids, strict=True) if pid == each.pid] for each in living}

    async def _watch(
        self,
        service: str,
        pid: int,
        at: float,
        talks: list[Talk],
        strike: Strike,
        heard_from: dict[str, tuple[int, float]],
    ) -> None:
        """Follows the sessions that were hit until each has a new owner that was heard."""
        while time.monotonic() < at + WATCH_S:
            waiting = [talk for talk in talks if talk.id not in heard_from and not talk.ended]
            if not waiting:
                break
            with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                heard_from |= await self._newly_owned(service, pid, at, waiting)
            await asyncio.sleep(POLL_S)
        strike.never += sum(talk.id not in heard_from and not talk.ended for talk in talks)
        strike.owned_ms += [(since - at) * 1000 for _, since in heard_from.values() if since > at]
        owned = [talk for talk in talks if talk.id in heard_from]
        while time.monotonic() < at + WATCH_S:
            if all(talk.ended or talk.heard_after(*heard_from[talk.id]) for talk in owned):
                break
            await asyncio.sleep(0.1)
        heard = [talk.heard_after(*heard_from[talk.id]) for talk in owned]
        strike.heard_ms += [(moment - at) * 1000 for moment in heard if moment is not None]

    async def _newly_owned(self, service: str, pid: int, at: float, talks: list[Talk]) -> dict[str, tuple[int, float]]:
        """Of these sessions, those with a new owner: the events after this number, and from this moment on, are by
        it."""
        if service == "gateway":
            links = {talk.id: self.suite.front.links[talk.session_id] for talk in talks}
            return {id: (0, link.ready) for id, link in links.items() if link.opened > at and link.ready is not None}
        ids = [talk.session_id for talk in talks]
        owners = await self.suite.state(ids, f"owner:{STAGES[service]}")
        events = await self.suite.state(ids, "event")
        return {
            talk.id: (int(event or 0), time.monotonic())
            for talk, owner, event in zip(talks, owners, events, strict=True)
            if pid_of(owner) not in (0, pid)
        }
