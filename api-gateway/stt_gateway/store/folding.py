"""Text normalisation for search (letters without accents and case), and positions of hits in the original. Pure.

A folded *text* consists of tokens. In scripts written without spaces each letter is a token, so that any run of letters
is a phrase; a phrase matches where its tokens follow each other. A folded *name* keeps its punctuation, since parts of
names are searched for verbatim.
"""

import functools
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator

Range = tuple[int, int]

MAX_HITS = 50
SNIPPET_CHARS = 240
_LEAD_CHARS = 60
_BLOCK = 1024
_LOOK = 16_384
_OVERLAP = 1_024

# Letters that people type without the stroke or as plain letters, and that have no Unicode decomposition.
_UNSTROKED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)

# Han, kana, Bopomofo, Yi, Thai, Lao, Myanmar, Khmer, Javanese and related scripts; not Hangul, which uses spaces.
_UNSPACED = (
    "\u0e00-\u0e4f\u0e80-\u0ecf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u1950-\u19df\u1a20-\u1aad\u3005-\u3007\u3021-\u3029"
    "\u3031-\u3035\u303b\u3041-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c"
    "\ua980-\ua9cf\uaa60-\uaa7f\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)


def _marks() -> str:
    """Return the marks that folding keeps (vowel signs, kana voicing), as the contents of a regex character class."""
    kept = [code for code in range(0x300, 0x11F00) if unicodedata.category(chr(code))[0] == "M" and _is_kept(chr(code))]
    ranges: list[list[int]] = []
    for code in kept:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


def _is_kept(mark: str) -> bool:
    # Accents, Hebrew and Arabic points and nuktas are dropped. Kana voicing, viramas, and the vowels that the scripts
    # of India and its neighbours write above or below a letter distinguish words and are kept.
    kind = unicodedata.combining(mark)
    return kind in (0, 8, 9) or 84 <= kind <= 132


def _is_ignored(char: str) -> bool:
    # Joiners, soft hyphens, direction marks and variation selectors are invisible and not typed in queries. The Arabic
    # tatweel only lengthens a stroke.
    return unicodedata.category(char) == "Cf" or "\ufe00" <= char <= "\ufe0f" or char in "\u034f\u0640"


class _Folded(dict[int, str]):
    """A table for str.translate, filled on demand, so that long texts are folded at C speed."""

    def __init__(self, *, keep_punctuation: bool) -> None:
        super().__init__()
        self._keep_punctuation = keep_punctuation

    def __missing__(self, code: int) -> str:
        folded = self._fold(chr(code))
        self[code] = folded
        return folded

    def _fold(self, char: str) -> str:
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold()).translate(_UNSTROKED)
        return "".join(self._part(part) for part in plain)

    def _part(self, char: str) -> str:
        match unicodedata.category(char)[0]:
            case _ if _is_ignored(char):
                return ""
            case "L" | "N":
                return char
            case "M":
                return char if _is_kept(char) else ""
            case "P" | "S" if self._keep_punctuation:
                return char
            case _:
                return " "


_TEXT = _Folded(keep_punctuation=False)
_NAME = _Folded(keep_punctuation=True)
_MARKS = _marks()
_TOKEN = re.compile(f"[{_UNSPACED}][{_MARKS}]*|[^ {_UNSPACED}]+")
_SINGLE = re.compile(f"[{_UNSPACED}]")


def tokens(text: str) -> list[str]:
    """Return the folded words of a text in order (letters, in scripts without spaces)."""
    return _TOKEN.findall(text.translate(_TEXT))


def fold(text: str) -> str:
    """Return the tokens separated by single spaces, the form of indexed texts and of phrases."""
    return " ".join(tokens(text))


def fold_name(name: str) -> str:
    """Return a file name or title without accents and case; runs of whitespace become one space."""
    return " ".join(name.translate(_NAME).split())


def highlight(original: str, query: str) -> list[Range]:
    """Find the phrase ``query`` in ``original``: ranges [start, end) of code points, at most MAX_HITS."""
    pattern = _phrase(query)
    return list(_ranges(original, _TEXT, pattern)) if pattern else []


def highlight_name(original: str, part: str) -> list[Range]:
    """Find a part of a name in the name: ranges as in ``highlight``."""
    folded = fold_name(part)
    if not folded:
        return []
    # Letter-by-letter folding has not collapsed runs of spaces yet.
    pattern = re.compile(re.escape(folded).replace("\\ ", " +"))
    return list(_ranges(original, _NAME, pattern))


def snippet(original: str, query: str) -> tuple[str, list[Range]]:
    """Return about SNIPPET_CHARS of text around the first hit, and the hits in it.

    If nothing matches, it is the beginning of the text.
    """
    hits = _first_hits(original, query)
    start, end = _window(original, hits[0] if hits else (0, 0))
    inside = [(max(first, start) - start, min(last, end) - start) for first, last in hits if start <= first < end]
    # Character for character, so that the ranges remain valid.
    return re.sub(r"\s", " ", original[start:end]), inside


def _first_hits(original: str, query: str) -> list[Range]:
    # A transcript of hours is not folded whole to find its first hit. The pieces overlap by more than the length of a
    # phrase, so a phrase or word cut at the edge of one piece is whole in the other.
    for at in range(0, max(1, len(original) - _OVERLAP), _LOOK - _OVERLAP):
        seen = original[at : at + _LOOK]
        first, beyond = int(at > 0), len(seen) if at + _LOOK >= len(original) else _LOOK - _OVERLAP
        hits = [hit for hit in highlight(seen, query) if first <= hit[0] < beyond]
        if hits:
            return [(start + at, end + at) for start, end in hits]
    return []


@functools.lru_cache(maxsize=64)
def _phrase(query: str) -> re.Pattern[str] | None:
    parts = tokens(query)
    if not parts:
        return None
    pattern = "" if _SINGLE.match(parts[0]) else f"(?<![^ {_UNSPACED}])"
    for before, part in zip(["", *parts], parts, strict=False):
        if before:
            # Letters of a script without spaces may touch their neighbours; two words may not.
            pattern += " *" if _SINGLE.match(before) or _SINGLE.match(part) else " +"
        pattern += re.escape(part)
    return re.compile(pattern + (f"(?![{_MARKS}])" if _SINGLE.match(parts[-1]) else f"(?![^ {_UNSPACED}])"))


def _ranges(original: str, table: _Folded, pattern: re.Pattern[str]) -> Iterator[Range]:
    blocks = [original[at : at + _BLOCK].translate(table) for at in range(0, len(original), _BLOCK)]
    starts = [0]
    for block in blocks:
        starts.append(starts[-1] + len(block))

    def position(folded_at: int) -> int:
        """Return the position in the original of the character whose folded form contains ``folded_at``."""
        block = bisect_right(starts, folded_at) - 1
        at, folded = block * _BLOCK, starts[block]
        while folded + len(table[ord(original[at])]) <= folded_at:
            folded += len(table[ord(original[at])])
            at += 1
        return at

    for count, found in enumerate(pattern.finditer("".join(blocks))):
        if count == MAX_HITS:
            return
        end = position(found.end() - 1) + 1
        # Combining marks after the last letter belong to it.
        while end < len(original) and not table[ord(original[end])]:
            end += 1
        yield position(found.start()), end


def _window(text: str, hit: Range) -> Range:
    start, end = max(0, hit[0] - _LEAD_CHARS), min(len(text), max(hit[0] - _LEAD_CHARS, 0) + SNIPPET_CHARS)
    end = max(end, min(hit[1], start + 2 * SNIPPET_CHARS))
    # Cut at word boundaries where a space is near.
    if start and (blank := text.find(" ", start, hit[0])) >= 0:
        start = blank + 1
    if end < len(text) and (blank := text.rfind(" ", max(hit[1], start), end)) > 0:
        end = blank
    return start, end
