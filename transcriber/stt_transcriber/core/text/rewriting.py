"""Replacement of words and phrases by what a client wants to read, and removal of fillers. Pure functions.

A phrase is found as whole words, whatever their case and the marks around them; the longest one wins, and what was
written in its place is not searched again. The replacement is written as given, with the marks around the phrase
unless it brings its own. An empty replacement removes the phrase: a sentence keeps its end and its capital.

The same words always lead to the same text, and more words never change what is stable: as long as the last stable
words may be the beginning of a phrase, or lose a comma to a removal, they are not stable in the result.
"""

import functools
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from stt_shared.contracts.text import CLAUSE_MARKS, SENTENCE_MARKS, needs_space
from stt_transcriber.core.decoding import TimedWord
from stt_transcriber.core.text.agreement import PlacedWord
from stt_transcriber.core.text.fillers import FILLERS

_MARKS = SENTENCE_MARKS + CLAUSE_MARKS + "\"'`´“”„‟‘’‚«»‹›()[]{}¿¡-–—~*_"
_CLOSING = tuple(SENTENCE_MARKS + CLAUSE_MARKS)


@dataclass(frozen=True)
class _Found:
    """Words ``begin`` to ``end``, exclusive, that are replaced by ``text``."""

    begin: int
    end: int
    text: str


class Rewriter:
    """Replacements, and the fillers of one language.

    ``replacements``: phrase -> what is written instead; ``fillers``: words that are removed.
    """

    def __init__(self, replacements: Mapping[str, str], fillers: Iterable[str] = ()) -> None:
        wanted = dict.fromkeys(map(_phrase_key, fillers), "")
        wanted |= {_phrase_key(find): " ".join(text.split()) for find, text in replacements.items()}
        self._by_first: dict[str, list[tuple[str, str]]] = {}
        for find in sorted(wanted, key=lambda phrase: (-len(phrase), phrase)):
            if find:
                self._by_first.setdefault(find[0], []).append((find, wanted[find]))
        self._removes = "" in wanted.values()

    def rewrite(self, words: Sequence[PlacedWord], stable: int | None = None) -> tuple[list[PlacedWord], int]:
        """Return the new words, and how many of them are stable if the first ``stable`` words are (None: all)."""
        grows = stable is not None
        stable = len(words) if stable is None else stable
        keys = [_key(word.text) for word in words]
        output = _Output()
        settled, at = None, 0
        while at < len(words):
            if grows and settled is None and (at >= stable or self._may_begin(words, keys, at, stable)):
                settled = len(output.words)
            found = self._found(words, keys, at)
            if found is None:
                output.keep(words[at])
                at += 1
            else:
                output.put(words[found.begin : found.end], found.text)
                at = found.end
        settled = len(output.words) if settled is None else settled
        # The next word may be removed, and end the sentence before it.
        return output.words, max(0, settled - 1) if grows and self._removes else settled

    def rewrite_timed(self, words: Sequence[TimedWord]) -> list[TimedWord]:
        """Return the new words of a finished text, with times in whole milliseconds."""
        return timed_words(self.rewrite(in_milliseconds(words))[0])

    def _found(self, words: Sequence[PlacedWord], keys: Sequence[str], at: int) -> _Found | None:
        for find, text in self._by_first.get(keys[at][:1], ()):
            joined, end = keys[at], at + 1
            while end < len(words) and len(joined) < len(find) and find.startswith(joined):
                if words[end - 1].text.endswith(tuple(SENTENCE_MARKS)):
                    break
                joined += (" " if words[end].space_before else "") + keys[end]
                end += 1
            if joined == find:
                return _Found(at, end, text)
        return None

    def _may_begin(self, words: Sequence[PlacedWord], keys: Sequence[str], at: int, stable: int) -> bool:
        """Check whether the stable words from ``at`` on are the beginning of a longer phrase."""
        joined = keys[at] + "".join((" " if words[i].space_before else "") + keys[i] for i in range(at + 1, stable))
        for find, _ in self._by_first.get(joined[:1], ()):
            rest = find[len(joined) :]
            if find.startswith(joined) and rest and (rest[0] == " " or not needs_space(joined, rest)):
                return True
        return False


def in_milliseconds(words: Iterable[TimedWord]) -> list[PlacedWord]:
    """Return the words with times in whole milliseconds, from the same beginning."""
    return [
        PlacedWord(word.text, round(word.start_s * 1000), round(word.end_s * 1000), word.probability, word.space_before)
        for word in words
    ]


def timed_words(words: Iterable[PlacedWord]) -> list[TimedWord]:
    """Return the words with times in seconds, from the same beginning."""
    return [
        TimedWord(word.text, word.start_ms / 1000, word.end_ms / 1000, word.probability, word.space_before)
        for word in words
    ]


@functools.lru_cache(256)
def _fillers_of(language: str) -> tuple[str, ...]:
    return FILLERS.get(language, ())


def rewriter_of(replacements: Mapping[str, str], *, removes_fillers: bool, language: str) -> Rewriter | None:
    """Return the rewriter for a text in ``language``; None if nothing is to be rewritten."""
    fillers = _fillers_of(language) if removes_fillers else ()
    return Rewriter(replacements, fillers) if replacements or fillers else None


class _Output:
    """Rewritten words."""

    def __init__(self) -> None:
        self.words: list[PlacedWord] = []
        self._capital = False  # the word that began the sentence was removed

    def keep(self, word: PlacedWord) -> None:
        """Add a word as it is, or with a capital if it begins a sentence in place of another."""
        if self._capital:
            letter = next((i for i, character in enumerate(word.text) if character.isalnum()), 0)
            word = replace(
                word, text=word.text[:letter] + word.text[letter : letter + 1].upper() + word.text[letter + 1 :]
            )
        self._capital = False
        self.words.append(word)

    def put(self, replaced: Sequence[PlacedWord], text: str) -> None:
        """Add ``text`` in the place of some words, with their time and the marks around them."""
        first, last = replaced[0].text, replaced[-1].text
        after = last[len(last.rstrip(_MARKS)) :] if last.strip(_MARKS) else last
        if not text:
            self._remove(first, after)
            return
        self._capital = False
        before = first[: len(first) - len(first.lstrip(_MARKS))]
        if text.startswith(_CLOSING):
            before = ""
        if text.endswith(_CLOSING):
            after = ""
        parts = f"{before}{text}{after}".split(" ")
        start_ms, end_ms = replaced[0].start_ms, replaced[-1].end_ms
        probability = sum(word.probability for word in replaced) / len(replaced)
        # The phrase's time is divided as the letters are.
        edges = [start_ms]
        total, so_far = sum(map(len, parts)), 0
        for part in parts:
            so_far += len(part)
            edges.append(start_ms + (end_ms - start_ms) * so_far // total)
        for index, part in enumerate(parts):
            spaced = replaced[0].space_before and not part.startswith(_CLOSING) if index == 0 else True
            self.words.append(PlacedWord(part, edges[index], edges[index + 1], probability, spaced))

    def _remove(self, text: str, marks: str) -> None:
        last = self.words[-1] if self.words else None
        if last is None or last.text.endswith(tuple(SENTENCE_MARKS)):
            bare = text.lstrip(_MARKS)
            self._capital = self._capital or bare[:1].isupper()
            return
        end = next((mark for mark in marks if mark in SENTENCE_MARKS), "")
        if end:
            self.words[-1] = replace(last, text=last.text.rstrip(CLAUSE_MARKS + "-–—") + end)
        elif marks.startswith(tuple(CLAUSE_MARKS)) and last.text.endswith(tuple(CLAUSE_MARKS)):
            # Commas on both sides set the removed word apart.
            self.words[-1] = replace(last, text=last.text.rstrip(CLAUSE_MARKS))


def _key(word: str) -> str:
    """Return what a word is recognised by; '' for marks alone."""
    folded = unicodedata.normalize("NFC", word).casefold()
    return folded.strip(_MARKS)


def _phrase_key(phrase: str) -> str:
    return " ".join(filter(None, map(_key, phrase.split())))
