"""Jobs as answers of Deepgram's API: to their request, or to a callback."""

import uuid
from typing import Any

import msgspec

from stt_gateway.core.deepgram.errors import deepgram_error
from stt_gateway.core.deepgram.file_answer import file_answer, metadata_view
from stt_gateway.core.deepgram.file_request import AnswerForm
from stt_gateway.http.job_views import result_of
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobView

_decode_form = msgspec.json.Decoder(AnswerForm).decode


def request_id(job_id: str) -> str:
    """Return the id of a job as a UUID, which clients expect."""
    return str(uuid.UUID(job_id))


def deepgram_answer(view: JobView, form: AnswerForm, model: str) -> dict[str, Any]:
    """Return the answer to a file whose job has ended; ``model``: what runs. Raises JobFailed."""
    result = result_of(view)
    metadata = metadata_view(request_id(view.job_id), form.sha256, view.created_at, result.duration, 1, model)
    return file_answer(result, form, metadata)


def deepgram_body(view: JobView, form: str, model: str) -> bytes:
    """Return the body of a callback: the answer, or an error; ``form``: an AnswerForm as JSON."""
    try:
        return msgspec.json.encode(deepgram_answer(view, _decode_form(form), model))
    except SttError as error:
        return msgspec.json.encode(deepgram_error(error.code, error.message, request_id(view.job_id)))
