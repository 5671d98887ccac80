"""A head of a request may be as long as the protocol allows, and no longer."""

from unittest.mock import Mock

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from stt_gateway.request_heads import MAX_ADDRESS_BYTES, MAX_HEAD_BYTES, BoundedHeadProtocol

pytestmark = pytest.mark.unit


async def answered(*pieces: bytes) -> bytes:
    """What a client that sends these is told when it is refused."""

    async def app(scope: object, receive: object, send: object) -> None:
        pass

    config = Config(app, http=BoundedHeadProtocol, log_config=None)
    config.load()
    protocol = BoundedHeadProtocol(config, ServerState(), {})
    transport = Mock()
    transport.get_extra_info.return_value = None
    protocol.connection_made(transport)
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
