"""How many speakers there are, and the voice of each."""

import numpy as np

from stt_shared.contracts.speakers import SpeakerCount
from stt_transcriber.core.speakers.clustering import Floats, Labels, Merge, labels_after, merges_of

ALIKE_FROM = 0.35
"""Mean cosine of two clusters of windows from which on they are joined: surely one voice, though one voice may have
several such clusters."""
ONE_VOICE_FROM = 0.55
"""Cosine of the means of two clusters from which on they are one voice. It tells more than the mean cosine of their
windows, each of which differs from the mean by what was said in it."""
CLEAR_WINDOW_S = 1.0
"""Shortest window that takes part in the clustering."""
SPEAKER_FROM_S = 4.0
SPEAKER_FROM_SHARE = 0.1
"""Least speech of a speaker, in seconds and as a share of all speech; the lower one counts. Less is a mixture of two
voices, or a noise, more often than another person."""
MOST_CLUSTERED = 2000
"""Most windows that are clustered, evenly chosen; time and memory grow with their square. The others only get the
speaker whose voice is nearest."""
_FINER_CUTS = 300
"""Most cuts that are tried to find more speakers."""
_ROUNDS = 3


def speaker_voices(voices: Floats, lengths_s: Floats, limits: SpeakerCount) -> Floats:
    """Return the mean voice of each speaker, float32 [k, d] of unit length; k is 0 without any voice.

    ``voices``: float32 [n, d] of unit length, one per window; ``lengths_s``: float32 [n], new speech in each window. A
    recording in which fewer than ``limits.least`` voices can be told apart has fewer speakers.
    """
    if not len(voices):
        return voices
    clear = np.flatnonzero(lengths_s >= min(CLEAR_WINDOW_S, float(lengths_s.max())))
    chosen = clear[np.unique(np.linspace(0, len(clear) - 1, min(len(clear), MOST_CLUSTERED)).astype(int))]
    share = float(lengths_s.sum() / lengths_s[chosen].sum())
    means = _distinct(voices[chosen], lengths_s[chosen] * share, limits)
    for _ in range(_ROUNDS):
        means = _means(voices[chosen], np.argmax(voices[chosen] @ means.T, axis=1))
    return means


def _distinct(voices: Floats, lengths_s: Floats, limits: SpeakerCount) -> Floats:
    """Return the means of the clusters that are speakers."""
    merges = merges_of(voices)
    alike = sum(merge.similarity >= ALIKE_FROM for merge in merges)
    best = _large(merges[:alike], lengths_s)
    for done in range(alike - 1, max(-1, alike - _FINER_CUTS), -1):
        if _count(best) >= limits.least:
            break
        finer = _large(merges[:done], lengths_s)
        if _count(finer) > _count(best):
            best = finer
    means, labels = _means(voices, best), best
    while len(means) > limits.least:
        similar = means @ means.T
        np.fill_diagonal(similar, -1.0)
        one, other = np.unravel_index(int(np.argmax(similar)), similar.shape)
        if similar[one, other] < ONE_VOICE_FROM and len(means) <= limits.most:
            break
        names = np.unique(labels[labels >= 0])
        labels = np.where(labels == names[other], names[one], labels)
        means = _means(voices, labels)
    return means


def _large(merges: list[Merge], lengths_s: Floats) -> Labels:
    """Return the clusters after ``merges`` that are large enough for a speaker, or the largest one if none is."""
    labels = labels_after(merges, len(lengths_s))
    speech_s = np.bincount(labels, lengths_s, minlength=len(lengths_s))
    enough = min(SPEAKER_FROM_S, SPEAKER_FROM_SHARE * float(speech_s.sum()), float(speech_s.max()))
    return np.where(speech_s[labels] >= enough, labels, -1)


def _count(labels: Labels) -> int:
    return len(np.unique(labels[labels >= 0]))


def _means(voices: Floats, labels: Labels) -> Floats:
    """Return the mean of each cluster, of unit length, in the order of the labels; items labelled -1 do not count."""
    sums = np.stack([voices[labels == label].sum(axis=0) for label in np.unique(labels[labels >= 0])])
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)
