"""Route ``POST /v1/listen`` of Deepgram's API: a file is sent, becomes a job, and the answer is its transcript."""

import asyncio
import uuid

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs
from stt_gateway.context import context_of, query_of
from stt_gateway.core.deepgram.file_answer import file_answer, metadata_view
from stt_gateway.core.deepgram.file_request import FILE_OPENAPI, file_request
from stt_gateway.core.requests.principal import Scope
from stt_gateway.http.job_intake import Intake
from stt_gateway.http.job_views import result_of
from stt_gateway.http.job_waiting import wait_for_job
from stt_gateway.http.openapi import deepgram_refusals, success
from stt_gateway.http.raw_body import RawBody
from stt_gateway.http.responses import json_response
from stt_shared.contracts.errors import SttError

_ANSWERS = {
    **success("The transcript, and what it was made of."),
    **deepgram_refusals(
        "bad_message", "bad_audio", "unauthorized", "forbidden", "conflict", "too_large", "unsupported_media",
        "bad_config", "at_capacity", "no_worker", "unavailable",
    ),
}  # fmt: skip

router = APIRouter(prefix="/v1", tags=["Deepgram"])


@router.post("/listen", response_class=Response, openapi_extra=FILE_OPENAPI, responses=_ANSWERS)
@needs(Scope.JOBS)
async def listen_to_file(request: Request) -> Response:
    """Transcribe a file as Deepgram's API does: its bytes are the body, and the answer comes when the job is done.

    A client that leaves cancels the job, unless the request has an ``Idempotency-Key``.
    """
    context = context_of(request)
    asked = file_request(query_of(request), context.settings.language_choice)
    _check_kind(request.headers.get("content-type", ""))
    # A job would wait for a worker, but this client waits for its answer.
    await context.admission.check_workers()
    body = RawBody(asked.raw.header if asked.raw else None)
    async with Intake(request, body) as intake:
        (job_id,) = (await intake.accept(asked.job)).job_ids
    view = await wait_for_job(request, job_id, cancels=intake.key is None)
    result, request_id = result_of(view), _request_id(job_id)
    model = next(iter(context.admission.known_models), "")
    metadata = metadata_view(request_id, body.sha256, view.created_at, result.duration, 1, model)
    # Hours of speech take a while to write.
    response = await asyncio.to_thread(lambda: json_response(file_answer(result, asked, metadata)))
    response.headers["dg-request-id"] = request_id
    return response


def _check_kind(content_type: str) -> None:
    """Raise SttError bad_message for a body that is not the audio itself."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        message = "a url is not supported; send the audio itself as the body"
        raise SttError("bad_message", message, param="url")
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        raise SttError(
            "bad_message", f"{kind} is not supported; send the audio itself as the body (curl: --data-binary)"
        )


def _request_id(job_id: str) -> str:
    """Return the id of a job as a UUID, which clients expect."""
    return str(uuid.UUID(job_id))
