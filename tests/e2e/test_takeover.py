"""A worker killed in mid-speech: another replica goes on, and the client has every word once."""

import asyncio
import os
import signal

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from support import encoders
from support.launched_suite import running_suite
from support.live_client import chunked, talk, words
from support.recordings import BECKETT_TEXT

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("service", ["transcriber", "audio-processor"])
async def test_no_word_is_lost_when_the_owner_of_a_session_is_killed(service: str, model: str, pcm16: bytes) -> None:
    replicas_of = {"TRANSCRIBER_REPLICAS": "2", "AUDIO_PROCESSOR_REPLICAS": "2"}
    with running_suite(WHISPER_MODEL=model, **replicas_of) as suite:
        undisturbed = await talk(suite.stream_url + "?language=en", chunked(pcm16, 3200), every_s=0.1)
        talking = asyncio.create_task(
            talk(suite.stream_url + "?language=en", chunked(pcm16, 3200), every_s=0.1, timeout_s=60)
        )
        await asyncio.sleep(4.0)
        async with httpx2.AsyncClient() as client:
            replicas = (await client.get(suite.url + "/health")).json()["replicas"]
        (owner,) = [r for r in replicas if r["service"] == service and r["sessions"] == 1]
        os.kill(int(owner["id"].split("-")[-2]), signal.SIGKILL)
        heard = await talking
    assert words(heard.text) == words(BECKETT_TEXT)
    assert [final["utterance"] for final in heard.of("final")] == list(range(1, len(heard.of("final")) + 1))
    assert [final["text"] for final in heard.of("final")] == [final["text"] for final in undisturbed.of("final")]
    assert heard.events[-1]["type"] == "done"


async def test_no_word_is_lost_when_the_decoder_of_a_recorders_stream_is_killed(
    model: str, beckett: NDArray[np.float32]
) -> None:
    """A compressed stream, in the pieces in which a browser's recorder hands it out."""
    webm = encoders.encoded(beckett, "webm", "libopus")
    pieces = chunked(webm, len(webm) // 40)
    with running_suite(WHISPER_MODEL=model, AUDIO_PROCESSOR_REPLICAS="2") as suite:
        url = suite.stream_url + "?language=en&encoding=webm"
        undisturbed = await talk(url, pieces, every_s=0.25)
        talking = asyncio.create_task(talk(url, pieces, every_s=0.25, timeout_s=60))
        for moment_s in (2.3, 3.0):
            await asyncio.sleep(moment_s)
            async with httpx2.AsyncClient() as client:
                replicas = (await client.get(suite.url + "/health")).json()["replicas"]
            (owner,) = [r for r in replicas if r["service"] == "audio-processor" and r["sessions"] == 1]
            os.kill(int(owner["id"].split("-")[-2]), signal.SIGKILL)
        heard = await talking
    assert words(heard.text) == words(BECKETT_TEXT)
    assert [final["text"] for final in heard.of("final")] == [final["text"] for final in undisturbed.of("final")]
    assert heard.events[-1]["type"] == "done"
