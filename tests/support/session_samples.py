"""A session for tests of its streams, and what is written to it."""

from stt_shared.contracts.events import Final, Partial
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import session_keys
from stt_shared.streams.sessions import Ownership

AT = session_keys("s1")
STAMP = "2026-01-01T00:00:00.000Z"


async def opened(bus: Bus, epoch: str = "e1") -> Ownership:
    await bus.sessions.open(AT, epoch, encode_json(SessionConfig()), 0, keys.SESSION_TTL_S)
    return Ownership(AT, epoch)


def frame(seq: int, data: bytes = b"\x01\x02") -> Frame:
    return Frame(seq, FrameKind.AUDIO, data, FrameMeta(received_ms=1.0))


def final(utterance: int) -> Final:
    return Final(
        session_id="s1",
        text=f"text {utterance}",
        confidence=0.9,
        timestamp=STAMP,
        utterance=utterance,
        start_ms=0,
        end_ms=1,
        language="en",
        words=[],
    )


def partial(text: str) -> Partial:
    return Partial(
        session_id="s1",
        text=text,
        new_text=text,
        stable="",
        unstable=text,
        confidence=0.5,
        timestamp=STAMP,
        utterance=1,
        start_ms=0,
        end_ms=1,
        lag_ms=0,
    )
