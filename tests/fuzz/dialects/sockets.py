"""Connections over WebSocket that send much, and read all that comes."""

import asyncio
import collections
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import websockets

from fuzz.dialects.frame import HANG_S, Wrong
from fuzz.dialects.malformed import frames

_HANDSHAKE = (
    "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_ALLOWED_CLOSES = frozenset((1000, 1002, 1007, 1008, 1009))
"""Of a server whose client breaks the rules: never that it met what it did not expect (1011)."""


@dataclass(frozen=True)
class Answers:
    """``texts``: what came, in its order. ``closed``: the server's close code, None if it left it to the client."""

    texts: Sequence[str | bytes]
    closed: int | None
    reason: str


async def exchange(
    url: str, messages: Sequence[str | bytes], is_last: Callable[[str | bytes], bool], **options: Any
) -> Answers:
    """Send the messages, and read up to the last answer or the server's close."""
    texts: list[str | bytes] = []
    async with websockets.connect(
        url, proxy=None, open_timeout=HANG_S, max_size=None, ping_timeout=None, **options
    ) as ws:

        async def send() -> None:
            with contextlib.suppress(websockets.ConnectionClosed):
                for message in messages:
                    await ws.send(message)

        sending = asyncio.create_task(send())
        try:
            async for text in ws:
                texts.append(text)
                if is_last(text):
                    return Answers(texts, None, "")
        except websockets.ConnectionClosedError as closed:
            if closed.rcvd is None:
                raise Wrong(f"cut without a close frame after {texts[-1:]}") from None
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return Answers(texts, ws.close_code, ws.close_reason or "")


async def break_rules(port: int, target: str, rng: random.Random) -> collections.Counter[str]:
    """Send frames that no client may send, and close one side; the server must close the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = frames(rng)
    try:
        writer.write(_HANDSHAKE.format(target=target, port=port).encode())
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(OSError):
            writer.write(b"".join(sent))
            writer.write_eof()
        answer = await _read_all(reader)
    finally:
        writer.close()
    code = _close_code(answer)
    if code is not None and code not in _ALLOWED_CLOSES:
        raise Wrong(f"close code {code} for the frames {[frame[:16].hex() for frame in sent]}")
    return collections.Counter({f"frame, closed {code or 'without a code'}": len(sent)})


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    answer = b""
    with contextlib.suppress(OSError):
        while piece := await reader.read(100_000):
            answer += piece
    return answer


def _close_code(answer: bytes) -> int | None:
    """Return the code of the close frame, which is the last; the server's frames have no mask."""
    at, code = 0, None
    while at + 2 <= len(answer):
        kind, length, begin = answer[at] & 0xF, answer[at + 1], at + 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length, begin = int.from_bytes(answer[begin : begin + size]), begin + size
        if kind == 8 and length >= 2:
            code = int.from_bytes(answer[begin : begin + 2])
        at = begin + length
    return code
