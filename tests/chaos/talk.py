"""One session of a client: sends oracle speech, keeps every event with its time, is counted at the end."""

import asyncio
import contextlib
import json
import random
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import websockets

import stt_client
from chaos.count import Count, count
from chaos.oracle import Speech, speech, word
from stt_shared.contracts.session import AUDIO_RATE_HZ

QUERY = "language=en&endpointing_ms=500"


@dataclass
class Talk:
    """A session in progress. ``pace``: times real time."""

    id: str
    speech: Speech
    direct_url: str
    """One gateway's own address."""
    front_url: str
    """The address before all gateways."""
    pace: float = 2.0
    chunk_ms: int = 100
    timeout_s: float = 120.0
    unread_s: float = 0.0
    """For how long it reads nothing at the beginning."""
    began: float = 0.0
    """When its first sample was due, monotonic seconds."""
    sent_ms: float = 0.0
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """Monotonic seconds of arrival, and the event."""
    cause: str = ""
    """Why it ended, if not with ``done``."""
    lost: list[str] = field(default_factory=list)
    """Why connections were lost."""
    refused: int = 0
    """Attempts to open it that were refused."""
    ended: bool = False
    session_id: str = ""
    """Name of its session; that of the talk, unless a dialect begins another one after a loss."""
    gone: set[int] = field(default_factory=set)
    """Words that nobody can expect, by their index: what a dialect cannot send again was in a gateway that died."""

    def __post_init__(self) -> None:
        self.session_id = self.session_id or self.id

    @property
    def duration_ms(self) -> float:
        return len(self.speech.samples) * 1000 / AUDIO_RATE_HZ

    @property
    def in_mid_speech(self) -> bool:
        """Audio has been sent, and more is to come."""
        return 0 < self.sent_ms < self.duration_ms - 1000 and not self.ended

    def chunks(self) -> list[bytes]:
        size = self.chunk_ms * AUDIO_RATE_HZ // 1000
        samples = self.speech.samples
        return [samples[at : at + size].tobytes() for at in range(0, len(samples), size)]

    def arrived(self, event: dict[str, Any]) -> None:
        self.events.append((time.monotonic(), event))

    def kind(self, name: str) -> list[dict[str, Any]]:
        """The events of one type."""
        return [event for _, event in self.events if event["type"] == name]

    def heard_after(self, number: int = 0, since: float = 0.0) -> float | None:
        """When the first partial or final came that has a higher event number, and not before ``since``."""
        for at, event in self.events:
            # Events of dialects have no numbers.
            if at >= since and event.get("event", number + 1) > number and event["type"] in ("partial", "final"):
                return at
        return None

    def story(self) -> str:
        """What was found, for whoever looks for the cause: the words of each final, from first to last."""
        finals = [
            f"{final['utterance']}:{final['words'][0]['word']}-{final['words'][-1]['word']}@{final['start_ms']}"
            if final["words"]
            else f"{final['utterance']}:empty"
            for final in self.kind("final")
        ]
        said = {spoken["word"] for final in self.kind("final") for spoken in final["words"]}
        missing = [word(index) for index in self.speech.starts_ms if word(index) not in said]
        return f"{self.counted().summary()}; missing {missing[:10]}; finals {' '.join(finals)}; lost {self.lost}"[:1500]

    def counted(self) -> Count:
        return count(self.speech, [event for _, event in self.events], cause=self.cause, gone=self.gone)


class Pace:
    """Waits until the next chunk is due; a wait elsewhere is made up for."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._began = talk.began = time.monotonic() - talk.sent_ms / 1000 / talk.pace

    async def next(self) -> None:
        """Call before each chunk."""
        due = self._began + self._talk.sent_ms / 1000 / self._talk.pace
        if (delay := due - time.monotonic()) > 0:
            await asyncio.sleep(delay)

    def sent(self) -> None:
        """Call after each chunk."""
        self._talk.sent_ms += self._talk.chunk_ms


Speak = Callable[[Talk], Awaitable[None]]
"""Carries out a talk; returns when the session is over, however it ended."""


async def speak_raw(talk: Talk) -> None:
    """A plain WebSocket client, which knows nothing of resuming."""
    await converse(talk, [*talk.chunks(), '{"type":"stop"}'])


async def speak_sdk(talk: Talk) -> None:
    """The product's client package, which resumes a session whose connection was lost."""
    parameters = {"endpointing_ms": "500"}
    try:
        async with (
            asyncio.timeout(talk.timeout_s),
            stt_client.connect(
                talk.front_url,
                language="en",
                session_id=talk.id,
                parameters=parameters,
                on_lost=talk.lost.append,
                # A session that is refused before it begins has lost nothing.
                open_patience_s=talk.timeout_s,
            ) as session,
        ):
            sending = asyncio.create_task(_send_sdk(session, talk))
            try:
                async for event in session:
                    talk.arrived(event)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
    except (stt_client.SessionError, TimeoutError) as error:
        talk.cause = f"error {error.code}" if isinstance(error, stt_client.SessionError) else "no done in time"
    talk.ended = True


async def _send_sdk(session: stt_client.LiveSession, talk: Talk) -> None:
    pace = Pace(talk)
    for chunk in talk.chunks():
        await pace.next()
        await session.send(chunk)
        pace.sent()
    await session.stop()


async def converse(talk: Talk, messages: list[bytes | str], *, query: str = "", unread_s: float = 0.0) -> None:
    """Sends messages at the talk's pace and listens until `done`; at the beginning it reads nothing for this long, and
    has hardly a buffer. A session that is refused before it began, and may be tried again, is."""
    url = f"{talk.direct_url}?session_id={talk.id}&{QUERY}{query}"
    options = small_buffers(url) if unread_s else {}
    try:
        async with asyncio.timeout(talk.timeout_s):
            while not await _attempt(talk, url, messages, unread_s, options):
                talk.refused += 1
                talk.events.clear()
                talk.sent_ms, talk.cause = 0.0, ""
                await asyncio.sleep(0.3)
    except (OSError, websockets.WebSocketException, TimeoutError) as error:
        talk.cause = talk.cause or type(error).__name__
    talk.ended = True


async def _attempt(talk: Talk, url: str, messages: list[bytes | str], unread_s: float, options: dict[str, Any]) -> bool:
    """False when the session never began and another attempt may help."""
    async with websockets.connect(url, max_size=None, ping_timeout=None, **options) as ws:
        sending = asyncio.create_task(_send(ws, talk, messages))
        try:
            await asyncio.sleep(unread_s)
            async for raw in ws:
                event = json.loads(raw)
                talk.arrived(event)
                if event["type"] == "error":
                    talk.cause = f"error {event['code']}"
                    return not event["retryable"] or bool(talk.kind("ready"))
                if event["type"] == "done":
                    return True
            talk.cause = f"closed {ws.close_code}"
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return True


async def _send(ws: websockets.ClientConnection, talk: Talk, messages: list[bytes | str]) -> None:
    pace = Pace(talk)
    with contextlib.suppress(websockets.ConnectionClosed):
        for message in messages:
            await pace.next()
            await ws.send(message)
            pace.sent()


def small_buffers(url: str) -> dict[str, Any]:
    """Options of a connection that soon pushes back when nobody reads."""
    address = urlsplit(url)
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect((address.hostname, address.port))
    small.setblocking(False)
    return {"sock": small, "max_queue": 1}


def random_speech(rng: random.Random, seconds: float) -> Speech:
    """About this long: utterances of 0.4 to 4 s, gaps of 0.7 to 1.4 s."""
    utterances, gaps, total_ms = [], [], 0
    while total_ms < seconds * 1000:
        utterances.append(rng.randint(4, 40))
        # Whole chunks: a wait of the client between two chunks never cuts a word.
        gaps.append(100 * rng.randint(7, 14))
        total_ms += utterances[-1] * 100 + gaps[-1]
    return speech(utterances, gaps)
