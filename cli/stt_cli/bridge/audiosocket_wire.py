"""AudioSocket on the wire: a kind, a length (big-endian), and as much payload."""

import struct
import uuid
from typing import NamedTuple

HEADER = struct.Struct(">BH")
HANGUP, UUID, DTMF, ERROR = 0x00, 0x01, 0x03, 0xFF
RATES_HZ = {
    0x10: 8000, 0x11: 12_000, 0x12: 16_000, 0x13: 24_000, 0x14: 32_000, 0x15: 44_100, 0x16: 48_000, 0x17: 96_000,
    0x18: 192_000,
}  # fmt: skip
"""Kinds of audio, all of them mono in s16le: `slin`, `slin12`, `slin16` … `slin192`."""


class WireError(Exception):
    """The client does not keep to its protocol; what follows cannot be read."""


class Frame(NamedTuple):
    """One frame of a client."""

    kind: int
    payload: bytes


def call_id(frame: Frame) -> str:
    """Return the id that the first frame gives the call. Raises WireError."""
    if frame.kind != UUID or len(frame.payload) != 16:
        found = f"{len(frame.payload)} of kind {frame.kind:#04x}"
        raise WireError(f"a call begins with its UUID, 16 bytes of kind 0x01, not with {found}")
    return str(uuid.UUID(bytes=frame.payload))


def rate_hz(frame: Frame) -> int | None:
    """Return the sample rate of audio, None for what is none and has no effect. Raises WireError."""
    if frame.kind in RATES_HZ:
        return RATES_HZ[frame.kind]
    if frame.kind in (UUID, DTMF, ERROR):
        return None
    raise WireError(f"a frame of kind {frame.kind:#04x}; known are hang-up, UUID, DTMF, error and audio in slin")
