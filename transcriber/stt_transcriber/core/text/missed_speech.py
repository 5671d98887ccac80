"""What a decode settles. Whisper skips sentences now and then, most of all in long windows and where somebody repeats
himself, and some of its texts are not believed. The voice track shows where somebody spoke: voice that no word explains
is decoded again, in another cut, before anything is settled over it."""

from collections.abc import Sequence
from dataclasses import dataclass

from stt_shared.contracts.session import Task
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.cut_point import cut_point, whole_ms
from stt_transcriber.core.audio.vad_gate import WINDOW_MS, WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_track import Span, VadTrack
from stt_transcriber.core.decoding import SAMPLE_RATE
from stt_transcriber.core.text.agreement import PlacedWord

_SAMPLES_PER_MS = SAMPLE_RATE // 1000
_UNHEARD_MS = 800
"""So much voice without a word holds words. Whisper's times waver, and the voice model echoes: between the words of
whole texts there were 610 ms at most, behind them 380."""
_WAVER = 500 * _SAMPLES_PER_MS
"""A word may end so much later than its time says, or begin so much sooner. No part is shorter, so that a model that
says a word at a time comes to an end."""
_LONGEST_WORD = 1200 * _SAMPLES_PER_MS
"""A word explains no more: one that seems to last for seconds stands where speech was skipped."""
_MOST_WORDS_PER_S = 10
"""Nobody speaks faster: where times crowd like this, they do not tell when a word was said."""
_CROWDED_WORD_MS = 300
"""So much voice nearby each word of a crowd explains, wherever it was said."""
_SHORTEST_SAYING_MS = 160
"""Less voice than this is a click, not a word."""
_PAUSE = 600 * _SAMPLES_PER_MS
"""Speech is cut in a pause as long as this wherever it is."""
_PADDING = 300 * _SAMPLES_PER_MS
"""So much of the silence before such a cut is decoded."""
_DENSE = 0.75
"""Between its pauses, speech has at least 0.82 of its windows voiced. Notes that the voice model takes for a voice have
0.62, and in short parts Whisper's inventions are harder to tell from words."""
_LEAD = SAMPLE_RATE
"""At most so much of the silence after a cut is decoded."""
_SHORTEST_CUT = 6 * SAMPLE_RATE
"""Without such a pause, speech is only cut if it is as long as this. Whisper needs context to guess the words."""
_FIRST_PART = (0.3, 0.6)
"""A cut in the middle lies here. The first part is decoded next, so a few cuts lead to short parts."""


@dataclass(frozen=True)
class Accepted:
    """The first ``count`` words are the text up to ``until``; what follows is decoded next. ``unrecognized``: voice
    that has no text in any cut."""

    count: int
    until: int
    unrecognized: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Retry:
    """Nothing is settled: the audio up to ``end`` is decoded again, alone."""

    end: int


@dataclass(frozen=True)
class _Run:
    """Words that share their times: mostly one. ``spare_ms``: voice around them that they explain as well.
    ``is_vague``: if voice follows without a word, it is not known where in it they were said."""

    first: int
    begin: int
    end: int
    spare_ms: int = 0
    is_vague: bool = False


@dataclass(frozen=True)
class Speech:
    """A range of audio that was decoded.

    Positions are those of the session; cuts are whole milliseconds inside the range. Only windows that lie in it count:
    the answers are the same for whoever asks, and however late.
    """

    buffer: RollingBuffer
    track: VadTrack
    begin: int
    end: int

    def settle(
        self, words: Sequence[PlacedWord], task: Task, *, shortened: bool = False, truncated: bool = False
    ) -> Accepted | Retry:
        """What ``words`` settle; none where the text is not believed.

        ``shortened``: the range is the first part of a longer one, decoded again. ``truncated``: the text met the token
        limit, so its last word may be cut.
        """
        if not words:
            return (self._is_dense() and self._split()) or self.give_up()
        if task is Task.TRANSLATE:
            # A translation has its own order: the last word may have been said first.
            return Accepted(len(words), self.end)
        missed: list[Span] = []
        runs = self._runs(words)
        before = None
        for after in [*runs, None]:
            said_to = self.begin if before is None else before.end
            start = self._heard if after is None else min(after.begin, self._heard)
            spare_ms = sum(run.spare_ms for run in (before, after) if run is not None)
            if self._is_speech(said_to, start, spare_ms):
                if before is None and not shortened:
                    return Retry(cut_point(self.buffer, self.track, start - _WAVER, start))
                if before is not None and not before.is_vague:
                    until = self._cut(max(said_to, self.begin + _WAVER), min(start, said_to + _WAVER))
                    return Accepted(len(words) if after is None else after.first, until, tuple(missed))
                if before is not None and (part := self._up_to(before, missed)):
                    return part
                if cut := self._split():
                    return cut
                missed += self._unrecognized(said_to, start)
            before = after
        return (truncated and self._up_to(runs[-1], missed)) or Accepted(len(words), self.end, tuple(missed))

    def give_up(self) -> Accepted:
        """Settles the range without a text."""
        return Accepted(0, self.end, self._unrecognized(self.begin, self.end))

    def rest(self, whole_end: int) -> int:
        """Where to go on after the range: shortly before the next voice; ``whole_end``, if there is none."""
        voice = self._voice_between(self.end, whole_end)
        if voice is None or self._voiced_ms(*voice) < _SHORTEST_SAYING_MS:
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
    def _heard(self) -> int:
        """The end of the last whole window."""
        return self.end // WINDOW_SAMPLES * WINDOW_SAMPLES

    def _up_to(self, run: _Run, missed: Sequence[Span]) -> Accepted | None:
        """The words before a run are settled, and it is decoded again with what follows; None: there are none."""
        if run.first == 0 or run.begin - self.begin < _WAVER:
            return None
        latest = min(run.begin + _WAVER // 4, self._heard)
        earliest = min(max(run.begin - _WAVER // 2, self.begin + _WAVER), latest)
        return Accepted(run.first, self._cut(earliest, latest), tuple(missed))

    def _is_dense(self) -> bool:
        """The voice is as continuous as speech."""
        return self.track.density(_next_window(self.begin), self._heard, _PAUSE) >= _DENSE

    def _split(self) -> Retry | None:
        """The first part of the range, to be decoded alone; None: it is too short to be cut."""
        voice = self._voice_between(self.begin, self.end)
        if voice is None or self._voiced_ms(*voice) < _UNHEARD_MS:
            return None
        length = self.end - self.begin
        earliest, latest = (self.begin + round(share * length) for share in _FIRST_PART)
        pause = self.track.longest_pause(self._behind_a_saying(voice[0]), min(voice[1], latest))
        if pause is not None and pause[1] - pause[0] >= _PAUSE:
            return Retry(whole_ms(min(pause[0] + _PADDING, sum(pause) // 2)))
        if length < _SHORTEST_CUT:
            return None
        return Retry(self._cut(earliest, latest))

    def _behind_a_saying(self, position: int) -> int:
        """Where there has been enough voice for a word."""
        voiced_ms = 0
        while position < self._heard and voiced_ms < _SHORTEST_SAYING_MS:
            voiced_ms += self.track.voiced(position, position + WINDOW_SAMPLES) * WINDOW_MS
            position += WINDOW_SAMPLES
        return position

    def _unrecognized(self, begin: int, end: int) -> tuple[Span, ...]:
        voice = self._voice_between(begin, end)
        return (voice,) if voice is not None and self._voiced_ms(*voice) >= _UNHEARD_MS else ()

    def _voice_between(self, begin: int, end: int) -> Span | None:
        """From the first to the last window with voice."""
        return self.track.extent(_next_window(begin), end // WINDOW_SAMPLES * WINDOW_SAMPLES)

    def _is_speech(self, begin: int, end: int, spare_ms: int = 0) -> bool:
        end = min(end, self._heard)
        return self._voiced_ms(begin, end) >= _UNHEARD_MS + spare_ms

    def _voiced_ms(self, begin: int, end: int) -> int:
        return self.track.voiced(_next_window(begin), end // WINDOW_SAMPLES * WINDOW_SAMPLES) * WINDOW_MS

    def _cut(self, begin: int, end: int) -> int:
        return cut_point(self.buffer, self.track, begin, end)


def _next_window(position: int) -> int:
    return -(-position // WINDOW_SAMPLES) * WINDOW_SAMPLES


def _crowded(words: Sequence[PlacedWord]) -> list[bool]:
    """Which words are among more within a second than anybody says."""
    crowded = [False] * len(words)
    for index, (word, later) in enumerate(zip(words, words[_MOST_WORDS_PER_S:], strict=False)):
        if later.start_ms - word.start_ms < 1000:
            crowded[index : index + _MOST_WORDS_PER_S + 1] = [True] * (_MOST_WORDS_PER_S + 1)
    return crowded
