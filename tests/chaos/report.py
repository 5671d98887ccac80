"""Findings of a scenario, as a row of the table and of the JSON."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from support.machine import machine

from chaos.count import Count
from chaos.strikes import Strike


@dataclass
class Row:
    """One scenario. ``must_lose``: a negative twin, which is good when its count is not exact."""

    name: str
    must_lose: bool = False
    shown: bool = False
    """Of a twin: what it does without was missed in another way than by lost words."""
    faults: int = 0
    session_faults: int = 0
    """Sessions in mid-speech that a fault hit, added up."""
    count: Count = field(default_factory=Count)
    timings_ms: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, float | str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    skipped: str = ""
    took_s: float = 0.0

    @property
    def is_good(self) -> bool:
        """As it must be."""
        if self.skipped:
            return True
        if self.must_lose:
            return (self.shown or not self.count.is_exact) and not self.problems
        return self.count.is_exact and not self.problems and self.count.sessions > 0

    def add_strikes(self, strikes: Iterable[Strike]) -> None:
        """Takes the timings of strikes, once the crowd is gone."""
        for strike in strikes:
            self.faults += 1
            self.session_faults += strike.hit
            self.timings_ms.setdefault("owned", []).extend(strike.owned_ms)
            self.timings_ms.setdefault("heard", []).extend(strike.heard_ms)
            if strike.never:
                self.problems.append(f"{strike.never} sessions had no new owner within 30 s")

    def as_json(self) -> dict[str, Any]:
        return {
            "scenario": self.name,
            "good": self.is_good,
            **({"skipped": self.skipped} if self.skipped else {}),
            **({"negative_twin": True} if self.must_lose else {}),
            "faults": self.faults,
            "session_faults": self.session_faults,
            **{part.name: getattr(self.count, part.name) for part in fields(self.count)},
            "timings_ms": {name: spread(values) for name, values in self.timings_ms.items() if values},
            "notes": self.notes,
            "problems": self.problems,
            "took_s": round(self.took_s, 1),
        }


def spread(values: list[float]) -> dict[str, float]:
    """p50, p95 and max, rounded."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)

    return {"n": len(ordered), "p50": at(0.5), "p95": at(0.95), "max": round(ordered[-1], 1)}


def table(rows: list[Row]) -> Table:
    """For people."""
    shown = Table(
        *("scenario", "", "faults", "hit", "sessions", "words", "lost", "doubled", "disorder", "other", "times, ms"),
        box=None,
        header_style="bold",
    )
    for row in rows:
        counted = row.count
        other = counted.foreign + counted.misplaced + counted.final_holes + counted.unfinished
        times = "; ".join(
            f"{name} p50 {s['p50']:.0f} p95 {s['p95']:.0f} max {s['max']:.0f}"
            for name, values in row.timings_ms.items()
            if values
            for s in (spread(values),)
        )
        verdict = "skip" if row.skipped else ("ok" if row.is_good else "BAD")
        numbers = (row.faults, row.session_faults, counted.sessions, counted.words)
        found = (counted.lost, counted.doubled, counted.disordered, other)
        shown.add_row(row.name, verdict, *map(str, (*numbers, *found)), times)
    return shown


def print_row(row: Row) -> None:
    """One scenario, as soon as it has been played."""
    console = Console(stderr=True, width=200)
    console.print(table([row]))
    ended = [f"ended badly: {dict(row.count.causes)}"] if row.count.causes else []
    notes = [f"{name}: {value}" for name, value in row.notes.items()]
    for line in (row.skipped, *row.problems, *ended, *notes):
        if line:
            console.print(f"  {line}", highlight=False, markup=False)


def print_report(rows: list[Row], seed: int) -> None:
    """The table and the sum, to the terminal."""
    console = Console(stderr=True, width=200)
    console.print(table(rows))
    bad = sum(not row.is_good for row in rows)
    console.print(f"{session_faults(rows)} session faults, {bad} scenarios bad, seed {seed}")


def write_report(rows: list[Row], seed: int, out: Path) -> None:
    """What has been played so far, as JSON."""
    document = {
        "machine": machine(),
        "seed": seed,
        "session_faults": session_faults(rows),
        "scenarios": [row.as_json() for row in rows],
    }
    out.write_text(json.dumps(document, indent=2, default=str) + "\n")


def session_faults(rows: list[Row]) -> int:
    """Of the scenarios that must lose nothing."""
    return sum(row.session_faults for row in rows if not row.must_lose)
