"""Whole MP4 files in a live stream, whose index comes after the samples: recorders that are restarted write them."""

from collections.abc import AsyncIterator

from stt_audio.codecs.channels import Output
from stt_audio.codecs.formats import Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.codecs.restart_points import Checkpoint, Point
from stt_audio.live.isolated_decoder import IsolatedDecoder

_BOX_HEADER_BYTES = 16
_NOTHING: tuple[bytes, ...] = ()


def whole_mp4_bytes(data: bytes) -> int:
    """Return the length of the MP4 that ``data`` begins with, up to the next ``ftyp``; 0 unless its index is there and
    comes after its samples."""
    at, has_samples, has_index = 0, False, False
    while at + 8 <= len(data):
        header = data[at : at + _BOX_HEADER_BYTES]
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if size < 8 or at + size > len(data) or (kind == b"ftyp" and at > 0):
            break
        if kind == b"moov":
            if not has_samples:
                return 0
            has_index = True
        has_samples = has_samples or kind == b"mdat"
        at += size
    return at if has_index else 0


class WholeMp4:
    """Recording that came in one piece, of which it takes the first ``n_bytes``."""

    rest: bytes | None = None

    def __init__(self, n_bytes: int, limit: LengthLimit, output: Output | None = None) -> None:
        self._n_bytes = n_bytes
        self._limit = limit
        self._output = output
        self._decoder: IsolatedDecoder | None = None

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Yield all audio of the recording; ``data`` must be all of it."""
        self.rest = data[self._n_bytes :]
        self._decoder = IsolatedDecoder(Media.MOV, self._limit, self._output, is_whole=True)
        async for pcm in self._decoder.feed(data[: self._n_bytes]):
            yield pcm

    async def flush(self) -> AsyncIterator[bytes]:
        """Yield nothing."""
        for nothing in _NOTHING:
            yield nothing

    def finish(self) -> AsyncIterator[bytes]:
        """Same as ``flush``."""
        return self.flush()

    async def close(self) -> None:
        """End the decoder's process."""
        if self._decoder is not None:
            await self._decoder.close()

    def checkpoint(self) -> Checkpoint:
        """Return its beginning."""
        return Checkpoint(Point(0))

    def resume(self) -> None:
        """Do nothing: a recording that came in one piece is never continued."""
