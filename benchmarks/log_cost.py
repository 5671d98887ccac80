#!/usr/bin/env python3
"""Cost of the log in addition to pub/sub: frames published bare, and frames written by the atomic function that
checks the fence, drops duplicates, refuses holes, appends and publishes. In one run, on the embedded server,
alternating.

Frames are published in both possible ways: by redis-py, and by the suite's pipeline, where calls of one moment share
a round trip, as the logged writes do. A frame is 100 ms of 16 kHz audio, its published form base64 in JSON, as in the
suite. Several writers, each with a session of its own, write as fast as they are answered.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from common import write_result

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import TakeoverState
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.client import connect
from stt_shared.redis.pipeline import LuaFunction
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.streams.sessions import Commit

FRAME_BYTES = 3200
COMMIT_EVERY = 50
PUBLISH = LuaFunction.of("return redis.call('PUBLISH', KEYS[1], ARGV[1])")
Publish = Callable[[str, bytes], Awaitable[Any]]


async def bare(publish: Publish, number: int, until_s: float, took_ms: list[float]) -> None:
    """Publishing alone: what is lost is lost."""
    at = keys.session_keys(f"bare-{number}")
    data = bytes(FRAME_BYTES)
    seq = 0
    while time.perf_counter() < until_s:
        seq += 1
        began = time.perf_counter()
        payload = Frame(seq, FrameKind.AUDIO, data, FrameMeta(received_ms=1.0)).published(at.id)
        await publish(at.pcm, payload)
        took_ms.append((time.perf_counter() - began) * 1000)


async def logged(bus: Bus, number: int, until_s: float, took_ms: list[float]) -> None:
    """As the audio-processor writes, followed by the transcriber's commits."""
    at = keys.session_keys(f"logged-{number}")
    await bus.sessions.open(at, "e", b"{}", 0, 600)
    owner = await bus.sessions.claim(at, "e", keys.STAGE_AUDIO, "benchmark")
    listener = await bus.sessions.claim(at, "e", keys.STAGE_TRANSCRIBER, "benchmark")
    assert isinstance(owner, Ownership)
    assert isinstance(listener, Ownership)
    data = bytes(FRAME_BYTES)
    seq = 0
    while time.perf_counter() < until_s:
        seq += 1
        began = time.perf_counter()
        frame = Frame(seq, FrameKind.AUDIO, data, FrameMeta(received_ms=1.0))
        written = await bus.sessions.append_pcm(owner, frame, consumed=0)
        took_ms.append((time.perf_counter() - began) * 1000)
        assert written is WriteResult.OK, written
        if seq % COMMIT_EVERY == 0:
            await bus.sessions.commit(listener, Commit(seq * FRAME_BYTES // 2, seq, TakeoverState()))


async def measure(url: str, writers: int, seconds: float, rounds: int) -> dict[str, Any]:
    client = connect(url)
    bus = Bus(client, ChannelHub(client, keys.replica_channel("benchmark")))

    async def by_pipeline(channel: str, payload: bytes) -> None:
        await bus.pipeline.call(PUBLISH, [channel], [payload])

    published: dict[str, Publish] = {"published": client.publish, "published by the pipeline": by_pipeline}
    took: dict[str, list[float]] = {**{name: [] for name in published}, "logged and published": []}
    for turn in range(rounds):
        for name in took:
            until_s = time.perf_counter() + seconds
            numbers = range(turn * writers, (turn + 1) * writers)
            if name in published:
                await asyncio.gather(*(bare(published[name], number, until_s, took[name]) for number in numbers))
            else:
                await asyncio.gather(*(logged(bus, number, until_s, took[name]) for number in numbers))
    await client.aclose()
    return {
        name: {
            "frames_per_s": round(len(values) / (seconds * rounds)),
            "p50_ms": round(float(np.quantile(values, 0.5)), 3),
            "p99_ms": round(float(np.quantile(values, 0.99)), 3),
        }
        for name, values in took.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    args = parser.parse_args()
    with EmbeddedRedis() as server:
        loads = {
            str(writers): asyncio.run(measure(server.url, writers, args.seconds, args.rounds))
            for writers in args.writers
        }
    write_result(args.out, "log_cost", {"frame_bytes": FRAME_BYTES, "writers": loads})


if __name__ == "__main__":
    main()
