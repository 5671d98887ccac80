"""A client is read of as long as its session keeps up, and not beyond a few messages when it does not."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest
from uvicorn import Config
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from stt_gateway.read_ahead import READ_AHEAD, ReadAheadProtocol

pytestmark = pytest.mark.unit

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def message(number: int) -> bytes:
    return Frame(Opcode.BINARY, bytes([number])).serialize(mask=True)


def connected(app: Any) -> tuple[ReadAheadProtocol, Mock]:
    """A connection, and the transport below it."""
    config = Config(app, ws=ReadAheadProtocol, log_config=None, ws_per_message_deflate=False)
    config.load()
    protocol = ReadAheadProtocol(config, ServerState(), {})
    transport = Mock()
    transport.get_extra_info.return_value = None
    transport.is_closing.return_value = False
    protocol.connection_made(transport)
    return protocol, transport


async def test_reading_pauses_when_messages_wait_and_goes_on_when_they_are_taken() -> None:
    taken: asyncio.Queue[bytes] = asyncio.Queue()
    go_on = asyncio.Semaphore(0)

    async def app(scope: object, receive: object, send: object) -> None:
        assert callable(receive)
        assert callable(send)
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await go_on.acquire()
            taken.put_nowait((await receive())["bytes"])

    protocol, transport = connected(app)
    protocol.data_received(HANDSHAKE)
    while not protocol.handshake_complete:
        await asyncio.sleep(0)
    for number in range(READ_AHEAD):
        protocol.data_received(message(number))
    transport.pause_reading.assert_not_called()
    protocol.data_received(message(READ_AHEAD))
    transport.pause_reading.assert_called_once()
    for number in range(READ_AHEAD + 1):
        transport.resume_reading.assert_not_called()
        go_on.release()
        assert await taken.get() == bytes([number])
    transport.resume_reading.assert_called_once()
    # A session that takes every message at once costs no pause at all.
    for number in range(10):
        protocol.data_received(message(number))
        go_on.release()
        assert await taken.get() == bytes([number])
    transport.pause_reading.assert_called_once()
    for task in protocol.tasks:
        task.cancel()
    await asyncio.gather(*protocol.tasks, return_exceptions=True)
    protocol.stop_keepalive()


@pytest.mark.parametrize(
    ("field", "status"), [(b"X: 1\r\n" * 200, b"431"), (b"Content-Length: 3\r\n", b"400")], ids=["fields", "body"]
)
async def test_a_handshake_that_cannot_be_read_is_answered(field: bytes, status: bytes) -> None:
    protocol, transport = connected(Mock())
    protocol.data_received(HANDSHAKE[:-2] + field + b"\r\n")
    (answer,), _ = transport.write.call_args
    assert answer.startswith(b"HTTP/1.1 " + status)
    transport.close.assert_called_once()
