"""Bodies of requests for jobs: a form with files, or the fields alone where a URL says where the file is."""

import urllib.parse
from pathlib import Path
from typing import Any

import msgspec
from fastapi import Request

from stt_gateway.core.requests.remote_file import URL
from stt_gateway.http.bodies import MAX_BODY_BYTES, small_body
from stt_gateway.http.uploads import Received, no_file, receive_uploads
from stt_shared.contracts.errors import SttError

_AS_JSON = frozenset({"replacements", "redact_patterns"})
"""Options that are JSON in a form too."""


async def receive_job(request: Request, spool: Path, max_bytes: int, max_spool_bytes: int) -> Received:
    """Read a body of any of the kinds that ``POST /v1/stt/jobs`` takes. Arguments and errors: ``receive_uploads``."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        received = Received(fields=json_fields(await small_body(request)))
    elif kind == "application/x-www-form-urlencoded":
        body = await small_body(request)
        received = Received(fields=urllib.parse.parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    else:
        received = await receive_uploads(request, spool, max_bytes, max_spool_bytes, needs_file=False)
    if not received.files and URL.name not in {*request.query_params, *dict(received.fields)}:
        # Before its parts are taken for options: a file under another name is one.
        raise no_file()
    return received


def json_fields(body: bytes) -> list[tuple[str, str]]:
    """Return the members of a JSON object as the fields of a form. Raises SttError bad_message and bad_config."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = f'the body is no JSON object of at most {MAX_BODY_BYTES} bytes, such as {{"url": "https://…"}}'
        raise SttError("bad_message", message) from None
    return [(name, _text(name, value)) for name, value in members.items() if value is not None]


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if name in _AS_JSON or isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    if isinstance(value, list) and all(isinstance(one, str) and "," not in one for one in value):
        return ",".join(value)
    raise SttError("bad_config", f"{name[:64]} must be a text, or a list of texts without commas", param=name[:64])
