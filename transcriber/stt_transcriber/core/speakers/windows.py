"""Windows of speech that are short enough to hold one voice and long enough to tell whose it is."""

import itertools
from collections.abc import Sequence

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.audio.vad_track import Span

WINDOW = AUDIO_RATE_HZ * 3 // 2
"""Length of a window: a shorter one tells voices apart worse, a longer one holds two of them more often."""
SPARSE = 2 * AUDIO_RATE_HZ
"""Speech for each window. Less would cost more and tell no more; with more, changes of the speaker are missed."""
SHORTEST = AUDIO_RATE_HZ * 2 // 5
"""Shorter stretches get no window: their words are judged by those around them."""


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
