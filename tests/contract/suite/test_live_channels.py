"""Channels that are kept apart, from a client's query to what it, viewers and the store receive."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis
from support.encoders import encoded_channels
from support.gateway_harness import Gateway
from support.stub_suite import stub_suite
from websockets import ConnectionClosedError
from websockets.asyncio.client import connect

pytestmark = pytest.mark.contract


@pytest.fixture
async def suite(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with stub_suite(redis_client, redis_url, tmp_path) as gateway:
        yield gateway


def call() -> np.ndarray:
    """float32 [n, 2]: the second party speaks while the first does."""
    samples = np.zeros((6 * 16000, 2), np.float32)
    hum = 0.3 * np.sin(np.arange(len(samples)) * 0.2).astype(np.float32)
    samples[:, 0] = hum * (np.arange(len(samples)) // 16000 < 4)
    samples[:, 1] = hum * (np.arange(len(samples)) // 16000 == 2)
    return samples


async def told(gateway: Gateway, data: bytes, query: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    async with connect(gateway.stream(query)) as socket, asyncio.timeout(30):
        with contextlib.suppress(ConnectionClosedError):
            for at in range(0, len(data), 12_800):
                await socket.send(data[at : at + 12_800])
            await socket.send('{"type":"stop"}')
        with contextlib.suppress(ConnectionClosedError):
            async for message in socket:
                events.append(json.loads(message))
    return events


@pytest.mark.parametrize("encoding", ["pcm_s16le", "flac"])
async def test_each_channel_has_its_finals(suite: Gateway, encoding: str) -> None:
    audio = call()
    data = (audio * 32767).astype("<i2").tobytes()
    if encoding == "flac":
        data = encoded_channels(audio, "flac", "flac", "stereo")
    query = f"encoding={encoding}&channels=2&channel_mode=separate&language=en"
    events = await told(suite, data, query)
    ready, done = events[0], events[-1]
    assert (ready["config"]["channels"], ready["config"]["channel_mode"]) == (2, "separate")
    finals = [event for event in events if event["type"] == "final"]
    assert [(final["utterance"], final["channel"]) for final in finals] == [(1, 1), (2, 0)]
    assert 1700 <= finals[0]["start_ms"] < finals[0]["end_ms"] <= 3700
    assert {event["channel"] for event in events if event["type"] in ("partial", "speech_started")} == {0, 1}
    assert (done["type"], done["finals"]) == ("done", 2)
    assert done["duration_ms"] == pytest.approx(6000, abs=100)


async def test_mixed_by_default(suite: Gateway) -> None:
    events = await told(suite, (call() * 32767).astype("<i2").tobytes(), "channels=2&language=en")
    assert [event["type"] for event in events if event["type"] in ("final", "done")] == ["final", "done"]
    assert not [event for event in events if "channel" in event]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("channels=2&channel_mode=auto", "one of mix, separate (auto is for files"),
        ("channel_mode=separate", "without channels"),
        ("channel_mode=apart&channels=2", "one of mix, separate"),
    ],
)
async def test_what_is_not_allowed_is_named(suite: Gateway, query: str, message: str) -> None:
    (error,) = await told(suite, b"", query)
    assert error["code"] == "bad_config"
    assert message in error["message"]
