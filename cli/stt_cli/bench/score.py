"""Scoring of latency and flicker from the screen's contents over time. Pure.

Every picture of the screen is aligned with the session's last one, and that one with the reference, so that a wrong
word does not count against the words after it. A word cannot be shown before it is spoken: an equal word that was
displayed earlier was a different one.
"""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from stt_cli.bench.manifest import Utterance
from stt_cli.bench.packages import Normaliser
from stt_cli.bench.screen import Picture


@dataclass(frozen=True)
class Played:
    """An utterance and the time (monotonic seconds) at which its first sample was due."""

    start_s: float
    utterance: Utterance


@dataclass
class Latencies:
    """Latencies in seconds, over any number of sessions.

    ``first``: per utterance, from the start of its speech to its first word on the screen. ``shown`` and ``settled``:
    per word, from its end until it was first displayed, and until it was displayed for good. ``final``: per utterance,
    from the end of its last word to the last change of its words.
    """

    first: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    settled: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    words: int = 0
    changes: int = 0
    """Displayed words that were replaced by others."""

    @property
    def flicker_per_word(self) -> float:
        """Changes per word of the last picture."""
        return self.changes / max(1, self.words)


@dataclass(frozen=True)
class _Reference:
    """A spoken word. Times are monotonic seconds; ``start_s`` is None if the manifest has no times.

    ``play`` is the index of its utterance.
    """

    text: str
    start_s: float | None
    end_s: float
    play: int


@dataclass
class _Seen:
    """Times of a word of the last picture: spoken, first displayed, displayed for good."""

    spoken_s: float
    shown_s: float | None = None
    settled_s: float | None = None


def add_session(
    latencies: Latencies, pictures: Sequence[Picture], played: Sequence[Played], normalise: Normaliser
) -> None:
    """Add one session to the latencies."""
    screens = [(picture.at_s, normalise(picture.text).split()) for picture in pictures]
    reference = _reference(played, normalise)
    last = screens[-1][1] if screens else []
    if not last or not reference:
        return
    matches = _matches([word.text for word in reference], last)
    seen = [_Seen(float("inf")) for _ in last]
    for at_reference, at_last in matches:
        start_s = reference[at_reference].start_s
        seen[at_last].spoken_s = float("inf") if start_s is None else start_s
    _update_times(seen, last, screens)
    latencies.words += len(last)
    latencies.changes += sum(
        before != after
        for (_, earlier), (_, later) in itertools.pairwise(screens)
        for before, after in zip(earlier, later, strict=False)
    )
    by_play: dict[int, list[_Seen]] = {}
    for at_reference, at_last in matches:
        word, seen_word = reference[at_reference], seen[at_last]
        if seen_word.shown_s is not None:
            latencies.shown.append(seen_word.shown_s - word.end_s)
        if seen_word.settled_s is not None:
            latencies.settled.append(seen_word.settled_s - word.end_s)
            by_play.setdefault(word.play, []).append(seen_word)
    for play, words in by_play.items():
        start_s, spoken = played[play].start_s, played[play].utterance.words
        latencies.first.append(min(word.shown_s or 0.0 for word in words) - (start_s + spoken[0].start_s))
        latencies.final.append(max(word.settled_s or 0.0 for word in words) - (start_s + spoken[-1].end_s))


def _reference(played: Sequence[Played], normalise: Normaliser) -> list[_Reference]:
    words = []
    for play, item in enumerate(played):
        if not item.utterance.words:
            words += [_Reference(text, None, 0.0, play) for text in normalise(item.utterance.text).split()]
        for word in item.utterance.words:
            # Normalisation may turn a word into several, such as "it's".
            for text in normalise(word.text).split():
                words.append(_Reference(text, item.start_s + word.start_s, item.start_s + word.end_s, play))
    return words


def _matches(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs of positions of equal words, in order."""
    blocks = SequenceMatcher(a=a, b=b, autojunk=False).get_matching_blocks()
    return [(block.a + offset, block.b + offset) for block in blocks for offset in range(block.size)]


def _update_times(seen: Sequence[_Seen], last: Sequence[str], screens: Sequence[tuple[float, list[str]]]) -> None:
    before: list[str] | None = None
    for at_s, words in screens:
        if words == before:
            continue
        before = words
        displayed = {at_last for at_last, _ in _matches(last, words)}
        for position, word in enumerate(seen):
            if position not in displayed or at_s < word.spoken_s:
                word.settled_s = None
            elif word.settled_s is None:
                word.settled_s = at_s
                word.shown_s = word.shown_s if word.shown_s is not None else at_s


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Return n, p50, p90, p99 and mean; None if there are no values."""
    if not values:
        return None
    ordered = sorted(values)
    return {
        "n": len(ordered),
        **{
            f"p{share}": round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 3) for share in (50, 90, 99)
        },
        "mean": round(statistics.fmean(ordered), 3),
    }
