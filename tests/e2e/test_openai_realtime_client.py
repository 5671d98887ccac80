"""OpenAI's own client for Python, from the package index, on the running suite: its Realtime API for transcription."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.launched_suite import Suite
from support.live_client import chunked, talk

pytestmark = pytest.mark.e2e

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
RATE = 24_000
CHUNK_BYTES = RATE * 2 // 10
SCRIPT = """
import base64, json, sys, time
import openai

base, path, detection = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
client = openai.OpenAI(base_url=base + "/v1", api_key="none", max_retries=0)
with open(path, "rb") as file:
    audio = file.read()
deltas, texts, kinds, errors, tokens = [], [], [], [], []
with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
    heard = iter(connection)
    kinds.append(next(heard).type)
    transcription = {"model": "gpt-4o-transcribe", "language": "en"}
    connection.session.update(session={
        "type": "transcription",
        "audio": {"input": {"transcription": transcription, "turn_detection": detection}},
        "include": ["item.input_audio_transcription.logprobs"],
    })
    connection.send({"type": "nonsense"})
    for at in range(0, len(audio), 4800):
        connection.input_audio_buffer.append(audio=base64.b64encode(audio[at : at + 4800]).decode())
    connection.input_audio_buffer.commit()
    committed = 0
    for event in heard:
        kinds.append(event.type)
        if event.type == "error":
            errors.append([event.error.type, event.error.code])
        elif event.type.endswith("transcription.delta"):
            deltas.append(event.delta)
        elif event.type == "input_audio_buffer.committed":
            committed += 1
        elif event.type.endswith("transcription.completed"):
            texts.append(event.transcript)
            tokens += [one.token for one in event.logprobs]
            # The last item holds the end of the audio, which is silent.
            if len(texts) == committed and (detection is None or not event.transcript):
                break
print(json.dumps({"texts": texts, "deltas": deltas, "kinds": kinds, "errors": errors, "tokens": tokens}))
"""


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=110, check=False)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the client alone."""
    folder = tmp_path_factory.mktemp("openai-realtime") / "environment"
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
    installed = run(*PIP, "--python", folder / "bin" / "python", "install", "-q", "openai~=3.52", "websockets")
    if installed.returncode != 0:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def pcm24(beckett: NDArray[np.float32]) -> bytes:
    """The speech, and two seconds of silence, as s16le at 24 kHz."""
    length = len(beckett) * RATE // 16_000
    samples = np.interp(np.arange(length) * 16_000 / RATE, np.arange(len(beckett)), beckett)
    return np.append(samples * 32767, np.zeros(2 * RATE)).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("detection", "native"),
    [
        ({"type": "server_vad", "silence_duration_ms": 400}, "endpointing=fixed&endpointing_ms=400"),
        ({"type": "semantic_vad", "eagerness": "auto"}, "endpointing=auto"),
        (None, "endpointing=auto"),
    ],
)
async def test_the_python_client_gets_the_words_of_the_native_road(
    suite: Suite, python: Path, pcm24: bytes, tmp_path: Path, detection: dict[str, object] | None, native: str
) -> None:
    audio, script = tmp_path / "talk.pcm", tmp_path / "script.py"
    audio.write_bytes(pcm24)
    script.write_text(SCRIPT)
    address = f"{suite.stream_url}?language=en&sample_rate={RATE}&{native}"
    expected = await talk(address, chunked(pcm24, CHUNK_BYTES))
    result = run(python, script, suite.url, audio, json.dumps(detection))
    assert result.returncode == 0, result.stderr
    got = json.loads(result.stdout)
    assert expected.text
    assert " ".join(filter(None, got["texts"])) == expected.text
    assert "".join(got["tokens"]).replace(" ", "") == expected.text.replace(" ", "")
    assert got["kinds"][0] == "session.created"
    assert "session.updated" in got["kinds"]
    assert got["errors"] == [["invalid_request_error", "invalid_value"]]
    if detection is None:
        assert len(got["texts"]) == 1
        assert "input_audio_buffer.speech_started" not in got["kinds"]
    else:
        assert got["kinds"].count("input_audio_buffer.speech_started") == len(expected.of("speech_started"))
