"""The server's end of a WebSocket, made for many small messages and for connections that are lost."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

READ_AHEAD = 2
"""Messages that may wait for the session; with more, nothing is read of the client until they are taken."""

_UNREADABLE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class ReadAheadProtocol(WebSocketsSansIOProtocol):
    """uvicorn stops reading at every message and starts again when it is taken, which costs two system calls each.
    A session takes its messages at once unless it must wait for room, and only then need the client wait too."""

    def data_received(self, data: bytes) -> None:
        """Takes bytes of the client. uvicorn sends nothing of the answer to a handshake that cannot be read, and leaves
        the connection open."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated and not self.transport.is_closing():
            answer = b"".join(self.conn.data_to_send())
            self.transport.write(answer or _UNREADABLE)
            self.transport.close()

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
