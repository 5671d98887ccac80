"""Conversion of a tokenizer's pieces, timed by DTW, into the words of a hypothesis. Pure functions."""

import re
import statistics
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stt_shared.contracts.text import SENTENCE_MARKS
from stt_transcriber.core.decoding import TimedWord

_OPENING_MARKS = frozenset("\"'“¿([{「『（《〈【")
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff9f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, Chinese and Japanese, including their punctuation: written without spaces between words,
so each piece of the tokenizer counts as a word."""
_SENTENCE_MARKS = frozenset(SENTENCE_MARKS)
_LONGEST_MEDIAN_S = 0.7
_SHORTEST_S = 0.02
"""Least length of a word: the distance of two encoder positions."""


@dataclass(frozen=True)
class Piece:
    """Part of a word, or a mark, as Whisper's tokenizer cuts it, including its leading space; times in seconds."""

    text: str
    token_count: int
    start_s: float
    end_s: float
    probability: float

    @property
    def is_mark(self) -> bool:
        """True for punctuation, symbols and empty text."""
        return not any(character.isalnum() for character in self.text)


def pieces_of(
    texts: Sequence[str],
    token_counts: Sequence[int],
    path: Sequence[tuple[int, int]],
    probabilities: Sequence[float],
    positions_per_s: float,
) -> list[Piece]:
    """Assign times to the pieces from a DTW path.

    ``texts`` and ``token_counts``: the pieces and the number of tokens of each, without the end-of-text token;
    ``path``: (token, encoder position) pairs, rising, in which the end-of-text token counts as the last token;
    ``probabilities``: one per token.
    """
    first_position: dict[int, int] = {}
    for token, position in path:
        first_position.setdefault(token, position)
    last = path[-1][1] if path else 0
    pieces = []
    begin = 0
    for text, count in zip(texts, token_counts, strict=True):
        end = begin + count
        pieces.append(
            Piece(
                text=text,
                token_count=count,
                start_s=first_position.get(begin, last) / positions_per_s,
                end_s=first_position.get(end, last) / positions_per_s,
                probability=sum(probabilities[begin:end]) / count,
            )
        )
        begin = end
    return pieces


def timed_words(pieces: Sequence[Piece], duration_s: float) -> tuple[TimedWord, ...]:
    """Return words with their punctuation; joined, they are the text.

    Times rise and lie within 0…``duration_s``; each word has a length, if there is room for ``_SHORTEST_S`` each.
    """
    words: list[TimedWord] = []
    earliest = 0.0
    ends_in_space = False
    for group in _groups(_shortened(pieces)):
        written = "".join(piece.text for piece in group)
        text = written.strip()
        space_before = ends_in_space or written[:1].isspace()
        ends_in_space = written[-1:].isspace() or (not text and space_before)
        if not text:
            continue
        if not words:
            # No text precedes the first word, so its script decides whether a space separates it from an earlier text.
            space_before = not UNSPACED.match(text)
        # The times of marks are those of the pause around them.
        said = [piece for piece in group if not piece.is_mark] or group
        start_s = min(max(said[0].start_s, earliest), duration_s)
        end_s = min(max(said[-1].end_s, start_s), duration_s)
        tokens = sum(piece.token_count for piece in said)
        probability = sum(piece.probability * piece.token_count for piece in said) / tokens
        words.append(TimedWord(text, start_s, end_s, min(max(probability, 0.0), 1.0), space_before))
        earliest = end_s
    return tuple(_lengthened(words, duration_s))


def compression_ratio(text: str) -> float:
    """Return the characters of the text divided by the bytes of its zlib form; 0 for an empty text.

    Each letter counts as one byte in every script: as UTF-8, ordinary Hindi or Tamil compresses like a loop.
    """
    numbers: dict[str, int] = {}
    raw = bytes(ord(char) if char.isascii() else 128 + numbers.setdefault(char, len(numbers)) % 128 for char in text)
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def _lengthened(words: Sequence[TimedWord], duration_s: float) -> list[TimedWord]:
    """Give words without a length, which crowd where the model is unsure, some time of their neighbours."""
    if all(word.end_s > word.start_s for word in words) or len(words) * _SHORTEST_S > duration_s:
        return list(words)
    later: list[TimedWord] = []
    earliest = 0.0
    for word in words:
        start_s = max(word.start_s, earliest)
        earliest = max(word.end_s, start_s + _SHORTEST_S)
        later.append(replace(word, start_s=start_s, end_s=earliest))
    latest = duration_s
    for at in reversed(range(len(later))):
        end_s = min(later[at].end_s, latest)
        latest = min(later[at].start_s, end_s - _SHORTEST_S)
        later[at] = replace(later[at], start_s=latest, end_s=end_s)
    return later


def _shortened(pieces: Sequence[Piece]) -> list[Piece]:
    """Remove silence from the first word and from the words around the end of a sentence.

    DTW does not model silence: it starts the first word at 0 and assigns a pause to a neighbouring word. Whisper uses
    the same remedy.
    """
    durations = [piece.end_s - piece.start_s for piece in pieces if piece.end_s > piece.start_s]
    if not durations:
        return list(pieces)
    longest_s = 2 * min(_LONGEST_MEDIAN_S, statistics.median(durations))
    shortened: list[Piece] = []
    for index, piece in enumerate(pieces):
        if piece.end_s - piece.start_s > longest_s:
            if index > 0 and _ends_sentence(piece):
                piece = replace(piece, end_s=piece.start_s + longest_s)
            elif index == 0 or _ends_sentence(pieces[index - 1]):
                piece = replace(piece, start_s=piece.end_s - longest_s)
        shortened.append(piece)
    return shortened


def _ends_sentence(piece: Piece) -> bool:
    return piece.text.strip() in _SENTENCE_MARKS


def _groups(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Group the pieces of each word: the tokenizer cuts before every apostrophe and hyphen, even inside a word."""
    groups: list[list[Piece]] = []
    for piece in pieces:
        if groups and not _begins_word(groups[-1][-1], piece):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    words: list[list[Piece]] = []
    leading: list[Piece] = []
    for group in groups:
        if not all(piece.is_mark for piece in group):
            words.append(leading + group)
            leading = []
        elif words and not leading and group[0].text.strip() not in _OPENING_MARKS:
            words[-1].extend(group)
        else:
            leading += group
    if leading and words:
        words[-1].extend(leading)
    elif leading:
        words.append(leading)
    return words


def _begins_word(before: Piece, piece: Piece) -> bool:
    last, first = before.text[-1:], piece.text[:1]
    if " " in (last, first):
        return True
    if before.text.strip() in _OPENING_MARKS:
        return False
    return any(UNSPACED.match(character) for character in (last, first))
