"""Deepgram's own clients for Python and Node, from their package indexes, on the running suite."""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from support import encoders, node
from support.file_client import finished
from support.gateway_harness import until
from support.launched_suite import Suite
from support.live_client import chunked, talk
from support.receiver import Answer, receiver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
PYTHON_SCRIPT = """
import json, sys, threading, time
from deepgram import DeepgramClient, DeepgramClientEnvironment
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType

url, pcm, file = sys.argv[1], open(sys.argv[2], "rb").read(), open(sys.argv[3], "rb").read()
socket = url.replace("http", "ws")
environment = DeepgramClientEnvironment(base=url, production=socket, agent=socket, agent_rest=url)
client = DeepgramClient(api_key="none", environment=environment)

def live(*ends, audio=pcm, **options):
    told = []
    options = {"encoding": "linear16", "sample_rate": 16000, "language": "en", "smart_format": True, **options}
    with client.listen.v1.connect(model="nova-3", **options) as connection:
        connection.on(EventType.MESSAGE, told.append)
        listening = threading.Thread(target=connection.start_listening, daemon=True)
        listening.start()
        for at in range(0, len(audio), 1280):
            connection.send_media(audio[at : at + 1280])
            time.sleep(0.04)
        connection.send_keep_alive()
        for end in ends:
            end(connection, told)
        listening.join(60)
    return told

def close(connection, told):
    connection.send_close_stream()

def finalize(connection, told):
    connection.send_finalize()
    give_up = time.monotonic() + 60
    while not any(getattr(one, "from_finalize", False) for one in told) and time.monotonic() < give_up:
        time.sleep(0.02)

def text(told):
    finals = [one.channel.alternatives[0].transcript for one in told if one.type == "Results" and one.is_final]
    return " ".join(final for final in finals if final)

agent = live(close, interim_results=True, vad_events=True, utterance_end_ms=1000, audio=pcm + bytes(64_000))
# Whoever has the answer to Finalize has the last words.
finalized = live(finalize, lambda _, told: told.append(list(told)) or close(_, told))
before_close = next(one for one in finalized if isinstance(one, list))
response = client.listen.v1.media.transcribe_file(
    request=file, model="nova-3", language="en", smart_format=True, utterances=True,
    request_options={"timeout_in_seconds": 170},
)
alternative = response.results.channels[0].alternatives[0]
link = client.listen.v1.media.transcribe_url(
    url=sys.argv[4], model="nova-3", language="en", smart_format=True, request_options={"timeout_in_seconds": 170}
)
accepted = client.listen.v1.media.transcribe_url(
    url=sys.argv[4], language="en", smart_format=True, callback=sys.argv[4], callback_method="PUT"
)
errors = []
for request, options in ((b"no audio" * 1000, {}), (file, {"callback": "https://10.0.0.1"}), (b"", {})):
    try:
        client.listen.v1.media.transcribe_file(request=request, **options)
    except ApiError as error:
        errors.append([error.status_code, error.body["err_code"]])
last = [one for one in agent if one.type == "Results" and one.is_final and one.channel.alternatives[0].words][-1]
print(json.dumps({
    "live": text(agent),
    "finalized": text(before_close),
    "kinds": list(dict.fromkeys(type(one).__name__ for one in agent)),
    "interims": sum(one.type == "Results" and not one.is_final for one in agent),
    "ends": [one.last_word_end for one in agent if one.type == "UtteranceEnd"],
    "last_word": last.channel.alternatives[0].words[-1].dict(),
    "last": agent[-1].type,
    "duration": agent[-1].duration,
    "file": alternative.transcript,
    "link": link.results.channels[0].alternatives[0].transcript,
    "accepted": accepted.request_id,
    "paragraphs": [s.text for p in alternative.paragraphs.paragraphs for s in p.sentences],
    "utterances": [one.transcript for one in response.results.utterances],
    "metadata": json.loads(response.metadata.json()),
    "errors": errors,
}))
"""
NODE_SCRIPT = """
const { readFileSync } = require("node:fs");
const { DeepgramClient } = require("@deepgram/sdk");
const [url, pcm, file] = [process.argv[2], readFileSync(process.argv[3]), readFileSync(process.argv[4])];
const socketUrl = url.replace("http", "ws");
const environment = { base: url, production: socketUrl, agent: socketUrl };
const client = new DeepgramClient({ apiKey: "none", environment });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function live() {
  const connection = await client.listen.v1.connect({
    model: "nova-3", language: "en", encoding: "linear16", sample_rate: 16000, smart_format: "true",
    interim_results: "true", keyterm: ["Ann", "Bob"], reconnectAttempts: 0,
  });
  const told = [];
  const closed = new Promise((done) => connection.on("close", done));
  connection.on("message", (message) => told.push(message));
  connection.connect();
  await connection.waitForOpen();
  for (let at = 0; at < pcm.length; at += 1280) {
    connection.sendMedia(pcm.subarray(at, at + 1280));
    await pause(40);
  }
  connection.sendCloseStream({ type: "CloseStream" });
  const { code } = await closed;
  return { told, code };
}

(async () => {
  const { told, code } = await live();
  const finals = told.filter((one) => one.type === "Results" && one.is_final);
  const options = { model: "nova-3", language: "en", punctuate: true };
  const answer = await client.listen.v1.media.transcribeFile(file, options, { timeoutInSeconds: 170 });
  console.log(JSON.stringify({
    live: finals.map((one) => one.channel.alternatives[0].transcript).join(" "),
    last: told.at(-1).type,
    code,
    file: answer.results.channels[0].alternatives[0].transcript,
  }));
  process.exit(0);
})();
"""


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=280, check=False)


def environment(folder: Path, *packages: str) -> Path:
    """The interpreter of an environment with these packages alone."""
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
    installed = run(*PIP, "--python", folder / "bin" / "python", "install", "-q", *packages)
    if installed.returncode != 0:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "python"


def printed(result: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def recording(
    tmp_path_factory: pytest.TempPathFactory, pcm16: bytes, beckett: NDArray[np.float32]
) -> tuple[Path, Path]:
    """The same speech as bare samples and as a file."""
    folder = tmp_path_factory.mktemp("recording")
    samples, file = folder / "talk.pcm", folder / "talk.ogg"
    samples.write_bytes(pcm16)
    file.write_bytes(encoders.encoded(beckett, "ogg", "libopus"))
    return samples, file


async def live_text(suite: Suite, pcm16: bytes) -> str:
    return (await talk(suite.stream_url + "?language=en", chunked(pcm16, 1280), every_s=0.04)).text


async def file_text(suite: Suite, file: Path) -> str:
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60, trust_env=False) as http:
        sent = await http.post(
            "/v1/stt/jobs",
            files={"file": ("talk.ogg", file.read_bytes())},
            data={"language": "en"},
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        text: str = (await finished(http, sent.json()["job_id"]))["result"]["text"]
        await http.delete(f"/v1/stt/transcripts/{sent.json()['job_id']}")
    return text


async def test_the_python_client_gets_the_words_of_the_native_protocol(
    suite: Suite, recording: tuple[Path, Path], pcm16: bytes, tmp_path: Path
) -> None:
    python = environment(tmp_path / "environment", "deepgram-sdk~=7.17")
    script = tmp_path / "script.py"
    script.write_text(PYTHON_SCRIPT)
    native, native_file = await live_text(suite, pcm16), await file_text(suite, recording[1])
    with receiver() as server:
        audio = Answer(200, {"content-type": "audio/ogg"}, recording[1].read_bytes())
        server.answer = lambda request: audio if request.method == "GET" else Answer()
        got = printed(run(python, script, suite.url, *recording, server.url))
        (called,) = await until(lambda: [one for one in server.requests if one.method == "PUT"], 60)
    answer = json.loads(called.body)
    assert answer["metadata"]["request_id"] == got["accepted"]
    assert answer["results"]["channels"][0]["alternatives"][0]["transcript"] == got["link"] == native_file
    assert got["live"] == got["finalized"] == native
    assert set(got["kinds"]) == {
        "ListenV1SpeechStarted", "ListenV1Results", "ListenV1UtteranceEnd", "ListenV1Metadata",
    }  # fmt: skip
    assert got["last"] == "Metadata"
    assert got["interims"] >= 5
    assert got["ends"] == sorted(set(got["ends"]))
    assert got["ends"][-1] == got["last_word"]["end"]
    assert got["last_word"]["punctuated_word"] == native.split()[-1]
    assert abs(got["duration"] - len(pcm16) / 32_000 - 2) < 0.1
    assert got["file"] == native_file
    assert " ".join(got["paragraphs"]) == " ".join(got["utterances"]) == native_file
    assert [info["name"] for info in got["metadata"]["model_info"].values()] == ["tiny.en"]
    assert got["errors"] == [[415, "Bad Request"], [400, "INVALID_QUERY_PARAMETER"], [400, "Bad Request"]]


async def test_the_node_client_gets_the_words_of_the_native_protocol(
    suite: Suite, recording: tuple[Path, Path], pcm16: bytes, tmp_path: Path
) -> None:
    node.npm(tmp_path, "@deepgram/sdk@^5.13")
    (tmp_path / "script.js").write_text(NODE_SCRIPT)
    native, native_file = await live_text(suite, pcm16), await file_text(suite, recording[1])
    got = printed(run(node.node(), tmp_path / "script.js", suite.url, *recording))
    assert (got["live"], got["file"]) == (native, native_file)
    assert (got["last"], got["code"]) == ("Metadata", 1000)
