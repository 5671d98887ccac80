"""Transcript formats, kept separate from the client, which is slow to import."""

import enum


class Format(enum.StrEnum):
    """Transcript format, the suffix of ``/v1/stt/jobs/{job_id}/result.…``."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    DIARIZED_JSON = "diarized_json"
