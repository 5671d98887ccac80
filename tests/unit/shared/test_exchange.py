"""Rounds over a connection taken over from redis-py: every answer in its place, and no round waits for ever."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from redis._parsers.base import BaseParser

from stt_shared.redis.exchange import RoundTrips

pytestmark = pytest.mark.unit


class Transport:
    """Below a connection: what is written, and the protocol that gets what arrives."""

    def __init__(self) -> None:
        self.written = b""
        self.former = self.protocol = Mock()
        self.aborted = False

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True


def taken_over(timeout_s: float | None = None) -> tuple[RoundTrips, Transport]:
    transport = Transport()
    connection = SimpleNamespace(
        socket_timeout=timeout_s,
        _parser=SimpleNamespace(parse_error=BaseParser.parse_error),
        _writer=SimpleNamespace(transport=transport),
    )
    return RoundTrips(connection), transport


async def begun(exchange: RoundTrips, *commands: bytes) -> "asyncio.Task[list[Any]]":
    task = asyncio.create_task(exchange.send(list(commands)))
    await asyncio.sleep(0)
    return task


ANSWERS = b"+OK\r\n-NOSCRIPT none\r\n*2\r\n$1\r\na\r\n$-1\r\n"


@pytest.mark.parametrize("portion", [1, 3, 7, 1000])
async def test_answers_come_in_order_and_an_error_stands_in_its_place(portion: int) -> None:
    exchange, transport = taken_over()
    for _ in range(3):
        transport.written = b""
        waiting = await begun(exchange, b"a", b"b", b"c")
        assert transport.written == b"abc"
        for start in range(0, len(ANSWERS), portion):
            transport.protocol.data_received(ANSWERS[start : start + portion])
        first, second, third = await waiting
        assert (first, third) == (b"OK", [b"a", None])
        assert isinstance(second, redis.exceptions.NoScriptError)
    assert not exchange.is_over


async def test_a_message_that_nobody_asked_for_is_no_answer() -> None:
    exchange, transport = taken_over()
    transport.protocol.data_received(b">2\r\n$10\r\ninvalidate\r\n_\r\n")
    waiting = await begun(exchange, b"a")
    transport.protocol.data_received(b">2\r\n$10\r\ninvalidate\r\n_\r\n:7\r\n")
    assert await waiting == [7]


async def test_a_server_that_is_not_ready_is_an_error_of_the_connection() -> None:
    exchange, transport = taken_over()
    waiting = await begun(exchange, b"a", b"b")
    transport.protocol.data_received(b"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n")
    with pytest.raises(redis.BusyLoadingError):
        await waiting
    assert exchange.is_over
    assert transport.aborted


@pytest.mark.parametrize("cause", [None, OSError("reset")])
async def test_a_connection_that_is_lost_ends_the_round_and_redis_py_is_told(cause: Exception | None) -> None:
    exchange, transport = taken_over()
    waiting = await begun(exchange, b"a")
    transport.protocol.connection_lost(cause)
    with pytest.raises(redis.ConnectionError):
        await waiting
    transport.former.connection_lost.assert_called_once_with(cause)
    assert exchange.is_over
    with pytest.raises(redis.ConnectionError):
        await exchange.send([b"b"])


async def test_what_is_no_answer_ends_the_connection() -> None:
    exchange, transport = taken_over()
    waiting = await begun(exchange, b"a")
    transport.protocol.data_received(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(redis.ConnectionError):
        await waiting
    assert transport.aborted


async def test_no_answer_is_waited_for_for_ever_and_one_that_comes_slowly_is() -> None:
    exchange, transport = taken_over(timeout_s=1.0)
    waiting = await begun(exchange, b"a", b"b")
    for byte in b"+OK\r\n+OK\r\n":
        await asyncio.sleep(0.15)
        transport.protocol.data_received(bytes([byte]))
    assert await waiting == [b"OK", b"OK"]
    with pytest.raises(redis.TimeoutError):
        await exchange.send([b"c"])
    assert exchange.is_over


async def test_who_gives_up_leaves_no_answer_for_the_next_round() -> None:
    exchange, _ = taken_over()
    waiting = await begun(exchange, b"a")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert exchange.is_over


async def test_a_socket_that_the_other_side_has_reset_is_an_error_of_the_connection() -> None:
    exchange, transport = taken_over()
    transport.write = Mock(side_effect=RuntimeError("unable to perform operation"))  # type: ignore[method-assign]
    with pytest.raises(redis.ConnectionError):
        await exchange.send([b"a"])
