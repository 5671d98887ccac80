"""Player of one session: sends recordings in real time, as a microphone would, and records the events."""

import asyncio
import base64
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import websockets
from websockets.asyncio.client import ClientConnection, connect

from stt_cli.bench.manifest import Utterance
from stt_cli.bench.packages import Normaliser
from stt_cli.bench.score import Played
from stt_cli.bench.screen import Screen
from stt_cli.bench.stability import StabilityWatch
from stt_cli.http.api_key import key_headers
from stt_cli.http.tls import client_tls
from stt_cli.live.sources import FILE_RATE
from stt_client.address import live_url

REFUSALS = frozenset({"at_capacity", "no_worker"})
"""Error codes of a suite that has no capacity for a session; other codes are failures."""
PAUSE_LEVEL = 3
"""Peak sample value in a pause, of 32768: a quiet room, not digital silence."""


@dataclass(frozen=True)
class Pace:
    """Playback settings shared by all sessions."""

    url: str
    query: dict[str, str]
    gap_s: float
    chunk_ms: int
    drain_s: float
    """Time limit for `done` after `stop`."""


@dataclass
class Session:
    """Outcome of one session. Times are monotonic seconds; ``latest_s`` is the player's own worst delay."""

    screen: Screen
    stability: StabilityWatch
    played: list[Played] = field(default_factory=list)
    final_lags_ms: list[int] = field(default_factory=list)
    finals: list[str] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    """Times from each speech start reported by the suite to the first text on the screen."""
    voice_s: float | None = None  # a speech start that has no text yet
    refused: str = ""
    errors: list[str] = field(default_factory=list)
    latest_s: float = 0.0
    stopped_s: float | None = None
    done_s: float | None = None

    @property
    def lag_s(self) -> float | None:
        """Seconds from `stop` to `done`; None if the session did not get that far."""
        return None if self.stopped_s is None or self.done_s is None else self.done_s - self.stopped_s

    def text_came(self, at_s: float) -> None:
        """Record that text appeared on the screen."""
        if self.voice_s is not None:
            self.waits_s.append(at_s - self.voice_s)
            self.voice_s = None


async def play(
    playlist: Sequence[Utterance], pace: Pace, index: int, start_at_s: float, normalise: Normaliser
) -> Session:
    """Play ``playlist``, starting at ``start_at_s`` (monotonic). Failures of the session are in its ``errors``."""
    session = Session(Screen(), StabilityWatch(normalise))
    await asyncio.sleep(max(0.0, start_at_s - time.monotonic()))
    try:
        async with connect(
            f"{live_url(pace.url)}?{urlencode(pace.query)}",
            compression=None,
            max_size=None,
            ping_interval=None,
            proxy=None,
            additional_headers=key_headers(),
            ssl=client_tls() if pace.url.startswith("https") else None,
        ) as socket:
            await _converse(socket, session, playlist, pace, index)
    except TimeoutError:
        session.errors.append(f"no `done` within {pace.drain_s:g} s")
    except websockets.ConnectionClosed as closed:
        if not session.errors and not session.refused:
            session.errors.append(f"closed: {closed}")
    except (OSError, websockets.InvalidHandshake) as error:
        session.errors.append(f"no connection: {error}")
    return session


async def _converse(
    socket: ClientConnection, session: Session, playlist: Sequence[Utterance], pace: Pace, index: int
) -> None:
    listening = asyncio.create_task(_listen(socket, session), name="bench listener")
    try:
        await _send(socket, session, playlist, pace, index)
        session.stopped_s = time.monotonic()
        async with asyncio.timeout(pace.drain_s):
            await listening
    except websockets.ConnectionClosed:
        # The listener has read the reason, if there was one.
        await listening
        raise
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _send(
    socket: ClientConnection, session: Session, playlist: Sequence[Utterance], pace: Pace, index: int
) -> None:
    noise = random.Random(index)  # noqa: S311 - a repeatable pause, no secret
    chunk_bytes = FILE_RATE * pace.chunk_ms // 1000 * 2
    began_s = time.monotonic()
    sent_s = 0.0
    for utterance in playlist:
        session.played.append(Played(began_s + sent_s, utterance))
        for chunk in _chunks(utterance.pcm + pause(pace.gap_s, noise), chunk_bytes):
            sent_s += len(chunk) / 2 / FILE_RATE
            # A chunk is complete only when its last sample has been spoken.
            wait_s = began_s + sent_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            session.latest_s = max(session.latest_s, time.monotonic() - began_s - sent_s)
            await socket.send(json.dumps({"type": "audio", "chunk": base64.b64encode(chunk).decode()}))
    await socket.send('{"type":"stop"}')


async def _listen(socket: ClientConnection, session: Session) -> None:
    """Receive events until `done`, or until the connection ends after an error that was reported."""
    try:
        async for message in socket:
            event: dict[str, Any] = json.loads(message)
            now_s = time.monotonic()
            match event.get("type"):
                case "speech_started":
                    session.voice_s = session.played[0].start_s + event["start_ms"] / 1000
                case "partial":
                    if event["text"]:
                        session.text_came(now_s)
                    session.screen.partial(now_s, event["text"])
                    session.stability.partial(event["utterance"], event["text"], event["stable"])
                case "final":
                    session.text_came(now_s)
                    session.screen.final(now_s, event["text"])
                    session.stability.final(event["utterance"], event["text"])
                    session.final_lags_ms.append(event["lag_ms"])
                    session.finals.append(event["text"])
                case "error" if event["code"] in REFUSALS and not session.screen.pictures:
                    session.refused = event["code"]
                case "error":
                    session.errors.append(f"{event['code']}: {event['message']}")
                case "gap":
                    session.errors.append(f"gap: {event['cause']}")
                case "done":
                    session.done_s = now_s
                    return
    except websockets.ConnectionClosedError:
        if not session.errors and not session.refused:
            raise


def _chunks(pcm: bytes, chunk_bytes: int) -> Iterator[bytes]:
    for start in range(0, len(pcm), chunk_bytes):
        yield pcm[start : start + chunk_bytes]


def pause(seconds: float, noise: random.Random) -> bytes:
    """Return near-silence, s16le at 16 kHz."""
    levels = [level.to_bytes(2, "little", signed=True) for level in range(-PAUSE_LEVEL, PAUSE_LEVEL + 1)]
    return b"".join(noise.choices(levels, k=round(seconds * FILE_RATE)))
