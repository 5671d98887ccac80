#!/usr/bin/env python3
"""One long session: memory of every process, which should be flat, and word errors next to those of the same model
offline.

The corpus's English recordings, long ones and utterances, are played one after the other in real time (or `--speed`
times that), from the first again until the time is up. The resident size of each process of the suite is read every
few seconds; the slope is fitted over the second half, when caches are warm. The longest run of words lost or invented
shows a lost or doubled sentence that an error rate hides.
"""

import argparse
import asyncio
import json
import time
from typing import Any

import jiwer
import numpy as np
import psutil
import websockets
from common import AUDIO_RATE_HZ, Clip, corpus_folder, running_suite, utterances, write_result
from live_wer import offline
from rich.progress import Progress
from whisper_normalizer.english import EnglishTextNormalizer

from stt_transcriber.models.store import default_models_dir, resolve

CHUNK = AUDIO_RATE_HZ * 40 // 1000
EVERY_S = 5.0
GAP_S = 1.0


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


async def play(url: str, pid: int, samples: np.ndarray, speed: float) -> dict[str, Any]:
    rows: list[tuple[float, dict[str, float]]] = []
    counts = {"partial": 0, "final": 0}
    texts: list[str] = []
    seconds = len(samples) / AUDIO_RATE_HZ
    done: dict[str, Any] = {}
    async with websockets.connect(url + "?session_id=soak&language=en", max_size=None) as ws:
        began = time.monotonic()

        async def send() -> None:
            with Progress() as progress:
                bar = progress.add_task("streaming", total=seconds)
                for at in range(0, len(samples), CHUNK):
                    delay = began + at / AUDIO_RATE_HZ / speed - time.monotonic()
                    if delay > 0:
                        await asyncio.sleep(delay)
                    await ws.send(samples[at : at + CHUNK].tobytes())
                    progress.update(bar, completed=at / AUDIO_RATE_HZ)
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
                if event["type"] == "final":
                    texts.append(event["text"])
            elif event["type"] == "error":
                raise RuntimeError(event)
            elif event["type"] == "done":
                done = event
                break
        await sending
        watching.cancel()
    return {"rows": rows, "counts": counts, "texts": texts, "done": done}


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


def played(clips: list[Clip], seconds: float, gap_s: float = GAP_S) -> list[Clip]:
    """The recordings in order, again and again, until they last this long, ``gap_s`` after each included."""
    order: list[Clip] = []
    total_s = 0.0
    while total_s < seconds:
        clip = clips[len(order) % len(clips)]
        order.append(clip)
        total_s += clip.duration_s + gap_s
    return order


def errors(references: list[str], texts: list[str]) -> dict[str, float | int]:
    """Word errors of sessions or recordings. All normalised. Runs are of words side by side."""
    found = jiwer.process_words(references, texts)
    parts = [part for alignment in found.alignments for part in alignment]
    lost = [part.ref_end_idx - part.ref_start_idx for part in parts if part.type == "delete"]
    invented = [part.hyp_end_idx - part.hyp_start_idx for part in parts if part.type == "insert"]
    return {
        "wer_percent": round(100 * found.wer, 2),
        "words_lost": found.deletions,
        "longest_run_lost": max(lost, default=0),
        "words_invented": found.insertions,
        "longest_run_invented": max(invented, default=0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--out")
    args = parser.parse_args()
    clips = utterances(corpus_folder(args.corpus), "en", kinds=("long", "utterance"))
    order = played(clips, args.minutes * 60)
    gap = np.zeros(int(GAP_S * AUDIO_RATE_HZ), np.int16)
    samples = np.concatenate([part for clip in order for part in (clip.samples, gap)])
    with running_suite(WHISPER_MODEL=args.model) as suite:
        run = asyncio.run(play(suite.stream_url, suite.pid, samples, args.speed))
    folder = str(resolve(args.model, default_models_dir()))
    alone = dict(zip([clip.id for clip in clips], offline(folder, clips, "en"), strict=True))
    normalise = EnglishTextNormalizer()
    reference = normalise(" ".join(clip.text for clip in order))
    write_result(
        args.out,
        "long_session",
        {
            "model": args.model,
            "minutes": round(len(samples) / AUDIO_RATE_HZ / 60, 1),
            "speed": args.speed,
            **run["counts"],
            "timings_ms": run["done"].get("timings_ms"),
            "live": errors([reference], [normalise(" ".join(run["texts"]))]),
            "offline_beam5": errors([reference], [normalise(" ".join(alone[clip.id] for clip in order))]),
            "memory": fit(run["rows"]),
        },
    )


if __name__ == "__main__":
    main()
