"""`configure` through all three stages, and across the death of each: in force at its place in the audio."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websockets
from redis.asyncio import Redis
from support.gateway_harness import Gateway
from support.stub_suite import stub_suite

pytestmark = pytest.mark.contract
LOUD, QUIET = np.full(16_000, 8000, np.int16).tobytes(), bytes(32_000)


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with stub_suite(redis_client, redis_url, tmp_path) as gateway:
        yield gateway


async def said(gateway: Gateway, query: str, *sent: bytes | dict[str, Any]) -> list[dict[str, Any]]:
    """Events of a session, up to its end."""
    async with websockets.connect(gateway.stream(query)) as client:
        for message in sent:
            for at in range(0, len(message), 3200) if isinstance(message, bytes) else ():
                await client.send(message[at : at + 3200])
                await asyncio.sleep(0.005)
            if not isinstance(message, bytes):
                await client.send(json.dumps(message))
        events: list[dict[str, Any]] = []
        with contextlib.suppress(websockets.ConnectionClosedError):
            await client.send(json.dumps({"type": "stop"}))
            async for message in client:
                events.append(json.loads(message))
        return events


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


async def test_replacements_change_with_the_utterance_after_the_message(gateway: Gateway) -> None:
    configure = {"type": "configure", "replacements": {"w0": "changed"}}
    query = 'replacements={"w0":"first"}&keyterms=Ann,Bob'
    events = await said(gateway, query, QUIET, LOUD, QUIET, configure, LOUD, QUIET)
    first, second = of(events, "final")
    assert (first["text"].split()[0], second["text"].split()[0]) == ("first", "changed")
    (configured,) = of(events, "configured")
    assert (configured["from_ms"], configured["keyterms"]) == (3000, ["Ann", "Bob"])
    assert configured["replacements"] == {"w0": "changed"}
    ready = events[0]["config"]
    assert (ready["keyterms"], ready["replacements"], ready["fillers"]) == (["Ann", "Bob"], {"w0": "first"}, "keep")


async def test_an_engine_without_a_bonus_for_keyterms_is_told_of(gateway: Gateway) -> None:
    assert [event["code"] for event in of(await said(gateway, "keyterms=Ann", QUIET), "warning")] == [
        "keyterms_ignored"
    ]
    assert of(await said(gateway, "", QUIET), "warning") == []
    later = {"type": "configure", "keyterms": ["Ann"]}
    codes = [event["code"] for event in of(await said(gateway, "", QUIET, later, QUIET, later), "warning")]
    assert codes == ["keyterms_ignored"]


async def test_a_long_vocabulary_arrives(gateway: Gateway) -> None:
    """Longer than what is published: it is read from the log."""
    replacements = {f"{i} {'k' * 90}": "r" * 100 for i in range(199)} | {"w0": "found"}
    events = await said(gateway, "", QUIET, {"type": "configure", "replacements": replacements}, LOUD, QUIET)
    assert of(events, "configured")[0]["replacements"] == replacements
    assert of(events, "final")[0]["text"].startswith("found")


@pytest.mark.parametrize(
    "wrong", [{"keyterms": "Ann"}, {"keyterms": ["k" * 101]}, {"replacements": []}, {"replacements": {"a": 1}}]
)
async def test_what_is_wrong_ends_the_session_with_a_reason(gateway: Gateway, wrong: dict[str, Any]) -> None:
    events = await said(gateway, "", QUIET, {"type": "configure", **wrong})
    (error,) = of(events, "error")
    assert error["code"] == "bad_message"
