"""Redaction: numbers, addresses and a client's own patterns, replaced by what they are, such as ``[card]``. Pure.

The words of a redacted part become one, with their time and the marks around them. A match begins and ends where a
word or a number does. Of the matches that begin at one place the longest counts.

A text that grows shows nothing of what may yet become a match: it ends before it.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stt_shared.contracts.patterns import Pattern, folded
from stt_shared.contracts.session import Redaction
from stt_transcriber.core.decoding import TimedWord
from stt_transcriber.core.text.agreement import PlacedWord
from stt_transcriber.core.text.join import join_words
from stt_transcriber.core.text.private_data import Check, check_of, pattern_of
from stt_transcriber.core.text.rewriting import in_milliseconds, timed_words

MAX_OWN_CHARS = 100
"""Longest match of a client's own pattern: it bounds the time that a text takes."""
_GUESSED_MARKS = " .,;:!?…。、，"
"""Marks at the end of a growing text, which may disappear when it goes on."""


@dataclass(frozen=True)
class _Rule:
    pattern: Pattern
    label: str
    check: Check
    max_chars: int


@dataclass(frozen=True)
class _Match:
    """Characters ``begin`` to ``end``, exclusive, that ``label`` replaces."""

    begin: int
    end: int
    label: str


class Redactor:
    """Redaction of the texts of a session or file. ``patterns``: a client's own, as the gateway has checked them."""

    def __init__(self, kinds: Iterable[Redaction], patterns: Iterable[str] = ()) -> None:
        self._rules = [
            *(_Rule(pattern_of(kind), f"[{kind}]", check_of(kind), 1 << 30) for kind in kinds),
            *(_Rule(Pattern(source), "[redacted]", _any, MAX_OWN_CHARS) for source in patterns),
        ]

    def redact(self, words: Sequence[PlacedWord]) -> list[PlacedWord]:
        """Return the words of a finished text."""
        text = join_words(words)
        return _replaced(words, text, self._scan(text, grows=False)[0], len(text))

    def redact_timed(self, words: Sequence[TimedWord]) -> list[TimedWord]:
        """Return the words of a finished text, with times in whole milliseconds."""
        return timed_words(self.redact(in_milliseconds(words)))

    def redact_growing(self, words: Sequence[PlacedWord], stable: int) -> tuple[list[PlacedWord], int]:
        """Return what may be shown of words of which the first ``stable`` are stable, and how many of that are."""
        text, stable_text = join_words(words), join_words(words[:stable])
        matches, shown = self._scan(text, grows=True)
        _, unchanging = self._scan(stable_text, grows=True)
        result = _replaced(words, text, matches, shown)
        return result, len(_replaced(words, text, matches, min(shown, unchanging)))

    def _scan(self, text: str, *, grows: bool) -> tuple[list[_Match], int]:
        """Return the matches, and up to where they are certain; all of the text unless it ``grows``."""
        seen, matches, at = folded(text), list[_Match](), 0
        open_from = len(seen.rstrip(_GUESSED_MARKS)) if grows else len(seen) + 1
        while at < min(len(seen), open_from):
            if seen[at] == " " or (at and _joined(seen[at - 1], seen[at])):
                at += 1
                continue
            found: _Match | None = None
            for rule in self._rules:
                end, is_open = _longest(rule, seen, at, open_from)
                if is_open:
                    return matches, at
                if end > (found.end if found else at):
                    found = _Match(at, end, rule.label)
            if found:
                matches.append(found)
            at = found.end if found else at + 1
        return matches, len(text)


def redactor_of(kinds: Iterable[Redaction], patterns: Iterable[str]) -> Redactor | None:
    """Return the redactor; None if nothing is to be redacted."""
    return _redactor(tuple(kinds), tuple(patterns)) if kinds or patterns else None


@functools.lru_cache(64)
def _redactor(kinds: tuple[Redaction, ...], patterns: tuple[str, ...]) -> Redactor:
    return Redactor(kinds, patterns)


def _longest(rule: _Rule, text: str, begin: int, open_from: int) -> tuple[int, bool]:
    """Return the end of the longest match at ``begin``, ``begin`` if there is none, and whether more text may match.

    It may if the text from ``open_from`` on is reached, since what follows there is not known yet.
    """
    ends = list[int]()
    state = rule.pattern.start
    for at in range(begin, min(len(text), begin + rule.max_chars)):
        if at >= open_from:
            return begin, True
        state = rule.pattern.step(state, text[at])
        if not state:
            break
        if rule.pattern.accepts(state):
            ends.append(at + 1)
    else:
        if open_from <= len(text) < begin + rule.max_chars:
            return begin, True
    for end in reversed(ends):
        if not (end < len(text) and _joined(text[end - 1], text[end])) and rule.check(text[begin:end]):
            return end, False
    return begin, False


def _any(_: str) -> bool:
    return True


def _joined(before: str, after: str) -> bool:
    """Whether two characters belong to the same word or number; scripts without capitals may have no spaces."""
    return _is_spaced(before) and _is_spaced(after)


def _is_spaced(char: str) -> bool:
    return char.isdecimal() or char.lower() != char.upper()


def _replaced(words: Sequence[PlacedWord], text: str, matches: Sequence[_Match], shown: int) -> list[PlacedWord]:
    """Return the words that end at or before ``shown``, with each match in one word."""
    result, at, waiting = list[PlacedWord](), 0, list(matches)
    index = 0
    while index < len(words):
        begin = at + (1 if words[index].space_before and at else 0)
        end = begin + len(words[index].text)
        last, label = index, ""
        if waiting and waiting[0].begin < end:
            # Several matches may touch one word, and one match several words.
            label = text[begin : waiting[0].begin]
            while True:
                match = waiting.pop(0)
                while match.end > end:
                    last += 1
                    end += len(words[last].text) + (1 if words[last].space_before else 0)
                label += match.label
                if not waiting or waiting[0].begin >= end:
                    break
                label += text[match.end : waiting[0].begin]
            label += text[match.end : end]
        if end > shown:
            break
        result.append(_joined_word(words[index : last + 1], label) if label else words[index])
        at, index = end, last + 1
    return result


def _joined_word(words: Sequence[PlacedWord], text: str) -> PlacedWord:
    probability = sum(word.probability for word in words) / len(words)
    return PlacedWord(text, words[0].start_ms, words[-1].end_ms, probability, words[0].space_before)
