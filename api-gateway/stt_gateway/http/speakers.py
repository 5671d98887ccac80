"""Routes ``/v1/stt/speakers``: known speakers, of whom the voice is stored and never the audio."""

import asyncio
import contextlib
from typing import Any

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import GatewayContext, context_of, query_of
from stt_gateway.core.requests.job_request import ENROLLMENT, ENROLLMENT_OPENAPI, ENROLLMENT_PARAMETERS, NAME
from stt_gateway.core.requests.principal import Principal, Scope, reach_of
from stt_gateway.core.requests.rename_request import RENAME_OPENAPI, new_name
from stt_gateway.core.subtitles.plain_text import is_generic
from stt_gateway.http.bodies import small_body
from stt_gateway.http.disconnects import while_connected
from stt_gateway.http.held_requests import held_open
from stt_gateway.http.job_intake import Intake
from stt_gateway.http.job_views import job_changes, stop_job
from stt_gateway.http.openapi import refusals
from stt_gateway.http.responses import json_response
from stt_gateway.store.known_voices import publish_known_voices
from stt_gateway.store.names import checked_name
from stt_gateway.store.voices import KnownSpeaker
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import iso_timestamp
from stt_shared.contracts.jobs import JobStatus, JobView
from stt_shared.process.clock import wall_ms

ENROLLMENT_S = 120.0
"""Longest time that a client waits for its enrolment."""
MAX_NAME_CHARS = 128

router = APIRouter(prefix="/v1/stt/speakers", tags=["speakers"])


@router.get("")
@needs(Scope.SPEAKERS)
async def list_speakers(request: Request) -> Response:
    """Return the known speakers, by name; their voices are not shown."""
    found = await context_of(request).voices.all_of(principal_of(request).tenant)
    return json_response({"speakers": [_view(speaker) for speaker in found]})


@router.post(
    "",
    status_code=201,
    openapi_extra=ENROLLMENT_OPENAPI,
    responses=refusals("bad_message", "bad_audio", "conflict", "too_large", "at_capacity", "no_worker", "unavailable"),
)
@needs(Scope.SPEAKERS)
async def enroll_speaker(request: Request) -> Response:
    """Enrol a speaker: some ten seconds of one person's speech (multipart, one part ``file``) and a ``name``.

    The voice is stored as numbers that later jobs with ``known_speakers=true`` compare; the audio is deleted.
    """
    context, tenant = context_of(request), principal_of(request).tenant
    async with held_open(request, waits=False), Intake(request) as intake:
        given = ENROLLMENT_PARAMETERS.parse([*query_of(request), *intake.fields])
        name = _checked(given[NAME] or "")
        if len(intake.files) > 1 or intake.key is not None:
            raise SttError("bad_message", "a speaker is enrolled with one file, and without Idempotency-Key")
        await context.voices.check_name(tenant, name)
        (job_id,) = (await intake.accept(ENROLLMENT)).job_ids
    try:
        voice = await while_connected(request, _voice_in(context, job_id, principal_of(request)))
        speaker = await context.voices.add(tenant, name, voice, wall_ms())
    finally:
        await stop_job(context, reach_of(principal_of(request).maker), job_id)
        await context.bus.jobs.delete_enrolled_voice(job_id)
        await context.bus.jobs.delete(job_id)
    return json_response(_view(speaker), status=201)


@router.patch("/{id}", openapi_extra=RENAME_OPENAPI, responses=refusals("too_large", "conflict"))
@needs(Scope.SPEAKERS)
async def rename_speaker(request: Request, id: str) -> Response:
    """Give a known speaker another name: ``{"name": "…"}``. Transcripts keep the names that they have."""
    context, tenant = context_of(request), principal_of(request).tenant
    speaker = await context.voices.rename(tenant, id, _checked(new_name(await small_body(request))))
    # Even if there is none: the request may be repeated because Redis did not answer.
    await publish_known_voices(context.voices, context.bus.jobs, tenant)
    if speaker is None:
        raise _not_found()
    return json_response(_view(speaker))


@router.delete("/{id}", status_code=204)
@needs(Scope.SPEAKERS)
async def delete_speaker(request: Request, id: str) -> Response:
    """Delete a known speaker and the voice for good. Transcripts keep the names that they have."""
    context, tenant = context_of(request), principal_of(request).tenant
    is_gone = await context.voices.delete(tenant, id)
    # Even if it was gone: the request may be repeated because Redis did not answer.
    await publish_known_voices(context.voices, context.bus.jobs, tenant)
    if not is_gone:
        raise _not_found()
    return Response(status_code=204)


def _checked(name: str) -> str:
    name = checked_name(name, "name", MAX_NAME_CHARS)
    if is_generic(name):
        raise SttError("bad_config", f"{name!r} is no name: speakers without a name are called that")
    return name


def _not_found() -> SttError:
    return SttError("not_found", "no such speaker; it may have been deleted")


async def _voice_in(context: GatewayContext, job_id: str, principal: Principal) -> bytes:
    """Return the voice that an enrolling job finds. Raises SttError."""
    view: JobView | None = None
    try:
        async with asyncio.timeout(ENROLLMENT_S):
            async with contextlib.aclosing(job_changes(context, principal, job_id)) as views:
                async for now in views:
                    view = now
    except TimeoutError:
        raise SttError("unavailable", f"nobody came to it within {ENROLLMENT_S:.0f} s; try again") from None
    if view is not None and view.error is not None:
        raise SttError(view.error.code, view.error.message)
    voice = await context.bus.jobs.enrolled_voice(job_id)
    if view is None or view.status is not JobStatus.COMPLETED or voice is None:
        raise SttError("unavailable", "the enrolment was interrupted; try again")
    return voice


def _view(speaker: KnownSpeaker) -> dict[str, Any]:
    return {"id": speaker.id, "name": speaker.name, "created_at": iso_timestamp(speaker.created_ms)}
