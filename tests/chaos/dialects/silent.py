"""Clients that are told nothing, Twilio and Asterisk, and the viewer of their conversation who reads their words."""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import websockets
from support import telephony

from chaos.dialects.base import REOPEN_S, Message, final_of
from chaos.talk import Talk
from stt_shared.contracts.session import AUDIO_RATE_HZ

_CLIP, _BIAS = 32_635, 132


class Twilio:
    """A call in mu-law; of 16 kHz, which the oracle's speech needs. It never sends audio twice."""

    settled_ms: float | None = None

    def __init__(self, talk: Talk, offset_ms: float) -> None:
        self.offset_ms = offset_ms
        self._conversation_id = talk.id
        self._sent_ms = 0

    def target(self, session_id: str) -> str:
        return f"/v1/twilio?session_id={session_id}"

    def opening(self) -> Sequence[Message]:
        custom = {"conversation_id": self._conversation_id, "language": "en"}
        format = {"encoding": "audio/x-mulaw", "sampleRate": AUDIO_RATE_HZ, "channels": 1}
        return [telephony.CONNECTED, telephony.start(custom, tracks=["inbound"], mediaFormat=format)]

    def audio(self, chunk: bytes) -> Message:
        at_ms = self._sent_ms
        self._sent_ms += len(chunk) * 1000 // (2 * AUDIO_RATE_HZ)
        return telephony.media("inbound", at_ms, mulaw(chunk))

    def ending(self) -> Sequence[Message]:
        return [telephony.STOP]

    def told(self, message: Message) -> Sequence[dict[str, Any]]:
        raise AssertionError(f"Twilio gets no messages, and got {message!r}")


class Asterisk:
    """A channel in the format slin16, which ends by closing. It never sends audio twice."""

    settled_ms: float | None = None

    def __init__(self, talk: Talk, offset_ms: float) -> None:
        self.offset_ms = offset_ms
        self._conversation_id = talk.id

    def target(self, session_id: str) -> str:
        return f"/v1/asterisk?session_id={session_id}&language=en&conversation_id={self._conversation_id}"

    def opening(self) -> Sequence[Message]:
        return [telephony.media_start("slin16")]

    def audio(self, chunk: bytes) -> Message:
        return chunk

    def ending(self) -> Sequence[Message]:
        return ()

    def told(self, message: Message) -> Sequence[dict[str, Any]]:
        raise AssertionError(f"Asterisk gets no messages, and got {message!r}")


async def view(talk: Talk) -> None:
    """Follow the talk's conversation at whatever gateway lives, for as long as somebody waits for it."""
    cursor, numbers = "", itertools.count(1)
    while True:
        await asyncio.sleep(REOPEN_S)
        query = f"?after={cursor}" if cursor else ""
        url = f"ws://{talk.front_url.split('/')[2]}/v1/stt/conversations/{talk.id}{query}"
        try:
            async with websockets.connect(url, ping_timeout=None, proxy=None) as ws:
                async for message in ws:
                    event = json.loads(message)
                    cursor = event.get("cursor", cursor)
                    if event["type"] == "utterance":
                        words = [{"word": word} for word in event["text"].split()]
                        talk.arrived(final_of(next(numbers), words))
        except (OSError, websockets.WebSocketException) as loss:
            talk.lost.append(f"viewer at {time.monotonic():.1f}: {type(loss).__name__}")


def mulaw(chunk: bytes) -> bytes:
    """Samples in s16le as mu-law (G.711)."""
    samples = np.frombuffer(chunk, "<i2").astype(np.int32)
    sign = np.where(samples < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(samples), _CLIP) + _BIAS
    exponent = np.log2(magnitude).astype(np.int32) - 7
    mantissa = magnitude >> (exponent + 3) & 0x0F
    return (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8).tobytes()
