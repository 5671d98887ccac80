"""A stream of events that is never silent for long, and leaves nothing behind."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from stt_gateway.http.event_stream import event, event_stream

pytestmark = pytest.mark.unit


async def test_comments_fill_the_silence_between_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_gateway.http.event_stream.COMMENT_EVERY_S", 0.01)
    go_on = asyncio.Event()

    async def events() -> AsyncGenerator[bytes, None]:
        yield event("progress", b"1")
        await go_on.wait()
        yield event("end", b"2")

    found = []
    async for part in event_stream(events()).body_iterator:
        found.append(part)
        if found[1:] == [b":\n\n"] * 3:
            go_on.set()
    assert [part for part in found if part != b":\n\n"] == [b"event: progress\ndata: 1\n\n", b"event: end\ndata: 2\n\n"]


async def test_a_reader_that_leaves_ends_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_gateway.http.event_stream.COMMENT_EVERY_S", 0.01)
    ended = asyncio.Event()

    async def events() -> AsyncGenerator[bytes, None]:
        try:
            await asyncio.sleep(60)
            yield b""
        finally:
            ended.set()

    async def read() -> None:
        async for _ in event_stream(events()).body_iterator:
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.03)
    reading.cancel()
    await asyncio.wait([reading])
    assert ended.is_set()
    assert reading.cancelled()


async def test_an_error_of_the_source_is_not_swallowed() -> None:
    async def events() -> AsyncGenerator[bytes, None]:
        yield b"one"
        raise RuntimeError("broken")

    parts = aiter(event_stream(events()).body_iterator)
    assert await anext(parts) == b"one"
    with pytest.raises(RuntimeError, match="broken"):
        await anext(parts)
