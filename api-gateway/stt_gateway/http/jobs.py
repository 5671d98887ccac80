"""Routes for transcribing files: post, watch, fetch, cancel and delete jobs."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import context_of, query_of
from stt_gateway.core.requests.job_request import JOB_OPENAPI, job_request
from stt_gateway.core.requests.principal import Scope, check_scopes
from stt_gateway.http.deletion import erase_job
from stt_gateway.http.event_stream import begun, event, event_stream
from stt_gateway.http.held_requests import held_open
from stt_gateway.http.job_bodies import receive_job
from stt_gateway.http.job_intake import Intake
from stt_gateway.http.job_views import job_changes, job_view, stop_job
from stt_gateway.http.openapi import file_kinds, one_of, refusals, success
from stt_gateway.http.responses import json_response
from stt_gateway.http.transcript_files import transcript_file
from stt_shared.contracts.errors import SttError

RESULTS = ("txt", "json", "srt", "vtt", "diarized_json")

router = APIRouter(prefix="/v1/stt/jobs", tags=["jobs"])


@router.post(
    "",
    status_code=202,
    openapi_extra=JOB_OPENAPI,
    responses=refusals("bad_message", "bad_audio", "conflict", "too_large", "at_capacity", "no_worker", "unavailable"),
)
@needs(Scope.JOBS)
async def post_job(request: Request) -> Response:
    """Accept one or more files (multipart, parts named ``file``; optional fields as in the query), or a ``url``.

    Repeating a request with the same ``Idempotency-Key`` returns the same jobs, for a day.
    """
    async with held_open(request, waits=False), Intake(request, receive_job) as intake:
        choice = context_of(request).settings.language_choice
        created = await intake.accept(job_request([*query_of(request), *intake.fields], choice))
    return _accepted(request, created.job_ids, replayed=created.replayed)


def _accepted(request: Request, job_ids: list[str], *, replayed: bool) -> Response:
    prefix = request.scope.get("root_path", "")
    jobs = [{"job_id": job_id, "status_url": f"{prefix}/v1/stt/jobs/{job_id}"} for job_id in job_ids]
    body = {**jobs[0], "jobs": jobs} if len(jobs) > 1 else jobs[0]
    # Relative to the request, so that it leads to the first job whatever path a proxy in front adds.
    headers = {"Location": f"jobs/{job_ids[0]}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_response(body, status=202, headers=headers)


@router.get("/{job_id}")
@needs(Scope.JOBS, Scope.READ, Scope.READ_OWN)
async def get_job(request: Request, job_id: str) -> Response:
    """Return the job's state; includes ``result`` or ``error`` once it has ended."""
    return json_response(await job_view(context_of(request), principal_of(request).reach, job_id))


@router.delete("/{job_id}")
@needs(Scope.JOBS, Scope.DELETE)
async def delete_job(request: Request, job_id: str) -> Response:
    """Cancel a job that has not ended and delete its audio, or permanently delete an ended job and its transcript.

    Returns a cancelled job in its new state, a deleted one in its last state without the result.
    """
    context, reach = context_of(request), principal_of(request).reach
    last = await job_view(context, reach, job_id)
    if last.status.is_final:
        check_scopes(principal_of(request), [Scope.DELETE])
        await erase_job(context, reach, job_id)
        return json_response(msgspec.structs.replace(last, result=None))
    await stop_job(context, reach, job_id)
    return json_response(await job_view(context, reach, job_id))


@router.post("/{job_id}/cancel")
@needs(Scope.JOBS)
async def cancel_job(request: Request, job_id: str) -> Response:
    """Cancel a job that has not ended and delete its audio; return the job in its state after that.

    An ended job stays as it is: a client that cancels a moment too late loses nothing.
    """
    context, reach = context_of(request), principal_of(request).reach
    await stop_job(context, reach, job_id)
    return json_response(await job_view(context, reach, job_id))


@router.get(
    "/{job_id}/result.{kind}",
    response_class=Response,
    responses={**refusals("conflict"), **file_kinds(RESULTS)},
)
@needs(Scope.JOBS, Scope.READ, Scope.READ_OWN)
async def get_result(request: Request, job_id: str, kind: Annotated[str, one_of(RESULTS)]) -> Response:
    """Return the transcript as ``txt``, ``json``, ``srt``, ``vtt`` or, with speakers, OpenAI's ``diarized_json``."""
    if kind not in RESULTS:
        raise SttError("not_found", f"no result.{kind}; there are result.txt, .json, .srt, .vtt and .diarized_json")
    view = await job_view(context_of(request), principal_of(request).reach, job_id)
    if view.result is None:
        raise SttError("conflict", f"the job is {view.status.value}; a result is there when it is completed")
    if kind == "json":
        return json_response(view.result)
    return await transcript_file(kind, view.result.text, view.result.segments, view.result.duration)


@router.get(
    "/{job_id}/events",
    response_class=Response,
    responses=success("Events `progress`, then `end`; each holds the job.", ["text/event-stream"]),
)
@needs(Scope.JOBS, Scope.READ, Scope.READ_OWN)
async def watch_job(request: Request, job_id: str) -> Response:
    """Stream the job's view as a server-sent event whenever it changes, until the job has ended."""
    context, reach = context_of(request), principal_of(request).reach
    await job_view(context, reach, job_id)  # an unknown job is refused before the stream begins

    async def events() -> AsyncGenerator[bytes, None]:
        sent = b""
        views = job_changes(context, principal_of(request), job_id)
        # Whoever may not watch any more gets no event `end`.
        async with held_open(request, waits=True), contextlib.aclosing(views):
            with contextlib.suppress(SttError):
                async for view in views:
                    body = msgspec.json.encode(view)
                    if body != sent:
                        sent = body
                        yield event("end" if view.status.is_final else "progress", body)

    return event_stream(await begun(events()))
