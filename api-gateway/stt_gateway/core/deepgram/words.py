"""Words and texts in Deepgram's form: times in seconds, each word bare and as it is written."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stt_gateway.core.deepgram.parameters import TextForm
from stt_shared.contracts.text import needs_space, spaces_before

_KEPT = frozenset("[]%&@#*/\\")
"""Punctuation that is part of a word: of amounts, addresses, and what redaction writes."""


@dataclass(frozen=True)
class SpokenWord:
    """One word; times in seconds.

    ``speaker``: counted from 0, None if it is not known; ``spaced``: whether a space separates it from the word before.
    """

    text: str
    start: float
    end: float
    confidence: float
    language: str = ""
    speaker: int | None = None
    spaced: bool = True


def bare(text: str) -> str:
    """Return a word in lower case, without the punctuation around it."""
    begin, end = 0, len(text)
    while begin < end and _is_mark(text[begin]):
        begin += 1
    while end > begin and _is_mark(text[end - 1]):
        end -= 1
    return text[begin:end].lower()


def word_views(words: Iterable[SpokenWord], form: TextForm) -> list[dict[str, Any]]:
    """Return the words of an answer. Where they are not punctuated, those that are punctuation alone are left out."""
    return [_word_view(word, form) for word in words if form.punctuated or bare(word.text)]


def transcript(text: str, words: Sequence[SpokenWord], form: TextForm) -> str:
    """Return a text in its form; ``words``: those of the text, none if they are not known."""
    if form.punctuated:
        return text
    return text_of(words, form) if words else " ".join(kept for part in text.split(" ") if (kept := bare(part)))


def text_of(words: Iterable[SpokenWord], form: TextForm) -> str:
    """Return the text of successive words."""
    said = [(word.spaced, word.text if form.punctuated else bare(word.text)) for word in words]
    return "".join(f" {text}" if spaced else text for spaced, text in said if text).strip()


def spaces_of(text: str, parts: Sequence[str]) -> list[bool]:
    """Return for each of the ``parts``, which follow each other in ``text``, whether it comes after a space."""
    spaces = spaces_before(text, parts)
    return (
        spaces if spaces is not None else [at > 0 and needs_space(parts[at - 1], part) for at, part in enumerate(parts)]
    )


def alternative(text: str, confidence: float, words: Sequence[SpokenWord], form: TextForm) -> dict[str, Any]:
    """Return the one alternative that an answer has."""
    view: dict[str, Any] = {"transcript": transcript(text, words, form), "confidence": confidence}
    if form.has_languages:
        view["languages"] = [
            name for name, _ in Counter(word.language for word in words if word.language).most_common()
        ]
    return {**view, "words": word_views(words, form)}


def _word_view(word: SpokenWord, form: TextForm) -> dict[str, Any]:
    view: dict[str, Any] = {
        "word": bare(word.text) or word.text,
        "start": word.start,
        "end": word.end,
        "confidence": word.confidence,
    }
    if form.has_languages and word.language:
        view["language"] = word.language
    if form.punctuated:
        view["punctuated_word"] = word.text
    if form.has_speakers and word.speaker is not None:
        view["speaker"] = word.speaker
    return view


def _is_mark(character: str) -> bool:
    return character not in _KEPT and unicodedata.category(character).startswith(("P", "Z"))
