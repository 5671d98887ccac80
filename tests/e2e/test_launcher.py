"""`stt up` as a user meets it: starts, says so in one line, survives a dead child, and leaves nothing behind."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import psutil
import pytest
from support.launched_suite import Suite, running_suite
from support.live_client import chunked, talk, words
from support.recordings import BECKETT_TEXT, SpeechMissing, beckett_path

pytestmark = pytest.mark.e2e


def stt(*arguments: str, timeout_s: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stt_cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_a_port_in_use_is_one_clear_line(model: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = one_line(stt("up", PORT=str(port), WHISPER_MODEL=model))
    assert str(port) in line
    assert "in use" in line


def test_a_wrong_model_name_is_one_clear_line() -> None:
    line = one_line(stt("up", PORT="0", WHISPER_MODEL="bass"))
    assert "bass" in line
    assert "base" in line, "the names that exist are named"


def test_an_unreachable_redis_is_one_clear_line(model: str) -> None:
    line = one_line(stt("up", PORT="0", WHISPER_MODEL=model, REDIS_URL="redis://127.0.0.1:1/0"))
    assert "redis" in line.lower()


def test_a_bad_setting_of_a_service_stops_the_start_and_is_named(model: str) -> None:
    result = stt("up", PORT="0", WHISPER_MODEL=model, VAD_SILENCE_THRESHOLD_MS="soon")
    assert result.returncode != 0
    assert "VAD_SILENCE_THRESHOLD_MS='soon'" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(model: str, number: signal.Signals) -> None:
    with running_suite(WHISPER_MODEL=model) as suite:
        launcher = psutil.Process(suite.pid)
        family = launcher.children(recursive=True)
        assert len(family) >= 4, "Redis and three services"
        launcher.send_signal(number)
        _, alive = psutil.wait_procs([launcher, *family], timeout=20)
        assert alive == []


async def test_a_dead_transcriber_comes_back_and_a_stalled_one_is_told(model: str, pcm16: bytes) -> None:
    with running_suite(WHISPER_MODEL=model) as suite:
        (old,) = [r for r in await replicas(suite) if r["service"] == "transcriber"]
        os.kill(pid_of(old["id"]), signal.SIGKILL)
        await until(suite, "transcriber", lambda found: [r["id"] for r in found] not in ([], [old["id"]]))
        await until_status(suite, 200)
        heard = await talk(suite.stream_url + "?language=en", chunked(pcm16, 3200), every_s=0.05)
        assert words(heard.text) == words(BECKETT_TEXT)
        (new,) = [r for r in await replicas(suite) if r["service"] == "transcriber"]
        os.kill(pid_of(new["id"]), signal.SIGSTOP)
        try:
            await until_status(suite, 503)
        finally:
            os.kill(pid_of(new["id"]), signal.SIGCONT)
        await until_status(suite, 200)


async def replicas(suite: Suite) -> list[dict[str, str]]:
    async with httpx2.AsyncClient() as client:
        found: list[dict[str, str]] = (await client.get(suite.url + "/health")).json()["replicas"]
        return found


def pid_of(replica_id: str) -> int:
    return int(replica_id.split("-")[-2])


async def until(suite: Suite, service: str, accept: object) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if accept([r for r in await replicas(suite) if r["service"] == service]):  # type: ignore[operator]
            return
        await asyncio.sleep(0.2)
    raise AssertionError(await replicas(suite))


async def until_status(suite: Suite, status: int) -> None:
    deadline = time.monotonic() + 20
    async with httpx2.AsyncClient() as client:
        while time.monotonic() < deadline:
            response = await client.get(suite.url + "/health")
            if response.status_code == status:
                return
            await asyncio.sleep(0.2)
    raise AssertionError(response.text)


def test_the_command_line_transcribes_streams_and_looks_after_health(suite: Suite, tmp_path: Path) -> None:
    try:
        path = str(beckett_path())
    except SpeechMissing as error:
        pytest.skip(str(error))
    transcribed = stt("transcribe", path, "--format", "srt", "--url", suite.url)
    assert transcribed.returncode == 0, transcribed.stderr
    assert transcribed.stdout.startswith("1\n00:00:0")
    assert "Fail better." in transcribed.stdout
    streamed = stt("stream", path, "--url", suite.url, "--output", str(tmp_path / "said.txt"))
    assert streamed.returncode == 0, streamed.stderr
    assert words(streamed.stdout)[-2:] == ["fail", "better"]
    assert (tmp_path / "said.txt").read_text() == streamed.stdout
    assert json.loads(stt("health", "--url", suite.url, "--json").stdout)["status"] == "healthy"
    health = stt("health", "--url", suite.url)
    assert health.returncode == 0
    assert "healthy" in health.stdout
    assert "Traceback" not in stt("transcribe", "no such file.wav", "--url", suite.url).stderr


async def test_metrics_name_every_stage_and_replica(suite: Suite, pcm16: bytes) -> None:
    await talk(suite.stream_url + "?language=en", chunked(pcm16, 3200), every_s=0.02)
    await asyncio.sleep(2.5)  # the replicas hand in their figures every two seconds
    async with httpx2.AsyncClient() as client:
        text = (await client.get(suite.url + "/metrics")).text
    for stage in ("receive", "queue", "decode", "vad", "buffer", "infer", "emit", "deliver"):
        assert f'stage="{stage}"' in text
    assert text.count("# TYPE stt_stage_seconds histogram") == 1


async def test_the_second_engine_on_real_weights(model: str, pcm16: bytes) -> None:
    pytest.importorskip("whisper", reason="the openai-whisper extra is not installed")
    with running_suite(WHISPER_MODEL=model, WHISPER_ENGINE="openai-whisper") as suite:
        heard = await talk(suite.stream_url + "?language=en", chunked(pcm16, 1280), every_s=0.04, timeout_s=90)
        assert words(heard.text) == words(BECKETT_TEXT)
        details = [r["detail"] for r in await replicas(suite) if r["service"] == "transcriber"]  # type: ignore[misc]
        assert details[0]["engine"] == "openai-whisper"  # type: ignore[index]
