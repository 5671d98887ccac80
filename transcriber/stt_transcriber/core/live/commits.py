"""Committed position of a live session, and what is stored with it for the next owner."""

import msgspec

from stt_shared.contracts.session import TakeoverState
from stt_transcriber.core.live.context import SessionContext
from stt_transcriber.core.live.frame_times import FrameTimes
from stt_transcriber.core.live.outcome import Advance
from stt_transcriber.core.live.segmenter import Segmenter
from stt_transcriber.core.live.telling import Telling
from stt_transcriber.core.live.vocabulary import Vocabularies
from stt_transcriber.core.live.voices import LiveVoices

_SKIPPED_FRAMES = 10
"""Number of skipped frames of already settled audio after which the log may drop them."""


class Commits:
    """``samples``: the committed position; it never moves back."""

    def __init__(
        self,
        samples: int,
        segmenter: Segmenter,
        frames: FrameTimes,
        context: SessionContext,
        vocabularies: Vocabularies,
        voices: LiveVoices | None,
        telling: Telling | None,
    ) -> None:
        self.samples = samples
        self._segmenter = segmenter
        self._frames = frames
        self._context = context
        self._vocabularies = vocabularies
        self._voices = voices
        self._telling = telling

    def to(self, position: int, *, with_voices: bool) -> Advance:
        """Commit the audio up to ``position`` and drop what is not needed any more."""
        self.samples = max(self.samples, position)
        seq, checkpoint = self._segmenter.commit(self.samples, self._context.needed_from(self.samples))
        self._frames.settle(seq)
        if self._voices:
            self._voices.forget(self.samples)
        state = self._stored(self._context.with_checkpoint(checkpoint, self.samples))
        return Advance(self.samples, self._frames.settled_seq, state, self._packed_voices() if with_voices else b"")

    def again(self) -> Advance:
        """Commit what is committed already, to store the voices."""
        return Advance(self.samples, self._frames.settled_seq, self._context.stored, self._packed_voices())

    def skip(self, seq: int) -> Advance | None:
        """Skip a frame of audio that was already settled.

        A client sends it if it sends its recording again after everything was lost; the log must not fill with it.
        """
        self._segmenter.skip(seq)
        if seq - self._frames.settled_seq < _SKIPPED_FRAMES:
            return None
        self._frames.settle(seq)
        return Advance(self.samples, seq, self._stored(self._context.stored))

    def _stored(self, state: TakeoverState) -> TakeoverState:
        return msgspec.structs.replace(state, vocabularies=self._vocabularies.stored(self.samples))

    def _packed_voices(self) -> bytes:
        return self._telling.packed() if self._telling else b""
