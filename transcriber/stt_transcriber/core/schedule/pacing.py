"""Interval between drafts, from the cost of the decodes that the model really did.

Finals, with the judgement of pauses, take the time they need; the drafts of all sessions that are speaking share the
rest of the model's time:

    interval = speaking * cost of a draft / (workers - time of finals per second)

Costs are wall time of a worker. So they contain whatever takes CPU time away from it: other programs, other replicas,
the quota of a container, the rest of this suite.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stt_transcriber.core.schedule.averages import RecentMean, RecentSum
from stt_transcriber.core.schedule.scheduler import Kind

_SETTLE_S = 5.0
"""Decodes come in bursts, so their load is averaged over about this time."""
_COST_S, _COST_WEIGHT = 3.0, 0.3
"""Time over which the cost of a draft is averaged, and greatest weight of a single one."""
_WAIT_S, _WAIT_WEIGHT = 10.0, 0.3
"""The same for the wait of a final."""
_COMPARE_S = 60.0
"""Time over which the cost of finals is compared with the length of their audio."""
_FINAL_BY_DRAFT = 0.36
"""Cost of the finals for one second of speech, divided by the cost of a draft, until it has been measured; with
base and tiny.en."""
_ASSUMED_S = 20.0
"""Seconds of speech whose finals count as much as that assumption."""
_STALE_MS = 5000.0
"""Age at which the mean cost of drafts says nothing about the current speed of the machine."""
_RESUME = 0.8
"""Stopped drafts resume when their interval would be at most this share of the longest allowed interval."""
_YOUNG_SHARE = 0.5
"""Share of the least interval at which an utterance that has just begun is drafted, while it has no word to read."""
_DRAFT_BY_ENCODE = 1.1
"""Cost of a draft divided by the cost of encoding a window of six seconds; measured with base and tiny.en, where both
are made of the same layers as the encoder."""


@dataclass(frozen=True)
class DraftPacing:
    """Pacing of drafts at one moment.

    ``interval_ms``: time between two drafts of an utterance; ``young_interval_ms``: the same for an utterance that has
    just begun; ``draft_ms``: mean cost of a draft. ``drafts`` False: there is time for finals only. ``spare``: there is
    time for decodes that may turn out to be useless.
    """

    interval_ms: float
    young_interval_ms: float
    draft_ms: float
    drafts: bool
    spare: bool


def draft_ms(encode_ms: float) -> float:
    """Estimate the cost of a draft before one was measured."""
    return _DRAFT_BY_ENCODE * encode_ms


class LoadModel:
    """Load of the model, computed from past decodes; paces the drafts of the sessions that are speaking.

    Pure; times are monotonic. ``draft_ms``: cost of a draft until the first one was measured.
    """

    def __init__(self, workers: int, min_interval_ms: float, max_interval_ms: float, draft_ms: float) -> None:
        self.workers = workers
        self._min_ms = min_interval_ms
        self._max_ms = max_interval_ms
        self._draft_ms = RecentMean(_COST_S, _COST_WEIGHT, draft_ms)
        self._drafted_at_ms = -math.inf
        self._final_wait_ms = RecentMean(_WAIT_S, _WAIT_WEIGHT, 0.0)
        self._finals_ms = RecentSum(_SETTLE_S)
        self._live_ms = RecentSum(_SETTLE_S)
        self._finals_in_drafts = RecentSum(_COMPARE_S)
        self._finals_audio_s = RecentSum(_COMPARE_S)
        self._drafts = True

    @property
    def draft_ms(self) -> float:
        """Mean cost of a draft on one worker."""
        return self._draft_ms.value

    def decoded(self, kind: Kind, took_ms: float, windows_s: Sequence[float], waited_ms: float, now_ms: float) -> None:
        """Record that windows of ``windows_s`` were decoded together in ``took_ms``, the first after ``waited_ms``."""
        if kind is Kind.FILE_CHUNK:
            return
        self._live_ms.add(took_ms, now_ms)
        if kind is Kind.TURN:
            self._finals_ms.add(took_ms, now_ms)
            self._finals_in_drafts.add(took_ms / self.draft_ms if self.draft_ms else 0.0, now_ms)
        elif kind is Kind.FINAL:
            self._finals_ms.add(took_ms, now_ms)
            self._finals_in_drafts.add(took_ms / self.draft_ms if self.draft_ms else 0.0, now_ms)
            self._finals_audio_s.add(sum(windows_s), now_ms)
            self._final_wait_ms.add(waited_ms, now_ms)
        else:
            self._drafted_at_ms = now_ms
            self._draft_ms.add(took_ms / len(windows_s), now_ms)

    def needs_measurement(self, now_ms: float) -> bool:
        """Return whether no draft was decoded lately that shows what one costs."""
        return now_ms - self._drafted_at_ms > _STALE_MS

    def measured(self, draft_ms: float, now_ms: float) -> None:
        """Record what a draft would cost on the idle model; used only if none was decoded lately."""
        if self.needs_measurement(now_ms):
            self._draft_ms.set(draft_ms, now_ms)

    def pace(self, speaking: int, now_ms: float) -> DraftPacing:
        """Return the pacing for this moment, with ``speaking`` sessions in mid-utterance."""
        left = self.workers - self.busy_with_finals(now_ms)
        wanted_ms = speaking * self.draft_ms / left if left > 0 else math.inf
        limit_ms = self._max_ms if self._drafts else _RESUME * self._max_ms
        self._drafts = wanted_ms <= limit_ms
        interval_ms, young_ms = (
            min(max(wanted_ms, least_ms), self._max_ms) for least_ms in (self._min_ms, _YOUNG_SHARE * self._min_ms)
        )
        return DraftPacing(interval_ms, young_ms, self.draft_ms, self._drafts, wanted_ms <= self._min_ms)

    def busy_with_finals(self, now_ms: float) -> float:
        """Return how many workers the finals keep busy."""
        return self._finals_ms.at(now_ms) / (1000 * _SETTLE_S)

    def finals_ms(self, now_ms: float) -> float:
        """Return the mean cost of the finals for one second of speech, on one worker."""
        # In drafts, so that what slows all decodes down shows at once.
        drafts = self._finals_in_drafts.at(now_ms) + _FINAL_BY_DRAFT * _ASSUMED_S
        return self.draft_ms * drafts / (self._finals_audio_s.at(now_ms) + _ASSUMED_S)

    def busy_share(self, now_ms: float) -> float:
        """Return the share of the workers' time that live decodes take."""
        return min(1.0, self._live_ms.at(now_ms) / (1000 * _SETTLE_S) / self.workers)

    def final_wait_ms(self, now_ms: float) -> float:
        """Return how long finals waited lately for a worker."""
        return self._final_wait_ms.faded(now_ms)
