"""Bad files get one clear error with a code; good ones are transcribed meanwhile, and nothing is left behind."""

import asyncio
import functools
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from support import encoders
from support.file_client import finished, post
from support.launched_suite import Suite
from support.live_client import words

pytestmark = pytest.mark.e2e

RATE = 16000
JOBS = "/v1/stt/jobs"


def video(container: str, *, sound: NDArray[np.float32] | None, fragmented: bool = False) -> bytes:
    """Two seconds of grey pictures, with or without sound; the index of an mp4 at its end, or in pieces all over it."""
    file = io.BytesIO()
    with av.open(
        file, "w", format=container, options={"movflags": "frag_keyframe+empty_moov"} if fragmented else {}
    ) as output:
        pictures = output.add_stream("mpeg4", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        stream = None if sound is None else output.add_stream("aac", rate=48000, layout="mono")
        for _ in range(50):
            output.mux(pictures.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8))))
        output.mux(pictures.encode(None))
        if stream is not None and sound is not None:
            samples = encoders.resampled(sound, 48000)
            for at in range(0, len(samples) - 1023, 1024):
                frame = av.AudioFrame.from_ndarray(samples[None, at : at + 1024], "s16", "mono")
                frame.sample_rate, frame.pts = 48000, at
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return file.getvalue()


def long_mp3(size_bytes: int) -> bytes:
    """A minute at 8 kbit/s, again and again."""
    noise = np.random.default_rng(1).integers(-3000, 3000, (1, 60 * RATE)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(noise, "s16", "mono")
    frame.sample_rate = RATE
    file = io.BytesIO()
    with av.open(file, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as output:
        stream = output.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.codec_context.bit_rate = 8000
        for piece in av.AudioResampler("s16p", "mono", RATE, frame_size=576).resample(frame):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    minute = file.getvalue()
    return minute * (size_bytes // len(minute))


@functools.cache
def silence(duration_s: int) -> bytes:
    """Digital silence as FLAC: some bytes a second."""
    file = io.BytesIO()
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 60 * RATE), np.int16), "s16", "mono")
    frame.sample_rate = RATE
    with av.open(file, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=RATE, layout="mono")
        resampler = av.AudioResampler("s16", "mono", RATE, frame_size=4608)
        for _ in range(duration_s // 60):
            for piece in resampler.resample(frame):
                output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return file.getvalue()


def silence_that_tells_no_length(duration_s: int) -> bytes:
    data = bytearray(silence(duration_s))
    # The lower 36 bits of these eight bytes are the number of samples.
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


Make = Callable[[NDArray[np.float32]], bytes]

FAILING: dict[str, tuple[Make, str, str]] = {
    "video without sound.mp4": (lambda _: video("mp4", sound=None), "unsupported_media", "no audio track"),
    "video without sound.mkv": (lambda _: video("matroska", sound=None), "unsupported_media", "no audio track"),
    "cut before its index.mp4": (
        lambda speech: (whole := video("mp4", sound=speech))[: len(whole) * 2 // 3],
        "bad_audio",
        "cannot be decoded",
    ),
    "a header alone.wav": (
        lambda speech: encoders.encoded(speech, "wav", "pcm_s16le")[:44],
        "bad_audio",
        "no audio that can be decoded",
    ),
    "25 MB that are seven hours.mp3": (lambda _: long_mp3(25_000_000), "too_large", "14400 s that are allowed"),
    "8 hours of silence.flac": (lambda _: silence(8 * 3600), "too_large", "14400 s that are allowed"),
    "8 hours that tell no length.flac": (
        lambda _: silence_that_tells_no_length(8 * 3600),
        "too_large",
        "14400 s that are allowed",
    ),
}


async def test_each_bad_file_of_a_post_fails_for_its_own_reason_and_the_good_ones_are_heard(
    suite: Suite, spool: Path, beckett: NDArray[np.float32]
) -> None:
    files = {name: make(beckett) for name, (make, _, _) in FAILING.items()}
    good = {
        "first.ogg": encoders.encoded(beckett, "ogg", "libopus"),
        "index at its end.mp4": video("mp4", sound=beckett),
        "index all over it.mp4": video("mp4", sound=beckett, fragmented=True),
    }
    first, *others = good.items()
    named = [first, *files.items(), *others]
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        sent = await client.post(JOBS, files=[("file", one) for one in named], data={"language": "en"})
        assert sent.status_code == 202, sent.text
        job_ids = [job["job_id"] for job in sent.json()["jobs"]]
        views = {name: await finished(client, job_id) for (name, _), job_id in zip(named, job_ids, strict=True)}
    for name in good:
        assert views[name]["status"] == "completed", views[name]
        assert words(views[name]["result"]["text"])[-2:] == ["fail", "better"], name
    for name, (_, code, message) in FAILING.items():
        assert views[name]["filename"] == name
        assert (views[name]["status"], views[name]["error"]["code"]) == ("failed", code), views[name]
        assert message in views[name]["error"]["message"], name
        assert "result" not in views[name]
    async with asyncio.timeout(10):
        while os.listdir(spool):
            await asyncio.sleep(0.2)


async def test_an_empty_file_is_refused_with_those_beside_it(
    suite: Suite, spool: Path, beckett: NDArray[np.float32]
) -> None:
    good, before = encoders.encoded(beckett, "ogg", "libopus"), set(os.listdir(spool))
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        files = [("file", ("a.ogg", good)), ("file", ("empty.ogg", b""))]
        refused = await client.post(JOBS, files=files)
    assert refused.status_code == 400
    assert refused.json()["error"] == {"code": "bad_audio", "message": "the file 'empty.ogg' is empty"}
    # What an earlier test left may be swept meanwhile.
    assert set(os.listdir(spool)) <= before


async def test_silence_is_an_empty_transcript(suite: Suite) -> None:
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        view = await finished(client, await post(client, "silence.flac", silence(300)))
        assert (view["status"], view["progress"]) == ("completed", 100.0), view
        assert (view["result"]["text"], view["result"]["segments"]) == ("", [])
        assert view["result"]["duration"] == pytest.approx(300, abs=0.5)
        assert (await client.get(f"{JOBS}/{view['job_id']}/result.srt")).text == ""
        assert (await client.get(f"{JOBS}/{view['job_id']}/result.vtt")).text == "WEBVTT\n\n"


def form(name: bytes, data: bytes) -> dict[str, Any]:
    """A form as a careless client writes it, with a name that no library would send."""
    head = b'--xYz\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    return {
        "content": head + data + b"\r\n--xYz--\r\n",
        "headers": {"content-type": "multipart/form-data; boundary=xYz"},
    }


NAMES = {
    b"../../../etc/passwd": "passwd",
    b"C:\\windows\\talk.ogg": "talk.ogg",
    b"/": "",
    "\U0001f3a4 Grüße \u202egpj.ogg".encode(): "\U0001f3a4 Grüße gpj.ogg",
    b"a\x01b\x1b[31mc\x7f.ogg": "ab[31mc.ogg",
    ("快" * 300).encode(): "快" * 255,
    b"\xff\xfe.ogg": "ÿþ.ogg",
}


async def test_names_that_mean_harm_do_none(suite: Suite, spool: Path, beckett: NDArray[np.float32]) -> None:
    data = encoders.encoded(beckett[: 3 * RATE], "ogg", "libopus")
    folder = sorted(path.name for path in spool.parent.iterdir())
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        for name, shown in NAMES.items():
            sent = await client.post(JOBS, **form(name, data))
            assert sent.status_code == 202, (name, sent.text)
            view = await finished(client, sent.json()["job_id"])
            assert (view["status"], view.get("filename", "")) == ("completed", shown), name
        refused = await client.post(JOBS, **form(b"n" * 10_000, data))
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_message")
        assert "shorter name" in refused.json()["error"]["message"]
    assert sorted(path.name for path in spool.parent.iterdir()) == folder


async def test_two_uploads_of_one_name_are_two_files(suite: Suite, beckett: NDArray[np.float32]) -> None:
    half = len(beckett) // 2
    parts = [encoders.encoded(part, "flac", "flac") for part in (beckett[:half], beckett[half:])]
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        job_ids = await asyncio.gather(*(post(client, "same.flac", data, language="en") for data in parts))
        assert len(set(job_ids)) == 2
        first, second = [await finished(client, job_id) for job_id in job_ids]
        assert words(first["result"]["text"])[:2] == ["ever", "tried"]
        assert words(second["result"]["text"])[-2:] == ["fail", "better"]
        async with asyncio.timeout(10):
            while True:
                found = (await client.get("/v1/stt/transcripts", params={"filename": "same.flac"})).json()
                if len(found["transcripts"]) == 2:
                    break
                await asyncio.sleep(0.1)
        assert {one["id"] for one in found["transcripts"]} == set(job_ids)
