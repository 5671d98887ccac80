"""Messages that a client may send on the WebSocket, and the refusal of everything else."""

from typing import Annotated

import msgspec

from stt_gateway.core.requests.session_request import Framing
from stt_shared.contracts.errors import SttError

_MAX_BRACKETS = 64
_ALLOWED = "a message is a JSON object whose type is audio, finalize, stop or keepalive"

ChunkNumber = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    session_id: str | None = None


class Audio(_Message, frozen=True, kw_only=True, tag="audio"):
    """Chunk of audio of any length; base64 in JSON. ``seq`` counts the client's chunks from 1."""

    chunk: bytes
    seq: ChunkNumber | None = None


class Finalize(_Message, frozen=True, kw_only=True, tag="finalize"):
    """Request to end the current utterance at once."""


class Stop(_Message, frozen=True, kw_only=True, tag="stop"):
    """Request to flush and send `done`; nothing follows it."""


class Keepalive(_Message, frozen=True, kw_only=True, tag="keepalive"):
    """Message that only keeps the session alive."""


Message = Audio | Finalize | Stop | Keepalive

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def message_from_text(text: str, max_bytes: int) -> Message:
    """Parse a text message. Raises SttError bad_message or too_large."""
    # Characters of some scripts take four bytes.
    _check_size(len(text) if text.isascii() else len(text.encode(errors="surrogatepass")), max_bytes)
    # Valid messages do not nest. This bounds the depth before parsing, at the cost of two scans in C.
    if text.count("{") + text.count("[") > _MAX_BRACKETS:
        raise SttError("bad_message", f"nested too deeply; {_ALLOWED}")
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise SttError("bad_message", f"{str(error)[:200]}; {_ALLOWED}") from None


def message_from_bytes(data: bytes, framing: Framing, max_bytes: int) -> Audio:
    """Parse a binary message: audio, preceded by its number if the framing says so.

    Raises SttError bad_message or too_large.
    """
    _check_size(len(data), max_bytes)
    if framing is Framing.RAW:
        return Audio(chunk=data)
    if len(data) < 4:
        raise SttError(
            "bad_message", f"{len(data)} bytes; with framing=seq32 a message begins with a number of 4 bytes"
        )
    return Audio(chunk=data[4:], seq=int.from_bytes(data[:4], "big"))


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise SttError("too_large", f"a message of {size} bytes; {max_bytes} are allowed")
