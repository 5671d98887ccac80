"""Routes for stored transcripts: search, fetch, edit, delete and export."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import context_of, query_of
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.speakers.edits import Speaker, edited
from stt_gateway.core.texts.edits import corrected
from stt_gateway.http.bodies import small_body
from stt_gateway.http.deletion import erase_transcript
from stt_gateway.http.disconnects import while_connected
from stt_gateway.http.documents import DOCUMENT_PARAMETERS, DOCUMENTS, document_file
from stt_gateway.http.held_requests import counted_client
from stt_gateway.http.openapi import file_kinds, one_of, refusals
from stt_gateway.http.responses import json_response
from stt_gateway.http.transcript_files import transcript_file
from stt_gateway.store.edit_request import EDIT_OPENAPI, edit_request
from stt_gateway.store.interface import SearchHit, Summary, TenantStore, Transcript
from stt_gateway.store.request import SEARCH_PARAMETERS, cursor_of, search_request
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import iso_timestamp
from stt_shared.contracts.jobs import JobSegment
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys

MAX_EDIT_BYTES = 1024 * 1024
"""Longest body of an edit: all sentences of some hours."""
EXPORTS = ("txt", "srt", "vtt", "json", "diarized_json", *DOCUMENTS)

router = APIRouter(prefix="/v1/stt/transcripts", tags=["transcripts"])


def store_of(request: Request) -> TenantStore:
    """Return what the client reaches of the store."""
    return context_of(request).store.of(principal_of(request).reach)


@router.get("", openapi_extra={"parameters": SEARCH_PARAMETERS.openapi_query()})
@needs(Scope.READ, Scope.READ_OWN)
async def search_transcripts(request: Request) -> Response:
    """Search transcripts, newest first.

    Filters: a part of the file name or title (``filename``), a phrase of the text (``query``), ``language``, ``kind``,
    ``from`` and ``to``. ``next_cursor`` of a response is ``cursor`` of the next request.
    """
    wanted = search_request(query_of(request))
    # The last place for a search is always another client's.
    with context_of(request).search_limit.counted(counted_client(request)):
        page = await while_connected(request, store_of(request).search(wanted))
    return json_response(
        {
            "transcripts": [_hit_view(hit) for hit in page.found],
            "next_cursor": None if page.next is None else cursor_of(page.next),
        }
    )


@router.get("/{id}")
@needs(Scope.READ, Scope.READ_OWN)
async def get_transcript(request: Request, id: str) -> Response:
    """Return a transcript with its text and segments."""
    return json_response(await _transcript_view(await _stored(request, id)))


@router.patch("/{id}", openapi_extra=EDIT_OPENAPI, responses=refusals("too_large", "conflict"))
@needs(Scope.DELETE)
async def edit_transcript(request: Request, id: str) -> Response:
    """Change the title (``title``; the file name stays), correct segments (``texts``), name speakers (``speakers``),
    make two of them one (``merge``), give passages to another speaker (``assign``), or bring an earlier version back
    (``restore``). Returns the transcript without text.
    """
    edit = edit_request(await small_body(request, MAX_EDIT_BYTES))
    changed = await store_of(request).edit(id, edit, wall_ms()) if keys.is_valid_id(id) else None
    if changed is None:
        raise _not_found()
    return json_response(_summary_view(changed))


@router.get("/{id}/versions")
@needs(Scope.READ, Scope.READ_OWN)
async def list_versions(request: Request, id: str) -> Response:
    """List the earlier versions of a transcript, newest first: their ``revision``, ``title`` and when they ended."""
    await _stored(request, id)
    found = await store_of(request).versions(id)
    return json_response(
        {
            "versions": [
                {"revision": one.revision, "title": one.title, "ended_at": iso_timestamp(one.ended_ms)} for one in found
            ]
        }
    )


@router.delete("/{id}", status_code=204)
@needs(Scope.DELETE)
async def delete_transcript(request: Request, id: str) -> Response:
    """Permanently delete a transcript, its text in the search index, and what its job or session left in Redis."""
    if not (keys.is_valid_id(id) and await erase_transcript(context_of(request), principal_of(request).reach, id)):
        raise _not_found()
    return Response(status_code=204)


@router.get(
    "/{id}/export.{kind}",
    response_class=Response,
    responses={**refusals("conflict"), **file_kinds(EXPORTS)},
    openapi_extra={"parameters": DOCUMENT_PARAMETERS.openapi_query()},
)
@needs(Scope.READ, Scope.READ_OWN)
async def export_transcript(request: Request, id: str, kind: Annotated[str, one_of(EXPORTS)]) -> Response:
    """Return the transcript as a file: ``txt``, ``srt``, ``vtt``, ``json`` or, with speakers, ``diarized_json``; or as
    a document of paragraphs, ``md`` or ``docx``.
    """
    if kind not in EXPORTS:
        raise SttError("not_found", f"no export.{kind}; there are {', '.join(EXPORTS)}")
    given = DOCUMENT_PARAMETERS.parse(query_of(request)) if kind in DOCUMENTS else None
    found = await _stored(request, id)
    if kind == "json":
        return json_response(await _transcript_view(found))
    segments, _ = await _edited(found)
    if given is not None:
        return await document_file(kind, found, segments, given)
    return await transcript_file(kind, found.text, segments, found.duration_s)


async def _stored(request: Request, id: str) -> Transcript:
    found = await store_of(request).get(id) if keys.is_valid_id(id) else None
    if found is None:
        raise _not_found()
    return found


def _not_found() -> SttError:
    return SttError("not_found", "no such transcript; it may have been deleted, or its time is over")


def _summary_view(summary: Summary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "kind": summary.kind,
        "state": summary.state,
        "title": summary.title,
        "filename": summary.filename,
        "created_at": iso_timestamp(summary.created_ms),
        "duration": summary.duration_s,
        "language": summary.language,
        "model": summary.model,
        "task": summary.task,
        "error": summary.error,
        "conversation_id": summary.conversation_id or None,
        "expires_at": None if summary.expires_ms is None else iso_timestamp(summary.expires_ms),
        "revision": summary.revision,
    }


async def _edited(found: Transcript) -> tuple[list[JobSegment], list[Speaker]]:
    """Return the segments and the speakers after all edits; in a thread, since a long transcript has many words."""
    return await asyncio.to_thread(lambda: edited(corrected(found.segments, found.text_edits), found.speaker_edits))


async def _transcript_view(found: Transcript) -> dict[str, Any]:
    segments, speakers = await _edited(found)
    return {
        **_summary_view(found),
        "text": found.text,
        "speakers": speakers,
        "segments": segments,
        "unrecognized": found.unrecognized,
        "track": found.track,
        "warnings": found.warnings,
    }


def _hit_view(found: SearchHit) -> dict[str, Any]:
    return {
        **_summary_view(found.summary),
        "snippet": found.snippet,
        "title_hits": found.title_hits,
        "filename_hits": found.filename_hits,
        "speaker_hits": found.speaker_hits,
    }
