"""Words of a transcript prepared for subtitles: with times, display widths and how well a line may end after each.

Works for scripts without spaces and for segments without word times.
"""

import enum
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stt_shared.contracts.jobs import JobSegment
from stt_shared.contracts.text import CLAUSE_MARKS, SENTENCE_MARKS, needs_space, spaces_before

LINE_CHARS = 42
MAX_PAUSE_S = 1.0
"""Longest pause inside a cue: speech before and after a longer pause is never shown together."""
MAX_S = 7.0
"""Longest time that one cue is shown."""
_SLOWEST_CHARS_PER_S = 6.0
_CLAUSE_PAUSE_S = 0.4
_OVERLAP_S = 0.5


class Break(enum.IntEnum):
    """Kind of break after a word, by what a line break there would separate; best first."""

    SENTENCE = 0
    CLAUSE = 1
    CONJUNCTION = 2
    WORD = 3
    BOUND = 4


@dataclass(frozen=True)
class CueWord:
    """Word or piece of a word. ``columns``: its width without the space that precedes it if ``spaced``.

    ``speaker``: '' if it is not known.
    """

    text: str
    start: float
    end: float
    columns: int
    spaced: bool
    breaks: Break = Break.WORD
    speaker: str = ""


@dataclass(frozen=True)
class _Piece:
    text: str
    start: float
    end: float
    spaced: bool
    inside: bool = False  # the piece ends in a cut inside a word, at no allowed break
    speaker: str = ""


_CLOSING = "\"'”’»」』）)]}】》〉"
_SENTENCE_END = re.compile(rf"[{SENTENCE_MARKS}][{re.escape(_CLOSING)}]*$")
_CLAUSE_END = re.compile(rf"[{CLAUSE_MARKS}—–][{re.escape(_CLOSING)}]*$|^-+$")
_NO_SENTENCE = re.compile(r"(?:[A-HJ-Z]|Mr|Mrs|Ms|Dr|St|Prof|Jr|Sr|vs|bzw|ca|Nr|Mme|z\.B|d\.h)\.")
# In scripts without spaces a line begins with none of _NEVER_FIRST and ends with none of _NEVER_LAST.
_NEVER_FIRST = frozenset("。、，．：；？！…‥ー・々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ,.:;?!" + _CLOSING)
_NEVER_LAST = frozenset("「『（([{【《〈“‘«เแโใไ")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff9f\U00020000-\U0003ffff]"
)


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Words that begin a part of a sentence, and words that bind to the next word, in the most common languages. A word that
# means something else in another language only makes a break a little more or less likely.
_CONJUNCTIONS = _words(
    "and but or nor because that which who when where while if although though unless until since whether so than "
    "und aber oder denn sondern weil dass daß wenn obwohl damit bevor nachdem während sodass "
    "et mais ou donc car parce que qui quand lorsque puisque si afin "
    "y pero sino porque cuando aunque mientras donde ma perché quando mentre dove mas porém embora "
    "en maar omdat dat terwijl i и а но или что чтобы потому когда если который которая которые ale lub że bo"
)
_BINDING = _words(
    "a an the of to in into on at by for from with over under as my your his her its our their this these those "
    "is are was were be not der die das den dem des ein eine einen einem einer im am zum zur von mit für auf aus bei "
    "nach vor zu nicht kein keine le la les l' un une des du de au aux à en dans sur pour par avec ce cette ces mon ma "
    "son sa el los las del al una unos unas con por para su il lo gli i di da nel della het een van op te "
    "в на с к у о из за по не"
)


def columns_of(text: str) -> int:
    """Return the width in letters; Chinese, Japanese and Korean ones count as two."""
    if text.isascii():
        return len(text)
    return sum(
        2 if unicodedata.east_asian_width(char) in "WF" else 0 if unicodedata.category(char) in ("Mn", "Me") else 1
        for char in text
    )


def rows_of_words(segments: Sequence[JobSegment], text: str = "") -> list[list[CueWord]]:
    """Return all words in order, in rows of one speaker without a long pause or a jump back in time; no word is wider
    than a line.

    ``text``: the whole transcript, for the spaces between segments; without it they depend on the script.
    """
    pieces: list[_Piece] = []
    borders: set[int] = set()
    spoken = [(segment, said) for segment in segments if (said := _tidy(segment.text))]
    spaces = spaces_before(_tidy(text), [said for _, said in spoken])
    for at, (segment, said) in enumerate(spoken):
        found = [replace(piece, speaker=segment.speaker) for piece in _pieces(said, segment)]
        if pieces:
            spaced = spaces[at] if spaces else needs_space(pieces[-1].text, found[0].text)
            found[0] = replace(found[0], spaced=spaced)
        pieces += found
        borders.add(len(pieces) - 1)
    rows: list[list[CueWord]] = []
    fresh = True
    for at, piece in enumerate(pieces):
        following = pieces[at + 1] if at + 1 < len(pieces) else None
        breaks = Break.SENTENCE if following is None else _break_between(piece, following, at in borders)
        columns = columns_of(piece.text)
        word = CueWord(piece.text, piece.start, piece.end, columns, piece.spaced, breaks, piece.speaker)
        if fresh:
            rows.append([])
        rows[-1].append(word)
        fresh = following is not None and not _continues(piece, following)
    return rows


def name_words(first: CueWord) -> list[CueWord]:
    """Return the name of the speaker whose first word is ``first``, with a colon, as words of that moment."""
    parts = [part for unit in f"{first.speaker}:".split() for part in _cut(unit, finely=False)]
    words = [CueWord(part.text, first.start, first.start, columns_of(part.text), part.begins) for part in parts]
    words[0] = replace(words[0], spaced=False)
    return [replace(word, breaks=Break.BOUND, speaker=first.speaker) for word in words]


def _continues(piece: _Piece, following: _Piece) -> bool:
    same_speaker = piece.speaker == following.speaker
    return same_speaker and -_OVERLAP_S <= following.start - piece.end <= MAX_PAUSE_S


def _break_between(word: _Piece, following: _Piece, is_border: bool) -> Break:
    text, next_text = word.text, following.text
    if word.inside:
        return Break.BOUND
    kind = Break.WORD
    if _SENTENCE_END.search(text) and not _NO_SENTENCE.fullmatch(text):
        # A lower-case word continues the sentence, as in "etc. and so on".
        kind = Break.CLAUSE if next_text[0].islower() else Break.SENTENCE
    elif _CLAUSE_END.search(text):
        kind = Break.CLAUSE
    elif next_text.lower() in _CONJUNCTIONS and text.lower() not in _CONJUNCTIONS:
        kind = Break.CONJUNCTION
    elif text.lower() in _BINDING or text.lower() in _CONJUNCTIONS:
        kind = Break.BOUND
    if is_border or following.start - word.end >= _CLAUSE_PAUSE_S:
        return min(kind, Break.CLAUSE)
    return kind


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _pieces(text: str, segment: JobSegment) -> Iterator[_Piece]:
    timed = _timed_words(text, segment)
    if timed is None:
        # A few words do not fill a long segment, most of which is silence.
        length_s = min(segment.end - segment.start, max(MAX_S, columns_of(text) / _SLOWEST_CHARS_PER_S))
        parts = [part for unit in text.split() for part in _cut(unit, finely=True)]
        yield from _in_turn(segment.start, segment.start + max(0.0, length_s), parts)
        return
    for word in timed:
        yield from _in_turn(word.start, word.end, _cut(word.text, finely=False), spaced=word.spaced)


def _timed_words(text: str, segment: JobSegment) -> list[_Piece] | None:
    """Return the segment's words as they appear in its text; None when they do not match the text."""
    spoken = [(word, said) for word in segment.words if (said := _tidy(word.word))]
    spaces = spaces_before(text, [said for _, said in spoken])
    if not spaces:
        return None
    words: list[_Piece] = []
    for (word, said), spaced in zip(spoken, spaces, strict=True):
        end = max(word.start, word.end)
        if words and not spaced and (said[0] in _NEVER_FIRST or words[-1].text[-1] in _NEVER_LAST):
            last = words[-1]
            words[-1] = _Piece(last.text + said, last.start, max(last.end, end), last.spaced)
        else:
            words.append(_Piece(said, word.start, end, spaced))
    return words


@dataclass(frozen=True)
class _Part:
    text: str
    begins: bool  # whether a space precedes it
    inside: bool = False


def _cut(unit: str, *, finely: bool) -> list[_Part]:
    """Cut the text between two spaces into parts that fit a line.

    ``finely``: cut a script without spaces wherever a line may end.
    """
    if columns_of(unit) <= LINE_CHARS and not (finely and _is_unspaced(unit)):
        return [_Part(unit, True)]
    parts: list[_Part] = []
    text = ""
    unspaced = _is_unspaced(unit)
    for char in unit:
        if text and columns_of(text + char) > LINE_CHARS:
            parts.append(_Part(text, not parts, inside=True))
            text = ""
        elif text and _may_part(text[-1], char, unspaced):
            parts.append(_Part(text, not parts))
            text = ""
        text += char
    return [*parts, _Part(text, not parts)]


def _may_part(last: str, char: str, unspaced: bool) -> bool:
    if not unspaced:
        return last == "-"
    if char in _NEVER_FIRST or last in _NEVER_LAST or unicodedata.category(char)[0] == "M":
        return False
    return _is_unspaced(last) or _is_unspaced(char)


def _is_unspaced(text: str) -> bool:
    return _UNSPACED.search(text) is not None


def _in_turn(start: float, end: float, parts: Sequence[_Part], *, spaced: bool = True) -> Iterator[_Piece]:
    """Yield the parts with times in proportion to their widths."""
    whole = sum(max(1, columns_of(part.text)) for part in parts)
    done = 0
    for part in parts:
        begin = start + (end - start) * done / whole
        done += max(1, columns_of(part.text))
        until = start + (end - start) * done / whole
        yield _Piece(part.text, begin, until, part.begins and spaced, part.inside)
