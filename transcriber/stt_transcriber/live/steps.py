"""Steps of a session that may kill the process, as the crash guard marks them."""

import contextlib
from collections.abc import AsyncIterator

from stt_shared.process.clock import wall_ms
from stt_shared.work.crash_guard import BEHIND_MS, Probation


class SessionSteps:
    """Steps of one session: the processing of a frame, and a decode from its request until its result.

    They are marked while the session is on ``probation``, which it is not (None) unless workers died during it. Late
    frames arrive in bursts, so they share a step. ``decoding``: a decode is pending or running.
    """

    def __init__(self, probation: Probation | None) -> None:
        self._probation = probation
        self.decoding = False

    @contextlib.asynccontextmanager
    async def frame(self, received_ms: float) -> AsyncIterator[None]:
        """Enter to process a frame that was received at this wall time."""
        await self._begin()
        yield
        if wall_ms() - received_ms < BEHIND_MS:
            await self.pause()

    async def begin_decode(self) -> None:
        """Begin a decode; call before it is requested."""
        await self._begin()
        self.decoding = True

    def cancel_decode(self) -> None:
        """Record that the decode is not needed any more and did not begin."""
        self.decoding = False

    @contextlib.asynccontextmanager
    async def result(self) -> AsyncIterator[None]:
        """Enter to apply the result of the decode, which has ended."""
        self.decoding = False
        await self.pause()
        yield
        await self.pause()

    async def pause(self) -> None:
        """End the step that is open, if any, unless a decode is part of it."""
        if self._probation is not None and not self.decoding:
            await self._probation.end()

    async def clear(self) -> None:
        """End the probation: the session is not to blame for crashes, or leaves this replica."""
        probation, self._probation = self._probation, None
        if probation is not None:
            await probation.end()

    async def _begin(self) -> None:
        if self._probation is not None:
            await self._probation.begin()
