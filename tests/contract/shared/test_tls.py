"""The two connections that are spoken over by hand, through TLS: they are redis-py's, and so must pass through it."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.client import connect
from stt_shared.redis.pipeline import LuaFunction, Pipeline

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate"),
]
ECHO = LuaFunction.of("return ARGV[1]")
MUCH = b"x" * 200_000
"""More than one record of TLS."""

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of localhost in one file."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


@contextlib.asynccontextmanager
async def tls_before(socket: str, certificate: Path) -> AsyncIterator[tuple[int, set[asyncio.StreamWriter]]]:
    """A port that speaks TLS for a server that does not, and its connections."""
    writers: set[asyncio.StreamWriter] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        inner_reader, inner_writer = await asyncio.open_unix_connection(socket)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))
        writers.discard(writer)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(serve, "localhost", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], writers
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_calls_and_messages_come_through_tls_also_after_it_broke(run: Run, certificate: Path) -> None:
    async def both_ways(pipeline: Pipeline, hub: ChannelHub) -> None:
        answers = await asyncio.gather(*(pipeline.call(ECHO, ["key"], [MUCH]) for _ in range(20)))
        assert answers == [MUCH] * 20
        async with hub.listen("news") as inbox:
            while await inbox.get(0.2) != MUCH:
                await pipeline.command("PUBLISH", "news", MUCH)

    async def scenario() -> None:
        with EmbeddedRedis() as server:
            socket = server.url.removeprefix("unix://")
            async with tls_before(socket, certificate) as (port, writers):
                client = connect(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}")
                async with ChannelHub(client, "own") as hub, asyncio.timeout(10):
                    pipeline = Pipeline(client)
                    await both_ways(pipeline, hub)
                    for writer in list(writers):
                        writer.transport.abort()
                    await both_ways(pipeline, hub)
                await client.aclose()

    run(scenario())
