"""Marks that end sentences and clauses, and spaces between texts: those of the text that contains them or, if there is
none, by their script."""

import re
from collections.abc import Iterable, Sequence

SENTENCE_MARKS = ".．｡。?？!！…؟۔।॥։።፧។៕။"
"""Marks that end a sentence, in the scripts of Whisper's languages."""
CLAUSE_MARKS = ",，;；:：、､،؛၊፣"
"""Marks that end a clause, in the same scripts."""

UNSPACED = "[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff9f\U00020000-\U0003ffff]"
"""A regular expression for a character of a script without spaces: Han, kana and their punctuation. Thai and related
scripts put a space between phrases, and so does Korean."""

_CHINESE_JAPANESE = re.compile(UNSPACED)


def needs_space(before: str, after: str) -> bool:
    """Return whether a space separates two texts, neither of them empty."""
    return not (_CHINESE_JAPANESE.match(before[-1]) or _CHINESE_JAPANESE.match(after[0]))


def join_texts(texts: Iterable[str]) -> str:
    """Join texts that were spoken one after another, omitting empty ones."""
    joined = ""
    for text in texts:
        if text:
            joined += f" {text}" if joined and needs_space(joined, text) else text
    return joined


def spaces_before(text: str, parts: Sequence[str]) -> list[bool] | None:
    """Return for each part whether ``text`` has a space before it.

    ``text`` contains the parts in this order, with a space or nothing between them, and has no other space than single
    ones inside; None if that is not so. The parts are not empty.
    """
    spaces: list[bool] = []
    at = 0
    for part in parts:
        spaced = text.startswith(" ", at)
        if not text.startswith(part, at + spaced):
            return None
        spaces.append(spaced)
        at += spaced + len(part)
    return spaces if at == len(text) else None
