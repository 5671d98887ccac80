"""Malformed messages of Deepgram's WebSocket API: each has an ``Error``, and a hundred do no harm to the session."""

import collections
import contextlib
import json
import random
from collections.abc import AsyncIterator
from typing import Any

from support.process_suite import Suite

from fuzz.dialects.frame import Attack, Wrong
from fuzz.dialects.malformed import is_readable, malformed
from fuzz.dialects.sockets import Answers, break_rules, exchange
from fuzz.mutate import mutated
from fuzz.recordings import recordings
from fuzz.requests import random_query

MESSAGES = 100
_PATH = "/v1/listen"
_QUERY = (
    *("model", "language", "encoding", "sample_rate", "channels", "multichannel", "interim_results", "endpointing"),
    *("utterance_end_ms", "vad_events", "keyterm", "replace", "redact", "callback", "diarize", "alternatives", "x"),
)
_SAMPLES = "encoding=linear16&sample_rate=16000"
_VALID: tuple[dict[str, Any], ...] = (
    {"type": "KeepAlive"},
    {"type": "Finalize", "channel": 0},
    {"type": "Configure", "keyterms": ["a", "b"], "features": {"a": True}},
    {"type": "Flush"},
)
_TYPES = frozenset(("KeepAlive", "Finalize", "Configure", "CloseStream"))
_TOLD = frozenset(
    ("Results", "Metadata", "SpeechStarted", "UtteranceEnd", "ConfigureSuccess", "ConfigureFailure", "Error")
)
_ERROR_FIELDS = {"type", "variant", "description", "message", "request_id"}


@contextlib.asynccontextmanager
async def deepgram(suite: Suite) -> AsyncIterator[Attack]:
    """Prepare the attack: recordings that may be spoilt."""
    seeds = list(recordings(0.3).values())

    async def attack(rng: random.Random) -> collections.Counter[str]:
        if rng.random() < 0.1:
            return await break_rules(suite.port, _PATH, rng)
        url = suite.url.replace("http", "ws", 1) + _PATH
        match rng.randrange(6):
            case 0:
                return await _ask(url, random_query(rng, _QUERY))
            case 1:
                return await _play(url, mutated(rng.choice(seeds), seeds, rng), rng)
            case _:
                return await _talk(url, rng)

    yield attack


async def _ask(url: str, query: str) -> collections.Counter[str]:
    """Open a session with this query, and close it."""
    answers = await exchange(f"{url}?{query}", ['{"type":"CloseStream"}'], _is_never_last)
    errors = _errors(answers)
    _check_end(answers, errors, query)
    return collections.Counter([f"query, {errors[-1] if errors else 'taken'}"])


async def _play(url: str, data: bytes, rng: random.Random) -> collections.Counter[str]:
    """Send a file that may not be one."""
    pieces = [data[at : at + 400] for at in range(0, len(data), 400)]
    answers = await exchange(f"{url}?language=en", [*pieces, '{"type":"CloseStream"}'], _is_never_last)
    errors = _errors(answers)
    _check_end(answers, errors, "a file")
    return collections.Counter({f"file, {errors[-1] if errors else 'taken'}": len(pieces)})


async def _talk(url: str, rng: random.Random) -> collections.Counter[str]:
    sent: list[str | bytes] = [_message(rng) for _ in range(MESSAGES)]
    answers = await exchange(f"{url}?{_SAMPLES}", [*sent, '{"type":"CloseStream"}'], _is_never_last)
    errors = _errors(answers)
    _check_end(answers, errors, "messages")
    must_fail = sum(isinstance(one, str) and not is_readable(one, _TYPES) for one in sent)
    is_early = any(message in (b"", '{"type":"CloseStream"}') for message in sent)
    if len(errors) > MESSAGES or (len(errors) < must_fail and not is_early):
        raise Wrong(f"{len(errors)} errors for {must_fail} messages that cannot be understood")
    return collections.Counter([*errors, *["taken"] * (MESSAGES - len(errors))])


def _message(rng: random.Random) -> str | bytes:
    if rng.random() < 0.1:
        return rng.randbytes(rng.choice((1, 3, 640)))
    return malformed(rng.choice(_VALID[::3] if rng.random() < 0.9 else _VALID), rng)


def _is_never_last(text: str | bytes) -> bool:
    return False


def _errors(answers: Answers) -> list[str]:
    """Return the variants of the errors. Raises Wrong for what has not Deepgram's form."""
    variants = []
    for text in answers.texts:
        event = json.loads(text)
        if not isinstance(text, str) or event.get("type") not in _TOLD:
            raise Wrong(f"a message without its form: {text[:300]!r}")
        if event["type"] == "Error":
            if set(event) != _ERROR_FIELDS or not event["variant"] or not event["description"]:
                raise Wrong(f"an error without its form: {text[:300]!r}")
            variants.append(event["variant"])
    return variants


def _check_end(answers: Answers, errors: list[str], what: str) -> None:
    """Check that the end is the whole, or an error with its reason."""
    is_whole = answers.closed == 1000 and json.loads(answers.texts[-1])["type"] == "Metadata"
    if not is_whole and not (answers.closed == 1008 and answers.reason and errors):
        raise Wrong(f"{what}: closed {answers.closed} {answers.reason!r} after {answers.texts[-2:]!r}")
