"""Small bodies of requests."""

from fastapi import Request

from stt_shared.contracts.errors import SttError

MAX_BODY_BYTES = 16 * 1024


async def small_body(request: Request) -> bytes:
    """Return a body of up to MAX_BODY_BYTES. Raises SttError too_large."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise SttError("too_large", f"the body is longer than {MAX_BODY_BYTES} bytes")
    return bytes(body)
