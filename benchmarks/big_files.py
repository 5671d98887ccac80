#!/usr/bin/env python3
"""Big files: what each process of the suite holds at most while they come, are decoded and transcribed.

A WAV of 2 GB (48 kHz, stereo, three hours), an mp4 of an hour whose index stands at its end, a FLAC of eight hours of
silence, an mp3 of 25 MB that lasts seven hours where four are allowed, and an upload beyond the limit. All are made
here, of a recorded sentence with pauses where a corpus is given, else of noise; the 2 GB while they are sent. The
engine is the instant one (benchmarks/pipeline.py) unless --model names weights. Memory is resident, and summed over a
service's processes, at its highest, and over what it was before the first file.
"""

import argparse
import io
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import httpx2
import numpy as np
from common import AUDIO_RATE_HZ, Suite, corpus_folder, running_suite, utterances, write_result
from long_session import sizes_mb
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

LOOK_EVERY_S = 0.1
PATIENCE_S = 3600.0
PORTION = 1 << 18
DAY_LONG = {"MAX_DECODED_S": str(10 * 3600)}
Pieces = Iterator[bytes]


def speech(folder: str | None) -> NDArray[np.int16]:
    """A minute with some seconds of speech in it; int16 at 16 kHz."""
    minute = np.zeros(60 * AUDIO_RATE_HZ, np.int16)
    if folder:
        said = utterances(corpus_folder(folder), "en", 1)[0].samples[: 50 * AUDIO_RATE_HZ]
    else:
        said = np.random.default_rng(1).integers(-8000, 8000, 8 * AUDIO_RATE_HZ).astype(np.int16)
    minute[AUDIO_RATE_HZ : AUDIO_RATE_HZ + len(said)] = said
    return minute


def wav_of(size_bytes: int, minute: NDArray[np.int16]) -> Pieces:
    """48 kHz stereo, this many bytes in all."""
    data_bytes = size_bytes - 44
    fmt = struct.pack("<IHHIIHH", 16, 1, 2, 48000, 48000 * 4, 4, 16)
    yield b"RIFF" + struct.pack("<I", size_bytes - 8) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", data_bytes)
    # Each sample three times, on both channels.
    block = np.repeat(minute, 6).tobytes()
    sent = 0
    while sent < data_bytes:
        at = sent % len(block)
        piece = block[at : at + min(PORTION, data_bytes - sent)]
        sent += len(piece)
        yield piece


def encoded(path: Path, container: str, codec: str, minute: NDArray[np.int16], minutes: int, **options: str) -> Path:
    """The minute again and again, by FFmpeg's encoder."""
    with av.open(str(path), "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=AUDIO_RATE_HZ, layout="mono")
        assert isinstance(stream, av.AudioStream)
        context = stream.codec_context
        if codec == "libmp3lame":
            context.bit_rate = 8000
        frame = av.AudioFrame.from_ndarray(minute[None, :], "s16", "mono")
        frame.sample_rate = AUDIO_RATE_HZ
        resampler = av.AudioResampler(context.format, "mono", AUDIO_RATE_HZ, frame_size=context.frame_size or 1024)
        for _ in range(minutes):
            for piece in resampler.resample(frame):
                output.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return path


def file_of(path: Path) -> Pieces:
    with path.open("rb") as file:
        while piece := file.read(PORTION):
            yield piece


class Memory:
    """The most that each service held since ``restart``."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def restart(self) -> None:
        self._most = {}

    @property
    def most(self) -> dict[str, float]:
        time.sleep(2 * LOOK_EVERY_S)
        return dict(self._most)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            for name, size in sizes_mb(self._pid).items():
                self._most[name] = max(size, self._most.get(name, 0.0))


def post(client: httpx2.Client, name: str, pieces: Pieces) -> tuple[httpx2.Response, int]:
    """The answer, and how many bytes had been sent by then."""
    sent = 0

    def body() -> Pieces:
        nonlocal sent
        yield f'--xYz\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        for piece in pieces:
            sent += len(piece)
            yield piece
        yield b"\r\n--xYz--\r\n"

    answer = client.post("/v1/stt/jobs", content=body(), headers={"Content-Type": "multipart/form-data; boundary=xYz"})
    return answer, sent


def measure(client: httpx2.Client, memory: Memory, before: dict[str, float], name: str, pieces: Pieces) -> Any:
    """One file from the first byte sent to the end of its job."""
    memory.restart()
    began = time.monotonic()
    row: dict[str, Any] = {}
    try:
        answer, sent = post(client, name, pieces)
    except (httpx2.WriteError, httpx2.ReadError) as error:
        return {"upload": f"cut off: {error}"}
    uploaded = time.monotonic()
    row |= {"uploaded_mb": round(sent / 1e6, 1), "upload_s": round(uploaded - began, 2), "http": answer.status_code}
    if answer.status_code == 202:
        row |= ended(client, answer.json()["job_id"])
        row["job_s"] = round(time.monotonic() - uploaded, 1)
    else:
        row["error"] = answer.json()["error"]
    most = memory.most
    row["most_mb"] = {part: round(size, 1) for part, size in most.items()}
    row["more_mb"] = {part: round(size - before.get(part, 0.0), 1) for part, size in most.items()}
    return row


def ended(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    first_estimate: dict[str, float] | None = None
    began = time.monotonic()
    while time.monotonic() < deadline:
        view = client.get(f"/v1/stt/jobs/{job_id}").json()
        if first_estimate is None and "estimated_s" in view:
            first_estimate = {"estimated_s": view["estimated_s"], "after_s": round(time.monotonic() - began, 1)}
        if view["status"] in ("completed", "failed", "cancelled"):
            result = view.get("result") or {}
            return {
                "status": view["status"],
                "error": view.get("error"),
                "audio_s": result.get("duration"),
                "segments": len(result.get("segments", [])),
                "first_estimate": first_estimate,
            }
        time.sleep(0.3)
    return {"status": "not finished"}


def files(folder: Path, minute: NDArray[np.int16], gigabytes: float) -> dict[str, Pieces]:
    """Name -> bytes, made when they are asked for."""

    def later(make: Any) -> Pieces:
        yield from make()

    silent = np.zeros_like(minute)
    noise = np.random.default_rng(2).integers(-3000, 3000, 60 * AUDIO_RATE_HZ).astype(np.int16)
    one = encoded(folder / "minute.mp3", "mp3", "libmp3lame", noise, 1, write_xing="0", id3v2_version="0").read_bytes()
    hour = encoded(folder / "hour.mp4", "mp4", "aac", minute, 60)
    silence = encoded(folder / "silence.flac", "flac", "flac", silent, 8 * 60)
    return {
        f"{gigabytes:g} GB.wav": later(lambda: wav_of(int(gigabytes * 1e9), minute)),
        "an hour.mp4": later(lambda: file_of(hour)),
        "eight hours of silence.flac": later(lambda: file_of(silence)),
        "25 MB, seven hours.mp3": later(lambda: iter([one] * (25_000_000 // len(one)))),
        "beyond the limit.wav": later(lambda: wav_of(2_200_000_000, minute)),
    }


def run(suite: Suite, wanted: dict[str, Pieces]) -> dict[str, Any]:
    memory = Memory(suite.pid)
    try:
        with httpx2.Client(base_url=suite.url, timeout=600, trust_env=False) as client:
            # Buffers, models and threads that any file needs.
            warm = io.BytesIO(b"".join(wav_of(48000 * 4 * 5, np.zeros(AUDIO_RATE_HZ, np.int16))))
            measure(client, memory, {}, "warm.wav", iter([warm.getvalue()]))
            memory.restart()
            time.sleep(2.0)
            before = memory.most
            rows = {}
            for name, pieces in wanted.items():
                rows[name] = measure(client, memory, before, name, pieces)
                Console(stderr=True).print(name, rows[name])
            return {"before_mb": {part: round(size, 1) for part, size in before.items()}, "files": rows}
    finally:
        memory.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", help="weights to transcribe with; left out: the instant engine")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--out")
    args = parser.parse_args()
    engine = {"WHISPER_MODEL": args.model} if args.model else {"WHISPER_ENGINE": "instant"}
    with TemporaryDirectory() as folder:
        made = files(Path(folder), speech(args.corpus), args.gigabytes)
        last = [name for name in made if "seven hours" in name]
        with running_suite(**engine, **DAY_LONG) as suite:
            measured = run(suite, {name: pieces for name, pieces in made.items() if name not in last})
        # With the limit as it is by default.
        with running_suite(**engine) as suite:
            refused = run(suite, {name: made[name] for name in last})
    rows = {**measured["files"], **refused["files"]}
    parts = list(measured["before_mb"])
    table = Table("MB at most (over before)", "upload s", "job s", *parts, box=None)
    for name, row in rows.items():
        shown = (
            [f"{row['most_mb'][part]:.0f} (+{row['more_mb'][part]:.0f})" for part in parts] if "most_mb" in row else []
        )
        table.add_row(name, str(row.get("upload_s", "")), str(row.get("job_s", "")), *shown)
    Console(stderr=True).print(table)
    result = {"engine": args.model or "instant", "before_mb": measured["before_mb"], "files": rows}
    write_result(args.out, "big_files", result)


if __name__ == "__main__":
    main()
