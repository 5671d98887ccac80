"""Sessions whose connection was lost: each may be gone on with for a while, here or at another gateway."""

import asyncio

from stt_gateway.session import Session
from stt_shared.tasks import cancel_and_wait


class Parking:
    """Stops a session that nobody has come back to. Its write is fenced: once another connection has taken the session
    on, it changes nothing."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._parked: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._parked)

    def park(self, session: Session) -> None:
        """The connection is gone, without having said that it was the end."""
        task = asyncio.create_task(self._end_later(session), name="parked session")
        self._parked.add(task)
        task.add_done_callback(self._parked.discard)

    async def close(self) -> None:
        """This gateway stops; the sessions stay as they are, for another."""
        await cancel_and_wait(*self._parked)

    async def _end_later(self, session: Session) -> None:
        await asyncio.sleep(self._window_s)
        await session.abandon()
