"""Decoders of files that crash, one after another, in a suite of real processes: only their own files notice."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx2
import psutil
import pytest
from chaos.oracle import speech
from chaos.talk import speak_raw
from support.file_client import finished, post
from support.process_suite import Suite, heard, running_suite, wav, words_of

pytestmark = [
    pytest.mark.contract,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="decoders are forked and crash by signals"),
]

LONG = speech([3] * 120, [700] * 120)
"""More than a decoder may be ahead, so that it waits and can be hit."""


def decoders_of(suite: Suite) -> list[psutil.Process]:
    """The server's children; it is itself a child of the audio-processor."""
    (processor,) = (replica for replica in suite.replicas if replica.service == "audio-processor")
    children = psutil.Process(processor.pid).children()
    return [decoder for child in children for decoder in child.children()]


async def crash_decoders(suite: Suite, count: int) -> None:
    crashed: set[int] = set()
    while len(crashed) < count:
        for decoder in decoders_of(suite):
            if decoder.pid not in crashed:
                os.kill(decoder.pid, signal.SIGSEGV)
                crashed.add(decoder.pid)
        await asyncio.sleep(0.005)


async def test_decoders_that_crash_cost_their_files_alone(redis_url: str, tmp_path: Path) -> None:
    spoken = speech([8] * 6, [400] * 6)
    async with running_suite(tmp_path, redis_url) as suite:
        talk = suite.talk("neighbour", spoken)
        async with httpx2.AsyncClient(base_url=suite.url, trust_env=False, timeout=20) as http:
            async with asyncio.timeout(120), asyncio.TaskGroup() as group:
                group.create_task(speak_raw(talk))
                crashing = group.create_task(crash_decoders(suite, 4))
                jobs = [await post(http, f"{number}.wav", wav(LONG), prompt=str(number)) for number in range(4)]
                views = [await finished(http, job_id) for job_id in jobs]
                await crashing
            errors = [view["error"] for view in views]
            assert [error["code"] for error in errors] == ["bad_audio"] * 4
            assert {error["message"] for error in errors} == {"the file crashes its decoder (SIGSEGV)"}
            good = await post(http, "good.wav", wav(spoken))
            assert (await finished(http, good))["status"] == "completed"
        assert heard(talk) == words_of(spoken)
        assert suite.deaths == []
