#!/usr/bin/env python3
"""Memory of every process while one session streams for a long time: it should be flat.

Speech from the corpus is played end to end in real time (or `--speed` times that). The resident size of each process of
the suite is read every few seconds; the slope is fitted over the second half, when caches are warm.
"""

import argparse
import asyncio
import json
import time
from typing import Any

import numpy as np
import psutil
import websockets
from common import SAMPLE_RATE, corpus_folder, running_suite, utterances, write_result
from rich.progress import Progress

CHUNK = SAMPLE_RATE * 40 // 1000
EVERY_S = 5.0


def role(process: psutil.Process) -> str | None:
    """Which part of the suite a process is."""
    command = " ".join(process.cmdline())
    names = {"stt_gateway": "gateway", "stt_audio": "audio-processor", "stt_transcriber": "transcriber"}
    if "valkey" in command or "redis" in command.split(" ")[0]:
        return "redis"
    return next((name for module, name in names.items() if module in command), None)


def sizes_mb(pid: int) -> dict[str, float]:
    """Resident megabytes by part."""
    sizes: dict[str, float] = {}
    for process in psutil.Process(pid).children(recursive=True):
        try:
            name = role(process)
            if name:
                sizes[name] = sizes.get(name, 0.0) + process.memory_info().rss / 1e6
        except psutil.NoSuchProcess:
            continue
    return sizes


async def soak(url: str, pid: int, samples: np.ndarray, seconds: float, speed: float) -> dict[str, Any]:
    rows: list[tuple[float, dict[str, float]]] = []
    counts = {"partial": 0, "final": 0}
    done: dict[str, Any] = {}
    async with websockets.connect(url + "?session_id=soak&language=en", max_size=None) as ws:
        began = time.monotonic()

        async def send() -> None:
            position, sent_s = 0, 0.0
            with Progress() as progress:
                bar = progress.add_task("streaming", total=seconds)
                while sent_s < seconds:
                    chunk = samples[position : position + CHUNK]
                    position = (position + CHUNK) % (len(samples) - CHUNK)
                    sent_s += len(chunk) / SAMPLE_RATE
                    delay = began + sent_s / speed - time.monotonic()
                    if delay > 0:
                        await asyncio.sleep(delay)
                    await ws.send(chunk.tobytes())
                    progress.update(bar, completed=sent_s)
            await ws.send(json.dumps({"type": "stop"}))

        async def watch() -> None:
            while True:
                rows.append((time.monotonic() - began, sizes_mb(pid)))
                await asyncio.sleep(EVERY_S)

        sending, watching = asyncio.create_task(send()), asyncio.create_task(watch())
        async for message in ws:
            event = json.loads(message)
            if event["type"] in counts:
                counts[event["type"]] += 1
            elif event["type"] == "error":
                raise RuntimeError(event)
            elif event["type"] == "done":
                done = event
                break
        await sending
        watching.cancel()
    return {"rows": rows, "counts": counts, "done": done}


def fit(rows: list[tuple[float, dict[str, float]]]) -> dict[str, Any]:
    """By part: the size after warm-up, at the end, the largest, and megabytes an hour over the second half."""
    late = [row for row in rows if row[0] >= rows[-1][0] / 2]
    result = {}
    for name in rows[-1][1]:
        times = [t for t, sizes in late if name in sizes]
        values = [sizes[name] for _, sizes in late if name in sizes]
        slope = float(np.polyfit(times, values, 1)[0]) * 3600 if len(times) > 2 else 0.0
        result[name] = {
            "half_way_mb": round(values[0], 1),
            "end_mb": round(values[-1], 1),
            "largest_mb": round(max(sizes.get(name, 0) for _, sizes in rows), 1),
            "slope_mb_per_hour": round(slope, 2),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--out")
    args = parser.parse_args()
    gap = np.zeros(SAMPLE_RATE, np.int16)
    clips = utterances(corpus_folder(args.corpus), "en")
    samples = np.concatenate([part for clip in clips for part in (clip.samples, gap)])
    with running_suite(WHISPER_MODEL=args.model) as suite:
        run = asyncio.run(soak(suite.stream_url, suite.pid, samples, args.minutes * 60, args.speed))
    write_result(
        args.out,
        "soak_memory",
        {
            "model": args.model,
            "minutes": args.minutes,
            "speed": args.speed,
            **run["counts"],
            "timings_ms": run["done"].get("timings_ms"),
            "memory": fit(run["rows"]),
        },
    )


if __name__ == "__main__":
    main()
