"""Routes ``WS /v1/twilio``, ``/v1/asterisk`` and ``/v1/freeswitch``: audio of calls, as these send it."""

import asyncio

from fastapi import APIRouter, WebSocket

from stt_gateway.authorize import needs
from stt_gateway.context import context_of
from stt_gateway.core.live.time_limits import FIRST_AUDIO_KEPT_S, no_audio
from stt_gateway.core.requests.principal import Scope
from stt_gateway.dialects.asterisk import AsteriskDialect
from stt_gateway.dialects.freeswitch import FreeswitchDialect
from stt_gateway.dialects.twilio import TwilioDialect
from stt_gateway.live.client_socket import ClientSocket
from stt_gateway.ws.endpoint import serve
from stt_gateway.ws.message_reader import MAX_BEFORE_BEGIN
from stt_gateway.ws.stream import StreamConnection
from stt_shared.contracts.errors import SttError

router = APIRouter()


@router.websocket("/v1/twilio")
@needs(Scope.STREAM)
async def twilio(websocket: WebSocket) -> None:
    """Receive a call of Twilio Media Streams; docs/dialects.md is the contract."""
    dialect = TwilioDialect()

    async def introduce(client: ClientSocket) -> None:
        await _read_start(client, dialect, context_of(websocket).settings.max_message_bytes)
        if dialect.credential:
            # A call has neither headers nor a query of its own; what it says itself is in no log of an address.
            websocket.scope["headers"].append((b"x-api-key", dialect.credential.encode("ascii", "replace")))

    connection = StreamConnection(websocket, dialect)
    await serve(websocket, connection, close_reason=lambda: dialect.close_reason, introduce=introduce)


@router.websocket("/v1/asterisk")
@needs(Scope.STREAM)
async def asterisk(websocket: WebSocket) -> None:
    """Receive a call of Asterisk's WebSocket channel."""
    dialect = AsteriskDialect()
    await serve(websocket, StreamConnection(websocket, dialect), close_reason=lambda: dialect.close_reason)


@router.websocket("/v1/freeswitch")
@needs(Scope.STREAM)
async def freeswitch(websocket: WebSocket) -> None:
    """Receive a call of FreeSWITCH's mod_audio_stream, and send events."""
    await serve(websocket, StreamConnection(websocket, FreeswitchDialect()))


async def _read_start(client: ClientSocket, dialect: TwilioDialect, max_bytes: int) -> None:
    """Read up to the message that describes the call. Raises ClientGone or SttError."""
    try:
        async with asyncio.timeout(FIRST_AUDIO_KEPT_S):
            for _ in range(MAX_BEFORE_BEGIN):
                if dialect.introduce(await client.receive(), max_bytes):
                    return
    except TimeoutError:
        raise no_audio(FIRST_AUDIO_KEPT_S) from None
    raise SttError("bad_message", f"{MAX_BEFORE_BEGIN} messages, and none of them is start")
