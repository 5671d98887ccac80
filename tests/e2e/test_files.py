"""Files: posted, watched, fetched; and gone from the spool folder afterwards."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from support import encoders, recordings
from support.file_client import finished, post
from support.launched_suite import Suite, running_suite
from support.live_client import words
from support.receiver import Answer, receiver
from support.recordings import BECKETT_TEXT

pytestmark = pytest.mark.e2e


async def test_two_minutes_are_cut_at_pauses_and_come_back_whole(suite: Suite, beckett: NDArray[np.float32]) -> None:
    # So long that each repetition is a piece of its own: of speech that repeats itself within a window Whisper leaves
    # some out, which is no matter of cutting.
    pause = np.zeros(56_000, np.float32)
    long = np.concatenate([part for _ in range(11) for part in (beckett, pause)])
    data = encoders.encoded(long, "mp3", "libmp3lame", rate=44100, layout="stereo")
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        view = await finished(client, await post(client, "two minutes.mp3", data, language="en"))
        assert view["status"] == "completed", view
        result = view["result"]
        expected = words(BECKETT_TEXT) * 11
        got = words(result["text"])
        assert abs(len(got) - len(expected)) <= 4
        assert sum(word in expected for word in got) >= len(expected) - 6
        assert abs(result["duration"] - len(long) / 16000) < 0.2
        assert result["language"] == "en"
        times = [(word["start"], word["end"]) for segment in result["segments"] for word in segment["words"]]
        assert times == sorted(times), "order is restored"
        # "better" ends each repetition, and each begins as long after the one before.
        starts = [word["start"] for s in result["segments"] for word in s["words"] if words(word["word"]) == ["better"]]
        period = (len(beckett) + len(pause)) / 16000
        for number in range(11):
            assert min(abs(start - starts[0] - number * period) for start in starts) < 0.5
        for kind, needle in (("txt", "better"), ("srt", "00:00:"), ("vtt", "WEBVTT"), ("json", '"segments"')):
            response = await client.get(f"/v1/stt/jobs/{view['job_id']}/result.{kind}")
            assert response.status_code == 200
            assert needle in response.text


def test_a_file_at_a_url_is_fetched_and_transcribed(suite: Suite, beckett: NDArray[np.float32], spool: Path) -> None:
    data = encoders.encoded(beckett, "mp3", "libmp3lame", rate=44100, layout="mono")
    with receiver() as server:
        server.answer = lambda _: Answer(200, {"content-type": "audio/mpeg"}, data)
        command = [sys.executable, "-m", "stt_cli", "transcribe", f"{server.url}/talk.mp3", "--url", suite.url]
        done = subprocess.run([*command, "--language", "en"], capture_output=True, text=True, timeout=120, check=True)
    assert words(done.stdout) == words(BECKETT_TEXT)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("a.wav", "wav", "pcm_s16le"),
        ("a.m4a", "ipod", "aac"),
        ("a.webm", "webm", "libopus"),
        ("a.ogg", "ogg", "libopus"),
        ("a.opus", "opus", "libopus"),
        ("a.flac", "flac", "flac"),
        ("a.mp4", "mp4", "aac"),
        ("lies about its name.txt", "mp3", "libmp3lame"),
    ],
)
async def test_formats(suite: Suite, beckett: NDArray[np.float32], name: str, container: str, codec: str) -> None:
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        view = await finished(client, await post(client, name, encoders.encoded(beckett, container, codec)))
    assert view["status"] == "completed", view
    assert view["filename"] == name
    assert words(view["result"]["text"])[-2:] == ["fail", "better"]


async def test_files_that_are_no_speech_fail_with_a_reason(suite: Suite, beckett: NDArray[np.float32]) -> None:
    good = encoders.encoded(beckett, "mp4", "aac")
    cases = {
        "text.wav": (b"this is not audio, " * 50, {"unsupported_media", "bad_audio"}),
        "random.mp3": (np.random.default_rng(3).bytes(20_000), {"unsupported_media", "bad_audio"}),
        "header.wav": (encoders.encoded(beckett, "wav", "pcm_s16le")[:44], {"bad_audio"}),
        "without its index.m4a": (good[: len(good) // 2], {"unsupported_media", "bad_audio"}),
        "playlist.m3u8": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", {"unsupported_media", "bad_audio"}),
    }
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        for name, (data, codes) in cases.items():
            view = await finished(client, await post(client, name, data))
            assert view["status"] == "failed", (name, view)
            assert view["error"]["code"] in codes, (name, view)
            assert view["error"]["message"]
            assert "Traceback" not in view["error"]["message"]


async def test_a_truncated_file_gives_what_there_is(suite: Suite, beckett: NDArray[np.float32]) -> None:
    data = encoders.encoded(beckett, "flac", "flac")
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        view = await finished(client, await post(client, "half.flac", data[: len(data) // 2]))
    assert view["status"] == "completed", view
    assert words(view["result"]["text"])[:2] == ["ever", "tried"]


async def test_malformed_files_of_the_corpus_end_with_an_answer(suite: Suite) -> None:
    rows = recordings.corpus()
    if rows is None:
        pytest.skip("no speech corpus here: set STT_TEST_CORPUS")
    folder = Path(rows[0]["file"])
    while not (folder / "malformed").is_dir():
        folder = folder.parent
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        for file in sorted((folder / "malformed").iterdir()):
            if file.suffix == ".jsonl":
                continue
            data = file.read_bytes()
            if not data:
                continue
            view = await finished(client, await post(client, file.name, data))
            assert view["status"] in ("completed", "failed"), file.name
            if view["status"] == "failed":
                assert view["error"]["code"] in ("bad_audio", "unsupported_media"), (file.name, view)


async def test_cancel_ends_a_job_and_nothing_is_left_behind(
    suite: Suite, spool: Path, beckett: NDArray[np.float32]
) -> None:
    long = np.concatenate([beckett] * 30)
    data = encoders.encoded(long, "ogg", "libopus")
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        job_id = await post(client, "long.ogg", data)
        cancelled = await client.post(f"/v1/stt/jobs/{job_id}/cancel")
        assert cancelled.json()["status"] == "cancelled"
        done = await post(client, "short.ogg", encoders.encoded(beckett, "ogg", "libopus"))
        await finished(client, done)
        assert (await client.get(f"/v1/stt/jobs/{job_id}")).json()["status"] == "cancelled"
    async with asyncio.timeout(10):
        while os.listdir(spool):
            await asyncio.sleep(0.2)


async def test_a_transcriber_killed_in_mid_file_changes_nothing(model: str, beckett: NDArray[np.float32]) -> None:
    pause = np.zeros(16000, np.float32)
    data = encoders.encoded(np.concatenate([part for _ in range(16) for part in (beckett, pause)]), "flac", "flac")
    with running_suite(WHISPER_MODEL=model, TRANSCRIBER_REPLICAS="2") as suite:
        async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
            calm = await finished(client, await post(client, "calm.flac", data, language="en"))
            # Under a key of its own it is heard again, though the store knows it.
            sent = await client.post(
                "/v1/stt/jobs",
                files={"file": ("disturbed.flac", data)},
                data={"language": "en"},
                headers={"Idempotency-Key": "disturbed"},
            )
            job_id = sent.json()["job_id"]
            async with asyncio.timeout(60):
                while not 5 < (await client.get(f"/v1/stt/jobs/{job_id}")).json()["progress"] < 80:
                    await asyncio.sleep(0.02)
            replicas = (await client.get("/health")).json()["replicas"]
            transcribers = [replica["id"] for replica in replicas if replica["service"] == "transcriber"]
            # The first of them cuts both files, or transcribes at least: there are chunks enough for two.
            os.kill(int(transcribers[0].split("-")[-2]), signal.SIGKILL)
            view = await finished(client, job_id)
    assert (calm["status"], view["status"]) == ("completed", "completed"), (calm, view)
    assert view["result"] == calm["result"]


async def test_the_same_request_again_is_the_same_job(suite: Suite, beckett: NDArray[np.float32]) -> None:
    data = encoders.encoded(beckett, "ogg", "libopus")
    headers = {"Idempotency-Key": "files-e2e-1"}
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        first, second = [
            await client.post("/v1/stt/jobs", files={"file": ("a.ogg", data)}, headers=headers) for _ in range(2)
        ]
        assert first.json() == second.json()
        assert (await finished(client, first.json()["job_id"]))["status"] == "completed"
        third = await client.post("/v1/stt/jobs", files={"file": ("a.ogg", data)}, headers=headers)
        assert third.json() == first.json()


async def test_parties_of_a_call_who_speak_at_once_are_both_heard(suite: Suite, beckett: NDArray[np.float32]) -> None:
    later = np.zeros(2 * 16000, np.float32)
    call = np.stack([np.concatenate([beckett, later]), np.concatenate([later, beckett])], 1)
    data = encoders.encoded_channels(call, "ogg", "libopus", "stereo")
    async with httpx2.AsyncClient(base_url=suite.url, trust_env=False, timeout=30) as client:
        view = await finished(client, await post(client, "call.ogg", data, language="en", channel_mode="auto"))
        assert view["status"] == "completed", view
        segments = view["result"]["segments"]
        for channel in (0, 1):
            text = " ".join(segment["text"] for segment in segments if segment["channel"] == channel)
            assert words(text) == words(BECKETT_TEXT)
        files = {kind: await client.get(f"/v1/stt/jobs/{view['job_id']}/result.{kind}") for kind in ("txt", "vtt")}
    assert {line.partition(": ")[0] for line in files["txt"].text.splitlines()} == {"Channel 0", "Channel 1"}
    assert {"<v Channel 0>", "<v Channel 1>"} <= set(re.findall(r"<v [^>]*>", files["vtt"].text))
