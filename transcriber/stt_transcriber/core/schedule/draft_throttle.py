"""Rate of one session's drafts.

Under load they are requested less often, then not at all, because finals come first.
"""

import math

from stt_transcriber.core.schedule.pacing import DraftPacing


class DraftThrottle:
    """Throttle of one session; times are monotonic."""

    def __init__(self) -> None:
        self._last_ms = -math.inf
        self._paused = False

    def began(self, now_ms: float) -> None:
        """Record that a decode began, which brings the newest text too if it is a final."""
        self._last_ms = now_ms

    def allows(self, pacing: DraftPacing, now_ms: float, *, just_begun: bool) -> bool:
        """Check whether a draft may be requested. ``just_begun``: the utterance has hardly a word yet."""
        interval_ms = pacing.young_interval_ms if just_begun else pacing.interval_ms
        return pacing.drafts and now_ms >= self._last_ms + interval_ms

    def pauses(self, pacing: DraftPacing) -> bool:
        """Return True once each time that drafts stop, so that the client learns why there are no partials."""
        was_paused, self._paused = self._paused, not pacing.drafts
        return self._paused and not was_paused
