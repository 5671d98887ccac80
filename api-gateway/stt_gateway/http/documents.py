"""Stored transcripts as documents for people: Markdown, and files of word processors."""

import asyncio
from collections.abc import Sequence

from fastapi import Response

from stt_gateway.core.documents.document import Document, facts, markdown
from stt_gateway.core.documents.docx import docx
from stt_gateway.core.documents.paragraphs import paragraphs
from stt_gateway.core.requests.parameters import Given, NotAllowed, Parameter, Parameters, flag
from stt_gateway.store.interface import Transcript
from stt_shared.contracts.jobs import JobSegment

DOCUMENTS = ("md", "docx")
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MOST_MINUTES = 14 * 60


def _parse_offset(value: str) -> int:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and int(digits) <= _MOST_MINUTES):
        raise NotAllowed(f"a whole number from -{_MOST_MINUTES} to {_MOST_MINUTES}")
    return int(value)


TIMESTAMPS = flag("timestamps", True, "In a document: whether paragraphs say when they begin.")
UTC_OFFSET = Parameter(
    "utc_offset_minutes",
    0,
    _parse_offset,
    {"type": "integer", "minimum": -_MOST_MINUTES, "maximum": _MOST_MINUTES},
    "In a document: by how many minutes the reader's time is ahead of UTC.",
)
DOCUMENT_PARAMETERS = Parameters(TIMESTAMPS, UTC_OFFSET)


async def document_file(kind: str, found: Transcript, segments: Sequence[JobSegment], given: Given) -> Response:
    """Return the file; ``kind``: one of DOCUMENTS. ``segments``: after all edits. It is built in a thread, since those
    of an hour are long."""
    about = facts(found.created_ms, given[UTC_OFFSET], found.duration_s, found.language)
    document = Document(found.title or found.id, about, paragraphs(segments), given[TIMESTAMPS])
    if kind == "docx":
        return Response(await asyncio.to_thread(docx, document), media_type=DOCX)
    return Response(await asyncio.to_thread(markdown, document), media_type="text/markdown")
