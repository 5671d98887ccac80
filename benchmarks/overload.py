"""Ten times the sessions that fit: how soon the others are refused, whether those admitted keep their finals, and how
soon the suite is itself again.

Clients that are refused come again when they were told to (`retry_after_s`), as long as the overload lasts. Then all
hang up, and a single session is timed.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvloop
from common import AUDIO_RATE_HZ, Clip, corpus_folder, running_suite, utterances, write_result
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

CHUNK = AUDIO_RATE_HZ // 25
GAP_S = 1.5
UNTOLD_S = 1.0
"""Delay of a client that was not told when to come again."""


@dataclass
class Seen:
    refused_ms: list[float] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)
    final_lag_ms: list[int] = field(default_factory=list)
    partial_lag_ms: list[int] = field(default_factory=list)
    admitted: int = 0
    done: int = 0
    cut_off: int = 0
    paused: int = 0


async def session(url: str, clips: list[Clip], until: float, seen: Seen) -> float | None:
    """Speaks until ``until``, then says stop. Answers None; of a session that was refused, when to come again."""
    began = time.perf_counter()
    async with connect(url, max_size=None, ping_interval=None) as socket:
        speaking = asyncio.create_task(speak(socket, clips, until))
        finished = admitted = False
        retry_after_s = UNTOLD_S
        try:
            async for message in socket:
                event = json.loads(message)
                if event["type"] == "ready":
                    admitted = True
                    seen.admitted += 1
                elif event["type"] == "final":
                    seen.final_lag_ms.append(event.get("lag_ms", 0))
                elif event["type"] == "partial":
                    seen.partial_lag_ms.append(event.get("lag_ms", 0))
                elif event["type"] == "warning" and event["code"] == "partials_paused":
                    seen.paused += 1
                elif event["type"] == "error":
                    seen.codes.add(event["code"])
                    if not admitted:
                        seen.refused_ms.append((time.perf_counter() - began) * 1000)
                        retry_after_s = event.get("retry_after_s", UNTOLD_S)
                elif event["type"] == "done":
                    finished = True
        except ConnectionClosed:
            pass
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
    seen.done += finished
    seen.cut_off += admitted and not finished
    return None if admitted else retry_after_s


async def speak(socket: Any, clips: list[Clip], until: float) -> None:
    silence = np.zeros(int(GAP_S * AUDIO_RATE_HZ), np.int16)
    began, sent = time.perf_counter(), 0
    while True:
        for clip in clips:
            audio = np.concatenate([clip.samples, silence])
            for at in range(0, len(audio), CHUNK):
                if time.perf_counter() > until:
                    await socket.send('{"type":"stop"}')
                    return
                await socket.send(audio[at : at + CHUNK].tobytes())
                sent += CHUNK
                await asyncio.sleep(max(0.0, began + sent / AUDIO_RATE_HZ - time.perf_counter()))


async def client(url: str, clips: list[Clip], number: int, until: float, seen: Seen) -> None:
    mine = clips[number % len(clips) :] + clips[: number % len(clips)]
    await asyncio.sleep(number * 0.01)
    while time.perf_counter() < until:
        retry_after_s = await session(url, mine, until, seen)
        if retry_after_s is None:
            return
        await asyncio.sleep(retry_after_s)


async def overload(url: str, clips: list[Clip], clients: int, seconds: float) -> dict[str, Any]:
    seen, after = Seen(), Seen()
    until = time.perf_counter() + seconds
    await asyncio.gather(*(client(url, clips, number, until, seen) for number in range(clients)))
    ended = time.perf_counter()
    await session(url, clips, ended + 20, after)
    return {
        "clients": clients,
        "seconds": seconds,
        "admitted": seen.admitted,
        "refusals": len(seen.refused_ms),
        "refused_with": sorted(seen.codes),
        "refused_after_ms": quantiles(seen.refused_ms),
        "admitted_that_ended_with_done": seen.done,
        "admitted_and_cut_off": seen.cut_off,
        "partials_paused": seen.paused,
        "final_lag_ms": quantiles(seen.final_lag_ms),
        "partial_lag_ms": quantiles(seen.partial_lag_ms),
        "stop_answered_after_s": round(ended - until, 2),
        "final_lag_ms_afterwards": quantiles(after.final_lag_ms),
        "partial_lag_ms_afterwards": quantiles(after.partial_lag_ms),
    }


def quantiles(values: list[float] | list[int]) -> dict[str, float]:
    if not values:
        return {}
    return {name: round(float(np.quantile(values, q)), 1) for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--clients", type=int, default=160)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--out")
    args = parser.parse_args()
    clips = utterances(corpus_folder(args.corpus), "en", 20)
    with running_suite(WHISPER_MODEL=args.model) as suite:
        url = f"{suite.stream_url}?sample_rate={AUDIO_RATE_HZ}&language=en"
        result = uvloop.run(overload(url, clips, args.clients, args.seconds))
    write_result(args.out, "overload", {"model": args.model, **result})


if __name__ == "__main__":
    main()
