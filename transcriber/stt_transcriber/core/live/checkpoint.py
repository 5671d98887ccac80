"""Checkpoints: positions in the audio from which the next owner can process it exactly as it was processed first.

The VAD model and its gate have state: started at the committed position without it, they would end utterances
elsewhere. So their state is saved about once a second, and the newest checkpoint at or before the committed position is
stored with it. The next owner processes the audio from there on, and recognises utterances that already have their
finals by their ends.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import astuple, dataclass

from stt_shared.contracts.session import VadCheckpoint
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES, GateState

SPACING_SAMPLES = 32 * WINDOW_SAMPLES
"""Distance of two checkpoints, about a second: this much more of the audio log is kept than is uncommitted."""


@dataclass
class Checkpoint:
    """State at ``position``, a whole number of windows; frames of the log up to ``seq`` hold nothing after it.

    ``voice``: state of the VAD model, which runs ahead of the gate. ``gate``: state of the gate, None until it has
    reached ``position`` too. ``open_start``: start of the utterance that is open at ``position``, None if there is
    none. ``last_end``: end of the utterance before that.
    """

    position: int
    seq: int
    voice: bytes
    gate: GateState | None = None
    open_start: int | None = None
    last_end: int = 0


class Checkpoints:
    """Checkpoints that may still be needed, in order."""

    def __init__(self, first: Checkpoint) -> None:
        self._kept: deque[Checkpoint] = deque([first])

    def add(self, position: int, seq: int, voice: Callable[[], bytes]) -> None:
        """Add a checkpoint at ``position``, which the VAD model has reached, if the last one is far enough away.

        ``seq``: the last frame that holds nothing after ``position``.
        """
        if position >= self._kept[-1].position + SPACING_SAMPLES:
            self._kept.append(Checkpoint(position, seq, voice()))

    def complete(self, position: int, gate: Callable[[], GateState], open_start: int | None, last_end: int) -> None:
        """Complete the checkpoint at ``position``, if there is one, with the state of the gate, which is there."""
        for checkpoint in reversed(self._kept):
            if checkpoint.position == position and checkpoint.gate is None:
                checkpoint.gate, checkpoint.open_start, checkpoint.last_end = gate(), open_start, last_end
            if checkpoint.position <= position:
                return

    def skip(self, seq: int) -> None:
        """Record that frames up to ``seq`` lie before the first checkpoint."""
        self._kept[0].seq = seq

    def before(self, committed: int) -> Checkpoint | None:
        """Return the newest complete checkpoint at or before ``committed`` and drop those before it.

        None: there is none.
        """
        ready = [point for point in self._kept if point.gate is not None and point.position <= committed]
        if not ready:
            return None
        while self._kept[0] is not ready[-1]:
            self._kept.popleft()
        return ready[-1]


class SettledRanges:
    """Ends of the utterances that are settled.

    After a takeover, the audio from the checkpoint to ``resumed_at`` is processed once more, and these utterances are
    found again: none of their events is published twice, and they end at the same positions. The last one may end after
    ``resumed_at``: its final reaches only up to there, and the rest waits for its own.
    """

    def __init__(self, resumed_at: int, ends: tuple[int, ...] = ()) -> None:
        self.resumed_at = resumed_at
        self._ends = deque(ends)

    def add(self, end: int) -> None:
        """Add the end of an utterance that has its final or needs none.

        An utterance whose beginning and rest get separate finals is added for each of them, and kept once.
        """
        if not self.ended_at(end):
            self._ends.append(end)

    def covers(self, start: int) -> bool:
        """Check whether the utterance that begins at ``start`` was settled before the takeover."""
        return start < self.resumed_at

    def ended_at(self, end: int) -> bool:
        """Check whether a settled utterance ended exactly at ``end``."""
        return end in self._ends

    def end_after(self, start: int) -> int:
        """Return the end of the settled utterance that began at ``start``."""
        return next((end for end in self._ends if end > start), self.resumed_at)

    def stored(self, checkpoint: Checkpoint) -> VadCheckpoint:
        """Return a checkpoint in its stored form; drop the ends that are never reached from this checkpoint."""
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
