"""Comparison of output with input: words lost, doubled, out of order, at a wrong position; finals missing."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

from chaos.oracle import Speech, index_of

_PLACE_TOLERANCE_MS = 2


@dataclass
class Count:
    """Of one session, or of many added up. All but the first three are faults."""

    sessions: int = 0
    words: int = 0
    gone: int = 0
    """Words missing that nobody could expect."""
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    foreign: int = 0
    """Words that nobody said."""
    misplaced: int = 0
    """Words whose time is not where they were said."""
    final_holes: int = 0
    """Finals missing from the row of their numbers, or given twice."""
    unfinished: int = 0
    """Sessions that did not end with ``done``."""
    causes: Counter[str] = field(default_factory=Counter)
    """Why sessions did not end well."""

    @property
    def is_exact(self) -> bool:
        """Every word once, in order, in its place."""
        return not any(
            (
                self.lost,
                self.doubled,
                self.disordered,
                self.foreign,
                self.misplaced,
                self.final_holes,
                self.unfinished,
            )
        )

    def summary(self) -> str:
        """The faults alone."""
        named = {part.name: getattr(self, part.name) for part in fields(self)[3:]}
        return ", ".join(
            f"{name} {dict(found) if name == 'causes' else found}" for name, found in named.items() if found
        )

    def add(self, other: "Count") -> None:
        """Adds another count to this one."""
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name) + getattr(other, part.name))


def count(speech: Speech, events: Sequence[dict[str, Any]], *, cause: str = "", gone: Collection[int] = ()) -> Count:
    """Counts one session by the events that its client received; ``cause``: why it ended, if not with ``done``.

    ``gone``: words that may be missing. A word without a time is in its place.
    """
    finals = [event for event in events if event["type"] == "final"]
    said = [(index_of(spoken["word"]), spoken.get("start_ms")) for final in finals for spoken in final["words"]]
    indices = [index for index, _ in said if index in speech.starts_ms]
    times = Counter(indices)
    firsts = list(dict.fromkeys(indices))
    numbers = [final["utterance"] for final in finals]
    missing = speech.starts_ms.keys() - times.keys()
    ended = any(event["type"] == "done" for event in events)
    result = Count(
        sessions=1,
        words=len(speech.starts_ms),
        lost=len(missing.difference(gone)),
        gone=len(missing.intersection(gone)),
        doubled=sum(times.values()) - len(times),
        disordered=sum(later < earlier for earlier, later in pairwise(firsts)),
        foreign=len(said) - len(indices),
        misplaced=sum(
            abs(start_ms - speech.starts_ms[index]) > _PLACE_TOLERANCE_MS
            for index, start_ms in said
            if index in speech.starts_ms and start_ms is not None
        ),
        final_holes=sum(number != place for place, number in enumerate(numbers, 1)),
        unfinished=int(not ended),
    )
    if not ended:
        result.causes[cause or "no done"] += 1
    return result
