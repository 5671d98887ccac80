"""Pipeline over one connection: calls that many sessions make at the same moment travel in one round trip.

A round trip costs a process far more than its content: sending, waking up and reading are paid once for all calls.
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
from stt_shared.redis.outage import Refused

Argument = bytes | str | int | float

MAX_BATCH = 128
"""Maximum calls in one round trip; further calls wait for the next."""
REPLICATION_PATIENCE_MS = 1000
"""Time that replicas have to confirm a batch."""


@dataclass(frozen=True)
class LuaFunction:
    """A Lua script, which Redis identifies by the SHA-1 of its source."""

    source: str
    sha: str

    @classmethod
    def of(cls, source: str) -> "LuaFunction":
        """Create a function from its source."""
        return cls(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


class _Call(msgspec.Struct, frozen=True):
    packed: bytes
    with_source: Callable[[], bytes] | None  # the command with the source, for a function that the server may not know
    answer: "asyncio.Future[Any]"


class Pipeline:
    """Pipeline that runs calls in the order in which they are made.

    For one event loop and one server; see redis/cluster_pipeline.py for a cluster. ``min_replicas``: number of replicas
    that must have what was written before a call returns; a call that they do not have in time is ``Refused``.
    """

    def __init__(self, client: Redis, min_replicas: int = 0) -> None:
        self._client = client
        self._min_replicas = min_replicas
        self._waiting: deque[_Call] = deque()
        self._carrying: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Any = None
        self._exchange: RoundTrips | None = None

    async def call(self, function: LuaFunction, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Call a function and return its reply.

        Raises the errors of Redis; a lost connection only after the client's own retries, which may run the function
        twice.
        """
        parts = (len(keys), *keys, *arguments)
        # Packed here, so that arguments that cannot be packed fail only this call.
        packed = _packed("EVALSHA", function.sha, *parts)
        return await self._enqueue(packed, lambda: _packed("EVAL", function.source, *parts))

    async def command(self, *parts: Argument) -> Any:
        """Run a command given by its Redis name and its first key, then the other arguments.

        Returns the unconverted reply and raises as ``call`` does.
        """
        return await self._enqueue(_packed(*parts), None)

    def _enqueue(self, packed: bytes, with_source: Callable[[], bytes] | None) -> "asyncio.Future[Any]":
        if self._loop is None:
            # Stored, because Python 3.11 makes a system call in each get_running_loop().
            self._loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(_Call(packed, with_source, answer))
        if self._carrying is None:
            self._carrying = self._loop.create_task(self._drain(), name="redis pipeline")
        return answer

    async def _drain(self) -> None:
        batch: list[_Call] = []
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
                await self._send_batch(batch)
        except asyncio.CancelledError:
            # The event loop ends, and no caller may wait for a reply that never comes.
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
        """Return the replies in order, including errors of Redis. Raises errors of the connection."""
        if self._connection is None:
            # From the pool, which closes it in the end; never returned, because it is used directly.
            pool = self._client.connection_pool
            self._connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        connection = self._connection
        # Connect here as well: without Redis, calls then wait for one connection attempt instead of all the retries.
        await self._round_trips_over(connection)

        async def all_known() -> list[Any]:
            exchange = await self._round_trips_over(connection)
            answers = await self._replicated(exchange, [call.packed for call in batch])
            # A server that has just started does not know the functions.
            unknown = {
                at: teach()
                for at, answer in enumerate(answers)
                if isinstance(answer, redis.exceptions.NoScriptError) and (teach := batch[at].with_source)
            }
            if unknown:
                for at, answer in zip(unknown, await self._replicated(exchange, list(unknown.values())), strict=True):
                    answers[at] = answer
            return answers

        answers: list[Any] = await connection.retry.call_with_retry(
            all_known, lambda _: connection.disconnect(nowait=True)
        )
        return answers

    async def _replicated(self, exchange: RoundTrips, packed: list[bytes]) -> list[Any]:
        """Return the replies to commands, or refusals if too few replicas have them."""
        if not self._min_replicas:
            return await exchange.send(packed)
        *answers, having = await exchange.send([*packed, _packed("WAIT", self._min_replicas, REPLICATION_PATIENCE_MS)])
        if isinstance(having, int) and having >= self._min_replicas:
            return answers
        # Not raised: the connection is fine, and another attempt would wait as long.
        refusal = Refused(f"NOREPLICAS {having} of {self._min_replicas} replicas have it")
        error = having if isinstance(having, Exception) else refusal
        return [_copy_of(error) for _ in packed]

    async def _round_trips_over(self, connection: Any) -> RoundTrips:
        """Return the round trips in use, or new ones over a new connection."""
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
    """Copy an error for each caller, because an exception raised in several places collects the tracebacks of all."""
    copy = type(error)(*error.args)
    copy.__cause__ = error
    return copy
