"""One session of a client of another protocol: its audio, what it hears, and how it goes on when its gateway dies."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import websockets

from chaos.talk import Pace, Speak, Talk, small_buffers
from stt_shared.contracts.session import AUDIO_RATE_HZ

LATE_S = 20.0
"""Time in which the last words must come."""
REOPEN_S = 0.2
CONNECTION_LOST = 1006

Message = str | bytes


class Client(Protocol):
    """One connection of a client, whose audio begins at ``offset_ms`` of the talk's."""

    offset_ms: float

    def target(self, session_id: str) -> str:
        """Path and query of its address."""

    def opening(self) -> Sequence[Message]:
        """Messages before the audio."""

    def audio(self, chunk: bytes) -> Message:
        """The message for a chunk of the next samples, s16le."""

    def ending(self) -> Sequence[Message]:
        """Messages after the audio; when they are sent and the client is never told, it closes."""

    def told(self, message: Message) -> Sequence[dict[str, Any]]:
        """The events that follow from a message, in native form: ``final``, ``done``, ``error``."""

    settled_ms: float | None
    """From where the audio must be sent again after a loss; None if this client never sends audio twice."""


Make = Callable[[Talk, float], Client]


def speaker(make: Make, watch: Callable[[Talk], Awaitable[None]] | None = None) -> Speak:
    """Make what holds a talk with a client of ``make``, which gets the talk and the offset of its audio.

    A connection that is lost is followed by another client. ``watch``: adds what others read of the talk, where its
    own client gets no messages.
    """

    async def speak(talk: Talk) -> None:
        watching = asyncio.create_task(watch(talk)) if watch is not None else None
        try:
            async with asyncio.timeout(talk.timeout_s):
                await _speak(talk, make, is_told=watching is None)
                if watching is not None:
                    async with asyncio.timeout(LATE_S):
                        while talk.counted().lost:
                            await asyncio.sleep(0.05)
                    talk.arrived({"type": "done"})
        except TimeoutError:
            talk.cause = talk.cause or "no done in time"
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            talk.ended = True

    return speak


async def _speak(talk: Talk, make: Make, *, is_told: bool) -> None:
    client = make(talk, 0.0)
    for attempt in range(1, 1000):
        url = f"ws://{talk.front_url.split('/')[2]}{client.target(talk.session_id)}"
        try:
            slow = small_buffers(url) if talk.unread_s else {}
            async with websockets.connect(url, max_size=None, ping_timeout=None, proxy=None, **slow) as ws:
                await _converse(ws, talk, client, is_told=is_told)
            return
        except (OSError, websockets.WebSocketException) as loss:
            talk.lost.append(f"{type(loss).__name__}: {loss}"[:100])
        if talk.cause:
            return
        await asyncio.sleep(REOPEN_S)
        # An id may not be used again while its session may still be resumed, which these clients cannot do.
        talk.session_id = f"{talk.id}.{attempt}"
        if client.settled_ms is None:
            _forgive(talk)
        else:
            talk.sent_ms = client.settled_ms
        client = make(talk, talk.sent_ms)


def _forgive(talk: Talk) -> None:
    """Expect no word of the utterance that was under way in the gateway that died."""
    told = {spoken["word"] for final in talk.kind("final") for spoken in final["words"]}
    heard = [start for index, start in talk.speech.starts_ms.items() if f"w{index:06d}" in told]
    last_ms = max(heard, default=-1)
    talk.gone |= {index for index, start in talk.speech.starts_ms.items() if last_ms < start < talk.sent_ms}


async def _converse(ws: websockets.ClientConnection, talk: Talk, client: Client, *, is_told: bool) -> None:
    sending = asyncio.create_task(_send(ws, talk, client))
    try:
        if not is_told:
            listening = asyncio.create_task(_listen(ws, client))
            await sending
            await ws.close()
            await listening
            if ws.close_code == CONNECTION_LOST:
                raise OSError("lost at the end")
            return
        await asyncio.sleep(talk.unread_s)
        async for message in ws:
            for event in client.told(message):
                if event["type"] == "error":
                    talk.cause = f"error {event['code']}"
                talk.arrived(event)
                if event["type"] in ("done", "error"):
                    return
        raise OSError("closed before the end")
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _listen(ws: websockets.ClientConnection, client: Client) -> None:
    """Read what is sent all the same: unread, it would hold up the close."""
    with contextlib.suppress(websockets.ConnectionClosed):
        async for message in ws:
            client.told(message)


async def _send(ws: websockets.ClientConnection, talk: Talk, client: Client) -> None:
    for message in client.opening():
        await ws.send(message)
    pace = Pace(talk)
    samples = talk.speech.samples
    step = talk.chunk_ms * AUDIO_RATE_HZ // 1000
    with contextlib.suppress(websockets.ConnectionClosed):
        for at in range(int(talk.sent_ms * AUDIO_RATE_HZ / 1000), len(samples), step):
            await pace.next()
            await ws.send(client.audio(samples[at : at + step].tobytes()))
            pace.sent()
        for message in client.ending():
            await ws.send(message)
        return
    await ws.wait_closed()
    raise OSError("the connection was lost")


def final_of(number: int, words: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The event for a text; ``words`` have their times or not."""
    return {"type": "final", "utterance": number, "words": list(words)}
