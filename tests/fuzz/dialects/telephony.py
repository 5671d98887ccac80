"""Malformed messages of telephony: a call that is not understood ends with a close code and its reason."""

import base64
import collections
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable

import websockets
from support.process_suite import Suite
from support.telephony import CALL, CONNECTED, OPENINGS, STOP, STREAM, media, media_start, start

from fuzz.dialects.frame import HANG_S, Attack, Attacker, Wrong
from fuzz.dialects.malformed import malformed
from fuzz.dialects.sockets import break_rules
from stt_shared.contracts.errors import ERRORS

Message = str | bytes

MESSAGES = 200
_ASTERISK = (
    "MEDIA_XOFF",
    "MEDIA_XON",
    "DTMF_END digit:5",
    "STATUS queue_length:0",
    '{"event":"DTMF_END"}',
    "\0",
    "é" * 999,
)
_FORMATS = ("ulaw", "alaw", "slin", "slin16", "slin192", "opus", "", "x y")
_NATIVE = ({"type": "finalize"}, {"type": "configure", "keyterms": ["a"]}, {"conversation_id": "c"}, {"x": 1})
_REFUSALS = {kind.close_code for code, kind in ERRORS.items() if code != "internal"}


def telephony(path: str, message: Callable[[random.Random], Message]) -> Attacker:
    """Return the attacker of one address; ``message`` makes what its clients send after the beginning."""

    @contextlib.asynccontextmanager
    async def attacker(suite: Suite) -> AsyncIterator[Attack]:
        url = suite.url.replace("http", "ws", 1) + path

        async def attack(rng: random.Random) -> collections.Counter[str]:
            return await (break_rules(suite.port, path, rng) if rng.random() < 0.1 else _call(url, path, message, rng))

        yield attack

    return attacker


async def _call(
    url: str, path: str, message: Callable[[random.Random], Message], rng: random.Random
) -> collections.Counter[str]:
    # Each call has an id of its own, or it would be refused before anything is read.
    call = f"{rng.getrandbits(128):032x}"
    opening = OPENINGS[path] if rng.random() < 0.9 else []
    messages = [*opening, *(message(rng) for _ in range(rng.randint(1, MESSAGES)))]
    sent = 0
    try:
        async with websockets.connect(url, proxy=None, open_timeout=HANG_S, close_timeout=HANG_S) as ws:
            for one in messages:
                await ws.send(one.replace(CALL, call).replace(STREAM, call) if isinstance(one, str) else one)
                sent += 1
            await ws.close()
            code, reason = ws.close_code, ws.close_reason
    except websockets.ConnectionClosed as closed:
        if closed.rcvd is None:
            raise Wrong(f"cut without a close frame after {messages[sent - 1 : sent + 1]!r}") from None
        code, reason = closed.rcvd.code, closed.rcvd.reason
    if code != 1000 and not (code in _REFUSALS and (reason or path == "/v1/freeswitch")):
        raise Wrong(f"closed {code} {reason!r} after {messages[max(0, sent - 3) : sent + 1]!r}")
    return collections.Counter({f"closed {code}": sent})


def twilio_message(rng: random.Random) -> Message:
    """Return audio of a track or another event, now and then spoilt."""
    if rng.random() < 0.9:
        audio = rng.randbytes(rng.choice((0, 1, 160, 1600)))
        return media(rng.choice(("inbound", "outbound")), rng.randrange(60_000), audio)
    valid = rng.choice(
        (media("inbound", 20, b"\xff" * 160), start(), CONNECTED, STOP, '{"event":"mark","mark":{"name":"a"}}')
    )
    return malformed(json.loads(valid), rng)


def asterisk_message(rng: random.Random) -> Message:
    """Return audio or a control message, now and then a beginning where none may be."""
    match rng.randrange(20):
        case 0:
            return rng.choice(_ASTERISK)
        case 1 if rng.random() < 0.2:
            return media_start(rng.choice(_FORMATS), base64.b64encode(rng.randbytes(6)).decode())
    return rng.randbytes(rng.choice((0, 1, 160, 161, 4000)))


def freeswitch_message(rng: random.Random) -> Message:
    """Return audio, metadata or a message of the native protocol."""
    if rng.random() < 0.1:
        return malformed(rng.choice(_NATIVE), rng)
    return rng.randbytes(rng.choice((0, 1, 320, 321, 4000)))
