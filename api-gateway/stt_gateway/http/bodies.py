"""Small bodies of requests."""

from fastapi import Request

from stt_shared.contracts.errors import SttError

MAX_BODY_BYTES = 16 * 1024


async def small_body(request: Request, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return a body of up to ``max_bytes``. Raises SttError too_large."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > max_bytes:
            raise SttError("too_large", f"the body is longer than {max_bytes} bytes")
    return bytes(body)
