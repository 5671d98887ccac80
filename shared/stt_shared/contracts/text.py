"""Spaces between texts, depending on their script."""

import re
from collections.abc import Iterable

_CHINESE_JAPANESE = re.compile("[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff9f\U00020000-\U0003ffff]")
"""Han, kana and their punctuation. Thai and related scripts put a space between phrases, and so does Korean."""


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
