"""Transcripts as files, shared by the routes of jobs and of stored transcripts."""

import asyncio
import math
from collections.abc import Sequence

from fastapi import Response

from stt_gateway.core.subtitles.diarized_json import diarized_json, has_voices
from stt_gateway.core.subtitles.plain_text import plain_text
from stt_gateway.core.subtitles.subtitles import srt, vtt
from stt_gateway.http.responses import json_response
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobSegment


async def transcript_file(kind: str, text: str, segments: Sequence[JobSegment], duration_s: float) -> Response:
    """Return the file of a recording of ``duration_s``, 0 if unknown; ``kind``: txt, srt, vtt or diarized_json.

    ``text``: the whole transcript. Subtitles are built in a thread: those of an hour take a quarter of a second. Raises
    SttError conflict for diarized_json of a transcript without speakers.
    """
    until_s = duration_s or math.inf
    match kind:
        case "srt":
            written = await asyncio.to_thread(srt, segments, until_s, text)
            return Response(written, media_type="application/x-subrip")
        case "vtt":
            return Response(await asyncio.to_thread(vtt, segments, until_s, text), media_type="text/vtt")
        case "diarized_json":
            if not has_voices(segments):
                raise SttError("conflict", "the transcript has no speakers; post the file with speakers=auto")
            return json_response(diarized_json(segments, text, duration_s))
        case _:
            return Response(plain_text(segments) or f"{text}\n".lstrip(), media_type="text/plain")
