"""Malformed messages to bridges in front of a suite: each connection ends, with an error that can be read if any."""

import asyncio
import collections
import contextlib
import io
import json
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

from support.process_suite import Suite

from fuzz.dialects.frame import Attack, Wrong
from stt_cli.bridge.audiosocket import AudioSocketCall
from stt_cli.bridge.suite import BridgedSuite
from stt_cli.bridge.tcp import TcpClient, TcpServer
from stt_cli.bridge.wyoming import FULL, WyomingConnection
from stt_cli.bridge.wyoming_wire import MAX_HEADER_BYTES
from stt_shared.contracts.errors import ERRORS

MESSAGES = 200
_ODD = (None, "", "x", -1, 0, 1.5, 2**53 + 1, True, [], {}, "\0", "x" * 3000, "é😀")
_KINDS = (
    "describe",
    "transcribe",
    "audio-start",
    "audio-chunk",
    "audio-chunk",
    "audio-stop",
    "ping",
    "detect",
    "",
    "\0",
)
_SPEECH = {"rate": 16000, "width": 2, "channels": 1}


@contextlib.asynccontextmanager
async def wyoming(suite: Suite) -> AsyncIterator[Attack]:
    """Prepare the attack: a bridge for Wyoming."""
    bridged = BridgedSuite(suite.url, {})
    async with _bridge(lambda client: WyomingConnection(client, bridged, "1.0").run(), _line, FULL) as attack:
        yield attack


@contextlib.asynccontextmanager
async def audiosocket(suite: Suite) -> AsyncIterator[Attack]:
    """Prepare the attack: a bridge for AudioSocket."""
    bridged = BridgedSuite(suite.url, {})
    async with _bridge(lambda client: AudioSocketCall(client, bridged).run(), _frame, b"", _id) as attack:
        yield attack


@contextlib.asynccontextmanager
async def _bridge(
    handle: Callable[[TcpClient], Awaitable[None]],
    message: Callable[[random.Random], bytes],
    refusal: bytes,
    opening: Callable[[random.Random], bytes] = lambda _: b"",
) -> AsyncIterator[Attack]:
    listener, stop, log = socket.create_server(("127.0.0.1", 0)), asyncio.Event(), io.StringIO()
    server = TcpServer(handle, refusal=refusal, max_clients=100, line_bytes=MAX_HEADER_BYTES)
    port = listener.getsockname()[1]

    async def attack(rng: random.Random) -> collections.Counter[str]:
        sent = [opening(rng) if rng.random() < 0.9 else b"", *(message(rng) for _ in range(rng.randint(1, MESSAGES)))]
        outcome = await _ended(port, [_torn(one, rng) if rng.random() < 0.005 else one for one in sent])
        if "Traceback" in log.getvalue():
            raise Wrong(log.getvalue()[-2000:])
        return collections.Counter({outcome: len(sent)})

    running = asyncio.create_task(server.run(listener, stop))
    try:
        # It says there what is wrong, a line for each connection.
        with contextlib.redirect_stderr(log):
            yield attack
    finally:
        stop.set()
        await running


async def _ended(port: int, messages: list[bytes]) -> str:
    """Send the messages and end this side; return how the bridge ended the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        with contextlib.suppress(OSError):
            writer.write(b"".join(messages))
            writer.write_eof()
        with contextlib.suppress(OSError):
            while piece := await reader.read(100_000):
                answer = (answer + piece)[-10_000:]
    finally:
        writer.close()
    return f"error {_code(answer)}" if b'"type":"error"' in answer else "ended"


def _code(answer: bytes) -> str:
    """Return the code of the error, which comes last. Raises Wrong for one that is none of the suite's."""
    try:
        body = json.loads(answer[answer.rindex(b"\n") + 1 :])
    except ValueError:
        raise Wrong(f"an error without its form: {answer[-300:]!r}") from None
    if body["code"] not in {*ERRORS, "over"} - {"internal"} or not body["text"]:
        raise Wrong(f"an error that may not be: {body}")
    return str(body["code"])


def _line(rng: random.Random) -> bytes:
    """Return a message of Wyoming, now and then with odd fields."""
    kind, data = rng.choice(_KINDS), rng.choice((_SPEECH, {"language": "en"}, {"text": rng.choice(_ODD)}, {}))
    if kind.startswith("audio"):
        data = _SPEECH
    if rng.random() < 0.005:
        data = {**_SPEECH, rng.choice(("rate", "width", "channels")): rng.choice(_ODD)}
    body, payload = json.dumps(data).encode(), rng.randbytes(rng.choice((0, 2, 1024)))
    head: dict[str, object] = {"type": kind, "data_length": len(body), "payload_length": len(payload)}
    if rng.random() < 0.005:
        head[rng.choice(tuple(head))] = rng.choice(_ODD)
    return json.dumps(head).encode() + b"\n" + body + payload


def _id(rng: random.Random) -> bytes:
    return struct.pack(">BH", 0x01, 16) + rng.randbytes(16)


def _frame(rng: random.Random) -> bytes:
    """Return a frame of AudioSocket, now and then of a kind that is none."""
    kind = rng.choice((0x10, 0x10, 0x10, 0x10, 0x03, 0xFF)) if rng.random() < 0.99 else rng.randrange(256)
    payload = rng.randbytes(rng.choice((0, 1, 160, 320, 321, 5000)))
    return struct.pack(">BH", kind, len(payload)) + payload


def _torn(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((0, 1, 9))) + data[at + rng.choice((0, 1, 3)) :]
