"""A client that resumes loses nothing, whatever dies between it and its words: real speech, real processes."""

import asyncio
import os
import shutil
import signal
from typing import Any

import httpx2
import psutil
import pytest
from support.fault_proxy import FaultProxy
from support.js_client import JsClient
from support.launched_suite import Suite, running_suite
from support.live_client import words
from support.recordings import BECKETT_TEXT

import stt_client

pytestmark = pytest.mark.e2e

CHUNK = 3200


async def finals_of(suite: Suite, audio: bytes, at_s: float | None = None, fault: Any = None) -> list[dict[str, Any]]:
    """The finals of one session in real time; ``fault`` happens ``at_s`` seconds into it."""
    finals = []
    async with stt_client.connect(suite.url.replace("http", "ws"), language="en") as session:

        async def speak() -> None:
            for at in range(0, len(audio), CHUNK):
                await session.send(audio[at : at + CHUNK])
                await asyncio.sleep(CHUNK / 32_000)
            await session.stop()

        speaking = asyncio.create_task(speak())
        if fault is not None:
            await asyncio.sleep(at_s or 0)
            await fault()
        async with asyncio.timeout(90):
            async for event in session:
                if event["type"] == "final":
                    finals.append(event)
        await speaking
    return finals


def processes(suite: Suite, part: str) -> list[psutil.Process]:
    return [child for child in psutil.Process(suite.pid).children(recursive=True) if part in " ".join(child.cmdline())]


async def finals_in_javascript(suite: Suite, audio: bytes, lost: list[str]) -> list[dict[str, Any]]:
    """The same with the JavaScript client, over a line that is cut after 2 s, too."""
    with JsClient() as client:
        async with FaultProxy(suite.url.removeprefix("http://")) as line:
            asyncio.get_running_loop().call_later(2, line.cut)
            url = f"ws://127.0.0.1:{line.port}"
            events = await client.converse(
                url, audio, chunk_bytes=CHUNK, every_s=CHUNK / 32_000, language="en", on_lost=lost.append
            )
    assert events[-1]["type"] == "done"
    return [event for event in events if event["type"] == "final"]


@pytest.mark.parametrize("part", ["stt_gateway", "valkey-server"])
async def test_a_client_that_resumes_loses_nothing(part: str, model: str, pcm16: bytes) -> None:
    lost: list[str] = []
    with running_suite(WHISPER_MODEL=model) as suite:
        undisturbed = await finals_of(suite, pcm16)

        async def kill() -> None:
            for process in processes(suite, part):
                os.kill(process.pid, signal.SIGKILL)

        assert processes(suite, part)
        in_javascript = asyncio.create_task(finals_in_javascript(suite, pcm16, lost)) if shutil.which("node") else None
        heard = await finals_of(suite, pcm16, 4.0, kill)
        also_heard = await in_javascript if in_javascript else heard
        async with httpx2.AsyncClient() as client:
            assert (await client.get(suite.url + "/health")).status_code == 200
    assert words(" ".join(final["text"] for final in heard)) == words(BECKETT_TEXT)
    assert words(" ".join(final["text"] for final in also_heard)) == words(BECKETT_TEXT)
    assert [final["utterance"] for final in heard] == list(range(1, len(heard) + 1))
    if part == "stt_gateway":
        assert [final["text"] for final in heard] == [final["text"] for final in undisturbed]
        assert [final["text"] for final in also_heard] == [final["text"] for final in undisturbed]
        assert in_javascript is None or len(lost) >= 2, "by the line, and by the gateway"
