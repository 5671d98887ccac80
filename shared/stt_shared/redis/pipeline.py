"""Many callers, one connection: what sessions ask of Redis in the same moment travels in one round trip.

A round trip costs a process far more than what is in it: sending, waking up and reading are paid once for all.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import hiredis
import msgspec
import redis
from redis.asyncio import Redis

from stt_shared.redis.exchange import RoundTrips

Argument = bytes | str | int | float

MAX_BATCH = 128
"""Calls in one round trip; the others wait for the next."""


@dataclass(frozen=True)
class LuaFunction:
    """A script; Redis knows it by the SHA-1 of its source."""

    source: str
    sha: str

    @classmethod
    def of(cls, source: str) -> "LuaFunction":
        """Makes one of its source."""
        return cls(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


class _Call(msgspec.Struct, frozen=True):
    packed: bytes
    with_source: Callable[[], bytes] | None  # of a function that the server may not know
    answer: "asyncio.Future[Any]"


class Pipeline:
    """Calls are carried out in the order in which they were made. For one event loop and one server; see
    redis/cluster_pipeline.py for a cluster."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._waiting: deque[_Call] = deque()
        self._carrying: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Any = None
        self._exchange: RoundTrips | None = None

    async def call(self, function: LuaFunction, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """The function's answer. Raises the errors of Redis, lost connections only after the client's own retries,
        which may carry it out twice."""
        parts = (len(keys), *keys, *arguments)
        # Packed here, so that what cannot be packed is this caller's error and nobody else's.
        packed = _packed("EVALSHA", function.sha, *parts)
        return await self._enqueue(packed, lambda: _packed("EVAL", function.source, *parts))

    async def command(self, *parts: Argument) -> Any:
        """A command as Redis names it, its first key second. Answers as Redis does, and raises as ``call`` does."""
        return await self._enqueue(_packed(*parts), None)

    def _enqueue(self, packed: bytes, with_source: Callable[[], bytes] | None) -> "asyncio.Future[Any]":
        if self._loop is None:
            # Once: Python 3.11 makes a system call each time.
            self._loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(_Call(packed, with_source, answer))
        if self._carrying is None:
            self._carrying = self._loop.create_task(self._drain(), name="redis lane")
        return answer

    async def _drain(self) -> None:
        batch: list[_Call] = []
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
                await self._send_batch(batch)
        except asyncio.CancelledError:
            # The event loop ends, and nobody may wait for an answer that does not come.
            for call in (*batch, *self._waiting):
                call.answer.cancel()
            self._waiting.clear()
            raise
        finally:
            self._carrying = None

    async def _send_batch(self, batch: list[_Call]) -> None:
        answers: list[Any]
        try:
            answers = await self._round_trip(batch)
        except Exception as error:
            answers = [_copy_of(error) for _ in batch]
        for call, answer in zip(batch, answers, strict=True):
            if call.answer.done():
                continue  # the caller was cancelled
            if isinstance(answer, Exception):
                call.answer.set_exception(answer)
            else:
                call.answer.set_result(answer)

    async def _round_trip(self, batch: list[_Call]) -> list[Any]:
        """Answers in order, an error of Redis in its place. Raises what concerns the connection."""
        if self._connection is None:
            # Of the pool, which closes it in the end; never given back, for it is spoken over by hand.
            pool = self._client.connection_pool
            self._connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        connection = self._connection
        # Here too: who calls while there is no Redis waits for one connection, not for as many as it is tried again.
        await self._round_trips_over(connection)

        async def all_known() -> list[Any]:
            exchange = await self._round_trips_over(connection)
            answers = await exchange.send([call.packed for call in batch])
            # A server that has just started knows no function yet.
            unknown = {
                at: teach()
                for at, answer in enumerate(answers)
                if isinstance(answer, redis.exceptions.NoScriptError) and (teach := batch[at].with_source)
            }
            if unknown:
                for at, answer in zip(unknown, await exchange.send(list(unknown.values())), strict=True):
                    answers[at] = answer
            return answers

        answers: list[Any] = await connection.retry.call_with_retry(
            all_known, lambda _: connection.disconnect(nowait=True)
        )
        return answers

    async def _round_trips_over(self, connection: Any) -> RoundTrips:
        """The one that is in use, or one over a new connection."""
        if self._exchange is None or self._exchange.is_over:
            if self._exchange is not None:
                await connection.disconnect(nowait=True)
            await connection.connect()
            self._exchange = RoundTrips(connection)
        return self._exchange


def _packed(*command: Argument) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]
    return packed


def _copy_of(error: Exception) -> Exception:
    """One for each caller: an exception that is raised in several places collects the tracebacks of all."""
    copy = type(error)(*error.args)
    copy.__cause__ = error
    return copy
