"""Reading of a live session's frames while Redis refuses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stt_audio.live.sessions import LiveSessions
from stt_shared.contracts.frames import Frame
from stt_shared.redis.outage import NotPermitted
from stt_shared.streams.keys import StreamKeys
from stt_shared.streams.ownership import Ownership, Standing

pytestmark = pytest.mark.unit


class RefusedReader:
    """A log that this user may not read, for a while; then one frame."""

    def __init__(self, refusals: int) -> None:
        self.attempts = 0
        self.position = 0
        self._refusals = refusals

    async def items(self) -> AsyncIterator[Any]:
        self.attempts += 1
        if self.attempts <= self._refusals:
            raise NotPermitted("NOPERM: this user has no permissions to run the 'xrange' command")
        yield "frame"


def frames_of(reader: RefusedReader) -> AsyncIterator[Frame]:
    async def progress(_: Ownership) -> SimpleNamespace:
        return SimpleNamespace(standing=Standing.OWNER, audio_seq=0, pcm_seq=0)

    bus: Any = SimpleNamespace(sessions=SimpleNamespace(progress=progress))
    sessions = LiveSessions(bus, cast(Any, None), 1, cast(Any, SimpleNamespace()))
    owner = Ownership(cast(StreamKeys, SimpleNamespace(id="s1")), "e1", "audio", 1)
    return sessions._frames(owner, cast(Any, reader), cast(Any, SimpleNamespace(seq=0)))


async def test_a_refusal_is_not_repeated_without_a_pause() -> None:
    reader = RefusedReader(10**9)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await anext(frames_of(reader))
    assert 2 <= reader.attempts <= 4


async def test_reading_continues_when_the_right_is_back() -> None:
    assert await anext(frames_of(RefusedReader(1))) == "frame"
