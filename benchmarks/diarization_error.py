"""Diarization error rate: the share of speech that is missed, invented or given to the wrong speaker."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP_S = 0.01

Interval = tuple[float, float]
Speech = Mapping[str, Sequence[Interval]]
"""When each speaker speaks, in seconds; one speaker's intervals may touch, and those of several overlap."""


@dataclass(frozen=True)
class Errors:
    """Seconds of speech: ``total`` of all speakers, and what of it is ``missed``, invented (``alarm``) or confused.

    ``mapping``: the reference's speaker of each speaker of the hypothesis.
    """

    total: float
    missed: float
    alarm: float
    confused: float
    mapping: Mapping[str, str]

    @property
    def rate(self) -> float:
        return (self.missed + self.alarm + self.confused) / self.total if self.total else 0.0


def diarization_error(reference: Speech, hypothesis: Speech, collar_s: float = 0.25) -> Errors:
    """Compare two accounts as NIST's md-eval does, in steps of 10 ms and with overlapping speech scored.

    ``collar_s`` before and after each end of an interval of the reference is not scored. Speakers are mapped one to one
    so that they agree as long as possible.
    """
    ends = [end for speech in (reference, hypothesis) for spans in speech.values() for _, end in spans]
    steps = round(max(ends, default=0.0) / STEP_S) + 1
    scored = np.ones(steps, bool)
    for begin, end in (span for spans in reference.values() for span in spans):
        for border in (begin, end):
            scored[_step(max(0.0, border - collar_s)) : _step(border + collar_s)] = False
    spoken = {name: _track(spans, steps) & scored for name, spans in reference.items()}
    heard = {name: _track(spans, steps) & scored for name, spans in hypothesis.items()}
    mapping = _mapping(spoken, heard)
    n_spoken = sum(spoken.values(), np.zeros(steps, np.int64))
    n_heard = sum(heard.values(), np.zeros(steps, np.int64))
    right = sum((spoken[name] & heard[other] for other, name in mapping.items()), np.zeros(steps, np.int64))
    return Errors(
        total=float(n_spoken.sum()) * STEP_S,
        missed=float(np.maximum(0, n_spoken - n_heard).sum()) * STEP_S,
        alarm=float(np.maximum(0, n_heard - n_spoken).sum()) * STEP_S,
        confused=float((np.minimum(n_spoken, n_heard) - right).sum()) * STEP_S,
        mapping=mapping,
    )


def joined(intervals: Sequence[Interval], gap_s: float = 0.5) -> list[Interval]:
    """Return the intervals in order, those joined that are less than ``gap_s`` apart."""
    found: list[Interval] = []
    for begin, end in sorted(intervals):
        if found and begin - found[-1][1] < gap_s:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _step(seconds: float) -> int:
    return round(seconds / STEP_S)


def _track(spans: Sequence[Interval], steps: int) -> NDArray[np.bool_]:
    track = np.zeros(steps, bool)
    for begin, end in spans:
        track[_step(begin) : _step(end)] = True
    return track


def _mapping(spoken: Mapping[str, NDArray[np.bool_]], heard: Mapping[str, NDArray[np.bool_]]) -> dict[str, str]:
    """Return the best of all mappings; both have few speakers."""
    agree = {(name, other): int((spoken[name] & heard[other]).sum()) for name in spoken for other in heard}
    few, many = sorted((list(spoken), list(heard)), key=len)
    swapped = few != list(spoken)
    best: dict[str, str] = {}
    longest = -1
    for chosen in itertools.permutations(many, len(few)):
        pairs = [(other, one) if swapped else (one, other) for one, other in zip(few, chosen, strict=True)]
        agreed = sum(agree[pair] for pair in pairs)
        if agreed > longest:
            longest, best = agreed, {other: name for name, other in pairs}
    return best
