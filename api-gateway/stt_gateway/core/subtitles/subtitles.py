"""SRT and WebVTT subtitles from the segments of a transcript, cut for easy reading.

The rules are those that broadcasters publish: at most two lines of 42 characters, breaks at the ends of sentences and
clauses, lines of similar length, one to seven seconds per cue, about 20 characters a second where the pauses allow it.
"""

import bisect
import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stt_gateway.core.subtitles.cue_words import LINE_CHARS, MAX_S, Break, CueWord, name_words, rows_of_words
from stt_gateway.core.subtitles.plain_text import channel_name, voice_name
from stt_shared.contracts.jobs import JobSegment

LINES = 2
MIN_S = 1.0
CHARS_PER_S = 20.0
"""Reading speed that hardly anybody exceeds."""
_FLICKER_S = 0.5
"""Shortest time without a cue; a shorter gap looks like flicker."""

# Costs of a cue; the cheapest sequence of cues is chosen. They are for the break at its end, each sentence after the
# first, and each second missing to read it. The squared width, small next to these, evens out the cues of a sentence.
_CUE_BREAK = {Break.SENTENCE: 0.0, Break.CLAUSE: 1.5, Break.CONJUNCTION: 2.5, Break.WORD: 5.0, Break.BOUND: 8.0}
_LINE_BREAK = {Break.SENTENCE: 0.0, Break.CLAUSE: 0.5, Break.CONJUNCTION: 1.0, Break.WORD: 2.0, Break.BOUND: 4.0}
_ANOTHER_SENTENCE = 2.0
_MISSING_SECOND = 6.0
_UNEVEN = 4.0


@dataclass(frozen=True)
class Cue:
    """Lines shown from ``start`` to ``end``, in seconds.

    ``channel``: that they were said on; None if mixed. ``speaker``: '' if it is not known.
    """

    start: float
    end: float
    lines: tuple[str, ...]
    channel: int | None = None
    speaker: str = ""


def srt(segments: Sequence[JobSegment], until_s: float = math.inf, text: str = "") -> str:
    """Return SubRip text that ends by ``until_s``; ``text``: the whole transcript.

    Where the speaker changes, the text begins with the new one's name: the format has no place for it.
    """
    return _written("", cues(segments, until_s, text, names_in_text=True), ",", _srt_text, numbered=True)


def vtt(segments: Sequence[JobSegment], until_s: float = math.inf, text: str = "") -> str:
    """Return WebVTT text that ends by ``until_s``; ``text``: the whole transcript."""
    return _written("WEBVTT\n\n", cues(segments, until_s, text), ".", _vtt_text, numbered=False)


def cues(
    segments: Sequence[JobSegment], until_s: float = math.inf, text: str = "", *, names_in_text: bool = False
) -> list[Cue]:
    """Cut the transcript into cues, in the order of their starts.

    Cues are shown one after the other, but those of different channels at the same time.
    A cue begins with its first word. It is shown past the end of its last word if it would be too short to read, but
    never into the next cue or past ``until_s``, the end of the recording. ``text``: the whole transcript, for the
    spaces between segments. ``names_in_text``: the words of a speaker begin with the speaker's name.
    """
    channels = {segment.channel for segment in segments}
    found: list[Cue] = []
    for channel in channels:
        mine = [one for one in segments if one.channel == channel]
        rows = rows_of_words(mine, text if len(channels) == 1 else "")
        found += _cues_of_rows(_with_names(rows) if names_in_text else rows, until_s, channel)
    return found if len(channels) < 2 else sorted(found, key=lambda cue: (cue.start, cue.channel or 0))


def _with_names(rows: Sequence[list[CueWord]]) -> list[list[CueWord]]:
    """Return the rows with the speaker's name before the first word where the speaker changes."""
    named = []
    before = ""
    for row in rows:
        first = row[0]
        if first.speaker in ("", before):
            named.append(row)
        else:
            named.append([*name_words(first), replace(first, spaced=True), *row[1:]])
        before = first.speaker
    return named


def _cues_of_rows(rows: Sequence[list[CueWord]], until_s: float, channel: int | None) -> list[Cue]:
    groups: list[list[CueWord]] = []
    for row, following in itertools.zip_longest(rows, rows[1:]):
        groups += _Row(row, following[0].start if following else until_s).cut()
    found = []
    for group, after in itertools.zip_longest(groups, groups[1:]):
        start = group[0].start
        end = _shown_until(start, group[-1].end, _columns(group), after[0].start if after else until_s)
        found.append(Cue(start, end, _lines(group), channel, group[0].speaker))
    return found


class _Row:
    """Words without a long pause between them; ``then``: start of the next row."""

    def __init__(self, words: Sequence[CueWord], then: float) -> None:
        self._words = words
        self._starts = [*(word.start for word in words), then]
        # Prefix sums, so that a range of words is measured without visiting each word.
        self._width = [0, *itertools.accumulate(word.columns + word.spaced for word in words)]
        self._sentences = [0, *itertools.accumulate(word.breaks is Break.SENTENCE for word in words)]

    def cut(self) -> list[list[CueWord]]:
        """Return the cheapest division into cues."""
        count = len(self._words)
        best = [0.0] + [math.inf] * count
        begins = [0] * (count + 1)
        for begin in range(count):
            first_line = self._fitting(begin)
            last = self._fitting(first_line) if first_line < count else count
            for end in range(begin + 1, last + 1):
                if end > begin + 1 and self._words[end - 1].end - self._words[begin].start > MAX_S:
                    break
                cost = best[begin] + self._cost(begin, end)
                if cost < best[end]:
                    best[end], begins[end] = cost, begin
        groups: list[list[CueWord]] = []
        end = count
        while end:
            groups.append(list(self._words[begins[end] : end]))
            end = begins[end]
        return groups[::-1]

    def _fitting(self, begin: int) -> int:
        """Return the index after the last word that fits on a line beginning with word ``begin``."""
        room = self._width[begin] + self._words[begin].spaced + LINE_CHARS
        return bisect.bisect_right(self._width, room, begin + 1) - 1

    def _cost(self, begin: int, end: int) -> float:
        columns = self._width[end] - self._width[begin] - self._words[begin].spaced
        missing_s = max(0.0, _reading_s(columns) - min(MAX_S, self._starts[end] - self._starts[begin]))
        more_sentences = self._sentences[end - 1] - self._sentences[begin]
        broken = _CUE_BREAK[self._words[end - 1].breaks] if end < len(self._words) else 0.0
        return (
            broken
            + _ANOTHER_SENTENCE * more_sentences
            + _MISSING_SECOND * missing_s
            + (columns / (LINES * LINE_CHARS)) ** 2
        )


def _reading_s(columns: int) -> float:
    return max(MIN_S, columns / CHARS_PER_S)


def _shown_until(start: float, spoken: float, columns: int, then: float) -> float:
    end = min(max(spoken, start + _reading_s(columns)), start + MAX_S)
    if then > start:
        end = min(end, then)
        if then - end < _FLICKER_S and then - start <= MAX_S:
            end = then
    return max(end, start + 0.001)


def _lines(words: Sequence[CueWord]) -> tuple[str, ...]:
    if _columns(words) <= LINE_CHARS:
        return (_text(words),)
    at = min(range(1, len(words)), key=lambda at: _line_cost(words[:at], words[at:]))
    return _text(words[:at]), _text(words[at:])


def _line_cost(upper: Sequence[CueWord], lower: Sequence[CueWord]) -> float:
    above, below = _columns(upper), _columns(lower)
    if max(above, below) > LINE_CHARS:
        return math.inf
    # If both are equally good, the longer line goes below.
    return _LINE_BREAK[upper[-1].breaks] + _UNEVEN * abs(above - below) / (above + below) + 0.2 * (above > below)


def _columns(words: Sequence[CueWord]) -> int:
    return sum(word.columns + word.spaced for word in words) - words[0].spaced


def _text(words: Sequence[CueWord]) -> str:
    return "".join(" " * word.spaced + word.text for word in words).strip()


def _written(head: str, all_cues: list[Cue], comma: str, text_of: Callable[[Cue], str], *, numbered: bool) -> str:
    blocks = []
    for number, cue in enumerate(all_cues, start=1):
        times = f"{_clock(cue.start, comma)} --> {_clock(cue.end, comma)}"
        blocks.append((f"{number}\n" if numbered else "") + f"{times}\n{text_of(cue)}\n")
    return head + "\n".join(blocks)


def _clock(seconds: float, comma: str) -> str:
    total_ms = max(0, round(seconds * 1000))
    total_s, ms = divmod(total_ms, 1000)
    return f"{total_s // 3600:02}:{total_s // 60 % 60:02}:{total_s % 60:02}{comma}{ms:03}"


def _srt_text(cue: Cue) -> str:
    # An arrow in the text would be mistaken for a line of times.
    text = re.sub("-{2,}>", "->", "\n".join(cue.lines))
    return text if cue.channel is None or cue.speaker else f"{channel_name(cue.channel)}: {text}"


def _vtt_text(cue: Cue) -> str:
    text = _vtt_escaped("\n".join(cue.lines))
    name = _vtt_escaped(voice_name(cue.speaker, cue.channel))
    return f"<v {name}>{text}" if name else text


def _vtt_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
