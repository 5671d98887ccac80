"""Closed utterances that wait for their finals, first in, first out."""

from collections import deque
from collections.abc import Sequence

from stt_shared.contracts.session import Task
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_track import VadTrack
from stt_transcriber.core.live.checkpoint import SettledRanges
from stt_transcriber.core.live.segmenter import UtteranceClosed
from stt_transcriber.core.live.utterance import Utterance
from stt_transcriber.core.text.agreement import Agreement, PlacedWord
from stt_transcriber.core.text.missed_speech import Accepted, Retry, Speech


class FinalQueue:
    """Utterances of one session; ``head``, the one whose final is next, may be shortened and decoded in parts."""

    def __init__(self, buffer: RollingBuffer, track: VadTrack, settled: SettledRanges, margin_ms: int) -> None:
        self._buffer = buffer
        self._track = track
        self._settled = settled
        self._margin_ms = margin_ms
        self._utterances: deque[Utterance] = deque()

    @property
    def head(self) -> Utterance | None:
        """First utterance; None if none waits."""
        return self._utterances[0] if self._utterances else None

    def add(self, closed: UtteranceClosed) -> None:
        """Queue an utterance or, if a part of it has its final from before a takeover, what is left of it."""
        utterance, settled_until = closed.utterance, closed.settled_until
        left = utterance if settled_until is None else self._rest(utterance.start, settled_until, utterance.end)
        if left is not None:
            self._utterances.append(left)

    def decide(
        self, words: Sequence[PlacedWord], task: Task, *, truncated: bool, loops: bool = False
    ) -> Accepted | Retry:
        """Decide what ``words`` settle of the first utterance; they are empty if its text was rejected.

        ``truncated``, ``loops``: as in ``Speech.settle``.
        """
        head = self._utterances[0]
        shortened = head.end < head.whole_end
        speech = self._speech(head.start, head.end)
        return speech.settle(words, task, shortened=shortened, truncated=truncated, loops=loops)

    def give_up(self) -> Accepted:
        """Settle the first utterance without a text."""
        head = self._utterances[0]
        return self._speech(head.start, head.end).give_up()

    def shorten(self, end: int) -> None:
        """Shorten the first utterance: it is decoded up to ``end`` alone, and what follows later."""
        head = self._utterances.popleft()
        self._utterances.appendleft(self._part(head.start, end, head.whole_end))

    def settle(self, until: int | None = None) -> Utterance:
        """Remove and return the first utterance, which has its final or needs none.

        ``until``: end of that final, if it does not reach the utterance's end. The audio that was not decoded becomes
        the first waiting utterance. It always comprises the whole rest, however the utterance was shortened, because
        the next owner knows only where to continue.
        """
        utterance = self._utterances.popleft()
        self._settled.add(utterance.whole_end)
        if until is not None:
            utterance.end = until
        rest = self._rest(utterance.start, utterance.end, utterance.whole_end)
        if rest is None:
            utterance.end = utterance.whole_end
        else:
            self._utterances.appendleft(rest)
        return utterance

    def _rest(self, start: int, settled: int, whole_end: int) -> Utterance | None:
        """Return the part still to be decoded of an utterance that begins at ``start``; None: nothing."""
        begin = self._speech(start, settled).rest(whole_end) if settled < whole_end else whole_end
        return self._part(begin, whole_end, whole_end) if begin < whole_end else None

    def _part(self, start: int, end: int, whole_end: int) -> Utterance:
        part = Utterance(start, Agreement(self._margin_ms), end, whole_end, window_start=start)
        # Only whole windows: one that extends beyond the end may or may not have been processed yet.
        part.voice_share = self._track.share(start, end // WINDOW_SAMPLES * WINDOW_SAMPLES)
        return part

    def _speech(self, begin: int, end: int) -> Speech:
        return Speech(self._buffer, self._track, begin, end)
