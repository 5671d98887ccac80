"""Route ``POST /v1/listen`` of Deepgram's API: a file becomes a job, and the answer is its transcript."""

import asyncio
import dataclasses
from collections.abc import Sequence

import msgspec
from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs
from stt_gateway.context import context_of, query_of
from stt_gateway.core.deepgram.file_request import FILE_OPENAPI, file_request
from stt_gateway.core.requests.parameters import NotAllowed
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.remote_file import URL
from stt_gateway.http.deepgram_views import deepgram_answer, request_id
from stt_gateway.http.held_requests import held_open
from stt_gateway.http.job_bodies import receive_job
from stt_gateway.http.job_intake import Intake
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
    """Transcribe a file as Deepgram's API does: its bytes are the body, or JSON has its ``url``.

    The answer comes when the job is done, or at once if it goes to a ``callback``. A client that leaves before cancels
    the job, unless the request has an ``Idempotency-Key``.
    """
    context = context_of(request)
    asked = file_request(query_of(request), context.settings.language_choice)
    is_link = _is_link(request.headers.get("content-type", ""))
    if is_link and asked.raw is not None:
        raise SttError("bad_config", "encoding is for a body of bare samples, not for a url", param="encoding")
    # A job would wait for a worker, but this client waits for its answer.
    await context.admission.check_workers()
    body = RawBody(asked.raw.header if asked.raw else None)
    # Only a client without a callback waits for the end of the job.
    async with held_open(request, waits=not asked.job.callback_url):
        async with Intake(request, receive_job if is_link else body) as intake:
            form = dataclasses.replace(asked.answer, sha256=body.sha256)
            job = dataclasses.replace(asked.job, url=_url(intake.fields) if is_link else "")
            if job.callback_url:
                job = dataclasses.replace(job, callback_form=msgspec.json.encode(form).decode())
            (job_id,) = (await intake.accept(job)).job_ids
        if job.callback_url:
            response = json_response({"request_id": request_id(job_id)})
        else:
            view = await wait_for_job(request, job_id, cancels=intake.key is None)
            model = next(iter(context.admission.known_models), "")
            # Hours of speech take a while to write.
            response = await asyncio.to_thread(lambda: json_response(deepgram_answer(view, form, model)))
    response.headers["dg-request-id"] = request_id(job_id)
    return response


def _is_link(content_type: str) -> bool:
    """Return whether a body is JSON with a url. Raises SttError bad_message for one that is a form."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        raise SttError(
            "bad_message", f"{kind} is not supported; send the audio itself as the body (curl: --data-binary)"
        )
    return kind == "application/json"


def _url(fields: Sequence[tuple[str, str]]) -> str:
    """Return the url of a JSON body. Raises SttError bad_message."""
    url = dict(fields).get("url", "")
    if not url:
        raise SttError("bad_message", 'JSON must be {"url": "https://…"}; otherwise send the audio itself', param="url")
    try:
        return URL.parse(url)
    except NotAllowed as error:
        raise SttError("bad_message", f"url must be {error}", param="url") from None
