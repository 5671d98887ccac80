"""Messages of Deepgram's clients: audio is binary, everything else is JSON."""

from typing import Annotated

import msgspec

from stt_shared.contracts.errors import SttError

_MAX_BRACKETS = 64
_MAX_QUOTED_CHARS = 200
_TYPES = "KeepAlive, Finalize, CloseStream or Configure"


class _ClientMessage(msgspec.Struct, frozen=True, tag_field="type"):
    pass


class KeepAlive(_ClientMessage, frozen=True, tag="KeepAlive"):
    """The client is still there."""


class Finalize(_ClientMessage, frozen=True, tag="Finalize"):
    """Request for the text of all audio so far. ``channel`` has no effect: all channels are finalised."""

    channel: Annotated[int, msgspec.Meta(ge=0)] | None = None


class CloseStream(_ClientMessage, frozen=True, tag="CloseStream"):
    """Request for the text of all audio and the metadata; nothing follows it."""


class Configure(_ClientMessage, frozen=True, tag="Configure"):
    """Other keyterms from here on; None leaves them as they are. ``features``: without effect."""

    keyterms: list[str] | None = None
    features: dict[str, bool] | None = None


ClientMessage = KeepAlive | Finalize | CloseStream | Configure

_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)


class SchemaError(Exception):
    """Error for a message that cannot be read; its ``message`` is the beginning of the client's."""

    def __init__(self, description: str, message: str) -> None:
        super().__init__(description)
        self.description = description
        # Half a surrogate pair cannot be sent back.
        self.message = message[:_MAX_QUOTED_CHARS].encode(errors="replace").decode()


def message_from_text(text: str) -> ClientMessage:
    """Parse a text message. Raises SchemaError."""
    # Valid messages do not nest deeply. This bounds the depth before parsing.
    if text.count("{") + text.count("[") > _MAX_BRACKETS:
        raise SchemaError(f"nested too deeply; type must be {_TYPES}", text)
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        description = f"{str(error)[:_MAX_QUOTED_CHARS]}; a message is a JSON object whose type is {_TYPES}"
        raise SchemaError(description, text) from None


def message_from_bytes(data: bytes) -> ClientMessage | None:
    """Return the message that a client has sent as binary by mistake; None: it is audio."""
    if not data.startswith(b"{"):
        return None
    try:
        return message_from_text(data.decode())
    except (SchemaError, UnicodeDecodeError):
        return None


def check_size(size: int, max_bytes: int) -> None:
    """Raise SttError too_large for a message that is too long."""
    if size > max_bytes:
        raise SttError("too_large", f"a message of {size} bytes; {max_bytes} are allowed")
