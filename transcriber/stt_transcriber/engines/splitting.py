"""Splitting of a text's tokens into pieces, at the places where Whisper splits them. Pure functions.

Whisper's own splitting loses the rest of a text in which the tokens do not form whole characters, as where the model
stops within one or skips a byte: it compares positions in texts of different lengths.
"""

import string
from collections.abc import Sequence
from typing import Protocol

_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages of which Whisper takes every character as a word, or every token if it has several."""
_NO_CHARACTER = "\ufffd"


class TokenDecoder(Protocol):
    """Part of a tokenizer that splitting needs."""

    def decode(self, tokens: list[int]) -> str:
        """Return the text of the tokens, with U+FFFD for bytes that are no character."""
        ...


def split_text(tokens: Sequence[int], decoder: TokenDecoder, language: str | None) -> tuple[list[str], list[int]]:
    """Return the pieces of a text in ``language`` and the number of tokens of each.

    ``tokens``: without the end-of-text token. Joined, the pieces are ``decoder.decode(tokens)``.
    """
    texts, counts = _characters(tokens, decoder)
    return (texts, counts) if language in _WITHOUT_SPACES else _at_spaces(texts, counts)


def _characters(tokens: Sequence[int], decoder: TokenDecoder) -> tuple[list[str], list[int]]:
    """Split wherever a token ends with a whole character."""
    texts: list[str] = []
    counts: list[int] = []
    begin, text = 0, ""
    for at, token in enumerate(tokens):
        alone = decoder.decode([token])
        together = decoder.decode(list(tokens[begin : at + 1])) if text else alone
        if text and together == text + alone:
            # The bytes before were no beginning of a character.
            texts.append(text)
            counts.append(at - begin)
            begin, text = at, alone
        else:
            text = together
        if not text.endswith(_NO_CHARACTER):
            texts.append(text)
            counts.append(at + 1 - begin)
            begin, text = at + 1, ""
    if text:
        texts.append(text)
        counts.append(len(tokens) - begin)
    return texts, counts


def _at_spaces(pieces: Sequence[str], piece_counts: Sequence[int]) -> tuple[list[str], list[int]]:
    """Join the pieces between two spaces, except for punctuation."""
    texts: list[str] = []
    counts: list[int] = []
    for text, count in zip(pieces, piece_counts, strict=True):
        if not texts or text.startswith(" ") or text.strip() in string.punctuation:
            texts.append(text)
            counts.append(count)
        else:
            texts[-1] += text
            counts[-1] += count
    return texts, counts
