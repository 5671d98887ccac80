"""Size limits of request heads and trailers, and the errors for clients that exceed them."""

from http import HTTPStatus
from typing import NoReturn

import msgspec
import websockets.http11
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stt_gateway.http.error_shapes import Refusal, refusal_body
from stt_gateway.http.headers import API_HEADERS

MAX_ADDRESS_BYTES = 32 * 1024
"""Limit of an address. All parameters of a live session at their longest, in escaped four-byte characters, take
17 KB."""
MAX_HEAD_BYTES = 64 * 1024
"""Limit of address and header fields together, and of other consecutive data that is not body: trailers and chunk
extensions. One read of the socket may exceed it."""
MAX_HEADER_FIELDS = 100
"""Limit of a head and its trailers together."""

# websockets reads the head a second time, and by default accepts no line longer than 8 KiB.
websockets.http11.MAX_LINE_LENGTH = MAX_HEAD_BYTES


class BoundedHeadProtocol(HttpToolsProtocol):
    """HTTP protocol with bounded heads: uvicorn itself keeps heads of any length, so a client could exhaust memory."""

    _is_in_head = False
    _has_progressed = False
    _is_refused = False
    _overhead_bytes = 0
    _header_fields = 0
    _refusal = (400, "bad_message", "not a request of HTTP")

    def data_received(self, data: bytes) -> None:
        """Parse ``data``; refuse the request when too much has come that is not body."""
        self._has_progressed = False
        super().data_received(data)
        self._overhead_bytes = 0 if self._has_progressed else self._overhead_bytes + len(data)
        if self._overhead_bytes > MAX_HEAD_BYTES and not self._is_refused:
            self.refuse(431, "too_large", f"address and headers may have {MAX_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """Reset the counts: the next request of this connection begins."""
        super().on_message_begin()
        self._is_in_head = self._has_progressed = True
        self._header_fields = 0

    def on_url(self, url: bytes) -> None:
        """Check the length of the address with this part. Raises ValueError, which ends the request."""
        super().on_url(url)
        if len(self.url) > MAX_ADDRESS_BYTES:
            self._fail(414, f"an address may have {MAX_ADDRESS_BYTES} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header or trailer field. Raises ValueError, which ends the request."""
        self._header_fields += 1
        if self._header_fields > MAX_HEADER_FIELDS:
            self._fail(431, f"a request may have {MAX_HEADER_FIELDS} header fields")
        if self._is_in_head:
            super().on_header(name, value)
        # Trailers are dropped: the app has already read the headers, and none that it uses may come later.

    def on_headers_complete(self) -> None:
        """Note that the head is complete and the body follows."""
        self._is_in_head = False
        self._has_progressed = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that a piece of the body came."""
        self._has_progressed = True
        super().on_body(body)

    def refuse(self, status: int, code: str, message: str) -> None:
        """Answer with an error and close."""
        self._is_refused = True
        # A connection without a request has no address.
        path = getattr(self, "url", b"").partition(b"?")[0].decode("latin-1")
        body = msgspec.json.encode(refusal_body(path, Refusal(status, code, message)))
        fields = {
            **API_HEADERS,
            "Content-Type": "application/json",
            "Content-Length": len(body),
            "Connection": "close",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.transport.write(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode() + body)
        self.transport.close()

    def _fail(self, status: int, message: str) -> NoReturn:
        self._refusal = (status, "too_large", message)
        raise ValueError(message)

    def send_400_response(self, msg: str) -> None:
        """Answer a request that could not be parsed, with the error that applies."""
        self.refuse(*self._refusal)
