"""Interval between drafts, and the number of sessions that a transcriber can serve.

Finals take the time they need; the drafts of all sessions that are speaking share the rest of the model's time:

    interval = speaking * cost of a draft / (workers - time of finals per second)
"""

import math
from dataclasses import dataclass

from stt_transcriber.core.schedule.scheduler import Kind

ADMIT_SHARE = 0.7
"""Share of the model's time for which sessions are admitted: everything but the model needs its part of the CPU cores,
and speech comes in bursts. An admitted session stays, so with too many of them finals would be late indefinitely."""
ADMIT_INTERVAL_MS = 1500.0
"""Longest interval between drafts at which further sessions are admitted."""
_SETTLE_S = 5.0
"""Finals come in bursts, so their load is averaged over about this time."""
_COST_SHARE = 0.1
"""Weight of a new measurement in the mean cost of a draft."""
_STALE_MS = 60_000.0
"""Age at which the mean cost of drafts says nothing about the current speed of the machine."""
_MOST_PLACES = 10_000
_RESUME = 0.8
"""Stopped drafts resume when their interval would be at most this share of the longest allowed interval."""
_YOUNG_SHARE = 0.5
"""Share of the least interval at which an utterance that has just begun is drafted, while it has no word to read."""
_DRAFT_BY_ENCODE = 1.1
_FINAL_BY_ENCODE = 0.4
"""Cost of a draft, and cost of the finals for one second of speech, divided by the cost of encoding a window of six
seconds; measured with base and tiny.en, where both are made of the same layers as the encoder."""


@dataclass(frozen=True)
class DraftPacing:
    """Pacing of drafts at one moment.

    ``interval_ms``: time between two drafts of an utterance; ``young_interval_ms``: the same for an utterance that has
    just begun. ``drafts`` False: there is time for finals only. ``spare``: there is time for decodes that may turn out
    to be useless.
    """

    interval_ms: float
    young_interval_ms: float
    drafts: bool
    spare: bool


def places(workers: int, encode_ms: float) -> int:
    """Return how many sessions, at least one, can speak at once and still get their drafts, and their finals in time.

    ``encode_ms``: time that one worker takes to encode a window of six seconds.
    """
    per_second_ms = encode_ms * (_FINAL_BY_ENCODE + _DRAFT_BY_ENCODE * 1000 / ADMIT_INTERVAL_MS)
    if per_second_ms <= 0:
        return _MOST_PLACES
    return min(max(1, int(ADMIT_SHARE * workers * 1000 / per_second_ms)), _MOST_PLACES)


def draft_ms(encode_ms: float) -> float:
    """Estimate the cost of a draft before one was measured."""
    return _DRAFT_BY_ENCODE * encode_ms


class LoadModel:
    """Load of the model, computed from past decodes and the number of speaking sessions; paces drafts and finds room.

    Pure. ``draft_ms``: cost of a draft until the first one was measured.
    """

    def __init__(self, workers: int, min_interval_ms: float, max_interval_ms: float, draft_ms: float) -> None:
        self._workers = workers
        self._min_ms = min_interval_ms
        self._max_ms = max_interval_ms
        self._draft_ms = draft_ms
        self._drafted_at_ms = -math.inf
        self._finals_share = 0.0  # of one worker
        self._finals_at_ms = 0.0
        self._drafts = True

    @property
    def draft_ms(self) -> float:
        """Mean cost of a draft on one worker."""
        return self._draft_ms

    def decoded(self, kind: Kind, took_ms: float, count: int, now_ms: float) -> None:
        """Record that ``count`` windows were decoded together in ``took_ms``; ``now_ms`` is monotonic."""
        if kind is Kind.FINAL:
            self._finals_share = self._finals(now_ms) + took_ms / 1000 / _SETTLE_S
            self._finals_at_ms = now_ms
        elif kind is not Kind.FILE_CHUNK:
            self._drafted_at_ms = now_ms
            self._draft_ms += _COST_SHARE * (took_ms / count - self._draft_ms)

    def measured(self, draft_ms: float, now_ms: float) -> None:
        """Record what a draft would cost on the idle model; used only if none was decoded lately."""
        if now_ms - self._drafted_at_ms > _STALE_MS:
            self._draft_ms = draft_ms

    def pace(self, speaking: int, now_ms: float) -> DraftPacing:
        """Return the pacing for this moment, with ``speaking`` sessions in mid-utterance."""
        wanted_ms = self._wanted_ms(speaking, now_ms)
        limit_ms = self._max_ms if self._drafts else _RESUME * self._max_ms
        self._drafts = wanted_ms <= limit_ms
        interval_ms, young_ms = (
            min(max(wanted_ms, least_ms), self._max_ms) for least_ms in (self._min_ms, _YOUNG_SHARE * self._min_ms)
        )
        return DraftPacing(interval_ms, young_ms, self._drafts, wanted_ms <= self._min_ms)

    def has_room(self, speaking: int, now_ms: float) -> bool:
        """Check whether one more session could get its drafts."""
        return self._wanted_ms(speaking + 1, now_ms) <= ADMIT_INTERVAL_MS

    def _wanted_ms(self, speaking: int, now_ms: float) -> float:
        left = self._workers - self._finals(now_ms)
        return speaking * self._draft_ms / left if left > 0 else math.inf

    def _finals(self, now_ms: float) -> float:
        return self._finals_share * math.exp((self._finals_at_ms - now_ms) / 1000 / _SETTLE_S)
