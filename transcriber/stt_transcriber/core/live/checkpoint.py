"""Places in the audio from which a successor can hear it again exactly as it was heard first.

The voice model remembers, and so does the gate: begun at the committed position with an empty memory they would end
utterances elsewhere. So their state is kept now and then, and the newest that lies before the committed position is
stored with it. The successor hears the audio from there on; what had its final already is told by where it ended.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import astuple, dataclass

from stt_shared.contracts.session import VadCheckpoint
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES, GateState

SPACING_SAMPLES = 32 * WINDOW_SAMPLES
"""About a second between two checkpoints: so much more of the audio log is kept than is not committed."""


@dataclass
class Checkpoint:
    """State at ``position``, a whole number of windows; frames of the log up to ``seq`` hold nothing behind it.

    The voice model hears ahead of the gate: ``gate`` is None until that is there too. ``open_start``: of the utterance
    that is open at ``position``, if one is. ``last_end``: of the utterance before that.
    """

    position: int
    seq: int
    voice: bytes
    gate: GateState | None = None
    open_start: int | None = None
    last_end: int = 0


class Checkpoints:
    """Those that may still be needed, in order."""

    def __init__(self, first: Checkpoint) -> None:
        self._kept: deque[Checkpoint] = deque([first])

    def heard(self, position: int, seq: int, voice: Callable[[], bytes]) -> None:
        """The voice model is at ``position`` and behind frame ``seq``, the last that holds nothing after it."""
        if position >= self._kept[-1].position + SPACING_SAMPLES:
            self._kept.append(Checkpoint(position, seq, voice()))

    def until_answered(
        self, position: int, gate: Callable[[], GateState], open_start: int | None, last_end: int
    ) -> None:
        """The gate is at ``position``."""
        for checkpoint in reversed(self._kept):
            if checkpoint.position == position and checkpoint.gate is None:
                checkpoint.gate, checkpoint.open_start, checkpoint.last_end = gate(), open_start, last_end
            if checkpoint.position <= position:
                return

    def skipped(self, seq: int) -> None:
        """Frames up to ``seq`` lie before the first checkpoint."""
        self._kept[0].seq = seq

    def before(self, committed: int) -> Checkpoint | None:
        """The newest whose state is known at or before a position; forgets those before it."""
        ready = [point for point in self._kept if point.gate is not None and point.position <= committed]
        if not ready:
            return None
        while self._kept[0] is not ready[-1]:
            self._kept.popleft()
        return ready[-1]


class SettledRanges:
    """Where the utterances ended that have their finals. After a takeover the audio from the checkpoint to
    ``resumed_at`` is heard once more, and these are found again: nothing is said of them twice, and they end where
    they ended. The last may end behind ``resumed_at``: its final reaches only so far, and the rest waits for its own.
    """

    def __init__(self, resumed_at: int, ends: tuple[int, ...] = ()) -> None:
        self.resumed_at = resumed_at
        self._ends = deque(ends)

    def add(self, end: int) -> None:
        """An utterance has its final, or needs none; so has the beginning of one, and later its rest."""
        if not self.ended_at(end):
            self._ends.append(end)

    def holds(self, start: int) -> bool:
        """The utterance that begins at ``start`` was settled before the takeover."""
        return start < self.resumed_at

    def ended_at(self, end: int) -> bool:
        """An utterance that was settled ended just there."""
        return end in self._ends

    def end_after(self, start: int) -> int:
        """Where the settled utterance ended that began at ``start``."""
        return next((end for end in self._ends if end > start), self.resumed_at)

    def hearing(self, checkpoint: Checkpoint) -> VadCheckpoint:
        """What is stored; forgets the ends that nobody who begins at the checkpoint will meet."""
        assert checkpoint.gate is not None
        begin = checkpoint.position if checkpoint.open_start is None else checkpoint.open_start
        while self._ends and self._ends[0] <= min(begin, checkpoint.position):
            self._ends.popleft()
        return VadCheckpoint(
            position=checkpoint.position,
            voice=checkpoint.voice,
            gate=astuple(checkpoint.gate),
            open_start=checkpoint.open_start,
            last_end=checkpoint.last_end,
            ends=tuple(self._ends),
        )
