"""A transcript as text: a line for each segment, or for each turn of a speaker."""

import itertools
import re
from collections.abc import Sequence

from stt_shared.contracts.jobs import JobSegment
from stt_shared.contracts.text import join_texts

_GENERIC = re.compile(r"(Speaker|Channel) \d+")


def channel_name(channel: int) -> str:
    """Return the name of a channel in texts for people; the number is that of the JSON form."""
    return f"Channel {channel}"


def voice_name(speaker: str, channel: int | None) -> str:
    """Return the name of a speaker or, if none is known, of a channel; '' if there is neither."""
    return speaker or ("" if channel is None else channel_name(channel))


def is_generic(name: str) -> bool:
    """Return whether a name only counts speakers or channels."""
    return _GENERIC.fullmatch(name) is not None


def plain_text(segments: Sequence[JobSegment]) -> str:
    """Return the segments line by line, each after the name of its channel if the channels were kept apart.

    If speakers were told apart, each line is a turn after the speaker's name.
    """
    if any(segment.speaker for segment in segments):
        spoken = itertools.groupby(segments, key=lambda segment: voice_name(segment.speaker, segment.channel))
        lines = [(speaker, join_texts(segment.text.strip() for segment in turn)) for speaker, turn in spoken]
    else:
        lines = [(voice_name("", segment.channel), segment.text.strip()) for segment in segments]
    return "".join(f"{name}: {text}\n" if name else f"{text}\n" for name, text in lines if text)
