"""The transcript as OpenAI's ``diarized_json``."""

import itertools
import math
import string
from collections.abc import Iterator, Sequence
from typing import Any

from stt_gateway.core.subtitles.plain_text import is_generic, voice_name
from stt_shared.contracts.jobs import JobSegment


def diarized_json(segments: Sequence[JobSegment], text: str, duration_s: float) -> dict[str, Any]:
    """Return the transcript as OpenAI's ``diarized_json`` has it.

    Speakers without a name are A, B, C … as they first speak; others have their names.
    """
    names = [voice_name(segment.speaker, segment.channel) for segment in segments]
    letters = dict(zip(filter(is_generic, dict.fromkeys(names)), _letters(set(names)), strict=False))
    return {
        "task": "transcribe",
        "duration": duration_s,
        "text": text,
        "segments": [
            {
                "type": "transcript.text.segment",
                "id": f"seg_{segment.id + 1:03}",
                "start": segment.start,
                "end": segment.end,
                "text": segment.text,
                "speaker": letters.get(name, name),
            }
            for segment, name in zip(segments, names, strict=True)
        ],
        "usage": duration_usage(duration_s),
    }


def _letters(taken: set[str]) -> Iterator[str]:
    """Yield A … Z, AA … AZ, BA …, without those that are somebody's name."""
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_uppercase, repeat=length):
            if (name := "".join(letters)) not in taken:
                yield name


def duration_usage(duration_s: float) -> dict[str, Any]:
    """Return what OpenAI calls the usage of a recording: its length in whole seconds, rounded up."""
    return {"type": "duration", "seconds": math.ceil(duration_s)}


def has_voices(segments: Sequence[JobSegment]) -> bool:
    """Return whether each segment has a speaker or a channel, which ``diarized_json`` needs."""
    return all(voice_name(segment.speaker, segment.channel) for segment in segments)
