"""Number of places for live sessions, from the load that they really are.

Each further session would add its drafts and finals to those of the sessions in hand. There is a place for it while
all of them could still have a draft every ``ADMIT_INTERVAL_MS``, and their finals in time:

    speaking * slowdown * (draft / interval + finals) <= workers

``speaking`` is how many usually speak at the same time, ``draft`` what a draft costs lately, and ``finals`` what they
cost for a second of speech. While the workers are hardly used, these costs are those of a quiet machine, and
``slowdown`` says how much more they will be.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from stt_transcriber.core.schedule.averages import ExpectedCount
from stt_transcriber.core.schedule.pacing import LoadModel

ADMIT_INTERVAL_MS = 1500.0
"""Longest interval between drafts at which further sessions are admitted."""
MOST_PLACES = 10_000
LATE_MS = 1000.0
"""Mean wait of finals for a worker from which nobody is admitted, whatever was computed."""
HELD_MS = 1000.0
"""Time for which a number must hold before it is announced: an admitted session stays, so a lucky moment must not
admit one."""
SESSION_BYTES = 2 << 20
"""Memory that a session is expected to need: twice what one in a long utterance takes in all services together."""
DECODING_BYTES = 128 << 20
"""Memory that is left to decodes."""
_SLOWDOWN = 1 / 0.8
"""Cost of a decode while all workers are busy, divided by its cost while one is: they share caches, and everything but
the model needs its part of the cores."""
_SPEAKING_S = 30.0
"""Time over which the number of speaking sessions is averaged: several utterances and pauses."""
_LEAST_SPEAKING = 0.1
"""Share of the sessions that is expected to speak, however silent they have been."""


class PlaceLimit(StrEnum):
    """What limits the number of places."""

    PARTIALS = "partials"
    """Their interval."""
    FINALS = "finals"
    """They wait for a worker."""
    MEMORY = "memory"
    """A limit of memory."""
    LEAST = "least"
    """A machine that is too slow has one place."""
    SETTING = "setting"


@dataclass(frozen=True)
class PlaceCount:
    """Number of places, and what limits it."""

    places: int
    limit: PlaceLimit


def memory_room(limit_bytes: int | None, used_bytes: int) -> float:
    """Return how many more sessions fit below a limit of memory; negative when there are too many."""
    return math.inf if limit_bytes is None else (limit_bytes - used_bytes - DECODING_BYTES) / SESSION_BYTES


class Replica(Protocol):
    """Report of a replica about itself, as far as it is used here."""

    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def detail(self) -> dict[str, Any]: ...  # noqa: D102


def machine_share(cpu_set: str, cpus: int, transcribers: Iterable[Replica]) -> float:
    """Return which part of what it may use a replica really has, when all that share its ``cpus`` are busy.

    ``cpu_set``: name of these CPUs. Replicas announce it with how many of them they may use at a time.
    """
    wanted = sum(
        replica.detail.get("cpus", 0)
        for replica in transcribers
        if replica.state == "ready" and replica.detail.get("cpu_set") == cpu_set
    )
    return min(1.0, cpus / wanted) if wanted else 1.0


class Places:
    """Places of a transcriber. Pure; times are monotonic."""

    def __init__(self, load: LoadModel) -> None:
        self._load = load
        self._speaking = ExpectedCount(_SPEAKING_S)
        self._computed: deque[tuple[float, float]] = deque()

    @property
    def draft_ms(self) -> float:
        """Mean cost of a draft on one worker."""
        return self._load.draft_ms

    def speaking(self, now_ms: float) -> float:
        """Return how many sessions usually speak at the same time."""
        return self._speaking.usual_most(now_ms, _LEAST_SPEAKING)

    def count(
        self, sessions: int, speaking: int, share: float, now_ms: float, memory_room: float = math.inf
    ) -> PlaceCount:
        """Return the number of places, at least one; to be called several times a second.

        ``sessions``: those in hand, of which ``speaking`` are in mid-utterance. ``share``: part of the machine that is
        this replica's, when others are on it. ``memory_room``: how many more sessions there is memory for.
        """
        self._speaking.set(sessions, speaking, now_ms)
        room = self._room(now_ms)
        self._computed.append((now_ms, sessions + room * (share if room > 0 else 1.0)))
        while self._computed[0][0] < now_ms - HELD_MS:
            self._computed.popleft()
        places = min(places for _, places in self._computed)
        limit = PlaceLimit.PARTIALS
        if self._load.final_wait_ms(now_ms) > LATE_MS:
            places, limit = min(places, sessions), PlaceLimit.FINALS
        if sessions + memory_room < places:
            places, limit = sessions + memory_room, PlaceLimit.MEMORY
        if places < 1:
            places, limit = 1, PlaceLimit.LEAST
        return PlaceCount(math.floor(min(places, MOST_PLACES)), limit)

    def _room(self, now_ms: float) -> float:
        """Return how many more sessions there is time for; negative when there are too many."""
        load = self._load
        slowdown = _SLOWDOWN + (1 - _SLOWDOWN) * load.busy_share(now_ms)
        # Of one speaking session, in workers.
        takes = slowdown * (load.draft_ms / ADMIT_INTERVAL_MS + load.finals_ms(now_ms) / 1000)
        return (load.workers / takes if takes > 0 else MOST_PLACES) - self.speaking(now_ms)
