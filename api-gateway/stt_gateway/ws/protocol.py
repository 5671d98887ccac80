"""Server side of a WebSocket, optimized for many small messages and robust against lost connections."""

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
from stt_gateway.live.client_socket import LOST, UNANSWERED_S

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

READ_AHEAD = 2
"""Messages that may wait for the session; beyond that, nothing is read from the client until they are consumed."""
MAX_PARSED = 256
"""Messages of one read that are parsed in one turn of the event loop; the rest stay bytes until these are consumed."""
MAX_PARSED_AT_END = 4096
"""The same limit for a lost connection. One read holds more messages only if they are too short for audio."""
SMALL_FRAMES_PER_S, SMALL_FRAMES_AT_ONCE = 100, 400
"""Limits for frames that cost more to parse than they carry: pings, pongs and fragments below SMALL_FRAGMENT_BYTES.
Nothing else paces them, so a client that exceeds the limits is closed with 1008."""
SMALL_FRAGMENT_BYTES = 1024
FLOOD_REASON = "too many small frames"
FLOOD_CLOSE_S = 1.0
"""Time that a client closed for flooding has to read the reason."""
MAX_DROPPED = 100_000
"""Messages that may still arrive after the app's close: half an hour of audio. Beyond that, the connection is
aborted."""
SLICE_BYTES = 4096
"""Bytes that websockets parses at once while the length of a frame is unknown."""

_UNREADABLE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_WHOLE_TEXT, _WHOLE_BINARY = 0x81, 0x82
_MASKED, _LONGER = 0x80, 0xFF


class FastWebSocketProtocol(WebSocketsSansIOProtocol):
    """WebSocket protocol that pauses reading only while the session falls behind.

    uvicorn pauses reading at every message and resumes when it is consumed, which costs two system calls per message.
    A session consumes its messages at once unless it waits for room in its log; only then must the client wait too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reader = _BoundaryReader()
        self.conn.reader = self._reader
        # The existing parser is bound to the previous reader.
        self.conn.parser = self.conn.parse()
        next(self.conn.parser)
        self.queue = cast("asyncio.Queue[Any]", _Messages(self.loop))
        self._unparsed = b""
        self._frame_left = self._dropped = 0
        self._is_flooding = False
        self._small_frames = TokenBucket(SMALL_FRAMES_PER_S, SMALL_FRAMES_AT_ONCE)
        self._is_lost = False
        self._answered_s = self.loop.time()

    def handle_connect(self, event: Request) -> None:
        """Start the app as uvicorn does, with the extensions ``LOST`` and ``UNANSWERED_S``."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions[LOST] = self.is_lost
            extensions[UNANSWERED_S] = lambda: self.loop.time() - self._answered_s

    def is_lost(self) -> bool:
        """Whether the connection broke without a close frame.

        While nothing is read of the client, only a write finds that out: a ping is sent then.
        """
        if self.read_paused and self.conn.state is OPEN and not self.transport.is_closing():
            self.conn.send_ping(b"")
            self.transport.write(b"".join(self.conn.data_to_send()))
        return self._is_lost

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the client, and answer a handshake that cannot be read.

        For such a handshake uvicorn sends no part of the answer and leaves the connection open.
        """
        self._parse(self._unparsed + data if self._unparsed else data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated and not self.transport.is_closing():
            answer = b"".join(self.conn.data_to_send())
            self.transport.write(answer or _UNREADABLE)
            self.transport.close()

    def _parse(self, data: bytes, max_parsed: int = MAX_PARSED) -> None:
        self._unparsed = b""
        at, size = 0, len(data)
        while at < size and not self._is_flooding:
            if self._reader.is_at_boundary:
                at = self._queue_whole_messages(data, at, max_parsed)
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
        """Return where in ``data`` the current frame ends, so that websockets gets one frame at a time.

        If its length is unknown because the length bytes arrived in two reads, return the end of a slice of
        SLICE_BYTES.
        """
        left = self._frame_left or (frame_bytes(data, at) if self._reader.is_at_boundary else 0) or SLICE_BYTES
        end = min(at + left, len(data))
        self._frame_left = left - (end - at) if left != SLICE_BYTES else 0
        return end

    async def receive(self) -> Any:
        """Return the next message in uvicorn's form."""
        if self._unparsed and self.queue.empty():
            # Let other connections run first.
            await asyncio.sleep(0)
            if self._unparsed:
                self._parse(self._unparsed)
            self._resume_reading()
        message = await self.queue.get()
        if self.read_paused:
            self._resume_reading()
        return message

    async def send(self, message: Any) -> None:
        """Send as uvicorn does; after a close, parse the waiting bytes for the client's answer to it."""
        await super().send(message)
        if self._unparsed and self.close_sent:
            self._parse(self._unparsed)

    def _resume_reading(self) -> None:
        if self.read_paused and self.queue.empty() and not self._unparsed:
            self.read_paused = False
            self.transport.resume_reading()

    def _queue_whole_messages(self, data: bytes, at: int, max_parsed: int) -> int:
        """Queue the messages from ``at`` on while each is complete, in one frame and shorter than 64 KiB.

        Returns where the rest begins. Nearly all messages have this form, and websockets takes several times as long
        per message because it reads each field separately, through generators.
        """
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
        """Queue the message that has just become complete."""
        if self.read_paused or self.queue.qsize() >= READ_AHEAD:
            super().send_receive_event_to_app()
            return
        # The base class pauses reading unless it is already paused.
        self.read_paused = True
        super().send_receive_event_to_app()
        self.read_paused = False

    def handle_cont(self, event: Frame) -> None:
        """Handle a continuation fragment of a message."""
        if len(event.data) >= SMALL_FRAGMENT_BYTES or self._count_small_frame():
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer a ping, unless the client does not read: pongs would pile up."""
        if not self._count_small_frame():
            return
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_pong(self, event: Frame) -> None:
        """Handle a pong, solicited or not."""
        self._answered_s = self.loop.time()
        if self._count_small_frame():
            super().handle_pong(event)

    def _count_small_frame(self) -> bool:
        """Count a small frame; return False if it exceeds the limit, in which case the connection is closed."""
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
        # An immediate close with much data unread would make the system reset the connection, and the client would not
        # receive the close code.
        self.transport.pause_reading()
        self.read_paused = False
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(FLOOD_CLOSE_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report 1006 to the app for a lost connection; uvicorn reports 1005 (closed without a code)."""
        if self._unparsed:
            self._parse(self._unparsed, MAX_PARSED_AT_END)
        if self.handshake_complete and self.conn.close_rcvd is None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
            self._is_lost = True
        super().connection_lost(exc)


def frame_bytes(data: bytes, at: int) -> int:
    """Return the length of the frame that begins at ``at``, header included.

    Returns 0 while the bytes of its length field are incomplete.
    """
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


class _BoundaryReader(StreamReader):
    """Reader that records whether the parser waits for the first byte of a frame."""

    is_at_boundary = False

    def at_eof(self) -> Generator[None, None, bool]:
        while True:
            if self.buffer:
                return False
            if self.eof:
                return True
            self.is_at_boundary = True
            yield
            self.is_at_boundary = False


class _Messages:
    """Queue with the part of asyncio.Queue's interface that uvicorn uses, for a single consumer.

    In Python 3.11, asyncio.Queue asks the system for the process id at every step.
    """

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
