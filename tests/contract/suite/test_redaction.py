"""What a client wants redacted leaves the transcriber nowhere: neither in an event nor in Redis."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
import websockets
from redis.asyncio import Redis
from support.stub_suite import stub_suite

pytestmark = pytest.mark.contract
LOUD, QUIET = np.full(16_000, 8000, np.int16).tobytes(), bytes(32_000)


async def contents(client: Redis) -> str:
    """All that the suite has in Redis."""
    found: list[object] = []
    async for key in client.scan_iter("stt:*"):
        kind = await client.type(key)
        if kind == b"stream":
            found.append(await client.xrange(key))
        elif kind == b"hash":
            found.append(await client.hgetall(key))
    return repr(found)


@pytest.mark.parametrize("is_redacted", [True, False])
async def test_redacted_text_is_in_no_event_and_not_in_redis(
    redis_client: Redis, redis_url: str, tmp_path: Path, is_redacted: bool
) -> None:
    query = "conversation_id=c&store=true" + ("&redact_patterns=" + json.dumps([r"w\d"]) if is_redacted else "")
    async with stub_suite(redis_client, redis_url, tmp_path) as gateway:
        events = []
        async with websockets.connect(gateway.stream(query)) as client:
            for second in (QUIET, LOUD, LOUD, QUIET):
                for at in range(0, len(second), 3200):
                    await client.send(second[at : at + 3200])
                    await asyncio.sleep(0.02)
            await client.send(json.dumps({"type": "stop"}))
            async for message in client:
                events.append(json.loads(message))
        (final,) = [event for event in events if event["type"] == "final"]
        assert ("[redacted]" in final["text"]) is is_redacted
        for texts in (events, await contents(redis_client)):
            assert ("w0" in repr(texts)) is not is_redacted
