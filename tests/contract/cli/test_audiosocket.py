"""The bridge for AudioSocket, in front of a suite whose engine answers at once."""

import asyncio
import contextlib
import random
import socket
import struct
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, until
from support.stub_suite import stub_suite

from stt_cli.bridge.audiosocket import AudioSocketCall
from stt_cli.bridge.suite import BridgedSuite
from stt_cli.bridge.tcp import TcpClient, TcpServer

pytestmark = pytest.mark.contract

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PHRASE = "w0 w1"
HANGUP = b"\0\0\0"


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


def speech(kind: int = 0x10, rate: int = 8000, seconds: float = 2.0) -> bytes:
    """A hum, in frames of 20 ms as Asterisk sends them."""
    hum = (0.3 * np.sin(np.arange(round(seconds * rate)) * 3200 / rate) * 32767).astype("<i2").tobytes()
    size = rate // 50 * 2
    return b"".join(frame(kind, hum[at : at + size]) for at in range(0, len(hum), size))


class Bridge:
    """A running bridge."""

    def __init__(self, port: int, stop: asyncio.Event) -> None:
        self.port, self.stop = port, stop

    @contextlib.asynccontextmanager
    async def call(self, id: uuid.UUID | None = None) -> AsyncIterator[Ends]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            if id is not None:
                writer.write(frame(0x01, id.bytes))
            yield reader, writer
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def bridge(url: str, max_clients: int = 8, **parameters: str) -> AsyncIterator[Bridge]:
    suite = BridgedSuite(url, parameters)

    async def handle(client: TcpClient) -> None:
        await AudioSocketCall(client, suite).run()

    listener, stop = socket.create_server(("127.0.0.1", 0)), asyncio.Event()
    server = TcpServer(handle, refusal=b"", max_clients=max_clients, line_bytes=65_536)
    running = asyncio.create_task(server.run(listener, stop))
    try:
        yield Bridge(listener.getsockname()[1], stop)
    finally:
        stop.set()
        await running


@pytest.fixture
async def suite(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with stub_suite(redis_client, redis_url, tmp_path) as gateway:
        yield gateway


async def said(suite: Gateway, call: uuid.UUID | str, utterances: int = 1) -> list[str]:
    async def found() -> list[str] | None:
        async with httpx2.AsyncClient(base_url=suite.url, trust_env=False) as http:
            conversation = (await http.get(f"/v1/stt/conversations/{call}")).json()
        texts = [one["text"] for one in conversation.get("utterances", ())]
        return texts if len(texts) >= utterances else None

    texts: list[str] = await until(found, 30)
    return texts


@pytest.mark.parametrize(("kind", "rate"), [(0x10, 8000), (0x12, 16_000), (0x16, 48_000)])
async def test_a_call_is_a_conversation_and_hanging_up_loses_no_word(suite: Gateway, kind: int, rate: int) -> None:
    call = uuid.uuid4()
    async with bridge(suite.url) as door, door.call(call) as (reader, writer):
        writer.write(speech(kind, rate) + frame(0x03, b"5") + HANGUP)
        assert await asyncio.wait_for(reader.read(), 30) == b"", "nothing is sent, and the connection closed"
        assert await said(suite, call) == [PHRASE]


async def test_closing_without_hanging_up_loses_no_word_either_also_amid_a_frame(suite: Gateway) -> None:
    call = uuid.uuid4()
    async with bridge(suite.url) as door:
        async with door.call(call) as (_, writer):
            writer.write(speech() + frame(0x10, bytes(320))[:7])
        assert await said(suite, call) == [PHRASE]


async def test_options_of_the_bridge_hold_for_each_call(suite: Gateway) -> None:
    async with bridge(suite.url, conversation_id="desk") as door:
        async with door.call(uuid.uuid4()) as (reader, writer):
            writer.write(speech() + HANGUP)
            await reader.read()
        assert await said(suite, "desk") == [PHRASE]


async def test_a_bridge_that_stops_finishes_its_calls(suite: Gateway) -> None:
    call = uuid.uuid4()
    async with bridge(suite.url) as door, door.call(call) as (reader, writer):
        writer.write(speech())
        await writer.drain()
        await asyncio.sleep(0.5)
        door.stop.set()
        assert await asyncio.wait_for(reader.read(), 30) == b""
        assert await said(suite, call) == [PHRASE]


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (speech(), "begins with its UUID"),
        (b"GET / HTTP/1.1\r\n\r\n" + bytes(30_000), "begins with its UUID"),
        (frame(0x01, bytes(16)) + frame(0x47, b"x"), "a frame of kind 0x47"),
        (
            frame(0x01, uuid.uuid4().bytes) + speech(seconds=0.1) + frame(0x12, bytes(640)),
            "16000 Hz amid",
        ),
    ],
)
async def test_what_is_no_call_ends_alone_and_says_why(
    suite: Gateway, capsys: pytest.CaptureFixture[str], sent: bytes, why: str
) -> None:
    call = uuid.uuid4()
    async with bridge(suite.url) as door, door.call(call) as (_, neighbour):
        neighbour.write(frame(0x10, bytes(320)))
        async with door.call() as (reader, writer):
            writer.write(sent)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 30) == b""
        neighbour.write(speech() + HANGUP)
        assert await said(suite, call) == [PHRASE]
    assert why in capsys.readouterr().err


async def test_random_frames_disturb_nobody(suite: Gateway) -> None:
    dice, call = random.Random(5), uuid.uuid4()
    good = frame(0x01, uuid.uuid4().bytes) + speech(seconds=0.2) + frame(0x03, b"1") + HANGUP
    async with bridge(suite.url, max_clients=100) as door, door.call(call) as (_, neighbour):
        neighbour.write(frame(0x10, bytes(320)))
        for _ in range(30):
            mutated = bytearray(good[: dice.randrange(len(good))])
            for _ in range(dice.randrange(8)):
                mutated[dice.randrange(len(mutated) or 1) : dice.randrange(len(mutated) or 1)] = dice.randbytes(3)
            async with door.call() as (reader, writer):
                with contextlib.suppress(ConnectionError):
                    writer.write(bytes(mutated))
                    writer.write_eof()
                    await asyncio.wait_for(reader.read(), 30)
        neighbour.write(speech() + HANGUP)
        assert await said(suite, call) == [PHRASE]
