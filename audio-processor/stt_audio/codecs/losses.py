"""Parts of a file that could not be decoded, joined into a few warnings. Pure."""

from dataclasses import dataclass

from stt_shared.contracts.jobs import JobWarning

REPORTED_S = 0.25
"""Less than this is not reported: players skip a damaged packet as well."""
JOINED_S = 2.0
"""Losses that are closer than this are one: data that has lost its place decodes now and then."""
MAX_WARNINGS = 20
_TO_THE_END_S = 0.1


@dataclass(frozen=True)
class _Loss:
    """A part of which ``lost_s`` are missing.

    ``is_end``: the file ends there, although it states a greater length. ``is_hole``: nobody knows how much is missing.
    """

    start_s: float
    end_s: float
    lost_s: float
    is_end: bool = False
    is_hole: bool = False


class Losses:
    """Lost parts, in the order of the file."""

    def __init__(self) -> None:
        self._losses: list[_Loss] = []

    def add(self, start_s: float, end_s: float, lost_s: float, *, is_end: bool = False) -> None:
        """Add a part of which ``lost_s`` are missing; ``end_s`` is ``start_s`` if no silence stands for them.

        ``is_end``: the file ends there, although it states a greater length.
        """
        self._add(_Loss(start_s, end_s, lost_s, is_end))

    def add_hole(self, at_s: float) -> None:
        """Add a place at which nobody knows how much is missing."""
        self._add(_Loss(at_s, at_s, 0.0, is_hole=True))

    def _add(self, loss: _Loss) -> None:
        if self._losses and loss.start_s - self._losses[-1].end_s <= JOINED_S:
            loss = _joined(self._losses.pop(), loss)
        self._losses.append(loss)

    def warnings(self, length_s: float) -> list[JobWarning]:
        """Return what to tell the client of a file of ``length_s``."""
        losses = [loss for loss in self._losses if loss.is_hole or loss.lost_s >= REPORTED_S]
        while len(losses) > MAX_WARNINGS:
            last = losses.pop()
            losses[-1] = _joined(losses[-1], last)
        return [_warning(loss, length_s) for loss in losses]


def _joined(first: _Loss, second: _Loss) -> _Loss:
    is_hole = first.is_hole or second.is_hole
    return _Loss(first.start_s, second.end_s, first.lost_s + second.lost_s, is_hole=is_hole)


def _warning(loss: _Loss, length_s: float) -> JobWarning:
    end_s = min(loss.end_s, length_s)
    code = "damaged"
    if loss.is_end:
        code = "cut_off"
        message = f"the file ends after {loss.start_s:.1f} s; it should be {end_s:.1f} s long"
    elif end_s > length_s - _TO_THE_END_S:
        message = f"the file is damaged after {loss.start_s:.1f} s"
    else:
        place = f"{loss.start_s:.1f}" if loss.start_s == end_s else f"{loss.start_s:.1f}–{end_s:.1f}"
        missing = "an unknown part" if loss.is_hole else f"{loss.lost_s:.1f} s"
        message = f"the file is damaged at {place} s: {missing} of it cannot be decoded"
    return JobWarning(code, message, round(loss.start_s, 3), round(end_s, 3))
