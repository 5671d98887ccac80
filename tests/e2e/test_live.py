"""Live streams on the real suite: every way to send speech gives the right words."""

import asyncio
import base64
import json

import httpx2
import numpy as np
import pytest
import websockets
from numpy.typing import NDArray
from support import encoders
from support.launched_suite import Suite
from support.live_client import Received, as_json, chunked, talk, words
from support.recordings import BECKETT_TEXT

pytestmark = pytest.mark.e2e

EXPECTED = words(BECKETT_TEXT)


def assert_right(received: Received, allowed_errors: int = 1) -> None:
    """All words are there, in order, but for ``allowed_errors`` that a tiny model may mishear."""
    got = words(received.text)
    wrong = len(EXPECTED) + len(got) - 2 * _common(EXPECTED, got)
    assert wrong <= 2 * allowed_errors, f"{received.text!r}"


def _common(left: list[str], right: list[str]) -> int:
    table = np.zeros((len(left) + 1, len(right) + 1), int)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else max(table[i, j + 1], table[i + 1, j])
    return int(table[-1, -1])


async def test_pcm_in_real_time_gives_partials_finals_and_done(suite: Suite, pcm16: bytes) -> None:
    url = suite.stream_url + "?session_id=e2e-realtime&language=en"
    received = await talk(url, chunked(pcm16, 1280), every_s=0.04)
    assert_right(received)
    kinds = [event["type"] for event in received.events]
    assert kinds[0] == "ready"
    assert kinds[-1] == "done"
    assert received.close_code == 1000
    numbers = [event["event"] for event in received.events]
    assert numbers == sorted(set(numbers)), "event numbers rise"
    assert all(event["session_id"] == "e2e-realtime" for event in received.events)
    assert [final["utterance"] for final in received.of("final")] == list(range(1, len(received.of("final")) + 1))
    done = received.events[-1]
    assert words(done["text"]) == words(received.text)
    assert done["finals"] == len(received.of("final"))
    assert abs(done["duration_ms"] - len(pcm16) / 32) < 100
    stages = {"receive", "queue", "decode", "vad", "buffer", "infer", "emit", "deliver"}
    assert set(done["timings_ms"]) == stages


async def test_partials_show_stable_text_that_is_never_revised(suite: Suite, pcm16: bytes) -> None:
    received = await talk(suite.stream_url + "?language=en", chunked(pcm16, 1280), every_s=0.04)
    assert len(received.of("partial")) >= 5
    stable: dict[int, str] = {}
    for partial in received.of("partial"):
        parts = [part for part in (partial["stable"], partial["unstable"]) if part]
        assert partial["text"] == " ".join(parts)
        assert partial["stable"].startswith(stable.get(partial["utterance"], ""))
        assert partial["text"].endswith(partial["new_text"])
        stable[partial["utterance"]] = partial["stable"]
    for final in received.of("final"):
        assert final["timestamp"].endswith("Z")
        assert 0 < final["confidence"] <= 1
        times = [(word["start_ms"], word["end_ms"]) for word in final["words"]]
        assert all(start <= end for start, end in times)
        assert times == sorted(times)
        assert [word["word"] for word in final["words"]] == final["text"].split()


async def test_a_client_that_only_sends_and_listens_gets_its_final(suite: Suite, pcm16: bytes) -> None:
    """No start message, its own session id, 640 samples every 20 ms (twice real time), no stop, no keepalive."""
    async with websockets.connect(suite.stream_url) as ws:
        for chunk in chunked(pcm16, 1280):
            await ws.send(
                json.dumps({"type": "audio", "session_id": "interview_123", "chunk": base64.b64encode(chunk).decode()})
            )
            await asyncio.sleep(0.02)
        async with asyncio.timeout(30):
            async for message in ws:
                event = json.loads(message)
                assert event["session_id"] == "interview_123"
                if event["type"] == "final":
                    assert set(words(event["text"])) & set(EXPECTED)
                    return
    raise AssertionError("no final")


async def test_stop_right_after_the_last_word_loses_nothing(suite: Suite, beckett: NDArray[np.float32]) -> None:
    loud = np.flatnonzero(np.abs(beckett) > 0.05)[-1]
    pcm = (beckett[: loud + 1] * 32767).astype("<i2").tobytes()
    received = await talk(suite.stream_url + "?language=en", chunked(pcm, 3200), every_s=0.05)
    assert_right(received)
    assert words(received.text)[-1] == "better"


async def test_a_long_utterance_as_wav_in_messages_of_20_ms_has_the_finals_of_bare_samples(
    suite: Suite, beckett: NDArray[np.float32]
) -> None:
    """20 s without an endpoint: as many messages as once filled a log that only a final empties."""
    wav = encoders.encoded(np.concatenate([beckett, beckett]), "wav", "pcm_s16le", 16000)
    url = suite.stream_url + "?language=en&endpointing_ms=3000"
    small = await talk(url + "&encoding=wav", chunked(wav, 640), every_s=0.01)
    bare = await talk(url, chunked(wav[wav.index(b"data") + 8 :], 640), every_s=0.01)
    assert len(words(bare.text)) > len(EXPECTED)
    finals = [
        [(final["text"], final["start_ms"], final["end_ms"], final["words"]) for final in received.of("final")]
        for received in (small, bare)
    ]
    assert finals[0] == finals[1]
    assert small.events[-1]["type"] == "done"


async def test_finalize_ends_the_utterance_now(suite: Suite, pcm16: bytes) -> None:
    async with websockets.connect(suite.stream_url + "?language=en&endpointing_ms=5000") as ws:
        for chunk in chunked(pcm16[: 32000 * 3], 6400):
            await ws.send(chunk)
        await ws.send('{"type":"finalize"}')
        async with asyncio.timeout(10):
            async for message in ws:
                event = json.loads(message)
                if event["type"] == "final":
                    assert words(event["text"])[:2] == ["ever", "tried"]
                    return


async def test_48_khz_stereo(suite: Suite, beckett: NDArray[np.float32]) -> None:
    pcm = encoders.resampled(beckett, 48000, "stereo").tobytes()
    url = suite.stream_url + "?sample_rate=48000&channels=2&language=en"
    assert_right(await talk(url, [as_json(chunk) for chunk in chunked(pcm, 7680)], every_s=0.02))


async def test_8_khz_mulaw(suite: Suite, beckett: NDArray[np.float32]) -> None:
    url = suite.stream_url + "?sample_rate=8000&encoding=mulaw&language=en"
    received = await talk(url, chunked(encoders.mulaw(beckett), 160), every_s=0.01)
    assert_right(received, allowed_errors=2)


@pytest.mark.parametrize(
    ("encoding", "container", "codec"),
    [
        ("webm", "webm", "libopus"),
        ("ogg", "ogg", "libopus"),
        ("mp3", "mp3", "libmp3lame"),
        ("flac", "flac", "flac"),
        ("aac", "adts", "aac"),
        ("wav", "wav", "pcm_s16le"),
        ("auto", "webm", "libopus"),
    ],
)
async def test_compressed_streams(
    suite: Suite, beckett: NDArray[np.float32], encoding: str, container: str, codec: str
) -> None:
    """As a browser's recorder sends them: a piece every quarter of a second, here four times as fast."""
    data = encoders.encoded(beckett, container, codec)
    pieces = chunked(data, len(data) // 40 + 1)
    received = await talk(f"{suite.stream_url}?encoding={encoding}&language=en", pieces, every_s=0.06)
    assert_right(received, allowed_errors=2)


async def test_ten_sessions_shared_by_two_replicas(suite: Suite, pcm16: bytes) -> None:
    seen: dict[str, int] = {}

    async def watch() -> None:
        async with httpx2.AsyncClient() as client:
            while True:
                health = (await client.get(suite.url + "/health")).json()
                for replica in health["replicas"]:
                    if replica["service"] == "transcriber":
                        seen[replica["id"]] = max(seen.get(replica["id"], 0), replica["sessions"])
                await asyncio.sleep(0.3)

    watching = asyncio.create_task(watch())
    sessions = [
        talk(f"{suite.stream_url}?session_id=ten-{i}&language=en", chunked(pcm16, 1280), every_s=0.04)
        for i in range(10)
    ]
    for received in await asyncio.gather(*sessions):
        assert_right(received)
    watching.cancel()
    assert len(seen) == 2
    assert sum(seen.values()) >= 10
    assert min(seen.values()) >= 2, f"one replica did it all: {seen}"


async def test_keepalive_and_silence_give_no_words(suite: Suite) -> None:
    silence = [bytes(3200)] * 30
    received = await talk(suite.stream_url + "?language=en", [*silence, '{"type":"keepalive"}'], every_s=0.02)
    assert received.text == ""
    assert not received.of("partial")
    assert received.events[-1]["type"] == "done"
