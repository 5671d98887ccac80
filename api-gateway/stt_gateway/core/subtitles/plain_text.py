"""A transcript as text: a line for each segment."""

from collections.abc import Sequence

from stt_shared.contracts.jobs import JobSegment


def channel_name(channel: int) -> str:
    """Return the name of a channel in texts for people; the number is that of the JSON form."""
    return f"Channel {channel}"


def plain_text(segments: Sequence[JobSegment]) -> str:
    """Return the segments line by line, each after the name of its channel if the channels were kept apart."""
    lines = ((segment.channel, segment.text.strip()) for segment in segments)
    return "".join(
        f"{text}\n" if channel is None else f"{channel_name(channel)}: {text}\n" for channel, text in lines if text
    )
