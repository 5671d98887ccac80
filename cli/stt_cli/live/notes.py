"""Events of a live session that are not captions, as lines for the user."""

from collections.abc import Mapping
from typing import Any

from stt_shared.contracts.events import SPEECH_NOT_RECOGNIZED


def note_of(event: Mapping[str, Any]) -> str | None:
    """Return the line for a warning, a gap or other speakers, None for any other event."""
    match event["type"]:
        case "warning":
            return f"warning: {event['message']}"
        case "speakers_revised":
            told = (
                f"utterance {one['utterance']} is of {one['speaker'] or 'nobody known'}" for one in event["utterances"]
            )
            return f"speakers: {', '.join(told)}"
        case "gap" if event["cause"] == SPEECH_NOT_RECOGNIZED:
            gap = not_recognized(event["from_ms"] / 1000, event["to_ms"] / 1000, event.get("channel"))
            return f"gap: {gap}"
        case "gap":
            return f"gap: {event['cause']}"
        case _:
            return None


def not_recognized(start_s: float, end_s: float, channel: int | None = None) -> str:
    """Return the text for speech without a text between two positions in seconds, on a channel that is kept apart."""
    where = "" if channel is None else f" on channel {channel}"
    return f"speech from {start_s:.1f} to {end_s:.1f} s{where} was not recognized"
