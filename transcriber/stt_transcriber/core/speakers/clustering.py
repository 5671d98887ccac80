"""Clustering of voices: agglomerative, with average linkage on cosine similarity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]


@dataclass(frozen=True)
class Merge:
    """One step: the clusters that hold items ``one`` and ``other`` become one; ``similarity``: their mean cosine."""

    similarity: float
    one: int
    other: int


def merges_of(voices: Floats) -> list[Merge]:
    """Return all n - 1 merges of ``voices``, float32 [n, d] of unit length, the most similar first.

    Nearest-neighbour chains (Murtagh, "A survey of recent advances in hierarchical clustering algorithms", 1983) take
    time and memory in proportion to n². Equal similarities are decided by position, so the result depends on
    ``voices`` alone.
    """
    count = len(voices)
    similar = (voices @ voices.T).astype(np.float32)
    np.fill_diagonal(similar, -np.inf)
    sizes = np.ones(count, np.float32)
    alive = np.ones(count, bool)
    merges: list[Merge] = []
    chain: list[int] = []
    while len(merges) < count - 1:
        if not chain:
            chain.append(int(np.argmax(alive)))
        while True:
            row = similar[chain[-1]]
            nearest = int(np.argmax(row))
            # Of equals the previous link wins, or else the chain would never end.
            if len(chain) > 1 and row[chain[-2]] >= row[nearest]:
                nearest = chain[-2]
                break
            chain.append(nearest)
        top = chain.pop()
        chain.pop()
        one, other = min(top, nearest), max(top, nearest)
        merges.append(Merge(float(similar[one, other]), one, other))
        joined = (sizes[one] * similar[one] + sizes[other] * similar[other]) / (sizes[one] + sizes[other])
        joined[one] = -np.inf
        similar[one, :] = similar[:, one] = joined
        similar[other, :] = similar[:, other] = -np.inf
        sizes[one] += sizes[other]
        alive[other] = False
    return sorted(merges, key=lambda merge: -merge.similarity)


def labels_after(merges: list[Merge], count: int) -> Labels:
    """Return the cluster of each of ``count`` items after ``merges``, intp [count]: the first item of the cluster."""
    parents = list(range(count))
    for merge in merges:
        one, other = _root(parents, merge.one), _root(parents, merge.other)
        parents[max(one, other)] = min(one, other)
    return np.array([_root(parents, item) for item in range(count)], np.intp)


def _root(parents: list[int], item: int) -> int:
    while parents[item] != item:
        parents[item] = parents[parents[item]]
        item = parents[item]
    return item
