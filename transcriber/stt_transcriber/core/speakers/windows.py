"""Windows of speech that are short enough to hold one voice and long enough to tell whose it is."""

import itertools
from collections.abc import Sequence

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.audio.vad_track import Span

WINDOW = AUDIO_RATE_HZ * 3 // 2
"""Length of a window: a shorter one tells voices apart worse, a longer one holds two of them more often."""
HOP = AUDIO_RATE_HZ * 3 // 4
"""Longest distance between the starts of two windows of a stretch."""
SHORTEST = AUDIO_RATE_HZ * 2 // 5
"""Shorter stretches get no window: their words are judged by those around them."""


def windows_in(stretches: Sequence[Span]) -> list[Span]:
    """Return the windows that cover the stretches of speech, in order, evenly placed; none reaches across a pause."""
    windows: list[Span] = []
    for begin, end in stretches:
        length = end - begin
        if length < SHORTEST:
            continue
        steps = -(-max(0, length - WINDOW) // HOP)
        starts = [begin + (length - WINDOW) * step // steps for step in range(steps + 1)] if steps else [begin]
        windows += [(start, min(start + WINDOW, end)) for start in starts]
    return windows


SPARSE = 2 * AUDIO_RATE_HZ
"""Speech for each window where one suffices."""


def sparse_windows_in(stretches: Sequence[Span]) -> list[tuple[Span, Span]]:
    """Return parts of the stretches of speech, in order, each with a window in its middle.

    A stretch is one part, or several if it is long. Stretches that are too short for a window are left out.
    """
    found = []
    for begin, end in stretches:
        if end - begin < SHORTEST:
            continue
        count = max(1, round((end - begin) / SPARSE))
        borders = [begin + (end - begin) * at // count for at in range(count + 1)]
        for start, stop in itertools.pairwise(borders):
            spare = max(0, stop - start - WINDOW) // 2
            found.append(((start, stop), (start + spare, min(stop, start + spare + WINDOW))))
    return found
