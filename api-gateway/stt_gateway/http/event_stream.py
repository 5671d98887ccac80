"""Server-sent events that pass through proxies: not buffered, not transformed, never silent for long."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from stt_shared.process.tasks import cancel_and_wait

COMMENT_EVERY_S = 15.0
"""Longest silence of a stream. Proxies cut a response that is silent for 60 s, some for 30 s."""
_COMMENT = b":\n\n"
_HEADERS = {
    "Cache-Control": "no-cache, no-store, no-transform",
    # nginx holds small pieces back otherwise.
    "X-Accel-Buffering": "no",
}


def event(name: str, data: bytes) -> bytes:
    """Return one event; ``data`` is JSON on one line."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def event_stream(
    events: AsyncGenerator[bytes, None],
    headers: Mapping[str, str] | None = None,
    afterwards: BackgroundTask | None = None,
) -> StreamingResponse:
    """Return the response that sends ``events``, with comments while there are none.

    ``afterwards`` runs when all was sent, and when the client has gone before.
    """
    return StreamingResponse(
        _never_silent(events),
        media_type="text/event-stream",
        headers={**_HEADERS, **(headers or {})},
        background=afterwards,
    )


async def begun(events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Return ``events`` once there is the first one: what refuses them is raised before a response begins."""
    first = await anext(events, None)

    async def all_of_them() -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(events):
            if first is not None:
                yield first
            async for one in events:
                yield one

    return all_of_them()


async def _never_silent(events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(events):
        while True:
            following = asyncio.ensure_future(anext(events, None))
            try:
                while not (await asyncio.wait({following}, timeout=COMMENT_EVERY_S))[0]:
                    yield _COMMENT
                found = following.result()
            finally:
                await cancel_and_wait(following)
            if found is None:
                return
            yield found
