"""Frameworks of voice agents, from the package index, on the running suite: LiveKit's and Pipecat's services.

Each gets the words of the native protocol, the last ones included, and ends as it does by itself. Their environments
take long to install, so they are no part of `make test`: `make test-judges`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import recordings
from support.launched_suite import Suite, running_suite
from support.live_client import chunked, talk, words

from stt_transcriber.models.store import ModelError, default_models_dir, pull

pytestmark = [pytest.mark.install, pytest.mark.timeout(600)]

MODEL = "tiny.en"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
RATE = 24_000
LIVEKIT = """
import asyncio, json, sys
from livekit import rtc
from livekit.agents import stt, utils
from livekit.plugins import openai

url, pcm = sys.argv[1], open(sys.argv[2], "rb").read()
FINAL, INTERIM = stt.SpeechEventType.FINAL_TRANSCRIPT, stt.SpeechEventType.INTERIM_TRANSCRIPT

async def live():
    detection = {"type": "server_vad", "silence_duration_ms": 500}
    service = openai.STT(base_url=url + "/v1", api_key="none", use_realtime=True, turn_detection=detection)
    stream = service.stream()
    told = []

    async def listen():
        async for event in stream:
            told.append([event.type, event.alternatives[0].text if event.alternatives else ""])

    listening = asyncio.create_task(listen())
    for at in range(0, len(pcm), 960):
        data = pcm[at : at + 960]
        stream.push_frame(rtc.AudioFrame(data, 24_000, 1, len(data) // 2))
        await asyncio.sleep(0.02)
    stream.flush()
    started = stt.SpeechEventType.START_OF_SPEECH
    for _ in range(200):
        kinds = [kind for kind, _ in told]
        if kinds.count(FINAL) >= kinds.count(started):
            break
        await asyncio.sleep(0.05)
    await stream.aclose()
    await asyncio.gather(listening, return_exceptions=True)
    return told

async def main():
    async with utils.http_context.open():
        told = await live()
    print(json.dumps({
        "text": " ".join(text for kind, text in told if kind == FINAL),
        "interims": sum(kind == INTERIM for kind, _ in told),
        "kinds": sorted({kind.value for kind, _ in told}),
    }))

asyncio.run(main())
"""
PIPECAT = """
import asyncio, json, sys
from pipecat.frames.frames import InputAudioRawFrame, InterimTranscriptionFrame, TranscriptionFrame
from pipecat.frames.frames import ErrorFrame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame
from pipecat.pipeline.worker import PipelineParams
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.services.deepgram.stt import DeepgramSTTService

url, pcm = sys.argv[1], open(sys.argv[2], "rb").read()

async def heard(service):
    audio = []
    for at in range(0, len(pcm), 960):
        audio += [InputAudioRawFrame(pcm[at : at + 960], 24_000, 1), SleepFrame(0.02)]
    # Its own voice detection ends the turn, which is the last; then the pipeline ends.
    frames = [VADUserStartedSpeakingFrame(), *audio, VADUserStoppedSpeakingFrame(), SleepFrame(3)]
    params = PipelineParams(audio_in_sample_rate=24_000)
    down, up = await run_test(service, frames_to_send=frames, pipeline_params=params)
    return {
        "text": " ".join(frame.text for frame in down if isinstance(frame, TranscriptionFrame)),
        "interims": sum(isinstance(frame, InterimTranscriptionFrame) for frame in down),
        "finalized": [frame.finalized for frame in down if isinstance(frame, TranscriptionFrame)],
        "errors": [frame.error for frame in [*down, *up] if isinstance(frame, ErrorFrame)],
    }

async def main():
    socket = url.replace("http", "ws", 1)
    print(json.dumps({
        "openai": await heard(OpenAIRealtimeSTTService(api_key="none", base_url=socket + "/v1/realtime")),
        "deepgram": await heard(DeepgramSTTService(api_key="none", base_url=url, sample_rate=24_000)),
    }))

asyncio.run(main())
"""


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=500, check=False)


def environment(folder: Path, *packages: str) -> Path:
    """The interpreter of an environment with these packages alone."""
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
    installed = run(*PIP, "--python", folder / "bin" / "python", "install", "-q", *packages)
    if installed.returncode != 0:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    try:
        pull(MODEL, default_models_dir())
    except ModelError as error:
        pytest.skip(f"no weights: {error}")
    with running_suite(WHISPER_MODEL=MODEL) as suite:
        yield suite


@pytest.fixture(scope="module")
def pcm24() -> bytes:
    """Speech, and two seconds of silence, as s16le at 24 kHz."""
    try:
        speech = recordings.beckett()
    except recordings.SpeechMissing as error:
        pytest.skip(str(error))
    length = len(speech) * RATE // 16_000
    samples = np.interp(np.arange(length) * 16_000 / RATE, np.arange(len(speech)), speech)
    return np.append(samples * 32767, np.zeros(2 * RATE)).astype("<i2").tobytes()


async def native_text(suite: Suite, pcm: bytes, query: str) -> str:
    address = f"{suite.stream_url}?language=en&sample_rate={RATE}&{query}"
    return (await talk(address, chunked(pcm, RATE // 10))).text


def told(python: Path, script: str, suite: Suite, pcm: bytes, folder: Path) -> dict[str, Any]:
    """What a script prints about the speech."""
    (folder / "script.py").write_text(script)
    (folder / "talk.pcm").write_bytes(pcm)
    result = run(python, folder / "script.py", suite.url, folder / "talk.pcm")
    assert result.returncode == 0, result.stderr[-3000:]
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.mark.xdist_group("voice agents")
async def test_livekit_gets_the_words_of_the_native_protocol(suite: Suite, pcm24: bytes, tmp_path: Path) -> None:
    python = environment(tmp_path / "environment", "livekit-plugins-openai==1.8.9")
    native = await native_text(suite, pcm24, "endpointing=fixed&endpointing_ms=500")
    got = told(python, LIVEKIT, suite, pcm24, tmp_path)
    assert native
    assert got["text"] == native
    assert got["interims"] > 0
    assert {"start_of_speech", "end_of_speech", "final_transcript"} <= set(got["kinds"])


@pytest.mark.xdist_group("voice agents")
async def test_pipecat_gets_the_words_of_the_native_protocol(suite: Suite, pcm24: bytes, tmp_path: Path) -> None:
    python = environment(tmp_path / "environment", "pipecat-ai[deepgram,openai]==1.14.0")
    # It stops amid the last words, as a quick voice detection does.
    speech = pcm24[: -2 * 2 * RATE]
    native = await native_text(suite, speech, "endpointing=auto")
    got = told(python, PIPECAT, suite, speech, tmp_path)
    assert native
    assert got["openai"]["text"] == native
    assert words(got["deepgram"]["text"]) == words(native)
    for service in got.values():
        assert service["interims"] > 0
        assert service["errors"] == []
    assert got["deepgram"]["finalized"][-1]
