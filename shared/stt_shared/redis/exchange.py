"""Round trips over a raw connection: many commands are sent together, then all their replies are awaited."""

import asyncio
from typing import Any

import hiredis
import redis

from stt_shared.redis.connection import RawConnection
from stt_shared.redis.outage import must_reconnect


class RoundTrips:
    """Round trips over a connection taken over from redis-py. One at a time; after a failed one it is unusable."""

    def __init__(self, connection: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience_s: float | None = connection.socket_timeout
        self._wire = RawConnection(connection, self._on_reply)
        self._wire.ended.add_done_callback(self._lost)
        self._answers: list[Any] = []
        self._missing = 0
        self._round: asyncio.Future[None] | None = None
        self._began_s = 0.0
        self._waiting: asyncio.TimerHandle | None = None

    @property
    def is_over(self) -> bool:
        """Whether the connection is closed."""
        return self._wire.ended.done()

    async def send(self, packed: list[bytes]) -> list[Any]:
        """Send commands and return the replies in order, including errors of Redis.

        Raises redis.ConnectionError, or redis.TimeoutError when nothing was received for the connection's
        ``socket_timeout``.
        """
        answers = self._answers = []
        self._missing = len(packed)
        self._round = self._loop.create_future()
        self._began_s = self._loop.time()
        if self._patience_s is not None:
            self._waiting = self._loop.call_later(self._patience_s, self._check_timeout, self._patience_s)
        try:
            self._wire.send(b"".join(packed))
            await self._round
            for answer in answers:
                # A refused command concerns one call only; this error concerns all of them.
                if must_reconnect(answer):
                    raise answer
        except BaseException:
            self._wire.abort(redis.ConnectionError("answers were not waited for"))
            raise
        finally:
            self._round = None
            if self._waiting is not None:
                self._waiting.cancel()
        return answers

    def _on_reply(self, answer: Any) -> None:
        if self._missing == 0 or isinstance(answer, hiredis.PushNotification):
            return
        self._answers.append(answer)
        self._missing -= 1
        if self._missing == 0 and self._round is not None and not self._round.done():
            self._round.set_result(None)

    def _check_timeout(self, patience_s: float) -> None:
        quiet_s = self._loop.time() - max(self._began_s, self._wire.last_read_s)
        if quiet_s < patience_s:
            self._waiting = self._loop.call_later(patience_s - quiet_s, self._check_timeout, patience_s)
        elif self._round is not None and not self._round.done():
            self._round.set_exception(redis.TimeoutError(f"no answer from Redis for {patience_s:g} s"))

    def _lost(self, ended: "asyncio.Future[redis.ConnectionError]") -> None:
        if self._round is not None and not self._round.done():
            self._round.set_exception(ended.result())
