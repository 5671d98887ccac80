#!/usr/bin/env python3
"""Memory of one live session, over all services and Redis.

The suite runs with the instant engine (benchmarks/pipeline.py). This many sessions stream at once, in real time:
sentences with pauses, and one utterance that is as long as may be (28 s). What the processes then hold more than they
held with a few sessions, shared out over the sessions that came in addition, is a session's. Redis: its own figure of
what it holds; the others: resident memory. ``average``: over the run, less its first third; ``most``: at any moment.
"""

import argparse
import asyncio
import statistics
import time
from typing import Any

import numpy as np
import psutil
import websockets
from common import AUDIO_RATE_HZ, corpus_folder, utterances, write_result
from pipeline import PipelineSuite, running_pipeline, speech_without_pauses
from redis import Redis
from rich.console import Console
from rich.table import Table

CHUNK = AUDIO_RATE_HZ // 25
FEW = 10


async def talk(url: str, samples: np.ndarray, seconds: float) -> None:
    """One session in real time, from a place of its own in the recording."""
    async with websockets.connect(url, max_size=None, compression=None, ping_interval=None) as socket:
        reading = asyncio.create_task(_read(socket))
        began = time.monotonic()
        for at in range(0, int(seconds * AUDIO_RATE_HZ), CHUNK):
            await asyncio.sleep(max(0.0, began + at / AUDIO_RATE_HZ - time.monotonic()))
            await socket.send(np.take(samples, range(at, at + CHUNK), mode="wrap").tobytes())
        await socket.send('{"type":"stop"}')
        await reading


async def _read(socket: websockets.ClientConnection) -> None:
    async for _ in socket:
        pass


def held_kb(suite: PipelineSuite, client: Redis) -> dict[str, float]:
    """Kilobytes by part."""
    held = {name: psutil.Process(pid).memory_info().rss / 1024 for name, pid in suite.pids.items() if name != "redis"}
    return {"redis": int(client.info("memory")["used_memory"]) / 1024, **held}


Held = dict[str, dict[str, float]]
"""``average`` and ``most``, by part."""


async def load(suite: PipelineSuite, client: Redis, sessions: int, samples: np.ndarray, seconds: float) -> Held:
    """Memory of each part while this many sessions talked."""
    url = f"ws://127.0.0.1:{suite.port}/v1/stt/stream?language=en"
    rng = np.random.default_rng(sessions)
    talks = asyncio.gather(
        *(talk(url, np.roll(samples, -int(rng.integers(len(samples)))), seconds) for _ in range(sessions))
    )
    seen: list[dict[str, float]] = []
    while not talks.done():
        seen.append(await asyncio.to_thread(held_kb, suite, client))
        await asyncio.sleep(0.5)
    await talks
    steady = seen[len(seen) // 3 :]
    return {
        "average": {name: statistics.fmean(moment[name] for moment in steady) for name in seen[0]},
        "most": {name: max(moment[name] for moment in seen) for name in seen[0]},
    }


def share(few: Held, many: Held, more_sessions: int) -> Held:
    """KB that a session takes."""
    found: Held = {}
    for kind in few:
        each = {name: round((many[kind][name] - few[kind][name]) / more_sessions, 1) for name in few[kind]}
        found[kind] = {**each, "all": round(sum(each.values()), 1)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--sessions", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out")
    args = parser.parse_args()
    folder = corpus_folder(args.corpus)
    pause = np.zeros(AUDIO_RATE_HZ, np.int16)
    sentences = np.concatenate([part for clip in utterances(folder, "en", 12) for part in (clip.samples, pause)])
    recordings = {"sentences with pauses": sentences, "one utterance of 28 s": speech_without_pauses(folder)}
    rows: dict[str, Any] = {}
    parts = ("all", "redis", "gateway", "audio-processor", "transcriber")
    table = Table("KB a session", "", *parts, box=None)
    for name, samples in recordings.items():
        with running_pipeline() as suite, Redis.from_url(suite.redis_url) as client:
            few = asyncio.run(load(suite, client, FEW, samples, args.seconds))
            many = asyncio.run(load(suite, client, FEW + args.sessions, samples, args.seconds))
        rows[name] = share(few, many, args.sessions)
        for kind, held in rows[name].items():
            table.add_row(name, kind, *(f"{held[part]:.0f}" for part in parts))
    Console(stderr=True).print(table)
    write_result(args.out, "session_memory", {"sessions": args.sessions, "seconds": args.seconds, "kb_each": rows})


if __name__ == "__main__":
    main()
