"""Counts of a fuzzing run, and the inputs that must not be: findings."""

import collections
import math
import threading
import time
from pathlib import Path

CRASH, HANG, INTERNAL, SERVER_ERROR = "crash", "hang", "internal", "5xx"
WRONG, DISTURBED = "wrong answer", "disturbed neighbour"
_ALL = (CRASH, HANG, INTERNAL, SERVER_ERROR, WRONG, DISTURBED)


class Tally:
    """Counts of one part of a run, by outcome; findings are kept as files. May be used from any thread."""

    def __init__(self, part: str, folder: Path, limit_s: float = math.inf) -> None:
        self.part = part
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.findings: collections.Counter[str] = collections.Counter()
        self.notes: list[str] = []
        self.neighbours = 0
        """Sessions that went on beside the input."""
        self._folder = folder
        self._lock = threading.Lock()
        self._began_s = time.monotonic()
        self._limit_s = limit_s

    @property
    def is_over(self) -> bool:
        """Whether the part has taken as long as it may; the rest is left out then."""
        return time.monotonic() - self._began_s > self._limit_s

    def count(self, outcome: str, times: int = 1) -> None:
        """Count an input that ended as it may, or several."""
        with self._lock:
            self.outcomes[outcome] += times

    def find(self, finding: str, name: str, note: str, data: bytes = b"") -> None:
        """Record an input that ended as none may: what happened, and what repeats it."""
        with self._lock:
            self.outcomes[finding] += 1
            self.findings[finding] += 1
            self.notes.append(f"{finding}: {name}: {note}")
            if data:
                self._folder.mkdir(parents=True, exist_ok=True)
                (self._folder / f"{self.part}-{name}").write_bytes(data)

    def __str__(self) -> str:
        total = sum(self.outcomes.values())
        outcomes = ", ".join(f"{name} {count}" for name, count in self.outcomes.most_common())
        found = ", ".join(f"{name} {self.findings[name]}" for name in _ALL)
        took_s = time.monotonic() - self._began_s
        beside = f" beside {self.neighbours} sessions" if self.neighbours else ""
        head = f"{self.part}: {total} in {took_s:.0f} s{beside}: {found}"
        return "\n  ".join([head, outcomes, *self.notes[:20]])
