"""Mutations of valid data: what a broken disk, a bad writer or an attacker makes of it."""

import random
from collections.abc import Sequence

_NUMBERS = (
    *(bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\x00\x00\x00", b"\x00\x00\x00\x80"),
    *(b"\x00\x00\x00\x01", b"\x01\x00\x00\x00", b"\x00\x10\x00\x00", b"\x00\x00\x10\x00", b"\x3f\xff\xff\xf0"),
    *(b"\xff\xff", b"\x00\x00", b"\xff" * 8, b"\x7f" + b"\xff" * 7, bytes(8)),
)
_KEPT_BYTES = 12
"""Length of the beginning by which a container is recognised."""


def mutated(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Change one to twelve places, mostly in the head; the beginning is kept most of the time, or no decoder starts."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6, 12))):
        _change(changed, others, rng)
    if rng.random() < 0.9:
        changed[:_KEPT_BYTES] = data[:_KEPT_BYTES]
    return bytes(changed)


def _change(data: bytearray, others: Sequence[bytes], rng: random.Random) -> None:
    if not data:
        return
    at = rng.randrange(min(len(data), rng.choice((64, 256, 1024, len(data)))))
    match rng.randrange(9):
        case 0:
            data[at] = rng.randrange(256)
        case 1:
            data[at] ^= 1 << rng.randrange(8)
        case 2 | 3:
            number = rng.choice(_NUMBERS)
            data[at : at + len(number)] = number
        case 4:
            del data[at : at + rng.choice((1, 4, 16, 200))]
        case 5:
            data[at:at] = rng.randbytes(rng.choice((1, 4, 32, 300)))
        case 6:
            data[at:at] = data[at : at + rng.choice((8, 64, 512))]
        case 7:
            del data[rng.randrange(len(data)) :]
        case 8:
            other = rng.choice(others)
            begin = rng.randrange(len(other))
            data[at:at] = other[begin : begin + rng.choice((16, 256, 4096))]
