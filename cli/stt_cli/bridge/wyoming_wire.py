"""Wyoming on the wire: a line of JSON, then data as JSON and a payload, each as long as the line says."""

from typing import Annotated, Any, NamedTuple

import msgspec

MAX_HEADER_BYTES = 64 * 1024
MAX_DATA_BYTES = 256 * 1024
MAX_PAYLOAD_BYTES = 1024 * 1024
_ALLOWED = 'a message is a line of JSON such as {"type": "describe"}'

Length = Annotated[int, msgspec.Meta(ge=0)]


class WireError(Exception):
    """The client does not keep to its protocol; what follows cannot be read."""


class Message(NamedTuple):
    """One message, from or to a client."""

    type: str
    data: dict[str, Any]
    payload: bytes = b""


class Header(msgspec.Struct, frozen=True):
    """The line with which a message begins."""

    type: str
    data: dict[str, Any] | None = None
    data_length: Length | None = None
    payload_length: Length | None = None


_headers = msgspec.json.Decoder(Header)
_objects = msgspec.json.Decoder(dict[str, Any])


def header_of(line: bytes) -> Header:
    """Parse the first line of a message. Raises WireError."""
    try:
        header = _headers.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"{str(error)[:200]}; {_ALLOWED}") from None
    for name, length, most in (
        ("data_length", header.data_length, MAX_DATA_BYTES),
        ("payload_length", header.payload_length, MAX_PAYLOAD_BYTES),
    ):
        if (length or 0) > most:
            raise WireError(f"{name}={length}; at most {most} are allowed")
    return header


def message_of(header: Header, data: bytes, payload: bytes) -> Message:
    """Return the message: what ``data`` holds comes on top of the header's. Raises WireError."""
    try:
        more = _objects.decode(data) if data else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"the data of {header.type[:40]!r}: {str(error)[:200]}") from None
    return Message(header.type, {**(header.data or {}), **more}, payload)


def encoded(kind: str, data: dict[str, Any] | None = None) -> bytes:
    """Encode a message without a payload."""
    if not data:
        return msgspec.json.encode({"type": kind}) + b"\n"
    body = msgspec.json.encode(data)
    return msgspec.json.encode({"type": kind, "data_length": len(body)}) + b"\n" + body
