"""A speaker for each word: the path through the words that agrees best with the voices around them."""

from collections.abc import Sequence

import numpy as np

from stt_transcriber.core.speakers.clustering import Floats, Labels

CHANGE_COST = 0.5
"""Similarity that a change of speaker between two words must gain. Without a cost, single words would change sides."""
PAUSE_COST = 0.1
"""The same for a change at a pause."""
PAUSE_S = 0.25
_REACH_S = 0.25
"""How far beyond its middle half a window still counts for a word."""


def speaker_of_words(spans: Sequence[tuple[float, float]], windows: Floats, similar: Floats) -> Labels:
    """Return the speaker of each word, intp [n], with the Viterbi algorithm.

    ``spans``: start and end of each word. ``windows``: float32 [m, 2], start and end of each window. ``similar``:
    float32 [m, k], cosine of each window with each speaker's voice, k at least 1. Times are seconds from one origin, in
    order.
    """
    if not spans:
        return np.zeros(0, np.intp)
    evidence = _evidence(np.array(spans, np.float32), windows, similar)
    speakers = similar.shape[1]
    total = evidence[0]
    came_from = np.zeros((len(spans), speakers), np.intp)
    for index in range(1, len(spans)):
        pause = spans[index][0] - spans[index - 1][1] >= PAUSE_S
        best = int(np.argmax(total))
        changed = total[best] - (PAUSE_COST if pause else CHANGE_COST)
        stays = total >= changed
        came_from[index] = np.where(stays, np.arange(speakers), best)
        total = np.where(stays, total, changed) + evidence[index]
    path = [int(np.argmax(total))]
    for index in range(len(spans) - 1, 0, -1):
        path.append(int(came_from[index, path[-1]]))
    return np.array(path[::-1], np.intp)


def _evidence(spans: Floats, windows: Floats, similar: Floats) -> Floats:
    """Return the mean similarity of the windows around each word with each speaker, float32 [n, k].

    The nearer the middles of word and window, the more it counts. A word without windows around it has no evidence.
    """
    found = np.zeros((len(spans), similar.shape[1]), np.float32)
    middles = windows.mean(axis=1)
    reaches = (windows[:, 1] - windows[:, 0]) / 2 + _REACH_S
    first = np.searchsorted(windows[:, 1], spans[:, 0] - _REACH_S)
    last = np.searchsorted(windows[:, 0], spans[:, 1] + _REACH_S)
    for index, (begin, end) in enumerate(zip(first, last, strict=True)):
        away = np.abs(middles[begin:end] - spans[index].mean())
        weights = np.maximum(0.0, 1.0 - away / reaches[begin:end])
        if weights.sum() > 0:
            found[index] = weights @ similar[begin:end] / weights.sum()
    return found
