"""How long the head of a request may be, and what one that is longer is told."""

import msgspec
import websockets.http11
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_ADDRESS_BYTES = 32 * 1024
"""All parameters of a live session at their longest, in letters of four bytes that are escaped, take 17 KB."""
MAX_HEAD_BYTES = 64 * 1024
"""Address and header fields. One read of the socket may exceed it."""

# It reads the head a second time, and would take no line of more than 8 KiB.
websockets.http11.MAX_LINE_LENGTH = MAX_HEAD_BYTES


class BoundedHeadProtocol(HttpToolsProtocol):
    """uvicorn itself keeps heads of any length, which costs a client nothing and the server its memory."""

    _is_in_head = False
    _head_bytes = 0
    _refused = (400, "bad_message", "not a request of HTTP")

    def data_received(self, data: bytes) -> None:
        """Reads on, unless the head has grown too long."""
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refused = (431, "too_large", f"address and headers may have {MAX_HEAD_BYTES} bytes")
                self.send_400_response("")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """The next request of this connection."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A part of the address. Raises ValueError, which ends the request."""
        super().on_url(url)
        if len(self.url) > MAX_ADDRESS_BYTES:
            self._refused = (414, "too_large", f"an address may have {MAX_ADDRESS_BYTES} bytes")
            raise ValueError(self._refused)

    def on_headers_complete(self) -> None:
        """The body follows."""
        self._is_in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Whatever is not read on."""
        status, code, message = self._refused
        body = msgspec.json.encode({"error": {"code": code, "message": message}})
        self.transport.write(
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
            + body
        )
        self.transport.close()


_PHRASES = {400: "Bad Request", 414: "URI Too Long", 431: "Request Header Fields Too Large"}
