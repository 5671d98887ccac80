"""What the replica and the process of a stream's decoder say to each other, over one socket.

Each message is preceded by its length in 4 bytes, big-endian. The replica trusts none of the decoder's.
"""

import asyncio
import socket
from typing import Generic, TypeVar

import msgspec

MAX_MESSAGE_BYTES = 1 << 20
"""Longest message of a decoder."""
PIECE_BYTES = MAX_MESSAGE_BYTES // 2
"""Longest audio in one of its messages."""
_HEAD_BYTES = 4


class Feed(msgspec.Struct, tag=True, frozen=True):
    """Next bytes of the stream; answered by Decoded, as often as needed, and Drained or a last message."""

    data: bytes


class End(msgspec.Struct, tag=True, frozen=True):
    """End of the stream; answered as Feed is."""


class Resume(msgspec.Struct, tag=True, frozen=True):
    """Position of the previous owner's decoder, as of ``Resampler.resume``. Not answered."""

    source_samples: int
    samples: int
    state: tuple[float, ...]


Command = Feed | End | Resume


class Position(msgspec.Struct, frozen=True):
    """Position of the resampler, as of ``Resampler``."""

    fed_s: float = 0.0
    source_samples: int = 0
    samples: int = 0
    state: tuple[float, ...] = ()


class Decoded(msgspec.Struct, tag=True, frozen=True):
    """Audio, 16 kHz s16le, all channels interleaved."""

    pcm: bytes


class Drained(msgspec.Struct, tag=True, frozen=True):
    """All that could be decoded so far has been sent. ``left_samples``: of the limit on the length."""

    position: Position
    left_samples: int


class Refused(msgspec.Struct, tag=True, frozen=True):
    """Last message: the stream cannot be decoded any further."""

    code: str
    message: str


Answer = Decoded | Drained | Refused
Message = TypeVar("Message")


class MessagePipe(Generic[Message]):
    """One end of the socket. ``kinds``: the messages that come in; longer ones than ``max_bytes`` are refused."""

    def __init__(self, kinds: type[Message], max_bytes: int) -> None:
        self._decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(kinds)
        self._max_bytes = max_bytes
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self, end: socket.socket) -> None:
        """Use this end of a pair of sockets."""
        opened = asyncio.open_connection if end.family == socket.AF_INET else asyncio.open_unix_connection
        self._streams = await opened(sock=end)

    async def send(self, message: Command | Answer) -> None:
        """Send a message once the other side reads. Raises ConnectionError when there is none any more."""
        assert self._streams is not None
        body = msgspec.msgpack.encode(message)
        self._streams[1].writelines((len(body).to_bytes(_HEAD_BYTES, "big"), body))
        await self._streams[1].drain()

    async def receive(self) -> Message:
        """Return the next message. Raises EOFError or ConnectionError at the end, ValueError for what is none."""
        assert self._streams is not None
        reader = self._streams[0]
        n_bytes = int.from_bytes(await reader.readexactly(_HEAD_BYTES), "big")
        if n_bytes > self._max_bytes:
            raise ValueError(f"a message of {n_bytes} bytes")
        return self._decoder.decode(await reader.readexactly(n_bytes))

    def close(self) -> None:
        """Close this end."""
        if self._streams is not None:
            self._streams[1].close()
