"""Malformed messages of OpenAI's Realtime API: each has an ``error`` of OpenAI's form, and the connection goes on."""

import base64
import collections
import contextlib
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from support.process_suite import Suite

from fuzz.dialects.frame import Attack, Wrong
from fuzz.dialects.malformed import is_readable, malformed
from fuzz.dialects.sockets import break_rules, exchange
from fuzz.requests import random_query

MESSAGES = 200
_PATH = "/v1/realtime"
_QUERY = ("intent", "model", "conversation_id", "redact", "replacements", "speakers", "speaker", "store", "task", "x")
_INPUT = {
    "format": {"type": "audio/pcm", "rate": 24000},
    "transcription": {"model": "whisper-1", "language": "en", "prompt": "a", "keywords": ["a", "b"]},
    "turn_detection": {"type": "server_vad", "silence_duration_ms": 500, "threshold": 0.5},
    "noise_reduction": {"type": "near_field"},
}
_BETA = {"input_audio_format": "pcm16", "input_audio_transcription": {"language": "en"}, "turn_detection": None}
_VALID: tuple[dict[str, Any], ...] = (
    {"type": "input_audio_buffer.append", "audio": "AAAA", "event_id": "a"},
    {"type": "input_audio_buffer.commit", "event_id": "b"},
    {"type": "session.update", "session": {"type": "transcription", "audio": {"input": _INPUT}, "include": []}},
    {"type": "transcription_session.update", "session": _BETA, "event_id": "c"},
    {"type": "response.create", "response": {"modalities": ["text"]}},
)
_TYPES = frozenset(message["type"] for message in _VALID[:-1]) | {"input_audio_buffer.clear"}
_PROBE = "probe"
_ERROR_FIELDS = {"type", "code", "message", "param", "event_id"}


@contextlib.asynccontextmanager
async def openai_realtime(suite: Suite) -> AsyncIterator[Attack]:
    """Prepare the attack: a client secret that may be spoilt."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{suite.url}{_PATH}/client_secrets", json={"session": {"type": "transcription"}})
    secret: str = answer.json()["value"]

    async def attack(rng: random.Random) -> collections.Counter[str]:
        if rng.random() < 0.2:
            return await break_rules(suite.port, _PATH, rng)
        return await _talk(suite.url.replace("http", "ws", 1) + _PATH, secret, rng)

    yield attack


async def _talk(url: str, secret: str, rng: random.Random) -> collections.Counter[str]:
    audio = base64.b64encode(bytes(9600)).decode()
    opening = [json.dumps({"type": "input_audio_buffer.append", "audio": audio})] if rng.random() < 0.9 else []
    sent: list[str | bytes] = [_message(rng) for _ in range(MESSAGES)]
    probe = json.dumps({"type": _PROBE, "event_id": _PROBE})
    options: dict[str, Any] = {}
    if rng.random() < 0.2:
        at = rng.randrange(len(secret))
        options["subprotocols"] = ["realtime", f"openai-insecure-api-key.{secret[:at]}{rng.choice('a.-_~')}"]
    if rng.random() < 0.2:
        options["additional_headers"] = {"OpenAI-Beta": "realtime=v1"}
    query = random_query(rng, _QUERY) if rng.random() < 0.2 else "intent=transcription"
    answers = await exchange(f"{url}?{query}", [*opening, *sent, probe], _is_probe, **options)
    errors = [code for text in answers.texts if (code := _judged(text)) is not None]
    if answers.closed is not None:
        # An error that ends the connection, of the query or for want of audio, comes before the connection closes.
        if answers.closed not in (1008, 1009) or not errors:
            raise Wrong(f"closed {answers.closed} after {errors[-3:]}; query {query!r}")
        return collections.Counter(errors)
    must_fail = sum(isinstance(one, bytes) or not is_readable(one, _TYPES) for one in sent) + 1
    if not must_fail <= len(errors) <= len(sent) + 1:
        raise Wrong(f"{len(errors)} errors for {must_fail} messages that cannot be understood")
    return collections.Counter([*errors[:-1], *["taken"] * (MESSAGES + 1 - len(errors))])


def _message(rng: random.Random) -> str | bytes:
    if rng.random() < 0.05:
        return rng.randbytes(rng.choice((0, 1, 400)))
    # Few end a turn: those are read once a second.
    return malformed(rng.choice(_VALID), rng)


def _is_probe(text: str | bytes) -> bool:
    event = json.loads(text)
    return event["type"] == "error" and event["error"]["event_id"] == _PROBE


def _judged(text: str | bytes) -> str | None:
    """Return the code of an error, None for any other event. Raises Wrong for what has not OpenAI's form."""
    event = json.loads(text)
    if not isinstance(text, str) or not event.get("event_id") or not event.get("type"):
        raise Wrong(f"an event without its form: {text[:300]!r}")
    if event["type"] != "error":
        return None
    error = event["error"]
    if set(error) != _ERROR_FIELDS or error["type"] != "invalid_request_error" or not error["message"]:
        raise Wrong(f"an error without its form: {text[:300]!r}")
    return str(error["code"])
