"""OpenAI's own client for Python, from the package index, on the running suite."""

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from support import encoders
from support.file_client import finished
from support.launched_suite import Suite

pytestmark = pytest.mark.e2e

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
SCRIPT = """
import json, sys
import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)

def transcribe(file=sys.argv[2], **options):
    with open(file, "rb") as audio:
        return client.audio.transcriptions.create(file=audio, **{"model": "whisper-1", **options})

plain = transcribe(language="en", include=["logprobs"], chunking_strategy="auto")
verbose = transcribe(response_format="verbose_json", timestamp_granularities=["word", "segment"], language="en")
# Under a key it is heard, though the store knows it.
events = list(transcribe(stream=True, language="en", extra_headers={"Idempotency-Key": "stream"}))
errors = []
for options in ({"model": "nothing"}, {"file": sys.argv[0]}, {"temperature": 7}):
    try:
        transcribe(**options)
    except openai.APIStatusError as error:
        errors.append([type(error).__name__, error.code, error.param])
print(json.dumps({
    "models": [model.id for model in client.models.list()],
    "text": plain.text,
    "tokens": "".join(one.token for one in plain.logprobs),
    "seconds": plain.usage.seconds,
    "words": [word.word for word in verbose.words],
    "segments": "".join(segment.text for segment in verbose.segments),
    "language": verbose.language,
    "srt": transcribe(response_format="srt", language="en"),
    "deltas": "".join(event.delta for event in events if event.type == "transcript.text.delta"),
    "done": events[-1].text,
    "errors": errors,
}))
"""


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=110, check=False)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the client alone."""
    folder = tmp_path_factory.mktemp("openai") / "environment"
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
    installed = run(*PIP, "--python", folder / "bin" / "python", "install", "-q", "openai~=3.52")
    if installed.returncode != 0:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "python"


async def test_the_python_client_gets_the_words_of_the_native_road(
    suite: Suite, python: Path, beckett: NDArray[np.float32], tmp_path: Path
) -> None:
    audio, script = tmp_path / "talk.ogg", tmp_path / "script.py"
    audio.write_bytes(encoders.encoded(beckett, "ogg", "libopus"))
    script.write_text(SCRIPT)
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60, trust_env=False) as http:
        # Under a key it is heard, though the store may know it.
        sent = await http.post(
            "/v1/stt/jobs",
            files={"file": ("talk.ogg", audio.read_bytes())},
            data={"language": "en"},
            headers={"Idempotency-Key": "native"},
        )
        native = (await finished(http, sent.json()["job_id"]))["result"]
        await http.delete(f"/v1/stt/transcripts/{sent.json()['job_id']}")
    result = run(python, script, suite.url, audio)
    assert result.returncode == 0, result.stderr
    got = json.loads(result.stdout)
    for text in ("text", "tokens", "segments", "deltas", "done"):
        assert got[text] == native["text"], text
    assert got["words"] == [word["word"] for segment in native["segments"] for word in segment["words"]]
    assert {"whisper-1", "tiny.en"} <= set(got["models"])
    assert (got["seconds"], got["language"]) == (10, "english")
    assert got["srt"].startswith("1\n00:00:00,")
    assert got["errors"] == [
        ["NotFoundError", "model_not_found", "model"],
        ["APIStatusError", "unsupported_media", None],
        ["UnprocessableEntityError", "bad_config", "temperature"],
    ]
