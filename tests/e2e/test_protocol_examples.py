"""Clients, requests and rules of docs/protocol.md, on the running suite."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import websockets
from numpy.typing import NDArray
from support import encoders, recordings
from support.launched_suite import Suite
from support.live_client import Received, as_json, chunked, talk, words
from support.recordings import BECKETT_TEXT

pytestmark = pytest.mark.e2e

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
ADDRESS = "127.0.0.1:8000"
EXPECTED = words(BECKETT_TEXT)


def shown(language: str, suite: Suite) -> list[str]:
    """The document's blocks of this language, with the suite's address."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [block.replace(ADDRESS, urlsplit(suite.url).netloc) for block in found]


def answers(suite: Suite, *keys: str) -> dict[str, object]:
    """The document's example with exactly these keys."""
    decoder = json.JSONDecoder()
    found = [decoder.raw_decode(block)[0] for block in shown("json", suite)]
    (example,) = (example for example in found if set(example) == set(keys))
    return dict(example)


@pytest.fixture
def talk_wav(tmp_path: Path, beckett: NDArray[np.float32]) -> Path:
    """The recording as talk.wav, in a folder of its own."""
    shutil.copy(recordings.beckett_path(), tmp_path / "talk.wav")
    return tmp_path / "talk.wav"


def run(command: list[str], folder: Path, timeout_s: float = 90, **environment: str) -> str:
    result = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


def assert_right(text: str) -> None:
    """All thirteen words, but for one that a tiny model may mishear."""
    got = words(text)
    assert len(got) == len(EXPECTED), text
    assert sum(a != b for a, b in zip(got, EXPECTED, strict=True)) <= 1, text


def test_the_python_client(suite: Suite, talk_wav: Path) -> None:
    (program,) = shown("python", suite)
    assert_right(run([sys.executable, "-W", "error", "-c", program, talk_wav.name], talk_wav.parent))


def test_the_python_client_with_a_long_recording_at_another_rate(
    suite: Suite, beckett: NDArray[np.float32], tmp_path: Path
) -> None:
    """Longer than two ping intervals: a client that does not read meanwhile loses its connection."""
    (program,) = shown("python", suite)
    pause = np.zeros(25 * 16000, np.float32)
    samples = encoders.resampled(np.concatenate([beckett, pause, beckett]), 48000, "stereo")
    with wave.open(str(tmp_path / "long.wav"), "wb") as audio:
        audio.setparams((2, 2, 48000, 0, "NONE", ""))
        audio.writeframes(samples.tobytes())
    lines = run([sys.executable, "-c", program, "long.wav"], tmp_path, timeout_s=110).splitlines()
    half = len(lines) // 2
    assert_right(" ".join(lines[:half]))
    assert_right(" ".join(lines[half:]))


# What the browser has and Node has not: a microphone, and a recorder that plays the pieces of a file.
BROWSER = """
import { readFileSync } from "node:fs";
const track = { stop: () => console.log("microphone off") };
const stream = { getTracks: () => [track] };
const navigator = { mediaDevices: { getUserMedia: async () => stream } };
Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
globalThis.MediaRecorder = class {
  start(everyMs) {
    const data = readFileSync("talk.webm");
    const size = Math.ceil(data.length * everyMs / 10000);
    let at = 0;
    const timer = setInterval(() => {
      if (at >= data.length) { clearInterval(timer); this.onstop(); return; }
      this.ondataavailable({ data: data.subarray(at, at += size) });
    }, everyMs / 4);
  }
};
"""


def node() -> str:
    """Node with a WebSocket; skips where there is none."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("no Node here")
    flag = ["--experimental-websocket", "-e", "new URL('http://a'); if (!globalThis.WebSocket) process.exit(1)"]
    if subprocess.run([path, *flag], capture_output=True, check=False).returncode:
        pytest.skip("this Node has no WebSocket")
    return path


def test_the_browser_client(suite: Suite, beckett: NDArray[np.float32], tmp_path: Path) -> None:
    (script,) = shown("js", suite)
    (tmp_path / "talk.webm").write_bytes(encoders.encoded(beckett, "webm", "libopus"))
    (tmp_path / "page.mjs").write_text(BROWSER + script)
    lines = run([node(), "--no-warnings", "--experimental-websocket", "page.mjs"], tmp_path).splitlines()
    assert lines.pop() == "microphone off"
    assert_right(" ".join(lines))


def test_the_requests_for_a_file(suite: Suite, talk_wav: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    post, follow, *_ = shown("sh", suite)
    posted = json.loads(run(["sh", "-c", post], talk_wav.parent))
    assert set(posted) == set(answers(suite, "job_id", "status_url"))
    events, view, subtitles, cancelled, deleted = (
        run(["sh", "-c", line], talk_wav.parent, JOB=posted["job_id"]) for line in follow.splitlines()
    )
    received = re.findall(r"^event: (\w+)\ndata: (.*)$", events, re.MULTILINE)
    assert [name for name, _ in received] == ["progress"] * (len(received) - 1) + ["end"]
    ended = json.loads(received[-1][1])
    assert set(ended) == set(answers(suite, "job_id", "status", "progress", "filename", "created_at", "result"))
    assert ended["status"] == "completed"
    assert_right(ended["result"]["text"])
    assert json.loads(view) == ended
    assert json.loads(cancelled) == ended, "cancelling comes too late and destroys nothing"
    assert json.loads(deleted) == {name: value for name, value in ended.items() if name != "result"}
    again = json.loads(run(["sh", "-c", follow.splitlines()[1]], talk_wav.parent, JOB=posted["job_id"]))
    assert again["error"]["code"] == "not_found", "an ended job is deleted for good"
    assert_right(" ".join(re.findall(r"^[A-Za-z].*$", subtitles, re.MULTILINE)))


async def test_numbered_chunks_may_come_twice_and_in_any_order(suite: Suite, pcm16: bytes) -> None:
    numbered = [number.to_bytes(4, "big") + chunk for number, chunk in enumerate(chunked(pcm16, 3200), start=1)]
    mixed = [chunk for at in range(0, len(numbered), 5) for chunk in reversed(numbered[at : at + 5])]
    mixed.insert(30, mixed[3])
    heard = await talk(suite.stream_url + "?framing=seq32&language=en", mixed, every_s=0.05)
    assert_right(heard.text)
    assert not heard.of("gap")


async def test_a_missing_chunk_is_told(suite: Suite) -> None:
    numbered = [number.to_bytes(4, "big") + bytes(3200) for number in (1, 2, 5)]
    heard = await talk(suite.stream_url + "?framing=seq32", numbered)
    assert [gap["cause"] for gap in heard.of("gap")] == ["chunks 3 to 4 never came"]
    assert heard.events[-1]["duration_ms"] == 300, "audio that never came takes no time"


async def events_until(ws: websockets.ClientConnection, kind: str, count: int = 1) -> Received:
    heard = Received()
    async with asyncio.timeout(10):
        while len(heard.of(kind)) < count:
            heard.events.append(json.loads(await ws.recv()))
    return heard


async def test_a_connection_that_names_its_session_late_moves_there(suite: Suite) -> None:
    async with websockets.connect(suite.stream_url) as ws:
        await events_until(ws, "ready")
        await ws.send(as_json(bytes(3200), "named-late"))
        (second,) = (await events_until(ws, "ready")).of("ready")
        assert (second["session_id"], second["event"]) == ("named-late", 1)
        await ws.send(as_json(bytes(3200), "another"))
        assert (await events_until(ws, "error")).error_code == "bad_message"


async def test_an_id_in_use_is_a_conflict_without_its_token(suite: Suite) -> None:
    url = suite.stream_url + "?session_id=wanted"
    async with websockets.connect(url) as first:
        (ready,) = (await events_until(first, "ready")).of("ready")
        async with websockets.connect(url) as second:
            assert (await events_until(second, "error")).error_code == "conflict"
            await second.wait_closed()
            assert second.close_code == 4506
        async with websockets.connect(f"{url}&resume_token={ready['resume_token']}") as third:
            assert (await events_until(third, "ready")).events[0]["event"] == 0
            assert (await events_until(first, "error")).error_code == "superseded"
            await first.wait_closed()
            assert first.close_code == 4509
            await third.send('{"type":"stop"}')
            await events_until(third, "done")


async def test_half_a_sample_is_a_warning(suite: Suite) -> None:
    heard = await talk(suite.stream_url, [bytes(3201)])
    assert [warning["code"] for warning in heard.of("warning")] == ["half_sample"]
    assert heard.close_code == 1000


async def test_without_interim_results_there_are_finals_only(suite: Suite, pcm16: bytes) -> None:
    url = suite.stream_url + "?interim_results=false&language=en&conversation_id=c1&speaker=Ann"
    heard = await talk(url, chunked(pcm16, 3200), every_s=0.03)
    assert_right(heard.text)
    assert not heard.of("partial")
    config = heard.of("ready")[0]["config"]
    assert (config["conversation_id"], config["speaker"]) == ("c1", "Ann")
