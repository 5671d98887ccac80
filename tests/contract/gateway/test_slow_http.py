"""Clients of HTTP that take their time: they end, and whoever waits for this server does not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, gateway_with_store, running_gateway, until

pytestmark = pytest.mark.contract

HOST = b"Host: 127.0.0.1\r\n"
JOBS = "/v1/stt/jobs"
FORM = (
    b"POST /v1/stt/jobs HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=X\r\n"
    b'Content-Length: 5000\r\n\r\n--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
)
CHUNKED = b"GET /health/live HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
OpenedSession = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SLOW = {
    "nothing": (b"", b"", b""),
    "empty lines": (b"", b"\r\n", b""),
    "a head": (b"GET / HTTP/1.1\r\n" + HOST, b"X: y\r\n", b"408"),
    "a handshake": (
        b"GET /v1/stt/stream HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        b"X: y\r\n",
        b"408",
    ),
    "a body": (FORM, b"a", b"408"),
    "a body in chunks": (CHUNKED, b"1\r\na\r\n", b"200"),
    "trailers": (CHUNKED + b"0\r\n", b"a:\r\n", b"200"),
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_gateway.http.connections.HEAD_TIMEOUT_S", 0.3)
    monkeypatch.setattr("stt_gateway.http.connections.BODY_TIMEOUT_S", 0.3)


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path, quick: None) -> AsyncIterator[Gateway]:
    async with gateway_with_store(redis_client, redis_url, tmp_path, f"sqlite:///{tmp_path}/t.db") as gateway:
        yield gateway


@contextlib.asynccontextmanager
async def opened(gateway: Gateway, first: bytes = b"") -> AsyncIterator[OpenedSession]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    try:
        writer.write(first)
        yield reader, writer
    finally:
        writer.transport.abort()


async def trickled(connection: OpenedSession, piece: bytes, enough: Callable[[], bool] = lambda: False) -> bytes:
    """Sends a piece every 50 ms until the server closes or it is enough; answers what came back."""
    reader, writer = connection
    answer = bytearray()

    async def read() -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                answer.extend(data)

    reading = asyncio.create_task(read())
    async with asyncio.timeout(20):
        while not reading.done() and not enough():
            with contextlib.suppress(ConnectionError):
                writer.write(piece)
                await writer.drain()
            await asyncio.wait({reading}, timeout=0.05)
    reading.cancel()
    return bytes(answer)


@pytest.mark.parametrize(("first", "piece", "answer"), SLOW.values(), ids=SLOW.keys())
async def test_a_client_that_trickles_is_closed(
    gateway: Gateway, http: httpx2.AsyncClient, first: bytes, piece: bytes, answer: bytes
) -> None:
    async with opened(gateway, first) as connection:
        response = await trickled(connection, piece)
    assert response.split(b" ")[1:2] == ([answer] if answer else [])
    if answer == b"408":
        assert b'"code":"idle"' in response
    assert (await http.get("/health/live")).status_code == 200
    await until(lambda: gateway.spooled == [])


async def test_a_body_at_the_least_rate_is_read_to_its_end(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    # One piece in 0.3 s is a little more than 1024 bytes a second.
    end = b"\r\n--X--\r\n"
    async with opened(gateway, FORM) as (reader, writer):
        left = 5000 - len(FORM.partition(b"\r\n\r\n")[2]) - len(end)
        while left:
            piece = bytes(min(left, 320))
            writer.write(piece)
            left -= len(piece)
            await asyncio.sleep(0.05)
        writer.write(end)
        assert b" 202 " in await reader.readuntil(b"\r\n")


async def test_the_next_request_of_a_connection_has_its_own_time(gateway: Gateway) -> None:
    request = b"GET /health/live HTTP/1.1\r\n" + HOST
    async with opened(gateway) as (reader, writer):
        for _ in range(4):
            writer.write(request)
            await asyncio.sleep(0.1)
            writer.write(b"\r\n")
            assert b" 200 " in await reader.readuntil(b'"alive"}')
        writer.write(request)
        assert b" 408 " in await reader.readuntil(b"\r\n")


async def test_a_watcher_of_a_job_is_not_slow(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = (await http.post(JOBS, files={"file": ("a.mp3", b"ID3" + bytes(64))})).json()["job_id"]
    async with opened(gateway, f"GET {JOBS}/{job_id}/events HTTP/1.1\r\n".encode() + HOST + b"\r\n") as (
        reader,
        writer,
    ):
        await reader.readuntil(b"data:")
        # The beginning of another request waits for its turn, too.
        writer.write(b"GET / HTTP/1.1\r\n")
        await asyncio.sleep(1.0)
        await http.post(f"{JOBS}/{job_id}/cancel")
        await reader.readuntil(b"cancelled")


async def test_a_newcomer_takes_the_place_of_who_waits_longest(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, max_http_connections=3) as gateway:
        async with contextlib.AsyncExitStack() as stack:
            head = b"GET /health/live HTTP/1.1\r\n" + HOST
            first, second, third = [await stack.enter_async_context(opened(gateway, head)) for _ in range(3)]
            async with opened(gateway, head + b"\r\n") as (reader, _):
                assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
            assert await asyncio.wait_for(first[0].read(), 5) == b""
            for reader, writer in (second, third):
                writer.write(b"\r\n")
                assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)


async def test_a_gateway_whose_connections_are_all_busy_says_so(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, max_http_connections=1) as gateway:
        async with contextlib.AsyncExitStack() as stack:
            _, upload = await stack.enter_async_context(opened(gateway, FORM))
            await until(lambda: len(gateway.spooled) == 1)
            async with opened(gateway) as (reader, _):
                answer = await asyncio.wait_for(reader.read(), 5)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b'"code":"at_capacity"' in answer
            upload.transport.abort()

            async def is_served() -> bool:
                async with opened(gateway, b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n") as (reader, _):
                    return b" 200 " in await reader.readuntil(b"\r\n")

            await until(is_served)


async def test_websockets_are_no_http_connections(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    handshake = (
        b"GET /v1/stt/conversations/x HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with running_gateway(redis_client, redis_url, tmp_path, max_http_connections=2) as gateway:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(5):
                reader, _ = await stack.enter_async_context(opened(gateway, handshake))
                assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
