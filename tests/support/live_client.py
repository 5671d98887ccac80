"""A plain WebSocket client for tests: sends chunks at a pace, collects every event until `done` or the close."""

import asyncio
import base64
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import websockets


@dataclass
class Received:
    """Events that a client received. ``close_code`` as the server sent it."""

    events: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def text(self) -> str:
        return " ".join(event["text"] for event in self.of("final"))

    @property
    def error_code(self) -> str | None:
        errors = self.of("error")
        return errors[-1]["code"] if errors else None


def words(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return re.findall(r"[\w']+", text.lower())


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def as_json(chunk: bytes, session_id: str | None = None) -> str:
    message = {"type": "audio", "chunk": base64.b64encode(chunk).decode()}
    return json.dumps(message | ({"session_id": session_id} if session_id else {}))


async def talk(
    url: str,
    messages: Iterable[bytes | str],
    *,
    every_s: float = 0.0,
    then: Sequence[str] = ('{"type":"stop"}',),
    until: str = "done",
    timeout_s: float = 60.0,
) -> Received:
    """Sends ``messages`` one each ``every_s`` seconds, then ``then``; listens until an event ``until`` or the close."""
    received = Received()
    async with asyncio.timeout(timeout_s), websockets.connect(url, max_size=None) as ws:

        async def send() -> None:
            began = time.monotonic()
            for number, message in enumerate(messages):
                delay = began + number * every_s - time.monotonic()
                if delay > 0:
                    await asyncio.sleep(delay)
                await ws.send(message)
            for message in then:
                await ws.send(message)

        sending = asyncio.create_task(send())
        try:
            async for raw in ws:
                event = json.loads(raw)
                received.events.append(event)
                if event["type"] == until:
                    break
        except websockets.ConnectionClosedError:
            pass  # the code is what the test looks at
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    received.close_code = ws.close_code
    return received
