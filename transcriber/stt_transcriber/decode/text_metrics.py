"""Counters of decodes and speech without text, for live sessions and files."""

from prometheus_client import Counter

from stt_shared.contracts.events import Event, Notice

REJECTED = Counter("stt_rejected_hypotheses_total", "Texts that the guards rejected, by reason.", ["reason"])
UNRECOGNIZED_S = Counter("stt_unrecognized_speech_seconds_total", "Seconds of audio with voice and without text.")


def count_unrecognized(event: Event | None) -> None:
    """Count the audio of a notice about missed speech; ignore other events."""
    if isinstance(event, Notice) and event.from_ms is not None and event.to_ms is not None:
        UNRECOGNIZED_S.inc((event.to_ms - event.from_ms) / 1000)
