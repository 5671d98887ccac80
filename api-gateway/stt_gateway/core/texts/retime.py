"""The words of a corrected text with the times of the words that were heard. Pure."""

import difflib
import re
from collections.abc import Iterable, Sequence

import msgspec

from stt_shared.contracts.jobs import JobSegment, JobWord
from stt_shared.contracts.text import UNSPACED

_UNIT = re.compile(rf"{UNSPACED}|(?:(?!{UNSPACED})\S)+")
_MARKS = re.compile(r"\W+")


def retimed(segment: JobSegment, text: str) -> list[JobWord]:
    """Return the words of ``text``, which replaces the segment's.

    A word that was heard keeps its times and confidence, whatever its case and marks. Others share the time of the
    words that they replace, or the pause in which they stand, by their lengths; people are certain of them (1.0). A
    segment without words stays without.
    """
    heard = [part for word in segment.words for part in _units(word)]
    written = _UNIT.findall(text)
    if not heard or not written:
        return []
    matcher = difflib.SequenceMatcher(None, [_key(one.word) for one in heard], list(map(_key, written)), autojunk=False)
    words: list[JobWord] = []
    for kind, first, last, begin, end in matcher.get_opcodes():
        if kind == "equal":
            pairs = zip(heard[first:last], written[begin:end], strict=True)
            words += [msgspec.structs.replace(old, word=new) for old, new in pairs]
        elif kind != "delete":
            from_s = heard[first].start if first < last else (heard[first - 1].end if first else segment.start)
            to_s = heard[last - 1].end if first < last else (heard[first].start if first < len(heard) else segment.end)
            words += _spread(written[begin:end], from_s, max(from_s, to_s), heard[min(first, len(heard) - 1)])
    return words


def _units(word: JobWord) -> Iterable[JobWord]:
    return _spread(_UNIT.findall(word.word), word.start, word.end, word, word.confidence)


def _spread(
    texts: Sequence[str], from_s: float, to_s: float, like: JobWord, confidence: float = 1.0
) -> Iterable[JobWord]:
    total = sum(map(len, texts))
    at = 0
    for text in texts:
        start = round(from_s + (to_s - from_s) * at / total, 3)
        at += len(text)
        end = round(from_s + (to_s - from_s) * at / total, 3)
        yield msgspec.structs.replace(like, word=text, start=start, end=end, confidence=confidence)


def _key(word: str) -> str:
    return _MARKS.sub("", word.casefold()) or word
