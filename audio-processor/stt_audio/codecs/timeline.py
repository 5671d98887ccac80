"""Place of decoded audio on the clock of its file, from the time stamps of the container. Pure.

Audio is never dropped or made to overlap: where the stamps leave a gap, silence is missing. As in players, small errors
of the stamps are ignored, and stamps that begin again continue where the audio is.
"""

import math

GAP_S = 0.1
"""Shortest gap that is kept. The stamps of WebM are rounded to milliseconds, those of live recordings jitter more."""
RESTART_S = 0.5
"""Stamps that fall back this far have begun again, as in files that were joined; below it they overlap."""


class Timeline:
    """Clock of one file.

    ``origin_s``: the stamp of the file's own zero. Gaps longer than ``max_gap_s``, and any that end after ``max_s``,
    are taken for stamps that begin again. With ``only_start``, stamps count for the first piece only.
    """

    def __init__(self, origin_s: float, max_s: float, max_gap_s: float = math.inf, *, only_start: bool = False) -> None:
        self._origin_s = origin_s
        self._max_s = max_s
        self._max_gap_s = max_gap_s
        self._only_start = only_start
        self.position_s = 0.0
        """End of the audio placed so far."""
        self.ignored_gap_s = 0.0
        """The longest gap that was ignored; ``ignored_at_s`` is where."""
        self.ignored_at_s = 0.0

    def place(self, stamp_s: float | None, length_s: float, next_stamp_s: float | None) -> float:
        """Place the next piece of audio; return the seconds of silence that belong before it.

        ``stamp_s``, ``next_stamp_s``: time stamps of this piece and of the next one, None if it has none. A stamp
        counts only if the next one confirms it: damaged data holds absurd ones.
        """
        silence_s = 0.0
        counts = not (self._only_start and self.position_s)
        if counts and stamp_s is not None and next_stamp_s is not None:
            late_s = stamp_s - self._origin_s - self.position_s
            silence_s = self._silence_s(late_s, next_stamp_s - self._origin_s - self.position_s - length_s)
        self.position_s += silence_s + length_s
        return silence_s

    def _silence_s(self, late_s: float, next_late_s: float) -> float:
        """``late_s``, ``next_late_s``: how much later than the audio before it this piece and the next one begin."""
        if max(late_s, next_late_s) <= -RESTART_S:
            self._origin_s += late_s
        gap_s = min(late_s, next_late_s)
        if gap_s < GAP_S:
            return 0.0
        if gap_s > self._max_gap_s or self.position_s + gap_s > self._max_s:
            self._origin_s += gap_s
            if gap_s > self.ignored_gap_s:
                self.ignored_gap_s, self.ignored_at_s = gap_s, self.position_s
            return 0.0
        return gap_s
