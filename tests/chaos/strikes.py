"""Faults that hit a replica while many sessions speak: whom each hit, and how soon they went on."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import redis

from chaos.crowd import Crowd
from chaos.replica import Replica
from chaos.suite import STAGES, ChaosSuite, pid_of
from chaos.talk import Speak, Talk

POLL_S = 0.02
WATCH_S = 30.0


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


class StruckCrowd(Crowd):
    """A crowd on a suite whose replicas are processes of this machine."""

    def __init__(self, suite: ChaosSuite, speak: Speak, rng: random.Random, **options: Any) -> None:
        super().__init__(suite, speak, rng, **options)
        self._suite = suite
        self._watches: list[asyncio.Task[None]] = []

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        if kind is not None:
            for watch in self._watches:
                watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=kind is not None)

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
        living = [replica for replica in self._suite.of(service) if replica.runs]
        if service == "gateway":
            links = self._suite.front.links
            pids = [links[t.session_id].gateway.pid if t.session_id in links else 0 for t in talks]
        else:
            pids = [
                pid_of(o) for o in await self._suite.state([t.session_id for t in talks], f"owner:{STAGES[service]}")
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
            links = {talk.id: self._suite.front.links[talk.session_id] for talk in talks}
            return {id: (0, link.ready) for id, link in links.items() if link.opened > at and link.ready is not None}
        ids = [talk.session_id for talk in talks]
        owners = await self._suite.state(ids, f"owner:{STAGES[service]}")
        events = await self._suite.state(ids, "event")
        return {
            talk.id: (int(event or 0), time.monotonic())
            for talk, owner, event in zip(talks, owners, events, strict=True)
            if pid_of(owner) not in (0, pid)
        }
