"""Wyoming's own package for Python, from the package index, on the bridge and the running suite."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.launched_suite import Suite

import stt_client

pytestmark = pytest.mark.e2e

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
SCRIPT = """
import asyncio, json, sys
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info

async def main(port, path):
    pcm = open(path, "rb").read()
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Describe().event())
        info = Info.from_event(await client.read_event())
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(rate=16000, width=2, channels=1).event())
        for at in range(0, len(pcm), 2048):
            await client.write_event(AudioChunk(16000, 2, 1, pcm[at : at + 2048]).event())
        await client.write_event(AudioStop().event())
        events = [await client.read_event()]
        while not TranscriptStop.is_type(events[-1].type):
            events.append(await client.read_event())
    print(json.dumps({
        "models": {model.name: model.languages for model in info.asr[0].models},
        "streams": info.asr[0].supports_transcript_streaming,
        "first": TranscriptStart.is_type(events[0].type),
        "chunks": [TranscriptChunk.from_event(e).text for e in events if TranscriptChunk.is_type(e.type)],
        "texts": [Transcript.from_event(e).text for e in events if Transcript.is_type(e.type)],
    }))

asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
"""


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=110, check=False)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the client alone."""
    folder = tmp_path_factory.mktemp("wyoming") / "environment"
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
    installed = run(*PIP, "--python", folder / "bin" / "python", "install", "-q", "wyoming~=1.10")
    if installed.returncode != 0:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "python"


@pytest.fixture
def port(suite: Suite) -> Iterator[int]:
    """Of a bridge, as a user starts it."""
    command = [sys.executable, "-m", "stt_cli", "wyoming", "--port", "0", "--url", suite.url]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r"tcp://127\.0\.0\.1:(\d+)", line)
        assert found is not None, line
        yield int(found.group(1))
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


async def test_the_wyoming_client_gets_the_words_of_the_native_road(
    suite: Suite, port: int, python: Path, pcm16: bytes, tmp_path: Path
) -> None:
    audio, script = tmp_path / "talk.pcm", tmp_path / "script.py"
    audio.write_bytes(pcm16)
    script.write_text(SCRIPT)
    async with stt_client.connect(suite.url, language="en") as session:
        await session.send(pcm16)
        await session.stop()
        native = [event async for event in session]
    result = run(python, script, str(port), audio)
    assert result.returncode == 0, result.stderr
    got = json.loads(result.stdout)
    assert (got["models"], got["streams"], got["first"]) == ({"tiny.en": ["en"]}, True, True)
    assert got["texts"] == [native[-1]["text"]] == ["".join(got["chunks"])]
    assert len(got["chunks"]) == sum(event["type"] == "final" for event in native)
