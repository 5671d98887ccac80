"""The server's end of a WebSocket, made for many small messages and for connections that are lost."""

import asyncio
from collections import deque
from collections.abc import Generator
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.streams import StreamReader

from stt_gateway.core.operation.token_bucket import TokenBucket

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

LOST = "stt.is_lost"
"""ASGI extension: the protocol's ``is_lost``."""
READ_AHEAD = 2
"""Messages that may wait for the session; with more, nothing is read of the client until they are taken."""
MAX_PARSED = 256
"""Messages of one read that are parsed in one turn of the event loop; the others stay bytes until these are taken."""
MAX_PARSED_AT_END = 4096
"""The same for a connection that was lost. One read holds more only if the messages are too short for audio."""
SMALL_FRAMES_PER_S, SMALL_FRAMES_AT_ONCE = 100, 400
"""Frames that cost more to parse than they carry: pings, pongs and fragments below SMALL_FRAGMENT_BYTES. Nothing paces
them, so a client that sends more is closed with 1008."""
SMALL_FRAGMENT_BYTES = 1024
FLOOD_REASON = "too many small frames"
FLOOD_CLOSE_S = 1.0
"""A client that is closed for that has so long to read why."""
MAX_DROPPED = 100_000
"""Messages that may still come after the app's close: half an hour of audio. With more, the connection is cut."""
SLICE_BYTES = 4096
"""What websockets parses at once where it is not known how long a frame is."""

_UNREADABLE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_WHOLE_TEXT, _WHOLE_BINARY = 0x81, 0x82
_MASKED, _LONGER = 0x80, 0xFF


class FastWebSocketProtocol(WebSocketsSansIOProtocol):
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
        self._unparsed = b""
        self._frame_left = self._dropped = 0
        self._is_flooding = False
        self._small_frames = TokenBucket(SMALL_FRAMES_PER_S, SMALL_FRAMES_AT_ONCE)
        self._is_lost = False

    def handle_connect(self, event: Request) -> None:
        """Start the app as uvicorn does, with the extension ``LOST``."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast("dict[str, Any]", self.scope["extensions"])[LOST] = self.is_lost

    def is_lost(self) -> bool:
        """Whether the connection broke without a close frame.

        While nothing is read of the client, only a write finds that out: a ping is sent then.
        """
        if self.read_paused and self.conn.state is OPEN and not self.transport.is_closing():
            self.conn.send_ping(b"")
            self.transport.write(b"".join(self.conn.data_to_send()))
        return self._is_lost

    def data_received(self, data: bytes) -> None:
        """Takes bytes of the client. uvicorn sends nothing of the answer to a handshake that cannot be read, and leaves
        the connection open."""
        self._parse(self._unparsed + data if self._unparsed else data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated and not self.transport.is_closing():
            answer = b"".join(self.conn.data_to_send())
            self.transport.write(answer or _UNREADABLE)
            self.transport.close()

    def _parse(self, data: bytes, max_parsed: int = MAX_PARSED) -> None:
        self._unparsed = b""
        at, size = 0, len(data)
        while at < size and not self._is_flooding:
            if self._between.frames:
                at = self._take_messages(data, at, max_parsed)
                if self._dropped > MAX_DROPPED:
                    self._is_flooding = True
                    self.transport.abort()
                    return
                if at == size:
                    return
            if self.queue.qsize() >= max_parsed and not self.close_sent:
                self._unparsed = data[at:]
                return
            end = self._frame_end(data, at)
            super().data_received(data[at:end])
            at = end
            if self.conn.parser_exc is not None:
                return

    def _frame_end(self, data: bytes, at: int) -> int:
        """Where in ``data`` the current frame ends, so that websockets gets one at a time. If the length is not known,
        as its bytes came in two reads, a slice."""
        left = self._frame_left or (frame_bytes(data, at) if self._between.frames else 0) or SLICE_BYTES
        end = min(at + left, len(data))
        self._frame_left = left - (end - at) if left != SLICE_BYTES else 0
        return end

    async def receive(self) -> Any:
        """The next message, as uvicorn gives it."""
        if self._unparsed and self.queue.empty():
            # Other connections first.
            await asyncio.sleep(0)
            if self._unparsed:
                self._parse(self._unparsed)
            self._read_on()
        message = await self.queue.get()
        if self.read_paused:
            self._read_on()
        return message

    async def send(self, message: Any) -> None:
        """Sends as uvicorn does, and looks for the client's answer to a close."""
        await super().send(message)
        if self._unparsed and self.close_sent:
            self._parse(self._unparsed)

    def _read_on(self) -> None:
        if self.read_paused and self.queue.empty() and not self._unparsed:
            self.read_paused = False
            self.transport.resume_reading()

    def _take_messages(self, data: bytes, at: int, max_parsed: int) -> int:
        """Takes the messages from ``at`` on, as far as each is whole, in one frame and shorter than 64 KiB; answers
        where the rest begins. So come nearly all, and websockets takes several times as long for one: it reads each
        field by itself, through generators."""
        size = len(data)
        limit, queue = self.config.ws_max_size, self.queue
        while (self.conn.state is OPEN or self.close_sent) and self.conn.current_size is None and at + 6 <= size:
            kind, short = data[at], data[at + 1]
            if kind not in (_WHOLE_TEXT, _WHOLE_BINARY) or not _MASKED <= short < _LONGER:
                break
            length, begin = short - _MASKED, at + 6
            if length == 126:
                length, begin = int.from_bytes(data[at + 2 : at + 4]), at + 8
            end = begin + length
            if end > size or length > limit:
                break
            if self.close_sent:
                # The client's own close may follow.
                self._dropped += 1
            else:
                if queue.qsize() >= max_parsed:
                    break
                self.curr_msg_data_type = "text" if kind == _WHOLE_TEXT else "bytes"
                self.frames = [apply_mask(data[begin:end], data[begin - 4 : begin])]
                self.send_receive_event_to_app()
            at = end
        return at

    def send_receive_event_to_app(self) -> None:
        """Queues the message that has just become complete."""
        if self.read_paused or self.queue.qsize() >= READ_AHEAD:
            super().send_receive_event_to_app()
            return
        # The base class stops reading unless that has been done.
        self.read_paused = True
        super().send_receive_event_to_app()
        self.read_paused = False

    def handle_cont(self, event: Frame) -> None:
        """A further fragment of a message."""
        if len(event.data) >= SMALL_FRAGMENT_BYTES or self._take_small_frame():
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answers, unless the client reads nothing: pongs would pile up."""
        if not self._take_small_frame():
            return
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_pong(self, event: Frame) -> None:
        """An answer, or noise."""
        if self._take_small_frame():
            super().handle_pong(event)

    def _take_small_frame(self) -> bool:
        """False when it is one too many: the connection is closed then."""
        if self._small_frames.take(self.loop.time()):
            return True
        if not self._is_flooding:
            self._close_flood()
        return False

    def _close_flood(self) -> None:
        self._is_flooding = self.close_sent = True
        self.frames = []
        self.conn.fail(CloseCode.POLICY_VIOLATION, FLOOD_REASON)
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": CloseCode.POLICY_VIOLATION, "reason": FLOOD_REASON}
        )
        self.transport.write(b"".join(self.conn.data_to_send()))
        # Closed at once, with much unread, the system would reset the connection and the client not learn the code.
        self.transport.pause_reading()
        self.read_paused = False
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(FLOOD_CLOSE_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """uvicorn tells 1005 (closed without a code) for a connection that was lost, too."""
        if self._unparsed:
            self._parse(self._unparsed, MAX_PARSED_AT_END)
        if self.handshake_complete and self.conn.close_rcvd is None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
            self._is_lost = True
        super().connection_lost(exc)


def frame_bytes(data: bytes, at: int) -> int:
    """Length of the frame that begins at ``at``, with its head; 0 when not all bytes of the length are there."""
    head = data[at : at + 10]
    if len(head) < 2:
        return 0
    short = head[1] & 0x7F
    mask = 4 if head[1] & _MASKED else 0
    extended = {126: 2, 127: 8}.get(short, 0)
    if len(head) < 2 + extended:
        return 0
    length = int.from_bytes(head[2 : 2 + extended]) if extended else short
    return 2 + extended + mask + length


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
