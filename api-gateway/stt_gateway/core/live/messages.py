"""Messages that a client may send on the WebSocket, and the refusal of everything else."""

from typing import Annotated, Any

import msgspec

from stt_gateway.core.requests.base64_text import base64_bytes
from stt_gateway.core.requests.parameters import NotAllowed
from stt_gateway.core.requests.session_request import Framing
from stt_gateway.core.requests.vocabulary import keyterms_of, replacements_of
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import VocabularyUpdate

_MAX_BRACKETS = 64
_ALLOWED = "a message is a JSON object whose type is audio, finalize, configure, stop or keepalive"
_TYPES = frozenset({"audio", "finalize", "configure", "stop", "keepalive"})

ChunkNumber = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    session_id: str | None = None


class Audio(_Message, frozen=True, kw_only=True, tag="audio"):
    """Chunk of audio of any length; base64 in JSON. ``seq`` counts the client's chunks from 1."""

    chunk: bytes
    seq: ChunkNumber | None = None


class Finalize(_Message, frozen=True, kw_only=True, tag="finalize"):
    """Request to end the current utterance at once."""


class Configure(_Message, frozen=True, kw_only=True, tag="configure"):
    """Change of the vocabulary from here on; what is left out stays as it is."""

    keyterms: list[str] | None = None
    replacements: dict[str, str] | None = None

    def update(self) -> VocabularyUpdate:
        """Return the change. Raises SttError bad_message."""
        try:
            return VocabularyUpdate(
                None if self.keyterms is None else keyterms_of(self.keyterms),
                None if self.replacements is None else replacements_of(self.replacements),
            )
        except NotAllowed as error:
            raise SttError("bad_message", f"configure: keyterms and replacements must have {error}") from None


class Stop(_Message, frozen=True, kw_only=True, tag="stop"):
    """Request to flush and send `done`; nothing follows it."""


class Keepalive(_Message, frozen=True, kw_only=True, tag="keepalive"):
    """Message that only keeps the session alive."""


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """Message of another protocol, and the error that it is unless it may be ignored."""

    error: SttError
    session_id: None = None


OwnMessage = Audio | Finalize | Configure | Stop | Keepalive
Message = OwnMessage | Foreign

_decoder: msgspec.json.Decoder[OwnMessage] = msgspec.json.Decoder(OwnMessage)


class ForeignMessage(SttError):
    """The message is of another protocol: it is text, or JSON without a ``type`` of this one."""


def message_from_text(text: str, max_bytes: int) -> OwnMessage:
    """Parse a text message. Raises SttError too_large or bad_message; the latter as ForeignMessage if it is one."""
    check_size(text, max_bytes)
    # Valid messages do not nest. This bounds the depth before parsing, at the cost of two scans in C.
    if text.count("{") + text.count("[") > _MAX_BRACKETS:
        raise SttError("bad_message", f"nested too deeply; {_ALLOWED}")
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        return _tolerated(text, f"{str(error)[:200]}; {_ALLOWED}")


def message_from_bytes(data: bytes, framing: Framing, max_bytes: int) -> OwnMessage:
    """Parse a binary message: audio, preceded by its number if the framing says so, or a JSON object.

    Raises SttError too_large or bad_message; the latter as ForeignMessage if it is one.
    """
    check_size(data, max_bytes)
    if data[:1] == b"{" and _is_object(data):
        return message_from_text(data.decode(), max_bytes)
    if framing is Framing.RAW:
        return Audio(chunk=data)
    if len(data) < 4:
        raise SttError(
            "bad_message", f"{len(data)} bytes; with framing=seq32 a message begins with a number of 4 bytes"
        )
    return Audio(chunk=data[4:], seq=int.from_bytes(data[:4], "big"))


def _tolerated(text: str, refusal: str) -> OwnMessage:
    """Parse a message that is not quite as it should be; raise what is wrong with it if that is too much."""
    try:
        message: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        is_cut_off = text.lstrip().startswith("{")
        raise (SttError if is_cut_off else ForeignMessage)("bad_message", refusal) from None
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(kind, str) or kind not in _TYPES:
        raise ForeignMessage("bad_message", refusal)
    if kind != "audio" or not isinstance(message.get("chunk"), str):
        raise SttError("bad_message", refusal)
    try:
        return msgspec.convert({**message, "chunk": base64_bytes(message["chunk"])}, Audio)
    except ValueError as error:
        raise SttError("bad_message", f"{str(error)[:200]}; {_ALLOWED}, and its chunk is base64") from None


def _is_object(data: bytes) -> bool:
    """Return whether a binary message is a JSON object, which audio never is."""
    if data.count(b"{") + data.count(b"[") > _MAX_BRACKETS:
        return False
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return isinstance(value, dict) and len(value) > 0


def check_size(data: str | bytes, max_bytes: int) -> None:
    """Raise SttError too_large for a message of more than ``max_bytes``."""
    # Characters of some scripts take four bytes.
    size = len(data.encode(errors="surrogatepass")) if isinstance(data, str) and not data.isascii() else len(data)
    if size > max_bytes:
        raise SttError("too_large", f"a message of {size} bytes; {max_bytes} are allowed")
