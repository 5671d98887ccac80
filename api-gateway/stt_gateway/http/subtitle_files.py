"""Subtitle files of transcripts, whichever route asks for them."""

import asyncio
from collections.abc import Sequence

from fastapi import Response

from stt_gateway.core.subtitles.subtitles import srt, vtt
from stt_shared.contracts.jobs import JobSegment


async def subtitles(kind: str, segments: Sequence[JobSegment]) -> Response:
    """``kind``: srt or vtt. Made in a thread: those of an hour take a quarter of a second."""
    write, media_type = (srt, "application/x-subrip") if kind == "srt" else (vtt, "text/vtt")
    return Response(await asyncio.to_thread(write, segments), media_type=media_type)
