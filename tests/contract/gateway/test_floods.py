"""One connection that sends as many small things as it can: it ends, and other clients are served."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx2
import pytest
import websockets
from support.gateway_harness import FINALIZE, KEEPALIVE, STOP, Gateway, Workers, line, until
from websockets.frames import Frame, Opcode

pytestmark = pytest.mark.contract

FLOOD = 50_000
HANDSHAKE = (
    "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CHUNKED = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
BEGIN = Frame(Opcode.BINARY, b"a", fin=False)
FLOODS = {
    "pings": [Frame(Opcode.PING, b"")],
    "long pings": [Frame(Opcode.PING, bytes(125))],
    "pongs": [Frame(Opcode.PONG, b"")],
    "empty fragments": [Frame(Opcode.CONT, b"", fin=False)],
    "fragments of a byte": [Frame(Opcode.CONT, b"a", fin=False)],
    "messages in two": [Frame(Opcode.CONT, b"b"), Frame(Opcode.BINARY, b"a", fin=False)],
}
VIEWS = ["/v1/stt/conversations/board", "/api/stt/connect"]


@contextlib.asynccontextmanager
async def connected(gateway: Gateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def sent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    """Everything that comes back while ``data`` is sent, to the end of the connection."""

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(data), 65_536):
                writer.write(data[at : at + 65_536])
                await writer.drain()

    sending = asyncio.create_task(send())
    answer = bytearray()
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65_536):
                answer += piece
        await sending
    return bytes(answer)


async def assert_served(gateway: Gateway) -> None:
    """A newcomer is answered, and dictates."""
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http:
        assert (await http.get("/health/live")).status_code == 200
    async with line(gateway.stream()) as client:
        await client.send(bytes(640), FINALIZE, STOP)
        assert await client.rest() == 1000
        assert client.of("final")


@pytest.mark.parametrize(
    ("kind", "path"), [*((kind, "/v1/stt/stream") for kind in FLOODS), *(("pings", path) for path in VIEWS)]
)
async def test_a_flood_of_small_frames_is_closed_with_1008(gateway: Gateway, kind: str, path: str) -> None:
    frames = FLOODS[kind]
    flood = b"".join(frame.serialize(mask=True) for frame in frames) * FLOOD
    async with connected(gateway) as (reader, writer):
        writer.write(HANDSHAKE.format(path).encode())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        begin = BEGIN.serialize(mask=True) if frames[0].opcode is Opcode.CONT else b""
        answer = await sent(reader, writer, begin + flood)
    assert (1008).to_bytes(2) + b"too many small frames" in answer
    assert len(answer) < 1_000_000
    await assert_served(gateway)


async def test_a_client_that_fragments_and_pings_as_libraries_do_is_served(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("session_id=s1"), ping_interval=None) as client:
        await client.hear("ready")
        for _ in range(30):
            # As a library with a write buffer of 4 KiB sends it.
            await client.socket.send([bytes(4096)] * 7 + [bytes(100)])
            await client.socket.ping()
        await client.send(FINALIZE, STOP)
        assert await client.rest() == 1000
    hand = await workers.hand("s1")
    assert len(hand.audio) == 30 * (7 * 4096 + 100)


@pytest.mark.parametrize("path", VIEWS)
async def test_a_viewer_that_talks_without_end_is_let_go(gateway: Gateway, path: str) -> None:
    async with websockets.connect(gateway.url.replace("http", "ws") + path, close_timeout=0.3) as viewer:
        for _ in range(5):
            await viewer.send(KEEPALIVE)
        sending = asyncio.create_task(flood(viewer))
        heard = []
        async with asyncio.timeout(10):
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    heard.append(json.loads(await viewer.recv()))
        await sending
        assert viewer.close_code == 4500
    if path == VIEWS[0]:
        assert heard[-1]["code"] == "bad_message"
    await assert_served(gateway)


async def test_a_viewer_that_floods_on_after_its_close_is_cut(gateway: Gateway) -> None:
    message = Frame(Opcode.BINARY, b"").serialize(mask=True)
    async with connected(gateway) as (reader, writer):
        writer.write(HANDSHAKE.format(VIEWS[0]).encode())
        await reader.readuntil(b"\r\n\r\n")
        flooding = asyncio.create_task(sent(reader, writer, message * 1_000_000))
        await assert_served(gateway)
        assert (4500).to_bytes(2) in await flooding
    await assert_served(gateway)


async def flood(viewer: websockets.ClientConnection) -> None:
    with contextlib.suppress(websockets.ConnectionClosed):
        for _ in range(FLOOD):
            await viewer.send(b"")


async def test_a_session_that_sends_much_at_once_is_read_in_turns(gateway: Gateway, workers: Workers) -> None:
    messages = [Frame(Opcode.BINARY, number.to_bytes(2)).serialize(mask=True) for number in range(3000)]
    stop = Frame(Opcode.TEXT, STOP.encode()).serialize(mask=True)
    async with connected(gateway) as (reader, writer):
        writer.write(HANDSHAKE.format("/v1/stt/stream?session_id=s1").encode())
        await reader.readuntil(b"\r\n\r\n")
        await sent_all(writer, b"".join(messages) + stop)
        hand = await workers.hand("s1")
        await until(lambda: hand.kinds == ["audio", "stop"])
        assert hand.audio == b"".join(number.to_bytes(2) for number in range(3000))


async def sent_all(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


@pytest.mark.parametrize(
    "trailers",
    [
        b"a:\r\n" * 100_000,
        b"a: " + b"b" * 400_000,
        b"a: " + b"b" * 2000 + b"\r\n",
        (b"a: " + b"b" * 2000 + b"\r\n") * 200,
    ],
    ids=["tiny", "one without end", "one", "long"],
)
async def test_trailers_end_with_a_refusal_or_are_dropped(gateway: Gateway, trailers: bytes) -> None:
    async with connected(gateway) as (reader, writer):
        if len(trailers) < 3000:
            answer = await sent(
                reader, writer, CHUNKED + trailers + b"\r\n" + b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"
            )
            assert answer.count(b"HTTP/1.1 200 OK") == 2
        else:
            assert b"HTTP/1.1 431 " in await sent(reader, writer, CHUNKED + trailers)
    await assert_served(gateway)


async def test_a_head_of_many_fields_is_refused(gateway: Gateway) -> None:
    async with connected(gateway) as (reader, writer):
        answer = await sent(reader, writer, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"a:\r\n" * 15_000)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"100 header fields" in answer
