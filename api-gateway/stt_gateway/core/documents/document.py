"""A transcript as a document for people: what its head says, and Markdown. Pure."""

import datetime
import re
from collections.abc import Sequence

import msgspec

from stt_gateway.core.documents.paragraphs import Paragraph

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~]|&(?=#?\w+;))")
_LEADING = re.compile(r"^(\s*)([#+-]|\d+(?=[.)]))")


class Document(msgspec.Struct, frozen=True):
    """``title``; ``facts``: what a line below it says, such as the date; ``has_times``: whether paragraphs say when
    they begin."""

    title: str
    facts: list[str]
    paragraphs: Sequence[Paragraph]
    has_times: bool


def facts(created_ms: int, utc_offset_minutes: int, duration_s: float, language: str) -> list[str]:
    """Return the date with the time of day at an offset from UTC, the duration and the language, as far as known."""
    zone = datetime.timezone(datetime.timedelta(minutes=utc_offset_minutes))
    moment = datetime.datetime.fromtimestamp(created_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")
    return [fact for fact in (moment, clock(duration_s) if duration_s else "", language) if fact]


def clock(seconds: float) -> str:
    """Return 83 s as 1:23, 3723 s as 1:02:03."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def markdown(document: Document) -> str:
    """Return the document in Markdown (CommonMark)."""
    blocks = [f"# {_escaped(document.title)}", " · ".join(map(_escaped, document.facts))]
    for paragraph in document.paragraphs:
        voice = f"**{_escaped(paragraph.voice)}** " if paragraph.voice else ""
        time = f"({clock(paragraph.start)}) " if document.has_times else ""
        text = _SPECIAL.sub(r"\\\1", paragraph.text)
        blocks.append(f"{voice}{time}{text}" if voice or time else _escaped(paragraph.text))
    return "\n\n".join(blocks) + "\n"


def _escaped(text: str) -> str:
    return _LEADING.sub(_unlisted, _SPECIAL.sub(r"\\\1", text))


def _unlisted(found: re.Match[str]) -> str:
    # A number begins a list by the mark after it.
    space, mark = found.groups()
    return f"{space}{mark}\\" if mark.isdigit() else f"{space}\\{mark}"
