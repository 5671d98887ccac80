"""The bridge for Wyoming, in front of a suite whose engine answers at once."""

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, tell_status, until
from support.stub_suite import stub_suite

from stt_cli.bridge.suite import BridgedSuite
from stt_cli.bridge.tcp import TcpClient, TcpServer
from stt_cli.bridge.wyoming import FULL, WyomingConnection
from stt_cli.bridge.wyoming_wire import MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES

pytestmark = pytest.mark.contract

PHRASE = "w0 w1"
FORMAT = {"rate": 16000, "width": 2, "channels": 1}


def message(kind: str, data: dict[str, Any] | None = None, payload: bytes = b"", *, inline: bool = False) -> bytes:
    """A message as clients send it: its data after the line, or in it."""
    head: dict[str, Any] = {"type": kind, "version": "1"}
    body = b"" if data is None or inline else json.dumps(data).encode()
    if inline:
        head["data"] = data
    if body:
        head["data_length"] = len(body)
    if payload:
        head["payload_length"] = len(payload)
    return json.dumps(head).encode() + b"\n" + body + payload


def speech(seconds: float = 2.0) -> list[bytes]:
    """`audio-start`, and chunks of 64 ms of a hum."""
    hum = (0.3 * np.sin(np.arange(round(seconds * 16000)) * 0.2) * 32767).astype("<i2").tobytes()
    chunks = [message("audio-chunk", FORMAT, hum[at : at + 2048]) for at in range(0, len(hum), 2048)]
    return [message("audio-start", {**FORMAT, "timestamp": None}), *chunks]


class Peer:
    """A client's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, messages: Sequence[bytes]) -> None:
        self.writer.write(b"".join(messages))
        await self.writer.drain()

    async def hear(self, timeout_s: float = 30.0) -> dict[str, Any] | None:
        """The next message, None at the end."""
        async with asyncio.timeout(timeout_s):
            if not (line := await self.reader.readline()):
                return None
            head = json.loads(line)
            data = await self.reader.readexactly(head.get("data_length") or 0)
            return {"type": head["type"], **(json.loads(data) if data else {})}

    async def rest(self) -> list[dict[str, Any]]:
        """All messages to the end."""
        heard = []
        with contextlib.suppress(ConnectionError):
            while (one := await self.hear()) is not None:
                heard.append(one)
        return heard

    async def transcript(self) -> list[dict[str, Any]]:
        """The messages up to `transcript-stop`."""
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1]["type"] != "transcript-stop":
            one = await self.hear()
            assert one is not None, heard
            heard.append(one)
        return heard


class Bridge:
    """A running bridge."""

    def __init__(self, port: int, stop: asyncio.Event) -> None:
        self.port, self.stop = port, stop

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Peer]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Peer(reader, writer)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def bridge(url: str, parameters: dict[str, str] | None = None, max_clients: int = 8) -> AsyncIterator[Bridge]:
    suite = BridgedSuite(url, parameters or {})

    async def handle(client: TcpClient) -> None:
        await WyomingConnection(client, suite, "1.0").run()

    listener, stop = socket.create_server(("127.0.0.1", 0)), asyncio.Event()
    server = TcpServer(handle, refusal=FULL, max_clients=max_clients, line_bytes=MAX_HEADER_BYTES)
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


def whole(text: str, language: str = "en") -> list[dict[str, Any]]:
    return [
        {"type": "transcript-start", "language": language},
        {"type": "transcript-chunk", "text": text},
        {"type": "transcript", "text": text, "language": language},
        {"type": "transcript-stop"},
    ]


async def test_audio_becomes_a_transcript_and_its_connection_may_be_used_again(suite: Gateway) -> None:
    async with bridge(suite.url) as door, door.client() as peer:
        for asked in ({"language": "en"}, {"name": "anything", "transcript_names": ["Anna", "Küche, oben"]}):
            await peer.send([message("transcribe", asked), *speech(), message("audio-stop", {"timestamp": None})])
            assert await peer.transcript() == whole(PHRASE)


async def test_a_pause_makes_another_chunk_of_the_same_transcript(suite: Gateway) -> None:
    silence = message("audio-chunk", FORMAT, bytes(3 * 32000))
    async with bridge(suite.url) as door, door.client() as peer:
        await peer.send([*speech(), silence, *speech(), message("audio-stop")])
        heard = await peer.transcript()
    chunks = [one["text"] for one in heard if one["type"] == "transcript-chunk"]
    assert chunks == [PHRASE, f" {PHRASE}"]
    assert heard[-2]["text"] == "".join(chunks)


async def test_the_words_come_too_when_a_client_ends_its_side_without_saying_so(suite: Gateway) -> None:
    async with bridge(suite.url) as door, door.client() as peer:
        await peer.send(speech())
        peer.writer.write_eof()
        assert await peer.rest() == whole(PHRASE)


async def test_a_client_that_leaves_has_its_words_kept_all_the_same(suite: Gateway) -> None:
    async with bridge(suite.url, {"conversation_id": "kitchen"}) as door:
        async with door.client() as peer:
            await peer.send(speech())

        async def kept() -> list[str]:
            async with httpx2.AsyncClient(base_url=suite.url, trust_env=False) as http:
                conversation = (await http.get("/v1/stt/conversations/kitchen")).json()
            return [one["text"] for one in conversation["utterances"]]

        assert await until(kept) == [PHRASE]


async def test_silence_and_nothing_at_all_have_an_empty_transcript(suite: Gateway) -> None:
    async with bridge(suite.url) as door, door.client() as peer:
        for audio in ([message("audio-chunk", FORMAT, bytes(32000))], []):
            await peer.send([message("audio-start", FORMAT), *audio, message("audio-stop")])
            assert await peer.transcript() == [
                {"type": "transcript-start"},
                {"type": "transcript", "text": ""},
                {"type": "transcript-stop"},
            ]


async def test_pings_are_answered_and_messages_of_other_services_ignored(suite: Gateway) -> None:
    async with bridge(suite.url) as door, door.client() as peer:
        await peer.send([message("select-program", {"name": "stt"}), message("detect", {"names": ["x"]}, b"junk")])
        await peer.send([message("ping", {"text": "still there?"}, inline=True), message("ping")])
        assert await peer.hear() == {"type": "pong", "text": "still there?"}
        assert await peer.hear() == {"type": "pong", "text": None}


async def test_a_client_that_asks_is_told_the_models(suite: Gateway, redis_client: Redis) -> None:
    await tell_status(redis_client, "transcriber", capacity=4, detail={"model": "base.en", "multilingual": False})
    async with bridge(suite.url) as door:

        async def info() -> dict[str, Any] | None:
            async with door.client() as peer:
                await peer.send([message("describe")])
                told = await peer.hear()
            return told if told and told["type"] == "info" else None

        # Gateways read at intervals what runs.
        told = await until(info)
    (program,) = told["asr"]
    assert program["supports_transcript_streaming"] is True
    assert [(model["name"], model["languages"]) for model in program["models"]] == [("base.en", ["en"])]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "bad_message"),
        (b"[" * 60_000 + b"\n", "bad_message"),
        (b"x" * (MAX_HEADER_BYTES + 1), "bad_message"),
        (message("audio-start", {**FORMAT, "width": 4}), "bad_message"),
        (message("audio-start", {"rate": "fast"}), "bad_message"),
        (json.dumps({"type": "x", "payload_length": MAX_PAYLOAD_BYTES + 1}).encode() + b"\n", "bad_message"),
        (b'{"type": "x", "data_length": 3}\n[1]', "bad_message"),
        (speech()[1] + message("audio-chunk", {**FORMAT, "rate": 8000}, b"abcd"), "bad_message"),
        (message("transcribe", {"language": "klingon"}) + speech()[1], "bad_config"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_not_allowed_ends_its_connection_with_an_error(suite: Gateway, sent: bytes, code: str) -> None:
    async with bridge(suite.url) as door, door.client() as other:
        await other.send(speech())
        async with door.client() as peer:
            await peer.send([sent])
            heard = await peer.rest()
        assert [(one["type"], one["code"]) for one in heard] == [("error", code)]
        await other.send([message("audio-stop")])
        assert await other.transcript() == whole(PHRASE)


async def test_a_suite_that_does_not_answer_is_told_and_another_try_is_possible() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    async with bridge(f"http://127.0.0.1:{port}") as door, door.client() as peer:
        await peer.send([message("describe")])
        (error,) = await peer.rest()
    assert (error["type"], error["code"]) == ("error", "unreachable")


async def test_more_clients_than_allowed_are_refused(suite: Gateway) -> None:
    async with bridge(suite.url, max_clients=1) as door, door.client() as first:
        await first.send([message("ping")])
        await first.hear()
        async with door.client() as second:
            (error,) = await second.rest()
    assert error["code"] == "at_capacity"


async def test_a_bridge_that_stops_finishes_what_was_said(suite: Gateway) -> None:
    async with bridge(suite.url) as door, door.client() as peer:
        await peer.send([*speech(), message("ping")])
        assert (await peer.hear()) == {"type": "pong", "text": None}
        door.stop.set()
        assert await peer.rest() == whole(PHRASE)


async def test_random_bytes_disturb_nobody(suite: Gateway) -> None:
    """Mutated messages: each connection ends by itself or is closed, and one that keeps to the protocol goes on."""
    dice = random.Random(5)
    good = b"".join([message("transcribe", {"language": "en"}), *speech(0.3), message("describe"), message("ping")])
    async with bridge(suite.url, max_clients=100) as door, door.client() as other:
        await other.send([message("ping")])

        async def disturb() -> None:
            mutated = bytearray(good[: dice.randrange(len(good))])
            for _ in range(dice.randrange(8)):
                mutated[dice.randrange(len(mutated) or 1) : dice.randrange(len(mutated) or 1)] = dice.randbytes(3)
            async with door.client() as peer:
                with contextlib.suppress(ConnectionError):
                    await peer.send([bytes(mutated)])
                    peer.writer.write_eof()
                await peer.rest()

        for _ in range(10):
            await asyncio.gather(*(disturb() for _ in range(3)))
        await other.send([*speech(), message("audio-stop")])
        assert (await other.hear()) == {"type": "pong", "text": None}
        assert await other.transcript() == whole(PHRASE)
