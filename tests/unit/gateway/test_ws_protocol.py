"""A client is read of as long as its session keeps up, and not beyond a few messages when it does not."""

import asyncio
import random
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest
from uvicorn import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from stt_gateway.ws.protocol import MAX_DROPPED, MAX_PARSED, READ_AHEAD, SMALL_FRAMES_AT_ONCE, FastWebSocketProtocol

pytestmark = pytest.mark.unit

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def message(number: int) -> bytes:
    return Frame(Opcode.BINARY, bytes([number])).serialize(mask=True)


def connected(
    app: Any, kind: type[WebSocketsSansIOProtocol] = FastWebSocketProtocol
) -> tuple[WebSocketsSansIOProtocol, Mock]:
    """A connection, and the transport below it."""
    config = Config(app, ws=kind, ws_max_size=60_000, log_config=None, ws_per_message_deflate=False)
    config.load()
    protocol = kind(config, ServerState(), {})
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
    await ended(protocol)


def random_message(rng: random.Random) -> list[bytes]:
    """The frames of what clients send: nearly always one."""
    size = rng.choice([0, 1, 5, 125, 126, 127, 640, 3200, 59_000])
    opcode = rng.choice([Opcode.TEXT, Opcode.BINARY])
    data = rng.randbytes(size) if opcode is Opcode.BINARY else b"\xc3\xa4" * (size // 2)
    match rng.randrange(8):
        case 0:
            frames = [Frame(Opcode.PING, b"x")]
        case 1:
            frames = [Frame(opcode, data[:200], fin=False), Frame(Opcode.PING, b""), Frame(Opcode.CONT, data[:200])]
        case _:
            frames = [Frame(opcode, data)]
    return [frame.serialize(mask=True) for frame in frames]


COMPRESSED = bytes((0xC2, 0x80, 0, 0, 0, 0))
LAST = {
    "close": [Frame(Opcode.CLOSE, (1000).to_bytes(2)).serialize(mask=True)],
    "not masked": [Frame(Opcode.BINARY, b"x").serialize(mask=False)],
    "no beginning": [Frame(Opcode.CONT, b"x").serialize(mask=True)],
    "no text": [Frame(Opcode.TEXT, b"\xff").serialize(mask=True)],
    "compressed": [COMPRESSED],
    "too long": [Frame(Opcode.BINARY, bytes(60_001)).serialize(mask=True)],
    "far too long": [Frame(Opcode.BINARY, bytes(70_000)).serialize(mask=True)],
    "one within another": [
        Frame(Opcode.TEXT, b"x", fin=False).serialize(mask=True),
        Frame(Opcode.BINARY, b"x").serialize(mask=True),
    ],
}


@pytest.mark.parametrize("last", LAST.values(), ids=LAST.keys())
@pytest.mark.parametrize("seed", range(12))
async def test_messages_come_as_by_the_protocol_that_reads_byte_by_byte(seed: int, last: list[bytes]) -> None:
    rng = random.Random(seed)
    frames = [frame for _ in range(20) for frame in random_message(rng)]
    stream = b"".join(frames)
    borders = sorted(rng.randrange(len(stream) + 1) for _ in range(rng.choice([0, 3, 60])))
    portions = [stream[begin:end] for begin, end in pairwise([0, *borders, len(stream)])]
    assert await heard_by(FastWebSocketProtocol, [*portions, *last]) == await heard_by(
        WebSocketsSansIOProtocol, [*frames, *last]
    )


async def heard_by(kind: type[WebSocketsSansIOProtocol], portions: list[bytes]) -> tuple[list[object], bytes]:
    """What reaches the app, up to the end of the connection, and what is answered."""
    protocol, transport = connected(accepting, kind)
    protocol.data_received(HANDSHAKE)
    while not protocol.handshake_complete:
        await asyncio.sleep(0)
    transport.write.reset_mock()
    for portion in portions:
        if not transport.close.called:
            protocol.data_received(portion)
    messages = []
    while not protocol.queue.empty():
        messages.append(protocol.queue.get_nowait())
        if messages[-1]["type"] == "websocket.disconnect":
            break
    await ended(protocol)
    return messages, b"".join(call.args[0] for call in transport.write.mock_calls)


async def accepting(scope: object, receive: object, send: object) -> None:
    assert callable(receive)
    assert callable(send)
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


async def ended(protocol: WebSocketsSansIOProtocol) -> None:
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


async def test_many_messages_of_one_read_are_parsed_in_turns() -> None:
    taken = []
    largest = 0

    async def app(scope: object, receive: Any, send: Any) -> None:
        nonlocal largest
        await receive()
        await send({"type": "websocket.accept"})
        while (got := await receive())["type"] != "websocket.disconnect":
            taken.append(got["bytes"])
            largest = max(largest, protocol.queue.qsize())
        taken.append(got["code"])

    protocol, transport = connected(app)
    protocol.data_received(HANDSHAKE)
    while not protocol.handshake_complete:
        await asyncio.sleep(0)
    ping, close = Frame(Opcode.PING, b"x"), Frame(Opcode.CLOSE, (1000).to_bytes(2))
    middle = ping.serialize(mask=True)
    stream = b"".join(message(number % 256) + (middle if number % 100 == 0 else b"") for number in range(5000))
    whole = stream + close.serialize(mask=True)
    protocol.data_received(whole[:20_000])
    # Reading is paused, but what had been read already still comes.
    protocol.data_received(whole[20_000:])
    transport.pause_reading.assert_called_once()
    transport.resume_reading.assert_not_called()
    while taken[-1:] != [1000]:
        await asyncio.sleep(0)
    assert taken == [*(bytes([number % 256]) for number in range(5000)), 1000]
    assert largest < 2 * MAX_PARSED
    await ended(protocol)


async def test_messages_that_wait_come_before_the_end_of_a_lost_connection() -> None:
    protocol, _ = connected(accepting)
    protocol.data_received(HANDSHAKE)
    while not protocol.handshake_complete:
        await asyncio.sleep(0)
    protocol.data_received(message(7) * 1000)
    assert protocol.queue.qsize() == MAX_PARSED
    protocol.connection_lost(None)
    assert [protocol.queue.get_nowait()["type"] for _ in range(1001)] == [
        *["websocket.receive"] * 1000,
        "websocket.disconnect",
    ]
    await ended(protocol)


async def test_the_answer_to_a_close_is_found_behind_messages_that_wait() -> None:
    async def app(scope: object, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.close", "code": 1000})

    protocol, transport = connected(app)
    protocol.data_received(HANDSHAKE)
    while not protocol.handshake_complete:
        await asyncio.sleep(0)
    protocol.data_received(message(7) * 1000 + Frame(Opcode.CLOSE, (1000).to_bytes(2)).serialize(mask=True))
    while not transport.close.called:
        await asyncio.sleep(0)
    assert protocol.close_timer is None
    await ended(protocol)


async def test_pings_of_a_client_that_does_not_read_are_not_answered() -> None:
    protocol, transport = connected(accepting)
    protocol.data_received(HANDSHAKE)
    while not protocol.handshake_complete:
        await asyncio.sleep(0)
    ping = Frame(Opcode.PING, b"x").serialize(mask=True)
    transport.write.reset_mock()
    protocol.pause_writing()
    protocol.data_received(ping)
    transport.write.assert_not_called()
    protocol.resume_writing()
    protocol.data_received(ping)
    transport.write.assert_called_once_with(Frame(Opcode.PONG, b"x").serialize(mask=False))
    await ended(protocol)


@pytest.mark.parametrize(
    "frame", [Frame(Opcode.PING, b""), Frame(Opcode.PONG, b""), Frame(Opcode.CONT, b"", fin=False)]
)
async def test_small_frames_are_counted(frame: Frame) -> None:
    protocol, transport = connected(accepting)
    protocol.data_received(HANDSHAKE)
    while not protocol.handshake_complete:
        await asyncio.sleep(0)
    first = Frame(Opcode.BINARY, b"", fin=False).serialize(mask=True)
    protocol.data_received(first + frame.serialize(mask=True) * SMALL_FRAMES_AT_ONCE)
    assert not protocol.close_sent
    protocol.data_received(frame.serialize(mask=True) * SMALL_FRAMES_AT_ONCE)
    assert protocol.close_sent
    written = [call.args[0] for call in transport.write.call_args_list]
    close = Frame(Opcode.CLOSE, (1008).to_bytes(2) + b"too many small frames").serialize(mask=False)
    assert written[-1].endswith(close)
    transport.pause_reading.assert_called_once()
    assert protocol.queue.get_nowait() == {
        "type": "websocket.disconnect",
        "code": 1008,
        "reason": "too many small frames",
    }
    protocol.connection_lost(None)
    await ended(protocol)


async def test_messages_behind_the_close_of_a_client_are_not_taken() -> None:
    protocol, _ = connected(accepting)
    protocol.data_received(HANDSHAKE)
    while not protocol.handshake_complete:
        await asyncio.sleep(0)
    protocol.data_received(Frame(Opcode.CLOSE, (1000).to_bytes(2)).serialize(mask=True) + message(7))
    protocol.data_received(message(7))
    assert protocol.queue.get_nowait()["code"] == 1000
    assert protocol.queue.empty()
    await ended(protocol)


async def test_a_client_that_does_not_stop_when_it_is_closed_is_cut() -> None:
    async def app(scope: object, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4500})

    protocol, transport = connected(app)
    protocol.data_received(HANDSHAKE)
    while not protocol.close_sent:
        await asyncio.sleep(0)
    protocol.data_received(message(7) * MAX_DROPPED)
    transport.abort.assert_not_called()
    protocol.data_received(message(7))
    protocol.data_received(message(7))
    transport.abort.assert_called_once()
    protocol.connection_lost(None)
    await ended(protocol)
