"""The load of suite.py, in a process of its own: many sessions that send small frames at their pace, at little cost.

Frames are encoded before the first is due, and go to the socket as bytes: this process must not disturb what it
measures. It prints `begin` and `end` around the steady stretch, then one line of JSON.

A probe is a `finalize` in mid-speech. The `final` that answers it waits for nothing that is inherent: finalize flushes
what the gateway was joining, closes the utterance without an endpoint, and the instant engine takes no time. So the
time from handing `finalize` to the socket to the `final` is the pipeline's own latency, there and back.
"""

import argparse
import asyncio
import base64
import json
import os
import random
import statistics
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvloop

SAMPLE_BYTES_PER_MS = 32
TEXT, BINARY, CLOSE = 1, 2, 8
WARM_UP_S = 3.0
PROBE_EVERY_S = (1.5, 2.5)
RAMP_S = 0.02
API_KEY = os.environ.get("STT_API_KEY", "")
CREDENTIAL = f"Authorization: Bearer {API_KEY}\r\n" if API_KEY else ""


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A whole WebSocket message. The mask is zero, which costs the server the same and this side nothing."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size)) + bytes(4) + payload
    return bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big") + bytes(4) + payload


def encoded(pcm: bytes, chunk_ms: int, framing: str) -> list[bytes]:
    """Every chunk of a recording as the bytes that go to the socket."""
    size = SAMPLE_BYTES_PER_MS * chunk_ms
    chunks = [pcm[start : start + size] for start in range(0, len(pcm) - size + 1, size)]
    if framing == "binary":
        return [client_frame(BINARY, chunk) for chunk in chunks]
    return [
        client_frame(TEXT, json.dumps({"type": "audio", "chunk": base64.b64encode(chunk).decode()}).encode())
        for chunk in chunks
    ]


FINALIZE = client_frame(TEXT, b'{"type":"finalize"}')
STOP = client_frame(TEXT, b'{"type":"stop"}')


class Client(asyncio.Protocol):
    """One session."""

    def __init__(self, number: int, host: str) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.latencies_ms: list[float] = []
        self.unanswered = 0
        self.measuring = False
        self.latest_ms = 0.0
        self._number = number
        self._host = host
        self._buffer = bytearray()
        self._upgraded = False
        self._probed_s: float | None = None

    def target(self) -> str:
        """What is asked for."""
        return f"/v1/stt/stream?session_id=load-{os.getpid()}-{self._number}&language=en&endpointing_ms=5000"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {self.target()} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"{CREDENTIAL}\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head.partition(b"\r\n")[0], head
            self._upgraded = True
            self._buffer = bytearray(rest)
        while (message := self._next_message()) is not None:
            opcode, payload = message
            if opcode == TEXT:
                self._heard(json.loads(payload))

    def connection_lost(self, error: Exception | None) -> None:
        for waiting in (self.ready, self.done):
            if not waiting.done():
                waiting.set_exception(error or ConnectionError("closed by the server"))

    def probe(self) -> None:
        if self._probed_s is not None and self.measuring:
            self.unanswered += 1
        self._probed_s = time.perf_counter()
        self.transport.write(FINALIZE)

    def _next_message(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1], 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < max(start, start + size):
            return None
        message = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return message

    def _heard(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "final" if self._probed_s is not None:
                if self.measuring:
                    self.latencies_ms.append((time.perf_counter() - self._probed_s) * 1000)
                self._probed_s = None
            case "ready":
                self.ready.set_result(None)
            case "error":
                raise RuntimeError(event)
            case "done":
                self.done.set_result(event)


async def send(
    client: Client, frames: list[bytes], first: int, chunk_ms: int, probes: bool, over: asyncio.Event
) -> None:
    """One chunk every ``chunk_ms``, and now and then a probe, until ``over``."""
    chance = random.Random(first)
    began = time.perf_counter()
    number = 0
    probe_due = began + chance.uniform(*PROBE_EVERY_S)
    while not over.is_set():
        number += 1
        due = began + number * chunk_ms / 1000
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        now = time.perf_counter()
        if client.measuring:
            client.latest_ms = max(client.latest_ms, (now - due) * 1000)
        client.transport.write(frames[(first + number) % len(frames)])
        if probes and now >= probe_due:
            probe_due = now + chance.uniform(*PROBE_EVERY_S)
            client.probe()


def merged(timings: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """What `done` said of each stage, over all sessions: mean weighted by passages, and the longest."""
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    for session in timings:
        for stage, timing in session.items():
            rows[stage].append(timing)
    return {
        stage: {
            "mean": round(
                sum(row["count"] * row["mean"] for row in found) / max(1, sum(row["count"] for row in found)), 3
            ),
            "max": round(max(row["max"] for row in found), 3),
        }
        for stage, found in rows.items()
    }


async def run(args: argparse.Namespace, frames: list[bytes]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    clients: list[Client] = []
    sending: list[asyncio.Task[None]] = []
    for number in range(args.sessions):
        _, client = await loop.create_connection(
            partial(Client, number, f"127.0.0.1:{args.port}"), "127.0.0.1", args.port
        )
        clients.append(client)
        await asyncio.wait_for(client.ready, 10)
        if args.mode != "idle":
            first = number * len(frames) // args.sessions
            task = send(client, frames, first, args.chunk_ms, args.mode == "speaking", over)
            sending.append(asyncio.create_task(task))
        await asyncio.sleep(RAMP_S)
    await asyncio.sleep(WARM_UP_S)
    for client in clients:
        client.measuring = True
    own_cpu = time.process_time()
    print("begin", flush=True)
    await asyncio.sleep(args.seconds)
    print("end", flush=True)
    own_cpu = time.process_time() - own_cpu
    for client in clients:
        client.measuring = False
    over.set()
    await asyncio.gather(*sending)
    for client in clients:
        client.transport.write(STOP)
    done = await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), 30)
    latencies = sorted(latency for client in clients for latency in client.latencies_ms)
    result: dict[str, Any] = {
        "load_cpu_percent": round(100 * own_cpu / args.seconds, 1),
        "load_latest_ms": round(max(client.latest_ms for client in clients), 1),
        "stages_ms": merged([event["timings_ms"] for event in done]),
    }
    if latencies:
        result["added_latency_ms"] = {
            "n": len(latencies),
            "p50": round(latencies[len(latencies) // 2], 2),
            "p99": round(latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)], 2),
            "mean": round(statistics.fmean(latencies), 2),
            "max": round(latencies[-1], 2),
        }
        result["probes_unanswered"] = sum(client.unanswered for client in clients)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pcm", required=True, help="s16le, 16 kHz mono")
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--mode", choices=("speaking", "silent", "idle"), required=True)
    parser.add_argument("--framing", choices=("binary", "json"), required=True)
    parser.add_argument("--chunk-ms", type=int, required=True)
    args = parser.parse_args()
    frames = encoded(Path(args.pcm).read_bytes(), args.chunk_ms, args.framing)
    print(json.dumps(uvloop.run(run(args, frames))), flush=True)


if __name__ == "__main__":
    main()
