"""Subtitle files of transcripts, shared by the routes of jobs and of stored transcripts."""

import asyncio
from collections.abc import Sequence

from fastapi import Response

from stt_gateway.core.subtitles.subtitles import srt, vtt
from stt_shared.contracts.jobs import JobSegment


async def subtitles(kind: str, text: str, segments: Sequence[JobSegment], duration_s: float) -> Response:
    """Return the subtitle file of a recording of ``duration_s``; ``kind`` is srt or vtt, ``text`` the whole transcript.

    It is built in a thread: the subtitles of an hour take a quarter of a second.
    """
    write, media_type = (srt, "application/x-subrip") if kind == "srt" else (vtt, "text/vtt")
    return Response(await asyncio.to_thread(write, segments, duration_s, text), media_type=media_type)
