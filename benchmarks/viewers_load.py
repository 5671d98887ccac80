"""The two sides of viewers.py, each in a process of its own: those who speak, and those who only follow.

Both read phases from stdin, a name a line, and print one line of JSON about all of them when stdin ends. A speaker's
latency is that of pipeline_load.py: from `finalize` in mid-speech to the `final` that answers it, which is also what
every viewer gets at that moment.
"""

import argparse
import asyncio
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pipeline_load
import uvloop
from pipeline_load import STOP, Client, encoded, send

CHUNK_MS = 20
SETTLE_S = 2.0
"""Time after the beginning of a phase in which nothing counts yet."""
pipeline_load.PROBE_EVERY_S = (0.4, 0.7)


class Phases:
    """Which phase it is, and since when."""

    def __init__(self) -> None:
        self.name = ""
        self.over = asyncio.Event()
        self._since_s = 0.0
        loop = asyncio.get_running_loop()

        def read() -> None:
            for line in sys.stdin:
                loop.call_soon_threadsafe(self._begin, line.strip())
            loop.call_soon_threadsafe(self.over.set)

        threading.Thread(target=read, daemon=True).start()

    def _begin(self, name: str) -> None:
        self.name, self._since_s = name, time.perf_counter()

    @property
    def counts(self) -> bool:
        return time.perf_counter() - self._since_s > SETTLE_S


def spread(values: list[float]) -> dict[str, float]:
    """Of milliseconds."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)

    return (
        {"n": len(ordered), **{f"p{share}": at(share / 100) for share in (50, 90, 99)}, "max": at(1)} if values else {}
    )


class Speaker(Client):
    """A session of the conversation."""

    def target(self) -> str:
        return super().target() + f"&conversation_id=bench&speaker=S{self._number}"


class Follower(Client):
    """A viewer. ``heard`` gets every message."""

    def __init__(self, number: int, host: str, heard: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(number, host)
        self._tell = heard

    def target(self) -> str:
        return "/v1/stt/conversations/bench?since_ms=0&unsettled=true"

    def _heard(self, event: dict[str, Any]) -> None:
        if event["type"] == "following":
            self.ready.set_result(None)
        self._tell(event)


async def speak(port: int, count: int, frames: list[bytes]) -> dict[str, Any]:
    phases = Phases()
    speakers: list[Client] = []
    latencies: dict[str, list[float]] = defaultdict(list)
    loop = asyncio.get_running_loop()
    for number in range(count):
        _, made = await loop.create_connection(partial(Speaker, number, f"127.0.0.1:{port}"), "127.0.0.1", port)
        await asyncio.wait_for(made.ready, 10)
        speakers.append(made)
    print("ready", flush=True)
    sending = [
        asyncio.create_task(send(one, frames, number * len(frames) // count, CHUNK_MS, True, phases.over))
        for number, one in enumerate(speakers)
    ]
    while not phases.over.is_set():
        await asyncio.sleep(0.05)
        for one in speakers:
            one.measuring = bool(phases.name) and phases.counts
            latencies[phases.name] += one.latencies_ms
            one.latencies_ms.clear()
    await asyncio.gather(*sending)
    for one in speakers:
        one.transport.write(STOP)
    await asyncio.wait_for(asyncio.gather(*(one.done for one in speakers)), 30)
    return {name: spread(found) for name, found in latencies.items() if name}


async def follow(port: int, count: int) -> dict[str, Any]:
    phases = Phases()
    kinds: dict[str, int] = defaultdict(int)
    arrivals: dict[int, list[float]] = defaultdict(list)

    def heard(message: dict[str, Any]) -> None:
        kinds[message["type"]] += 1
        if message["type"] == "utterance":
            arrivals[message["seq"]].append(time.perf_counter())

    loop = asyncio.get_running_loop()
    viewers: list[Client] = []
    for number in range(count):
        _, made = await loop.create_connection(partial(Follower, number, f"127.0.0.1:{port}", heard), "127.0.0.1", port)
        await asyncio.wait_for(made.ready, 10)
        viewers.append(made)
    print("ready", flush=True)
    await phases.over.wait()
    complete = [times for times in arrivals.values() if len(times) == count]
    for one in viewers:
        one.done.cancel()
        one.transport.abort()
    return {
        "messages": dict(kinds),
        "utterances_seen_by_all": len(complete),
        "utterances": len(arrivals),
        "first_to_last_viewer_ms": spread([1000 * (max(times) - min(times)) for times in complete]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=("speak", "follow"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--pcm", type=Path, help="s16le, 16 kHz mono")
    args = parser.parse_args()
    if args.role == "speak":
        figures = uvloop.run(speak(args.port, args.count, encoded(args.pcm.read_bytes(), CHUNK_MS, "binary")))
    else:
        figures = uvloop.run(follow(args.port, args.count))
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
