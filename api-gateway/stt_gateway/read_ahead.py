"""The server's end of a WebSocket, made for many small messages and for connections that are lost."""

import asyncio
from collections import deque
from collections.abc import Generator
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN
from websockets.streams import StreamReader

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

READ_AHEAD = 2
"""Messages that may wait for the session; with more, nothing is read of the client until they are taken."""

_UNREADABLE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_WHOLE_TEXT, _WHOLE_BINARY = 0x81, 0x82
_MASKED, _LONGER = 0x80, 0xFF


class ReadAheadProtocol(WebSocketsSansIOProtocol):
    """uvicorn stops reading at every message and starts again when it is taken, which costs two system calls each.
    A session takes its messages at once unless it must wait for room, and only then need the client wait too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._between = _Between()
        self.conn.reader = self._between
        # It was made for the reader before.
        self.conn.parser = self.conn.parse()
        next(self.conn.parser)
        self.queue = cast("asyncio.Queue[Any]", _Messages(self.loop))

    def data_received(self, data: bytes) -> None:
        """Takes bytes of the client. uvicorn sends nothing of the answer to a handshake that cannot be read, and leaves
        the connection open."""
        if self._between.frames and not (data := self._without_messages(data)):
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated and not self.transport.is_closing():
            answer = b"".join(self.conn.data_to_send())
            self.transport.write(answer or _UNREADABLE)
            self.transport.close()

    def _without_messages(self, data: bytes) -> bytes:
        """Takes the messages that ``data`` begins with, as far as each is whole, in one frame and shorter than 64 KiB;
        answers the rest. So come nearly all, and websockets takes several times as long for one: it reads each field by
        itself, through generators."""
        at, size = 0, len(data)
        limit = self.config.ws_max_size
        while self.conn.state is OPEN and self.conn.current_size is None and at + 6 <= size:
            kind, short = data[at], data[at + 1]
            if kind not in (_WHOLE_TEXT, _WHOLE_BINARY) or not _MASKED <= short < _LONGER:
                break
            length, begin = short - _MASKED, at + 6
            if length == 126:
                length, begin = int.from_bytes(data[at + 2 : at + 4]), at + 8
            end = begin + length
            if end > size or length > limit:
                break
            self.curr_msg_data_type = "text" if kind == _WHOLE_TEXT else "bytes"
            self.frames = [apply_mask(data[begin:end], data[begin - 4 : begin])]
            self.send_receive_event_to_app()
            at = end
        return data[at:] if at else data

    def send_receive_event_to_app(self) -> None:
        """Queues the message that has just become complete."""
        if self.read_paused or self.queue.qsize() >= READ_AHEAD:
            super().send_receive_event_to_app()
            return
        # The base class stops reading unless that has been done.
        self.read_paused = True
        super().send_receive_event_to_app()
        self.read_paused = False

    def connection_lost(self, exc: Exception | None) -> None:
        """uvicorn tells 1005 (closed without a code) for a connection that was lost, too."""
        if self.handshake_complete and self.conn.close_rcvd is None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        super().connection_lost(exc)


class _Between(StreamReader):
    """Knows when the parser waits for the first byte of a frame."""

    frames = False

    def at_eof(self) -> Generator[None, None, bool]:
        while True:
            if self.buffer:
                return False
            if self.eof:
                return True
            self.frames = True
            yield
            self.frames = False


class _Messages:
    """What uvicorn needs of asyncio.Queue, for one who takes: in Python 3.11 that asks the system for the process's id
    at every step."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._messages: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def qsize(self) -> int:
        return len(self._messages)

    def empty(self) -> bool:
        return not self._messages

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def get_nowait(self) -> Any:
        return self._messages.popleft()

    async def get(self) -> Any:
        while not self._messages:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._messages.popleft()
