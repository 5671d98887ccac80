"""Reader of a live client's messages."""

import asyncio
from collections import deque

from stt_gateway.core.live.messages import Foreign, ForeignMessage, Keepalive, Message
from stt_gateway.core.live.time_limits import no_audio
from stt_gateway.core.requests.parameters import quoted
from stt_gateway.core.requests.session_request import SessionRequest
from stt_gateway.dialects.base import Begin, Buffering, Dialect, Reply
from stt_gateway.live.client_socket import ClientGone, ClientSocket
from stt_shared.contracts.errors import SttError
from stt_shared.streams.keys import is_valid_id

ID_RULE = "an id is 1 to 128 letters, digits and . _ : @ -"
MAX_BEFORE_BEGIN = 100
"""Messages with which a client may prepare its session; nothing paces them yet."""


class MessageReader:
    """Messages of one connection, parsed by its dialect. ``request``: None if a message begins the session."""

    def __init__(self, client: ClientSocket, dialect: Dialect, request: SessionRequest | None, max_bytes: int) -> None:
        self._client = client
        self._dialect = dialect
        self._request = request
        self._max_bytes = max_bytes
        self._waiting: deque[Message] = deque()
        self._gone: ClientGone | None = None

    async def request(self, patience_s: float) -> SessionRequest:
        """Return the session's request, answering what the client sends before it.

        Raises ClientGone, or SttError for a message that is not allowed or a client that waits too long.
        """
        try:
            async with asyncio.timeout(patience_s):
                for _ in range(MAX_BEFORE_BEGIN):
                    if self._request is not None:
                        return self._request
                    await self._read()
        except TimeoutError:
            raise no_audio(patience_s) from None
        raise SttError("bad_message", f"{MAX_BEFORE_BEGIN} messages, and none of them begins a session")

    async def next(self) -> Message:
        """Return the next message. Raises ClientGone, or SttError for a message that is not allowed."""
        while not self._waiting:
            if self._gone is not None:
                raise self._gone
            try:
                await self._read()
            except ClientGone as gone:
                self._gone = gone
                if isinstance(self._dialect, Buffering):
                    self._waiting.extend(self._dialect.leftover())
        message = self._waiting.popleft()
        if message.session_id is not None and not is_valid_id(message.session_id):
            raise SttError("bad_message", f"session_id {quoted(message.session_id)}; {ID_RULE}")
        return message

    async def _read(self) -> None:
        """Take the steps of one more message: reply, begin, or leave it to ``next``."""
        data = await self._client.receive()
        try:
            steps = self._dialect.parse_message(data, self._request, self._max_bytes)
        except ForeignMessage as error:
            steps = (Foreign(error=error),)
        for step in steps:
            match step:
                case Reply():
                    await self._client.send(step.payload)
                case Begin():
                    assert self._request is None
                    self._request = step.request
                case _:
                    assert self._request is not None
                    self._waiting.append(step)
        if self._request is not None and not self._waiting:
            # A message that was only answered keeps the session alive, and is paced, as any other.
            self._waiting.append(Keepalive())
