"""Rate of one session's drafts.

Under load they are requested less often, then not at all, because finals come first. Sessions that are speaking have
the same time of the model, not the same number of drafts: one whose drafts cost more, for instance by a long prompt,
has fewer of them.
"""

import math

from stt_transcriber.core.schedule.averages import RecentMean
from stt_transcriber.core.schedule.pacing import DraftPacing

_COST_S, _COST_WEIGHT = 10.0, 0.3
"""Time over which the cost of the session's drafts is averaged, and greatest weight of a single one."""
_MOST_STRETCH = 3.0


class DraftThrottle:
    """Throttle of one session; times are monotonic."""

    def __init__(self) -> None:
        self._last_ms = -math.inf
        self._paused = False
        self._cost_ms = RecentMean(_COST_S, _COST_WEIGHT, 0.0)

    def took(self, took_ms: float, now_ms: float) -> None:
        """Record the cost of one of the session's drafts."""
        if self._cost_ms.value:
            self._cost_ms.add(took_ms, now_ms)
        else:
            self._cost_ms.set(took_ms, now_ms)

    def began(self, now_ms: float) -> None:
        """Record that a decode began, which brings the newest text too if it is a final."""
        self._last_ms = now_ms

    def allows(self, pacing: DraftPacing, now_ms: float, *, just_begun: bool) -> bool:
        """Check whether a draft may be requested. ``just_begun``: the utterance has hardly a word yet."""
        interval_ms = pacing.young_interval_ms if just_begun else pacing.interval_ms
        if not pacing.spare and pacing.draft_ms:
            interval_ms *= min(max(1.0, self._cost_ms.value / pacing.draft_ms), _MOST_STRETCH)
        return pacing.drafts and now_ms >= self._last_ms + interval_ms

    def pauses(self, pacing: DraftPacing) -> bool:
        """Return True once each time that drafts stop, so that the client learns why there are no partials."""
        was_paused, self._paused = self._paused, not pacing.drafts
        return self._paused and not was_paused
