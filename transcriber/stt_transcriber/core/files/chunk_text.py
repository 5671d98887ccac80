"""Text of one chunk of a file, decode by decode: mostly one, more if a text misses speech or is rejected."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.jobs import Chunk
from stt_shared.contracts.session import AUDIO_RATE_HZ, Task
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_track import Span, VadTrack
from stt_transcriber.core.decoding import Hypothesis, TimedWord
from stt_transcriber.core.text.agreement import placed_words
from stt_transcriber.core.text.guards import is_loop
from stt_transcriber.core.text.missed_speech import Retry, Speech

_PAUSE = AUDIO_RATE_HZ // 2
"""Shortest pause at which speakers may change, and with them the language."""
_TELLING = AUDIO_RATE_HZ * 6 // 5
"""Least voice from which a part's language is detected."""


class ChunkText:
    """Text of one chunk in the making.

    Until it ``is_over``, the caller decodes ``samples`` with ``prompt`` and passes the result to ``take``. ``begin``:
    position of ``samples`` in the file. ``unrecognized``: voice that has no text.
    """

    def __init__(self, chunk: Chunk, samples: NDArray[np.int16], task: Task, prompt: str = "") -> None:
        self._chunk = chunk
        self._task = task
        self._buffer = RollingBuffer(chunk.start_sample)
        self._buffer.append(samples)
        self._track = VadTrack.unpacked(chunk.start_sample, chunk.voiced)
        self._whole_end = self._buffer.end
        self.begin = chunk.start_sample
        self._end = self._whole_end
        self._prompt = prompt
        self._refused = False
        self.unrecognized: list[Span] = []

    @property
    def is_over(self) -> bool:
        """Whether the whole chunk was decoded."""
        return self.begin >= self._whole_end

    def samples(self) -> NDArray[np.float32]:
        """Return the audio to decode next, float32 [n] in -1…1."""
        return self._buffer.as_float(self.begin, self._end)

    def stretches(self) -> tuple[Span, ...]:
        """Return the parts of ``samples`` between its pauses that have enough voice to tell their language.

        Offsets into ``samples``; shorter speech belongs to its nearer neighbour. Empty if there is only one such part.
        """
        parts: list[Span] = []
        for begin, end in self._track.stretches(self.begin, self._end, 0):
            if parts and begin - parts[-1][1] < _PAUSE:
                parts[-1] = parts[-1][0], end
            else:
                parts.append((begin, end))
        while len(parts) > 1 and not self._tells(shortest := min(parts, key=self._voiced)):
            # Joined with its nearer neighbour.
            at = parts.index(shortest)
            gaps = [after[0] - before[1] for before, after in pairwise(parts[max(0, at - 1) : at + 2])]
            first = at - 1 if at > 0 and (len(gaps) == 1 or gaps[0] <= gaps[1]) else at
            parts[first : first + 2] = [(parts[first][0], parts[first + 1][1])]
        return tuple((max(0, begin - self.begin), end - self.begin) for begin, end in parts) if len(parts) > 1 else ()

    def _voiced(self, part: Span) -> int:
        return self._track.voiced(*part) * WINDOW_SAMPLES

    def _tells(self, part: Span) -> bool:
        return self._voiced(part) >= _TELLING

    def shorten(self, end: int) -> None:
        """Decode only ``samples`` before the offset ``end`` next, and what follows later."""
        self._end = min(self._end, self.begin + end)

    @property
    def prompt(self) -> str:
        """Prompt for the next decode; '' after a refusal, because the prompt may have misled the model."""
        return "" if self._refused else self._prompt

    @property
    def voice_share(self) -> float:
        """Share of ``samples`` that held voice, 0–1."""
        if (self.begin, self._end) == (self._chunk.start_sample, self._whole_end):
            return self._chunk.voice_share
        return self._track.share(self.begin, self._end)

    def take(self, hypothesis: Hypothesis | None) -> Sequence[TimedWord]:
        """Apply the hypothesis for ``samples``, None if it was rejected; return the words that it settles.

        Their times count from ``begin`` as it was before the call.
        """
        words = placed_words(hypothesis, self.begin) if hypothesis else []
        speech = Speech(self._buffer, self._track, self.begin, self._end)
        shortened = self._end < self._whole_end
        truncated = hypothesis is not None and hypothesis.truncated
        loops = hypothesis is not None and is_loop(hypothesis)
        part = speech.settle(words, self._task, shortened=shortened, truncated=truncated, loops=loops)
        if isinstance(part, Retry):
            self._end = part.end
            return ()
        if hypothesis is None and self.prompt:
            self._refused = True
            return ()
        self._refused = False
        self.unrecognized += part.unrecognized
        self.begin = Speech(self._buffer, self._track, self.begin, part.until).rest(self._whole_end)
        self._end = self._whole_end
        return hypothesis.words[: part.count] if hypothesis else ()
