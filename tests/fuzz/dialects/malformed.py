"""Messages that resemble valid ones: JSON of the wrong shape, and frames of WebSockets that no client may send."""

import copy
import json
import random
import struct
from collections.abc import Collection, Mapping
from typing import Any

_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 2**63, 1e308, float("nan"), "", "\0", "a", "x" * 3000, "\ud800", "😀", "1"),
    *([], {}, [[]], {"a": 1}, ["a"] * 300, [None], {"": {}}),
)
_ODD_LETTERS = "\0\"'\\{}[],:a1é\u2028\ufeff\U0001f600"
_NO_JSON = ("", " ", "null", "1", '"text"', "[]", "{}", "[" * 2000, '{"type":' * 300, "NaN", "\ufeff{}", "{'type':1}")


def malformed(message: Mapping[str, Any], rng: random.Random) -> str:
    """Return text that resembles the message, and is now and then as valid."""
    if rng.random() < 0.1:
        return rng.choice(_NO_JSON)
    changed = json.loads(json.dumps(message))
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        _change(changed, rng)
    text = json.dumps(changed, ensure_ascii=rng.random() < 0.5 or _has_surrogate(changed))
    match rng.randrange(8):
        case 0:
            return text[: rng.randrange(len(text) + 1)]
        case 1:
            at = rng.randrange(len(text))
            return text[:at] + rng.choice(_ODD_LETTERS) + text[at + rng.randrange(2) :]
        case 2:
            return rng.choice((f"[{text}]", json.dumps(text), text * 2, text + ",", f" {text}\n", f"{text}\0"))
    return text


def _change(message: dict[str, Any], rng: random.Random) -> None:
    """Change one field, here or deeper."""
    if not message:
        return
    name = rng.choice(list(message))
    if isinstance(message[name], dict) and rng.random() < 0.7:
        _change(message[name], rng)
        return
    match rng.randrange(5):
        case 0:
            del message[name]
        case 1:
            message[rng.choice((name.upper(), name[:-1], f"{name}s", ""))] = message.pop(name)
        case 2:
            message[rng.choice(("x", "id", "event_id", "channel"))] = copy.deepcopy(rng.choice(_ODD_VALUES))
        case _:
            message[name] = copy.deepcopy(rng.choice(_ODD_VALUES))


def _has_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def is_readable(text: str, types: Collection[str]) -> bool:
    """Whether a text is a JSON object of one of these types, as any reader of JSON sees it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(kind := found.get("type"), str) and kind in types


def frames(rng: random.Random) -> list[bytes]:
    """Return frames that break the rules of WebSockets, among some that keep them."""
    return [_frame(rng) for _ in range(rng.randint(1, 12))]


def _frame(rng: random.Random) -> bytes:
    payload = rng.choice((b"", b"{}", b"\xff\xfe", rng.randbytes(rng.choice((1, 125, 126, 70_000))), b"\xed\xa0\x80"))
    opcode = rng.choice((0x0, 0x1, 0x1, 0x2, 0x3, 0x7, 0x8, 0x9, 0xA, 0xB, 0xF))
    first = opcode | rng.choice((0x80, 0x80, 0x80, 0x00, 0xC0, 0xF0))
    claimed = len(payload) if rng.random() < 0.8 else rng.choice((0, 5, 125, 2**16, 2**40, 2**63 + 1))
    mask = rng.randbytes(4) if rng.random() < 0.9 else b""
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload
    masked = 0x80 if mask else 0
    if claimed < 126 and rng.random() < 0.95:
        length = struct.pack("!B", masked | claimed)
    elif claimed < 1 << 16:
        length = struct.pack("!BH", masked | 126, claimed)
    else:
        length = struct.pack("!BQ", masked | 127, claimed)
    return bytes([first]) + length + mask + body
