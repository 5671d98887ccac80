"""Transcript formats, kept separate from the client, which is slow to import."""

import enum
from pathlib import Path


class Format(enum.StrEnum):
    """Transcript format, the suffix of ``/v1/stt/jobs/{job_id}/result.…``."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    DIARIZED_JSON = "diarized_json"


def format_of(output: Path | None) -> Format:
    """Return the format that a file's name ends in; plain text where it does not say."""
    ending = output.suffix.removeprefix(".").lower() if output else ""
    return next((format for format in Format if format == ending), Format.TXT)


def is_name_of_file(output: Path) -> bool:
    """Return whether this is a file's name, and not a folder's: it has an ending."""
    return bool(output.suffix)
