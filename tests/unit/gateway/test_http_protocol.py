"""A head of a request may be as long as the protocol allows, and no longer."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from stt_gateway.http.protocol import MAX_ADDRESS_BYTES, MAX_HEAD_BYTES, MAX_HEADER_FIELDS, BoundedHeadProtocol

pytestmark = pytest.mark.unit


def served(app: Any) -> BoundedHeadProtocol:
    """A connection."""
    config = Config(app, http=BoundedHeadProtocol, log_config=None)
    config.load()
    protocol = BoundedHeadProtocol(config, ServerState(), {})
    transport = Mock()
    transport.get_extra_info.return_value = None
    protocol.connection_made(transport)
    return protocol


async def answered(*pieces: bytes) -> bytes:
    """The refusal that a client gets which sends these."""

    async def app(scope: object, receive: object, send: object) -> None:
        pass

    protocol = served(app)
    transport = protocol.transport
    assert isinstance(transport, Mock)
    for piece in pieces:
        protocol.data_received(piece)
        if transport.close.called:
            break
    return b"".join(call.args[0] for call in transport.write.call_args_list)


async def test_an_address_beyond_the_limit_is_refused_before_it_is_whole() -> None:
    assert await answered(b"GET /" + b"a" * (MAX_ADDRESS_BYTES - 1)) == b""
    answer = await answered(b"GET /" + b"a" * MAX_ADDRESS_BYTES)
    assert answer.startswith(b"HTTP/1.1 414 ")
    assert b'"code":"too_large"' in answer


async def test_header_fields_without_end_are_refused() -> None:
    head, piece = b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a" * 8192
    assert await answered(head, *[piece] * (MAX_HEAD_BYTES // 8192)) == b""
    answer = await answered(head, *[piece] * (MAX_HEAD_BYTES // 8192 + 1))
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_body_is_no_head() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    assert await answered(head, *[b"a" * 8192] * 32) == b""


async def test_what_is_no_request_is_told() -> None:
    answer = await answered(b"what is this?\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"bad_message"' in answer


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_fields_of_head_and_trailers_are_counted_together() -> None:
    # The parser tells of a field when the next one begins.
    field = b"a:\r\n"
    head = CHUNKED.removesuffix(b"\r\n")
    half = MAX_HEADER_FIELDS // 2
    assert await answered(head + field * (half - 2) + b"\r\n0\r\n" + field * half + b"\r\n") == b""
    answer = await answered(head + field * (half - 2) + b"\r\n0\r\n" + field * (half + 2))
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert f"{MAX_HEADER_FIELDS} header fields".encode() in answer


@pytest.mark.parametrize("endless", [b"0\r\na: ", b"1;"], ids=["trailer", "extension of a chunk"])
async def test_what_is_no_body_has_an_end(endless: bytes) -> None:
    pieces = [b"a" * 8192] * (MAX_HEAD_BYTES // 8192)
    assert await answered(CHUNKED + endless, *pieces) == b""
    assert (await answered(CHUNKED + endless, *pieces, b"a")).startswith(b"HTTP/1.1 431 ")


async def test_a_long_body_in_small_chunks_is_no_overhead() -> None:
    assert await answered(CHUNKED, *[b"1\r\na\r\n" * 1000] * 50) == b""


async def test_trailers_are_not_told_as_headers() -> None:
    seen: dict[str, list[tuple[bytes, bytes]]] = {}

    async def app(scope: dict[str, list[tuple[bytes, bytes]]], receive: object, send: object) -> None:
        seen.update(headers=scope["headers"])

    protocol = served(app)
    protocol.data_received(CHUNKED + b"0\r\nOrigin: http://evil.example\r\n\r\n")
    while not seen:
        await asyncio.sleep(0)
    assert seen["headers"] == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]
