"""SRT and WebVTT from the segments of a transcript: at most two lines of 42 characters a cue."""

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stt_shared.contracts.jobs import JobSegment, JobWord

LINE_CHARS = 42
LINES = 2


@dataclass(frozen=True)
class Cue:
    """What is shown from ``start`` to ``end``, in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def srt(segments: Sequence[JobSegment]) -> str:
    """SubRip text."""
    # An arrow in the text would be taken for a line of times.
    return _written("", cues(segments), ",", lambda text: re.sub("-{2,}>", "->", text), numbered=True)


def vtt(segments: Sequence[JobSegment]) -> str:
    """WebVTT text."""
    return _written("WEBVTT\n\n", cues(segments), ".", _vtt_escaped, numbered=False)


def cues(segments: Sequence[JobSegment]) -> list[Cue]:
    """Segments, cut where they would not fit: between words, at their times where those are known."""
    found: list[Cue] = []
    for segment in segments:
        for start, end, text in _fitting(segment):
            lines = tuple(textwrap.wrap(text, LINE_CHARS))
            if lines:
                found.append(Cue(start, max(end, start + 0.001), lines))
    return found


def _fitting(segment: JobSegment) -> list[tuple[float, float, str]]:
    text = " ".join(segment.text.split())
    if _fits(text):
        return [(segment.start, segment.end, text)]
    words = segment.words or _evenly_timed(segment.start, segment.end, text)
    spaced = any(char.isspace() for char in text) and not any(word.word[:1].isspace() for word in words)
    groups: list[list[JobWord]] = []
    for word in (piece for whole in words for piece in _cut(whole)):
        if groups and _fits(_joined([*groups[-1], word], spaced)):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [(group[0].start, group[-1].end, _joined(group, spaced)) for group in groups]


def _fits(text: str) -> bool:
    return len(textwrap.wrap(text, LINE_CHARS)) <= LINES


def _joined(words: Sequence[JobWord], spaced: bool) -> str:
    return " ".join((" " if spaced else "").join(word.word for word in words).split())


def _cut(word: JobWord) -> list[JobWord]:
    """A word that no cue can hold (a model's "hahaha…", Chinese in one piece) as pieces that one can."""
    if _fits(word.word):
        return [word]
    space = word.word[: len(word.word) - len(word.word.lstrip())]
    first, *others = textwrap.wrap(word.word.strip(), LINE_CHARS)
    return _in_turn(word.start, word.end, [space + first, *others])


def _evenly_timed(start: float, end: float, text: str) -> list[JobWord]:
    return _in_turn(start, end, text.split() if " " in text else textwrap.wrap(text, LINE_CHARS))


def _in_turn(start: float, end: float, parts: Sequence[str]) -> list[JobWord]:
    per_char = (end - start) / sum(len(part) for part in parts)
    words = []
    for part in parts:
        words.append(JobWord(part, start, start + len(part) * per_char, 0.0))
        start = words[-1].end
    return words


def _written(head: str, all_cues: list[Cue], comma: str, escape: Callable[[str], str], *, numbered: bool) -> str:
    blocks = []
    for number, cue in enumerate(all_cues, start=1):
        times = f"{_clock(cue.start, comma)} --> {_clock(cue.end, comma)}"
        text = "\n".join(escape(line) for line in cue.lines)
        blocks.append((f"{number}\n" if numbered else "") + f"{times}\n{text}\n")
    return head + "\n".join(blocks)


def _clock(seconds: float, comma: str) -> str:
    total_ms = max(0, round(seconds * 1000))
    total_s, ms = divmod(total_ms, 1000)
    return f"{total_s // 3600:02}:{total_s // 60 % 60:02}:{total_s % 60:02}{comma}{ms:03}"


def _vtt_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
