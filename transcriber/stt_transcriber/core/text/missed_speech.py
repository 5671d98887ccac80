"""Detection of missed speech: which part of the audio a decode settles.

Whisper sometimes skips sentences, especially in long windows and where a speaker repeats something, and some of its
texts are rejected. The VAD track shows where there was voice: voice that no word accounts for is decoded again, with a
different cut, before any audio that contains it is settled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stt_shared.contracts.session import AUDIO_RATE_HZ, Task
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.cut_point import cut_point, whole_ms
from stt_transcriber.core.audio.vad_gate import WINDOW_MS, WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_track import Span, VadTrack
from stt_transcriber.core.text.agreement import PlacedWord

_SAMPLES_PER_MS = AUDIO_RATE_HZ // 1000
_MISSED_MS = 800
"""Least voice without a word that counts as missed speech. Less is normal, because Whisper's times vary and the VAD
model still reports voice just after it ended: complete texts had at most 610 ms between words and 380 ms after them."""
_TIME_TOLERANCE = 500 * _SAMPLES_PER_MS
"""Tolerance of word times: a word may end this much later, or begin this much earlier, than its time. No part is
shorter than this, so that decoding ends even if the model returns only one word at a time."""
_LONGEST_WORD = 1200 * _SAMPLES_PER_MS
"""Most audio that one word accounts for: a word that seems to last for seconds covers skipped speech."""
_MOST_WORDS_PER_S = 10
"""Nobody speaks faster: the times of words that are closer together do not show when a word was said."""
_CROWDED_WORD_MS = 300
"""Nearby voice that each crowded word accounts for, wherever it was said."""
_SHORTEST_WORD_MS = 160
"""Shortest voice that can be a word: anything shorter is a click."""
_PAUSE = 600 * _SAMPLES_PER_MS
"""Shortest pause in which speech is cut regardless of its length."""
_PADDING = 300 * _SAMPLES_PER_MS
"""Silence before such a cut that is decoded."""
_DENSE = 0.75
"""Least share of voiced windows in speech, between its pauses. Speech has at least 0.82. Musical notes that the VAD
model takes for voice have 0.62, and in short parts Whisper's inventions are harder to tell from words."""
_LEAD = AUDIO_RATE_HZ
"""Most silence after a cut that is decoded."""
_SHORTEST_CUT = 6 * AUDIO_RATE_HZ
"""Shortest speech that is cut without such a pause: Whisper needs context to recognise words."""
_FIRST_PART = (0.3, 0.6)
"""Range of a cut without such a pause, as shares of the length. The first part is decoded next, so a few cuts lead to
short parts."""


@dataclass(frozen=True)
class Accepted:
    """Decision that the first ``count`` words are the text up to ``until``; the audio after that is decoded next.

    ``unrecognized``: voice that has no text, however it was cut.
    """

    count: int
    until: int
    unrecognized: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Retry:
    """Decision that nothing is settled: the audio up to ``end`` is decoded again, alone."""

    end: int


@dataclass(frozen=True)
class _Run:
    """Words that share their times; mostly a single word.

    ``spare_ms``: voice around them that they also account for. ``is_vague``: if voice without a word follows, it is
    unknown where in it the words were said.
    """

    first: int
    begin: int
    end: int
    spare_ms: int = 0
    is_vague: bool = False


@dataclass(frozen=True)
class Speech:
    """Range of audio that was decoded.

    Positions are offsets into the session's audio; cuts are whole milliseconds inside the range. Only windows that lie
    entirely in the range count, so results are the same for every caller and at any later time.
    """

    buffer: RollingBuffer
    track: VadTrack
    begin: int
    end: int

    def settle(
        self,
        words: Sequence[PlacedWord],
        task: Task,
        *,
        shortened: bool = False,
        truncated: bool = False,
        loops: bool = False,
    ) -> Accepted | Retry:
        """Decide what ``words`` settle; they are empty if the text was rejected.

        ``shortened``: the range is the first part of a longer one, decoded again. ``truncated``: the text reached the
        token limit, so its last word may be cut off. ``loops``: the text says the same over and over. If the speakers
        do, they do so in a part of the range too; a loop covers other speech and mostly ends with the part.
        """
        if not words:
            return (self._is_dense() and self._split()) or self.give_up()
        if loops and (cut := self._split()):
            return cut
        if task is Task.TRANSLATE:
            # A translation has its own word order: its last word may have been said first.
            return Accepted(len(words), self.end)
        missed: list[Span] = []
        runs = self._runs(words)
        before = None
        for after in [*runs, None]:
            said_to = self.begin if before is None else before.end
            start = self._windows_end if after is None else min(after.begin, self._windows_end)
            spare_ms = sum(run.spare_ms for run in (before, after) if run is not None)
            if self._is_speech(said_to, start, spare_ms):
                if before is None and not shortened:
                    return Retry(cut_point(self.buffer, self.track, start - _TIME_TOLERANCE, start))
                if before is not None and not before.is_vague:
                    until = self._cut(max(said_to, self.begin + _TIME_TOLERANCE), min(start, said_to + _TIME_TOLERANCE))
                    return Accepted(len(words) if after is None else after.first, until, tuple(missed))
                if before is not None and (part := self._up_to(before, missed)):
                    return part
                if cut := self._split():
                    return cut
                missed += self._unrecognized(said_to, start)
            before = after
        return (truncated and self._up_to(runs[-1], missed)) or Accepted(len(words), self.end, tuple(missed))

    def give_up(self) -> Accepted:
        """Settle the range without a text."""
        return Accepted(0, self.end, self._unrecognized(self.begin, self.end))

    def rest(self, whole_end: int) -> int:
        """Return where to continue after the range: shortly before the next voice; ``whole_end`` if there is none."""
        voice = self._voice_between(self.end, whole_end)
        if voice is None or self._voiced_ms(*voice) < _SHORTEST_WORD_MS:
            return whole_end
        return max(self.end, whole_ms(voice[0] - _LEAD))

    def _runs(self, words: Sequence[PlacedWord]) -> list[_Run]:
        runs: list[_Run] = []
        crowded = _crowded(words)
        for index, word in enumerate(words):
            begin, end = word.start_ms * _SAMPLES_PER_MS, word.end_ms * _SAMPLES_PER_MS
            is_too_long = end > begin + _LONGEST_WORD and self._is_speech(begin + _LONGEST_WORD, end)
            said_to = begin + _LONGEST_WORD if is_too_long else end
            if index and crowded[index - 1] and crowded[index]:
                crowd = runs.pop()
                runs.append(_Run(crowd.first, crowd.begin, said_to, crowd.spare_ms + _CROWDED_WORD_MS, is_vague=True))
            else:
                spare_ms = _CROWDED_WORD_MS if crowded[index] else 0
                runs.append(_Run(index, begin, said_to, spare_ms, is_vague=crowded[index] or is_too_long))
        return runs

    @property
    def _windows_end(self) -> int:
        """End of the last whole window."""
        return self.end // WINDOW_SAMPLES * WINDOW_SAMPLES

    def _up_to(self, run: _Run, missed: Sequence[Span]) -> Accepted | None:
        """Settle the words before a run, so that the run is decoded again with the audio after it.

        None: there are no words before it, or they are less than ``_TIME_TOLERANCE`` long.
        """
        if run.first == 0 or run.begin - self.begin < _TIME_TOLERANCE:
            return None
        latest = min(run.begin + _TIME_TOLERANCE // 4, self._windows_end)
        earliest = min(max(run.begin - _TIME_TOLERANCE // 2, self.begin + _TIME_TOLERANCE), latest)
        return Accepted(run.first, self._cut(earliest, latest), tuple(missed))

    def _is_dense(self) -> bool:
        """Check whether the voice is as continuous as speech."""
        return self.track.density(_next_window(self.begin), self._windows_end, _PAUSE) >= _DENSE

    def _split(self) -> Retry | None:
        """Return the first part of the range, to be decoded alone.

        None: the range is too short to be cut, or has too little voice for missed speech.
        """
        voice = self._voice_between(self.begin, self.end)
        if voice is None or self._voiced_ms(*voice) < _MISSED_MS:
            return None
        length = self.end - self.begin
        earliest, latest = (self.begin + round(share * length) for share in _FIRST_PART)
        pause = self.track.longest_pause(self._after_first_word(voice[0]), min(voice[1], latest))
        if pause is not None and pause[1] - pause[0] >= _PAUSE:
            return Retry(whole_ms(min(pause[0] + _PADDING, sum(pause) // 2)))
        if length < _SHORTEST_CUT:
            return None
        return Retry(self._cut(earliest, latest))

    def _after_first_word(self, position: int) -> int:
        """Return where, from ``position`` on, there has been enough voice for a word."""
        voiced_ms = 0
        while position < self._windows_end and voiced_ms < _SHORTEST_WORD_MS:
            voiced_ms += self.track.voiced(position, position + WINDOW_SAMPLES) * WINDOW_MS
            position += WINDOW_SAMPLES
        return position

    def _unrecognized(self, begin: int, end: int) -> tuple[Span, ...]:
        voice = self._voice_between(begin, end)
        return (voice,) if voice is not None and self._voiced_ms(*voice) >= _MISSED_MS else ()

    def _voice_between(self, begin: int, end: int) -> Span | None:
        """Return the range from the first to the last window with voice, None if there is none."""
        return self.track.extent(_next_window(begin), end // WINDOW_SAMPLES * WINDOW_SAMPLES)

    def _is_speech(self, begin: int, end: int, spare_ms: int = 0) -> bool:
        end = min(end, self._windows_end)
        return self._voiced_ms(begin, end) >= _MISSED_MS + spare_ms

    def _voiced_ms(self, begin: int, end: int) -> int:
        return self.track.voiced(_next_window(begin), end // WINDOW_SAMPLES * WINDOW_SAMPLES) * WINDOW_MS

    def _cut(self, begin: int, end: int) -> int:
        return cut_point(self.buffer, self.track, begin, end)


def _next_window(position: int) -> int:
    return -(-position // WINDOW_SAMPLES) * WINDOW_SAMPLES


def _crowded(words: Sequence[PlacedWord]) -> list[bool]:
    """Return, for each word, whether it is among more words within a second than anybody can say."""
    crowded = [False] * len(words)
    for index, (word, later) in enumerate(zip(words, words[_MOST_WORDS_PER_S:], strict=False)):
        if later.start_ms - word.start_ms < 1000:
            crowded[index : index + _MOST_WORDS_PER_S + 1] = [True] * (_MOST_WORDS_PER_S + 1)
    return crowded
