"""OpenAI's own clients for Node, from the package index, on the running suite; over TLS, which Realtime insists on."""

import asyncio
import json
import os
import ssl
import subprocess
import uuid
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from support import encoders, node
from support.certificates import make_authority, make_certificate
from support.fault_proxy import FaultProxy
from support.file_client import finished
from support.launched_suite import Suite
from support.live_client import chunked, talk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

RATE = 24_000
SCRIPT = """
const { createReadStream, readFileSync } = require("node:fs");
const { OpenAI } = require("openai");
const Realtime = require("openai/realtime/ws").OpenAIRealtimeWS;
const Beta = require("openai/beta/realtime/ws").OpenAIRealtimeWS;

const [baseURL, file, pcm, target] = [process.argv[2], process.argv[3], readFileSync(process.argv[4]), process.argv[5]];
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const transcription = { model: "gpt-4o-transcribe", language: "en" };
const transcribe = (options, key) =>
  client.audio.transcriptions.create(
    { file: createReadStream(file), model: "whisper-1", language: "en", ...options },
    // Of this run: the suite serves more than one, each with a file of its own.
    { headers: { "Idempotency-Key": `${key}-${process.pid}` } },
  );

function realtime(Client, target, update) {
  const connection = new Client(target, client);
  const kinds = [];
  const deltas = [];
  return new Promise((resolve, reject) => {
    connection.on("error", reject);
    connection.on("event", (event) => {
      kinds.push(event.type);
      if (event.type.endsWith("transcription.delta")) deltas.push(event.delta);
      if (!event.type.endsWith("transcription.completed")) return;
      connection.close();
      resolve({ kinds, deltas: deltas.join(""), text: event.transcript });
    });
    connection.socket.on("open", () => {
      connection.send(update);
      for (let at = 0; at < pcm.length; at += 4800)
        connection.send({ type: "input_audio_buffer.append", audio: pcm.subarray(at, at + 4800).toString("base64") });
      connection.send({ type: "input_audio_buffer.commit" });
    });
  });
}

async function rest() {
  const verbose = { response_format: "verbose_json", timestamp_granularities: ["word", "segment"] };
  const { words, text } = await transcribe(verbose, "npm-rest");
  const deltas = [];
  let done;
  for await (const event of await transcribe({ stream: true }, "npm-stream")) {
    if (event.type === "transcript.text.delta") deltas.push(event.delta);
    else done = event.text;
  }
  const refused = await transcribe({ model: "nothing" }, "npm-error").catch(({ status, code }) => [status, code]);
  return { text, words: words.map(({ word }) => word), deltas: deltas.join(""), done, refused };
}

(async () => {
  const update = { type: "transcription", audio: { input: { transcription, turn_detection: null } } };
  const before = { input_audio_format: "pcm16", input_audio_transcription: transcription, turn_detection: null };
  const [files, ga, beta] = await Promise.all([
    rest(),
    realtime(Realtime, JSON.parse(target), { type: "session.update", session: update }),
    realtime(Beta, { model: "gpt-4o-transcribe" }, { type: "transcription_session.update", session: before }),
  ]);
  console.log(JSON.stringify({ files, ga, beta }));
  process.exit(0);
})();
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """The certificate to trust, and what a server of `localhost` needs."""
    folder = tmp_path_factory.mktemp("tls")
    trusted = make_authority(folder)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(*make_certificate(folder, "server", "localhost"))
    return trusted, serving


async def native_file(suite: Suite, audio: bytes) -> dict[str, Any]:
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60, trust_env=False) as http:
        # Under a key it is heard, though the store may know it.
        sent = await http.post(
            "/v1/stt/jobs",
            files={"file": ("talk.ogg", audio)},
            data={"language": "en"},
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        result: dict[str, Any] = (await finished(http, sent.json()["job_id"]))["result"]
        await http.delete(f"/v1/stt/transcripts/{sent.json()['job_id']}")
    return result


@pytest.mark.parametrize(
    ("package", "target"), [("openai@^6", {"model": "gpt-4o-transcribe"}), ("openai@^7", {"intent": "transcription"})]
)
async def test_the_node_clients_get_the_words_of_the_native_road(
    suite: Suite,
    authority: tuple[Path, ssl.SSLContext],
    beckett: NDArray[np.float32],
    tmp_path: Path,
    package: str,
    target: dict[str, str],
) -> None:
    node.npm(tmp_path, package, "ws@^8")
    audio, script, samples = tmp_path / "talk.ogg", tmp_path / "script.js", tmp_path / "talk.pcm"
    audio.write_bytes(encoders.encoded(beckett, "ogg", "libopus"))
    script.write_text(SCRIPT)
    length = len(beckett) * RATE // 16_000
    resampled = np.interp(np.arange(length) * 16_000 / RATE, np.arange(len(beckett)), beckett)
    pcm = np.append(resampled * 32767, np.zeros(RATE)).astype("<i2").tobytes()
    samples.write_bytes(pcm)
    spoken = await talk(f"{suite.stream_url}?language=en&sample_rate={RATE}&endpointing=auto", chunked(pcm, 4800))
    native = await native_file(suite, audio.read_bytes())
    trusted, serving = authority
    async with FaultProxy(suite.url.removeprefix("http://"), tls=serving) as door:
        process = await asyncio.create_subprocess_exec(
            node.node(),
            *map(str, (script, f"https://localhost:{door.port}/v1", audio, samples, json.dumps(target))),
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(trusted)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        printed, complaints = await asyncio.wait_for(process.communicate(), 170)
    assert process.returncode == 0, complaints.decode()
    got = json.loads(printed)
    assert native["text"]
    assert got["files"]["text"] == got["files"]["deltas"] == got["files"]["done"] == native["text"]
    assert got["files"]["words"] == [word["word"] for segment in native["segments"] for word in segment["words"]]
    assert got["files"]["refused"] == [404, "model_not_found"]
    for form, created in (("ga", "session.created"), ("beta", "transcription_session.created")):
        assert got[form]["text"] == spoken.text, form
        assert got[form]["kinds"][0] == created
        assert got[form]["deltas"], form
