"""How often drafts may be decoded, and how many sessions there is room for.

Finals take what they need; what is left of the model's time is shared by the drafts of all who speak:

    interval = speaking * cost of a draft / (workers - time of finals per second)
"""

import math
from dataclasses import dataclass

from stt_transcriber.core.schedule.scheduler import Kind

ADMIT_SHARE = 0.7
"""Of the model's time that sessions are let in for: the road takes its part of the cores, and speech comes in bursts. A
session that is let in stays, so finals of too many would be late without end."""
ADMIT_INTERVAL_MS = 1500.0
"""Sessions are let in as long as each may have a draft so often."""
_SETTLE_S = 5.0
"""Finals come in bursts; their load is a mean over about so long."""
_COST_SHARE = 0.1
"""Of a new measurement in the mean cost of a draft."""
_STALE_MS = 60_000.0
"""A mean cost of drafts that is older says nothing of the machine as it is."""
_MOST_PLACES = 10_000
_RESUME = 0.8
"""Drafts that were stopped begin again when their interval would be this share of the longest one allowed."""
_YOUNG_SHARE = 0.5
"""Of the least interval: as often an utterance is drafted that has just begun, while there is no word of it to read."""
_DRAFT_BY_ENCODE = 1.1
_FINAL_BY_ENCODE = 0.4
"""What a draft costs, and the finals of one second of speech, by the cost of encoding a window of six seconds: measured
with base and tiny.en, where both are made of the same layers as the encoder."""


@dataclass(frozen=True)
class DraftPacing:
    """``interval_ms`` between two drafts of an utterance, ``young_interval_ms`` of one that has just begun; ``drafts``
    False: there is time for finals only; ``spare``: there is time for work that may turn out to be in vain."""

    interval_ms: float
    young_interval_ms: float
    drafts: bool
    spare: bool


def places(workers: int, encode_ms: float) -> int:
    """How many sessions may be in mid-speech at once and still have their drafts, and finals in time.

    ``encode_ms``: what a window of six seconds takes on one worker. At least one.
    """
    per_second_ms = encode_ms * (_FINAL_BY_ENCODE + _DRAFT_BY_ENCODE * 1000 / ADMIT_INTERVAL_MS)
    if per_second_ms <= 0:
        return _MOST_PLACES
    return min(max(1, int(ADMIT_SHARE * workers * 1000 / per_second_ms)), _MOST_PLACES)


def draft_ms(encode_ms: float) -> float:
    """What a draft will cost, before one was measured."""
    return _DRAFT_BY_ENCODE * encode_ms


class LoadModel:
    """Pure: told what was decoded and who speaks; says how to pace drafts and what room there is.

    ``draft_ms``: what a draft costs until the first was measured.
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
        """Mean cost of a draft, on one worker."""
        return self._draft_ms

    def decoded(self, kind: Kind, took_ms: float, count: int, now_ms: float) -> None:
        """``count`` windows were decoded together in ``took_ms``; ``now_ms`` is monotonic."""
        if kind is Kind.FINAL:
            self._finals_share = self._finals(now_ms) + took_ms / 1000 / _SETTLE_S
            self._finals_at_ms = now_ms
        elif kind is not Kind.BATCH:
            self._drafted_at_ms = now_ms
            self._draft_ms += _COST_SHARE * (took_ms / count - self._draft_ms)

    def measured(self, draft_ms: float, now_ms: float) -> None:
        """What a draft would cost on the idle model, which counts where none was decoded lately."""
        if now_ms - self._drafted_at_ms > _STALE_MS:
            self._draft_ms = draft_ms

    def pace(self, speaking: int, now_ms: float) -> DraftPacing:
        """For now, with so many sessions in mid-utterance."""
        wanted_ms = self._wanted_ms(speaking, now_ms)
        limit_ms = self._max_ms if self._drafts else _RESUME * self._max_ms
        self._drafts = wanted_ms <= limit_ms
        interval_ms, young_ms = (
            min(max(wanted_ms, least_ms), self._max_ms) for least_ms in (self._min_ms, _YOUNG_SHARE * self._min_ms)
        )
        return DraftPacing(interval_ms, young_ms, self._drafts, wanted_ms <= self._min_ms)

    def has_room(self, speaking: int, now_ms: float) -> bool:
        """Whether one more session could have its drafts."""
        return self._wanted_ms(speaking + 1, now_ms) <= ADMIT_INTERVAL_MS

    def _wanted_ms(self, speaking: int, now_ms: float) -> float:
        left = self._workers - self._finals(now_ms)
        return speaking * self._draft_ms / left if left > 0 else math.inf

    def _finals(self, now_ms: float) -> float:
        return self._finals_share * math.exp((self._finals_at_ms - now_ms) / 1000 / _SETTLE_S)
