"""Routes of OpenAI's API for audio: a file is sent, becomes a job, and the answer is its transcript."""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import GatewayContext, context_of, query_of
from stt_gateway.core.openai.events import TextEvents
from stt_gateway.core.openai.formats import json_body, verbose_body
from stt_gateway.core.openai.models import check_model, model_entry, model_list
from stt_gateway.core.openai.request import AUDIO_OPENAPI, AudioRequest, ResponseFormat, audio_request
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.subtitles.diarized_json import diarized_json, has_voices
from stt_gateway.core.subtitles.subtitles import srt, vtt
from stt_gateway.http.error_shapes import refusal_body
from stt_gateway.http.errors import refusal_of
from stt_gateway.http.event_stream import event, event_stream
from stt_gateway.http.held_requests import held_open
from stt_gateway.http.job_intake import Intake
from stt_gateway.http.job_views import JobFailed, job_changes, result_of, stop_job
from stt_gateway.http.job_waiting import wait_for_job
from stt_gateway.http.openapi import openai_refusals, success
from stt_gateway.http.responses import json_response
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobResult
from stt_shared.contracts.session import Task
from stt_shared.redis.outage import until_answered

_ANSWERS = {
    **success(
        "The transcript in the requested format.",
        ["application/json", "text/plain", "text/event-stream"],
    ),
    **openai_refusals(
        "bad_message", "bad_audio", "unauthorized", "forbidden", "not_found", "conflict", "too_large",
        "unsupported_media", "bad_config", "at_capacity", "no_worker", "unavailable",
    ),
}  # fmt: skip

_REFUSALS = openai_refusals("unauthorized", "forbidden")

router = APIRouter(prefix="/v1", tags=["OpenAI"])


@router.post("/audio/transcriptions", response_class=Response, openapi_extra=AUDIO_OPENAPI, responses=_ANSWERS)
@needs(Scope.JOBS)
async def create_transcription(request: Request) -> Response:
    """Transcribe a file as OpenAI's API does: the answer comes when the job is done.

    A client that leaves cancels the job, unless the request has an ``Idempotency-Key``.
    """
    async with held_open(request, waits=True):
        return await _transcript(request, Task.TRANSCRIBE)


@router.post("/audio/translations", response_class=Response, openapi_extra=AUDIO_OPENAPI, responses=_ANSWERS)
@needs(Scope.JOBS)
async def create_translation(request: Request) -> Response:
    """The same, with the text in English."""
    async with held_open(request, waits=True):
        return await _transcript(request, Task.TRANSLATE)


@router.get(
    "/models",
    response_class=Response,
    responses={**success("The models."), **_REFUSALS},
)
@needs(Scope.JOBS, Scope.STREAM, Scope.READ)
async def list_models(request: Request) -> Response:
    """List the names of models that requests may use: those of OPENAI_MODELS, and what runs."""
    return json_response(model_list(await _known_models(context_of(request))))


@router.get(
    "/models/{model:path}",
    response_class=Response,
    responses={**success("The model."), **_REFUSALS},
)
@needs(Scope.JOBS, Scope.STREAM, Scope.READ)
async def get_model(request: Request, model: str) -> Response:
    """Describe one model."""
    check_model(model, await _known_models(context_of(request)))
    return json_response(model_entry(model))


async def _known_models(context: GatewayContext) -> list[str]:
    return list(dict.fromkeys([*context.settings.openai_model_names, *await context.admission.models()]))


async def _transcript(request: Request, task: Task) -> Response:
    context, reach = context_of(request), principal_of(request).reach
    # A job would wait for a worker, but this client waits for its answer.
    await context.admission.check_workers()
    async with Intake(request) as intake:
        if len(intake.files) > 1:
            raise SttError("bad_message", "several files were sent; one is allowed", param="file")
        dropped = context.settings.ignored_parameter_names
        fields = [(name, value) for name, value in intake.fields if name not in dropped]
        asked = audio_request([*query_of(request), *fields], task, context.settings.language_choice)
        if asked.model:
            check_model(asked.model, await _known_models(context))
        (job_id,) = (await intake.accept(asked.job)).job_ids
        # Whoever gives a key may come back for the result.
        is_cancelled_with_client = intake.key is None
    headers = {"X-Ignored-Fields": ", ".join(asked.ignored)} if asked.ignored else {}
    if asked.is_streamed:
        leaving = BackgroundTask(stop_job, context, reach, job_id) if is_cancelled_with_client else None
        return event_stream(_events(request, context, job_id, asked), headers, leaving)
    result = result_of(await wait_for_job(request, job_id, cancels=is_cancelled_with_client))
    response = await asyncio.to_thread(_body, result, asked)
    response.headers.update(headers)
    return response


async def _events(
    request: Request, context: GatewayContext, job_id: str, asked: AudioRequest
) -> AsyncGenerator[bytes, None]:
    """Yield the text of each part of the file that is done, in order, and the whole at the end."""
    wants_segments = asked.response_format is ResponseFormat.DIARIZED_JSON
    told = TextEvents(with_logprobs=asked.has_logprobs, with_segments=wants_segments)
    try:
        views = job_changes(context, principal_of(request), job_id)
        async with held_open(request, waits=True), contextlib.aclosing(views):
            async for view in views:
                if view.status.is_final:
                    found = told.end(_with_speakers(result_of(view)) if wants_segments else result_of(view))
                else:
                    found = told.more(await until_answered(lambda: context.bus.jobs.parts_from(job_id, told.parts)))
                for one in found:
                    yield event(one["type"], msgspec.json.encode(one))
                if view.status.is_final:
                    return
        raise JobFailed("conflict", "the job was deleted before it was done")
    except SttError as error:
        yield event("error", msgspec.json.encode(refusal_body(request.scope["path"], refusal_of(error))))


def _body(result: JobResult, asked: AudioRequest) -> Response:
    """Return the answer; subtitles of hours take a while to cut. Raises SttError bad_config."""
    until_s = result.duration or math.inf
    match asked.response_format:
        case ResponseFormat.TEXT:
            return Response(f"{result.text}\n", media_type="text/plain")
        case ResponseFormat.SRT:
            return Response(srt(result.segments, until_s, result.text), media_type="text/plain")
        case ResponseFormat.VTT:
            return Response(vtt(result.segments, until_s, result.text), media_type="text/plain")
        case ResponseFormat.VERBOSE_JSON:
            return json_response(verbose_body(result, asked.job.task, asked.granularities))
        case ResponseFormat.DIARIZED_JSON:
            found = _with_speakers(result)
            return json_response(diarized_json(found.segments, found.text, found.duration))
        case _:
            return json_response(json_body(result, with_logprobs=asked.has_logprobs))


def _with_speakers(result: JobResult) -> JobResult:
    """Return the result if its speakers are known. Raises SttError bad_config."""
    if not has_voices(result.segments):
        message = "the speakers could not be told apart: a transcriber lacks the model (stt models pull diarization)"
        raise SttError("bad_config", message, param="response_format")
    return result
