"""Supervisor of child processes: starts them, restarts those that die, stops them in order.

Single-threaded: the launcher's loop calls `poll`, which never waits.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stt_cli.up.child import Child, ChildSpec, describe_exit

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
STEADY_AFTER_S = 30.0
"""Lifetime after which a child's backoff starts again from the first pause."""


@dataclass
class Backoff:
    """Wait before the next restart, doubling from the first pause up to the longest."""

    first_s: float = FIRST_PAUSE_S
    longest_s: float = LONGEST_PAUSE_S
    steady_after_s: float = STEADY_AFTER_S
    _next_s: float = 0.0

    def after(self, lived_s: float) -> float:
        """Return the seconds to wait after a process that lived for ``lived_s``."""
        if self._next_s == 0.0 or lived_s >= self.steady_after_s:
            self._next_s = self.first_s
        pause_s = self._next_s
        self._next_s = min(self.longest_s, 2 * pause_s)
        return pause_s


@dataclass
class _Slot:
    spec: ChildSpec
    backoff: Backoff = field(default_factory=Backoff)
    child: Child | None = None
    started_s: float = 0.0
    due_s: float = 0.0


@dataclass(frozen=True)
class Ended:
    """A child that ended without having been stopped."""

    name: str
    exit_code: int
    tail: list[str]
    restart_in_s: float

    def __str__(self) -> str:
        return f"{self.name} ended ({describe_exit(self.exit_code)}); starting it again in {self.restart_in_s:g} s"


class Supervisor:
    """Supervisor of groups of children; all groups start together and stop one after the other, in the order given."""

    def __init__(
        self,
        groups: Sequence[Sequence[ChildSpec]],
        on_line: Callable[[str, str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._groups = [[_Slot(spec) for spec in group] for group in groups]
        self._on_line = on_line
        self._now = now

    def start(self) -> None:
        """Start every child."""
        for slot in self._slots():
            self._start(slot)

    def poll(self) -> list[Ended]:
        """Return the children that have ended since the last call, and restart those that are due."""
        ended = []
        for slot in self._slots():
            if slot.child is None:
                if self._now() >= slot.due_s:
                    self._start(slot)
            elif (exit_code := slot.child.exit_code) is not None:
                now = self._now()
                pause_s = slot.backoff.after(now - slot.started_s)
                ended.append(Ended(slot.spec.name, exit_code, slot.child.tail(), pause_s))
                slot.child.kill()
                slot.child, slot.due_s = None, now + pause_s
        return ended

    def pids(self) -> dict[str, int]:
        """Return the process ids of the running children, by name."""
        return {slot.spec.name: slot.child.pid for slot in self._slots() if slot.child is not None}

    def stop(self, grace_s: float, hurry: Callable[[], bool] = lambda: False) -> list[str]:
        """Stop one group after the other; return the names of children that had to be killed.

        Each group has ``grace_s`` to finish; once ``hurry()`` is true there is no more waiting.
        """
        killed = []
        for group in self._groups:
            running = [slot.child for slot in group if slot.child is not None]
            for child in running:
                child.terminate()
            deadline = self._now() + grace_s
            while any(child.exit_code is None for child in running) and self._now() < deadline and not hurry():
                time.sleep(0.02)
            killed += [child.spec.name for child in running if child.exit_code is None]
            for child in running:
                child.kill()
            for slot in group:
                slot.child = None
                slot.due_s = float("inf")
        return killed

    def _slots(self) -> list[_Slot]:
        return [slot for group in self._groups for slot in group]

    def _start(self, slot: _Slot) -> None:
        slot.child = Child(slot.spec, self._on_line)
        slot.started_s = self._now()
