"""Recordings in containers in a live stream, decoded by FFmpeg while they arrive."""

from collections.abc import AsyncIterator

from stt_audio.codecs.channels import Output
from stt_audio.codecs.formats import Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.codecs.restart_points import Checkpoint, RestartPoints
from stt_audio.live.isolated_decoder import IsolatedDecoder
from stt_shared.contracts.errors import SttError

MAX_LOST_BYTES = 65_536
"""Most data in a row that yields no audio once the structure of the container is lost."""
_NOTHING: tuple[bytes, ...] = ()


class ContainerStream:
    """Recording in a container, with FFmpeg in a process; holds back nothing that could be decoded.

    It ends where the header of another recording begins. ``output``: as of ``ContainerDecoder``.
    """

    rest: bytes | None = None

    def __init__(
        self, media: Media, limit: LengthLimit, begin: Checkpoint | None = None, output: Output | None = None
    ) -> None:
        self._media = media
        self._begin = begin
        self._decoder = IsolatedDecoder(media, limit, output, held=begin is not None)
        self._points = RestartPoints(media, begin.point if begin else None)
        # Parsed, but not fed to the decoder: it may belong to the next recording.
        self._pending = begin.point.prefix if begin else b""
        self._lost_bytes = 0
        # Bytes that were passed over, until the decoder has begun.
        self._passed_bytes: int | None = 0

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Add ``data`` and yield all audio that it completes."""
        parser, decoder = self._points.parser, self._decoder
        self._points.feed(data)
        if parser.refusal:
            raise SttError("bad_audio", parser.refusal)
        data = self._pending + data
        own_bytes = len(data) - parser.undecided_bytes
        self._pending = data[own_bytes:]
        if parser.ends:
            self.rest, self._pending = self._pending, b""
        before_s = decoder.position.fed_s
        async for pcm in decoder.feed(self._begun(data[:own_bytes])):
            yield pcm
        self._points.decoded(len(data), before_s, decoder.position.fed_s)
        self._lost_bytes = self._lost_bytes + len(data) if parser.is_lost and decoder.position.fed_s == before_s else 0
        if self._lost_bytes > MAX_LOST_BYTES:
            raise SttError(
                "bad_audio",
                f"what follows in the {self._media} stream holds no audio that can be decoded; "
                "connect again for audio in another format",
            )

    async def flush(self) -> AsyncIterator[bytes]:
        """Yield nothing: every piece that was fed has already been decoded as far as possible."""
        for nothing in _NOTHING:
            yield nothing

    async def finish(self) -> AsyncIterator[bytes]:
        """Yield the frames that only the end of the recording completes."""
        async for pcm in self._decoder.feed(self._begun(self._pending)):
            yield pcm
        async for pcm in self._decoder.finish():
            yield pcm

    async def close(self) -> None:
        """End the decoder's process."""
        await self._decoder.close()

    def _begun(self, data: bytes) -> bytes:
        """Return what of ``data``, which comes next, is to be fed to the decoder, with what has to come before it."""
        if self._passed_bytes is None:
            return data
        begins, passed_bytes = self._points.parser.begins, self._passed_bytes
        self._passed_bytes = None if begins else passed_bytes + len(data)
        return begins.head + begins.lead + data[begins.at - passed_bytes :] if begins else b""

    def checkpoint(self) -> Checkpoint | None:
        """Return the oldest restart point that is kept; None when the last one is too far back."""
        point = self._points.best()
        if point is None:
            return None
        position = self._decoder.position
        return Checkpoint(point, self._media, position.source_samples, position.samples, position.state)

    def resume(self) -> None:
        """Continue from the position of the previous owner's decoder."""
        if self._begin is not None:
            begin = self._begin
            self._decoder.resume(begin.source_samples, begin.samples, begin.state)
