"""What a transcript is to be had as; apart from the client, which takes a while to import."""

import enum


class Format(enum.StrEnum):
    """The endings of ``/v1/stt/jobs/{job_id}/result.…``."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
