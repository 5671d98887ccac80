"""A finished job as text, subtitles or JSON. Pure."""

import enum
import json
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from stt_shared.contracts.jobs import JobResult, JobSegment

LONGEST_CUE_CHARACTERS = 84
"""Two lines of 42 characters, as broadcasters have it; longer segments are cut between words."""


class Format(enum.StrEnum):
    """What `stt transcribe --format` offers."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"


@dataclass(frozen=True)
class Cue:
    """One subtitle; seconds from the start of the file."""

    start_s: float
    end_s: float
    text: str


def render(result: JobResult, format: Format) -> str:
    """The whole transcript, ending in a newline (nothing for text without words)."""
    match format:
        case Format.TXT:
            lines = [segment.text.strip() for segment in result.segments] or [result.text.strip()]
            return "".join(f"{line}\n" for line in lines if line)
        case Format.SRT:
            blocks = [
                f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n{_no_arrow(cue.text)}\n"
                for number, cue in enumerate(cues(result), start=1)
            ]
            return "\n".join(blocks)
        case Format.VTT:
            blocks = [
                f"{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n{_escaped(cue.text)}\n"
                for cue in cues(result)
            ]
            return "\n".join(["WEBVTT\n", *blocks])
        case Format.JSON:
            return json.dumps(msgspec.to_builtins(result), ensure_ascii=False, indent=2) + "\n"


def cues(result: JobResult) -> Iterator[Cue]:
    """Subtitles in order; segments without words are left whole."""
    for segment in result.segments:
        text = " ".join(segment.text.split())
        if not text:
            continue
        if len(text) <= LONGEST_CUE_CHARACTERS or not segment.words:
            yield Cue(segment.start, segment.end, text)
        else:
            yield from _cut(segment)


def _cut(segment: JobSegment) -> Iterator[Cue]:
    start_s, end_s, words = segment.words[0].start, segment.words[0].end, ""
    for word in segment.words:
        # The models write a word with the space before it; languages without spaces have none, and get none.
        longer = words + word.word
        if words and len(longer.strip()) > LONGEST_CUE_CHARACTERS:
            yield Cue(start_s, end_s, words.strip())
            start_s, longer = word.start, word.word
        words, end_s = longer, word.end
    yield Cue(start_s, end_s, words.strip())


def _clock(seconds: float, point: str) -> str:
    total_ms = max(0, round(seconds * 1000))
    minutes, ms = divmod(total_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{ms // 1000:02d}{point}{ms % 1000:03d}"


def _no_arrow(text: str) -> str:
    """An arrow in the text would read as a line of times."""
    return text.replace("-->", "->")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
