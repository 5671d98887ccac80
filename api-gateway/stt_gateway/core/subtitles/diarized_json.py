"""The transcript as OpenAI's ``diarized_json``."""

import string
from collections.abc import Sequence
from typing import Any

from stt_gateway.core.subtitles.plain_text import voice_name
from stt_shared.contracts.jobs import JobSegment


def diarized_json(segments: Sequence[JobSegment], text: str, duration_s: float) -> dict[str, Any]:
    """Return the transcript as OpenAI's ``diarized_json`` has it; speakers are A, B, C … as they first speak."""
    names = [voice_name(segment.speaker, segment.channel) for segment in segments]
    letters = dict(zip(dict.fromkeys(names), string.ascii_uppercase, strict=False))
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
                "speaker": letters[name],
            }
            for segment, name in zip(segments, names, strict=True)
        ],
        "usage": {"type": "duration", "seconds": round(duration_s)},
    }
