"""Choice between two decodes of one window when the first looked like a loop or a guess. Pure functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from stt_transcriber.engines.request import GUESSES_BELOW_LOGPROB, LOOPS_FROM_RATIO, is_suspect

_LOOP_MARGIN_LOGPROB = 0.5
"""Margin by which a text without repetitions may be less probable and still be preferred over one that looks like a
loop."""
_SAME_SPEECH_RATIO = 0.6
"""Share of common words from which two texts count as two spellings of the same speech."""
_NO_TIME_S = 0.02
_SPOKEN_IN_NO_TIME = 4
"""Number of words that nobody says in no time: where the decoder stops advancing in the audio, its text is not speech.
Up to three were seen in good texts, for words that the window cuts off; seven and more in loops that compress like
speech."""


@dataclass(frozen=True)
class Candidate:
    """Text to choose from; see ``Hypothesis`` for the fields."""

    text: str
    avg_logprob: float
    compression_ratio: float
    truncated: bool
    words_at_once: int = 1
    """Maximum number of words that begin at the same moment, if the engine knows it."""

    @property
    def stands_still(self) -> bool:
        """True for words without a time of their own: a loop that attends to one place in the audio."""
        return self.words_at_once >= _SPOKEN_IN_NO_TIME

    @property
    def is_loop(self) -> bool:
        """True if the text repeats itself or stands still."""
        return self.stands_still or self.compression_ratio > LOOPS_FROM_RATIO

    @property
    def is_suspect(self) -> bool:
        """True if the text looks like a loop or a guess."""
        return self.stands_still or is_suspect(
            truncated=self.truncated, compression_ratio=self.compression_ratio, avg_logprob=self.avg_logprob
        )


def better_of(first: Candidate, second: Candidate) -> Candidate:
    """Return the more credible text; ``second`` was decoded without permission to repeat itself.

    People repeat themselves too. In that case the second text says the same in other spellings; where a loop covered
    other words, it says those.
    """
    if first.truncated and not first.is_loop and second.avg_logprob < GUESSES_BELOW_LOGPROB <= first.avg_logprob:
        # Long speech in a script whose letters take several tokens each cannot be written without repetitions.
        return first
    if first.truncated != second.truncated:
        return second if first.truncated else first
    if first.stands_still != second.stands_still:
        return second if first.stands_still else first
    if first.compression_ratio <= LOOPS_FROM_RATIO:
        return max(first, second, key=lambda candidate: candidate.avg_logprob)
    alike = SequenceMatcher(a=_bare_words(first.text), b=_bare_words(second.text), autojunk=False).ratio()
    if alike >= _SAME_SPEECH_RATIO:
        return first
    return second if second.avg_logprob > first.avg_logprob - _LOOP_MARGIN_LOGPROB else first


def words_at_once(starts_s: Sequence[float]) -> int:
    """Return the maximum number of words that begin within 20 ms, one position of Whisper's encoder.

    ``starts_s`` rises.
    """
    most = first = 0
    for last, start_s in enumerate(starts_s):
        while start_s - starts_s[first] > _NO_TIME_S + 1e-6:
            first += 1
        most = max(most, last - first + 1)
    return most


def _bare_words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
