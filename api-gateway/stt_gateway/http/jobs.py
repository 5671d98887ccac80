"""Routes for transcribing files: post, watch, fetch, cancel and delete jobs."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import GatewayContext, context_of, query_of
from stt_gateway.core.operation.estimate import seconds_left
from stt_gateway.core.requests.addresses import client_network
from stt_gateway.core.requests.idempotency import fingerprint, idempotency_key
from stt_gateway.core.requests.job_request import JOB_OPENAPI, JobRequest, job_request
from stt_gateway.core.requests.principal import Scope, check_scopes
from stt_gateway.http.deletion import erase_job
from stt_gateway.http.event_stream import event, event_stream
from stt_gateway.http.openapi import file_kinds, one_of, refusals, success
from stt_gateway.http.responses import json_response
from stt_gateway.http.transcript_files import transcript_file
from stt_gateway.http.uploads import Upload, receive_uploads
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.interface import Kind, Transcript
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import iso_timestamp
from stt_shared.contracts.jobs import JobConfig, JobResult, JobStatus, JobView
from stt_shared.process.clock import wall_ms
from stt_shared.redis.channels import Inbox
from stt_shared.redis.outage import UNREACHABLE, until_answered
from stt_shared.streams import keys
from stt_shared.streams.job_state import JobState
from stt_shared.streams.jobs import JOB_ENDINGS, CreateRefusal, JobLimits, NewJob

_log = structlog.get_logger()

CHECK_EVERY_S = 3.0
"""Interval at which a watched job is read although no change was announced, since an announcement may be lost."""
CHANGES_APART_S = 0.1
"""Least time between two reads of a watched job; changes that come in quicker succession are sent as one."""

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
    """Accept one or more files (multipart, parts named ``file``; optional fields as in the query).

    Repeating a request with the same ``Idempotency-Key`` returns the same jobs, for a day.
    """
    context = context_of(request)
    settings = context.settings
    key = idempotency_key(request.headers.getlist("idempotency-key"))
    await context.admission.check_memory()
    received = await receive_uploads(request, settings.spool_dir, settings.max_upload_bytes, settings.max_spool_bytes)
    try:
        options = job_request([*query_of(request), *received.fields], settings.language_choice)
        model = await context.admission.check_file(options.possible_languages, options.task)
        stored_ids = await _find_stored(context, received.files, options, model) if key is None else None
    except (SttError, *UNREACHABLE):
        # The client learns that the request failed, so nothing is kept.
        _remove_files(settings.spool_dir, received.files)
        raise
    if stored_ids is not None:
        # The same bytes with the same options and model would give the same result.
        _remove_files(settings.spool_dir, received.files)
        return _accepted(request, stored_ids, replayed=True)
    # If Redis does not answer, it is unknown whether the jobs exist, so their files stay. If they do not exist, the
    # sweeper of the spool folder finds the files without a job.
    created = await context.bus.jobs.create(
        [_new_job(upload, options, model) for upload in received.files],
        wall_ms(),
        key_hash=hashlib.sha256(key.encode()).hexdigest() if key else "",
        fingerprint=fingerprint(options, [upload.sha256 for upload in received.files]),
        client=_client_of(request),
        limits=JobLimits(settings.max_jobs, settings.max_jobs_per_client),
    )
    if isinstance(created, CreateRefusal) or created.replayed:
        _remove_files(settings.spool_dir, received.files)
    if isinstance(created, CreateRefusal):
        raise _refused(created, settings)
    return _accepted(request, created.job_ids, replayed=created.replayed)


def _client_of(request: Request) -> str:
    """Return a name for the client, which takes turns with others; keys do not reveal its address."""
    network = client_network(request.client.host) if request.client else ""
    return hashlib.sha256(network.encode()).hexdigest()[:16]


def _refused(reason: CreateRefusal, settings: GatewaySettings) -> SttError:
    match reason:
        case CreateRefusal.CONFLICT:
            message = "this Idempotency-Key was used for another request; take a new key for each"
            return SttError("conflict", message)
        case CreateRefusal.CLIENT_FULL:
            most = settings.max_jobs_per_client
            message = f"at most {most} files of one client may wait or be in progress; try again when some are done"
        case CreateRefusal.FULL:
            message = f"at most {settings.max_jobs} files may wait or be in progress; try again later"
    return SttError("at_capacity", message)


def _accepted(request: Request, job_ids: list[str], *, replayed: bool) -> Response:
    prefix = request.scope.get("root_path", "")
    jobs = [{"job_id": job_id, "status_url": f"{prefix}/v1/stt/jobs/{job_id}"} for job_id in job_ids]
    body = {**jobs[0], "jobs": jobs} if len(jobs) > 1 else jobs[0]
    # Relative to the request, so that it leads to the first job whatever path a proxy in front adds.
    headers = {"Location": f"jobs/{job_ids[0]}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_response(body, status=202, headers=headers)


async def _find_stored(
    context: GatewayContext, uploads: list[Upload], options: JobRequest, model: str
) -> list[str] | None:
    """Return the ids of stored transcripts of exactly these files; None unless there is one for every file.

    A file uploaded with another name is also stored with that name, because people search by name.
    """
    try:
        found = [await context.store.find_by_content(_content_key(upload, options, model)) for upload in uploads]
        if None in found:
            return None
        job_ids = []
        for upload, stored in zip(uploads, found, strict=True):
            assert stored is not None
            if stored.filename != upload.filename:
                name = {"id": upload.spool_name, "filename": upload.filename, "title": upload.filename}
                stored = msgspec.structs.replace(stored, **name, created_ms=int(wall_ms()))
                await context.store.put(stored)
            job_ids.append(stored.id)
        return job_ids
    except SttError as error:
        # The search only saves work, so its failure does not fail the request.
        _log.warning("store lookup skipped", cause=error.message)
        return None


@router.get("/{job_id}")
@needs(Scope.JOBS, Scope.READ, Scope.READ_OWN)
async def get_job(request: Request, job_id: str) -> Response:
    """Return the job's state; includes ``result`` or ``error`` once it has ended."""
    return json_response(await _view(context_of(request), job_id))


@router.delete("/{job_id}")
@needs(Scope.JOBS, Scope.DELETE)
async def delete_job(request: Request, job_id: str) -> Response:
    """Cancel a job that has not ended and delete its audio, or permanently delete an ended job and its transcript.

    Returns a cancelled job in its new state, a deleted one in its last state without the result.
    """
    context = context_of(request)
    last = await _view(context, job_id)
    if last.status.is_final:
        check_scopes(principal_of(request), [Scope.DELETE])
        await erase_job(context, job_id)
        return json_response(msgspec.structs.replace(last, result=None))
    await _cancel(context, job_id)
    return json_response(await _view(context, job_id))


@router.post("/{job_id}/cancel")
@needs(Scope.JOBS)
async def cancel_job(request: Request, job_id: str) -> Response:
    """Cancel a job that has not ended and delete its audio; return the job in its state after that.

    An ended job stays as it is: a client that cancels a moment too late loses nothing.
    """
    context = context_of(request)
    await _cancel(context, job_id)
    return json_response(await _view(context, job_id))


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
    view = await _view(context_of(request), job_id)
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
    context = context_of(request)
    await _view(context, job_id)  # an unknown job is refused before the stream begins

    async def changes() -> AsyncGenerator[bytes, None]:
        sent = b""
        # Subscribed first and read second, so that no change falls between the two.
        async with context.bus.jobs.changes(job_id) as inbox:
            while True:
                try:
                    view = await until_answered(lambda: _view(context, job_id))
                except SttError as error:
                    if error.code == "not_found":
                        # The job was deleted: there is nothing more to send.
                        return
                else:
                    body = msgspec.json.encode(view)
                    if body != sent:
                        sent = body
                        yield event("end" if view.status.is_final else "progress", body)
                    if view.status.is_final:
                        return
                await _next_change(inbox)

    return event_stream(changes())


async def _next_change(inbox: Inbox) -> None:
    """Wait until the job may have changed. Its end is sent at once, other changes together with those that follow."""
    loop = asyncio.get_running_loop()
    message = await inbox.get(CHECK_EVERY_S)
    end_s = loop.time() + CHANGES_APART_S
    while message not in JOB_ENDINGS and (left_s := end_s - loop.time()) > 0:
        message = await inbox.get(left_s)
    inbox.clear()


def _content_key(upload: Upload, options: JobRequest, model: str) -> str:
    return fingerprint(options, [upload.sha256, model]) if model else ""


def _new_job(upload: Upload, options: JobRequest, model: str) -> NewJob:
    config = JobConfig(
        upload.spool_name,
        upload.filename,
        upload.size_bytes,
        options.language,
        options.task,
        options.prompt,
        model,
        _content_key(upload, options, model),
        options.track,
        options.languages,
        options.channel_mode,
        options.keyterms,
        options.speakers,
        options.replacements,
        options.fillers,
        options.redact,
        options.redact_patterns,
    )
    return NewJob(upload.spool_name, uuid.uuid4().hex, msgspec.json.encode(config))


def _remove_files(spool: Path, uploads: list[Upload]) -> None:
    for upload in uploads:
        (spool / upload.spool_name).unlink(missing_ok=True)


async def _cancel(context: GatewayContext, job_id: str) -> None:
    """Cancel a job; does nothing if it has ended or is not in Redis any more."""
    state = await _state(context, job_id)
    if state is not None:
        at = keys.job_keys(job_id)
        await context.bus.jobs.finish(at, state.epoch, JobStatus.CANCELLED, now_ms=wall_ms())


async def _state(context: GatewayContext, job_id: str) -> JobState | None:
    return await context.bus.jobs.state(job_id) if keys.is_valid_id(job_id) else None


async def _view(context: GatewayContext, job_id: str) -> JobView:
    """Return the view of a job in Redis or, after that, in the store. Raises SttError not_found."""
    state = await _state(context, job_id)
    if state is not None:
        return _state_view(job_id, state)
    stored = await context.store.get(job_id) if keys.is_valid_id(job_id) else None
    if stored is None or stored.kind is not Kind.JOB:
        raise SttError("not_found", "no such job; results are kept for a day")
    return _stored_view(stored)


def _state_view(job_id: str, state: JobState) -> JobView:
    # Elapsed time at the last progress, not at present: the estimate changes only when the progress does.
    elapsed_s = (state.progress_ms - state.begun_ms) / 1000
    return JobView(
        job_id=job_id,
        status=state.status,
        progress=state.progress,
        filename=state.config.filename,
        created_at=iso_timestamp(state.created_ms),
        estimated_s=None if state.status.is_final else seconds_left(state.progress, elapsed_s),
        result=state.result,
        error=state.error,
    )


def _stored_view(stored: Transcript) -> JobView:
    """Return the view of a job that exists only in the store."""
    return JobView(
        job_id=stored.id,
        status=JobStatus(stored.state.value),
        progress=100.0,
        filename=stored.filename,
        created_at=iso_timestamp(stored.created_ms),
        result=JobResult(
            text=stored.text,
            language=stored.language,
            duration=stored.duration_s,
            segments=stored.segments,
            unrecognized=stored.unrecognized,
            track=stored.track,
            warnings=stored.warnings,
        ),
    )
