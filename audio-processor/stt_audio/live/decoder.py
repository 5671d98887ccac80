"""Decoder of a live session: recordings one after the other, each recognised by its first bytes."""

from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Protocol

import msgspec
from msgspec.structs import replace

from stt_audio.codecs.au import parse_au_header
from stt_audio.codecs.channels import Output, kept_apart
from stt_audio.codecs.formats import LIVE_MEDIA, LIVE_NAMES, Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.codecs.pcm import PcmDecoder, SampleFormat
from stt_audio.codecs.restart_points import Checkpoint, Point
from stt_audio.codecs.sample_check import SampleCheck
from stt_audio.codecs.signatures import SIGNATURE_BYTES, frames_of, signature
from stt_audio.codecs.wav import WavHeader, parse_wav_header
from stt_audio.live.container_stream import ContainerStream
from stt_audio.live.opening import Opening
from stt_audio.live.recording import AudioDecoder, PcmStream, Recording, SampleStream
from stt_audio.live.whole_mp4 import WholeMp4, whole_mp4_bytes
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding, SessionConfig

MAX_EMPTY_RECORDINGS = 100
"""Most recordings in a row without any audio: each costs a decoder."""
NAMES = {
    Media.MATROSKA: "WebM",
    Media.MOV: "MP4",
    Media.OGG: "Ogg",
    Media.AAC: "AAC (ADTS)",
    Media.MPEGTS: "MPEG-TS",
}
"""Names of containers for people, where ``Media`` has another word."""


class DecoderWarning(msgspec.Struct, frozen=True):
    """What the client should know about its stream, although it is decoded. ``code`` as in docs/protocol.md."""

    code: str
    message: str


class LiveDecoder(AudioDecoder, Protocol):
    """Decoder of a live stream."""

    def take_warnings(self) -> list[DecoderWarning]:
        """Return the warnings that arose since the last call."""
        ...


def live_decoder(
    config: SessionConfig,
    executor: Executor,
    max_samples: int,
    begin: Checkpoint | None = None,
    done_samples: int = 0,
) -> LiveDecoder:
    """Return the decoder for the announced encoding, from the beginning of the stream or from checkpoint ``begin``.

    It decodes to ``max_samples`` at most, of which ``done_samples`` were decoded before it began.

    Raises SttError when the announced rate or channels are out of bounds.
    """
    return Recordings(config, executor, LengthLimit(max_samples, done_samples), begin)


class Recordings:
    """Decoder of a stream that holds one recording after the other.

    The opening of each is collected until it is known what it is. Where bare samples were announced, the first
    recording is samples unless it certainly begins like a container.
    """

    def __init__(
        self, config: SessionConfig, executor: Executor, limit: LengthLimit, begin: Checkpoint | None = None
    ) -> None:
        self._config = config
        self._executor = executor
        self._limit = limit
        self._begin = begin
        self._opening = Opening(begin.point.prefix if begin else b"")
        self._prefix_bytes = len(self._opening.head)
        # In bytes of the stream: where the recording begins, and what was fed.
        self._begins_at = 0
        self._fed = 0
        self._follows = begin is not None and begin.follows
        self._is_unannounced = False
        self._empty = 0
        self._warnings: list[DecoderWarning] = []
        self._recording: Recording | None = self._resumed()

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Add ``data`` and yield all audio that can be decoded with it; nothing until a head is complete."""
        self._fed += len(data)
        while data:
            if self._opening.head or self._recording is None:
                self._opening.feed(data)
                self._recording = self._recording or self._chosen()
                if self._recording is None:
                    return
                data = self._opening.take()
            async for pcm in self._recording.feed(data):
                self._empty = 0
                yield pcm
            if self._recording.rest is None:
                return
            data = self._recording.rest
            async for pcm in self._next_recording(self._recording, len(data)):
                yield pcm

    async def flush(self) -> AsyncIterator[bytes]:
        """Yield the audio that the recording holds back; a few samples cannot become a header any more."""
        if self._recording is None and self._opening.head and self._is_bare:
            self._recording = self._bare()
            async for pcm in self._counted(self._recording.feed(self._opening.take())):
                yield pcm
        if self._recording is not None:
            async for pcm in self._counted(self._recording.flush()):
                yield pcm

    async def finish(self) -> AsyncIterator[bytes]:
        """Yield the remaining audio. Raises SttError for an incomplete head, but not for a stream without any bytes."""
        async for pcm in self.flush():
            yield pcm
        if self._recording is None and self._fed and (self._is_unannounced or not self._follows):
            self._recording = self._chosen(ended=True)
            if self._recording is None:
                raise SttError(
                    "bad_audio", f"the {self._config.encoding} stream ended within its header, after {self._fed} bytes"
                )
            async for pcm in self._counted(self._recording.feed(self._opening.take())):
                yield pcm
        if self._recording is not None:
            async for pcm in self._counted(self._recording.finish()):
                yield pcm

    async def close(self) -> None:
        """Free the recording's decoder."""
        if self._recording is not None:
            await self._recording.close()

    def checkpoint(self) -> Checkpoint | None:
        """Return the recording's checkpoint; its beginning while it is not known what it is."""
        found = Checkpoint(Point(0)) if self._recording is None else self._recording.checkpoint()
        if found is None or not (self._begins_at or self._follows):
            return found
        point = replace(found.point, offset=self._begins_at + found.point.offset)
        return replace(found, point=point, follows=self._follows)

    def resume(self) -> None:
        """Continue from the position of the previous owner's decoder."""
        if self._recording is not None:
            self._recording.resume()
        self._begin = None

    def take_warnings(self) -> list[DecoderWarning]:
        """Return the warnings that arose since the last call."""
        warnings, self._warnings = self._warnings, []
        return warnings

    @property
    def _is_bare(self) -> bool:
        return self._config.encoding.bytes_per_sample is not None and not self._follows

    async def _counted(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for pcm in pieces:
            self._empty = 0
            yield pcm

    async def _next_recording(self, ended: Recording, rest_bytes: int) -> AsyncIterator[bytes]:
        """Yield what is left of the recording that has ended; the next one begins with the last ``rest_bytes``."""
        async for pcm in self._counted(ended.finish()):
            yield pcm
        await ended.close()
        self._recording, self._begin, self._prefix_bytes = None, None, 0
        self._begins_at, self._follows = self._fed - rest_bytes, True
        self._opening = Opening()
        self._empty += 1
        if self._empty > MAX_EMPTY_RECORDINGS:
            raise SttError("bad_audio", f"{MAX_EMPTY_RECORDINGS} recordings in a row hold no audio")

    def _resumed(self) -> Recording | None:
        """Return the recording that another decoder has begun, if its kind is known."""
        begin = self._begin
        if begin is None:
            return None
        if begin.media not in (None, Media.WAV):
            self._opening.take()
            return ContainerStream(begin.media, self._limit, begin, self._new_output())
        if self._opening.head:
            return self._chosen()
        return self._bare() if self._is_bare and begin.media is None else None

    def _chosen(self, *, ended: bool = False) -> Recording | None:
        """Return the recording that begins with the opening's head; None while that is too short."""
        if self._is_bare and self._begin is None:
            answer = self._begins_container(self._opening.head)
            if answer is None:
                return None
            if not answer:
                return self._bare()
            self._is_unannounced = self._follows = True
        is_known = self._begin is not None and self._begin.media is not None
        encoding = Encoding.AUTO if self._follows or is_known else self._config.encoding
        media = self._opening.found(encoding, ended=ended)
        head = self._opening.head
        if media is None or (recording := self._recording_of(media, head)) is None:
            return None
        self._begins_at = self._fed + self._prefix_bytes - len(head)
        if self._is_unannounced:
            self._warn_of(media)
        return recording

    def _recording_of(self, media: Media, head: bytes) -> Recording | None:
        if media is Media.WAV:
            return self._wav(head)
        if media is Media.AU:
            return self._samples(parse_au_header(head))
        if media is Media.MOV and (whole_bytes := whole_mp4_bytes(head)):
            return WholeMp4(whole_bytes, self._limit, self._new_output())
        return ContainerStream(media, self._limit, self._begin, self._new_output())

    def _begins_container(self, head: bytes) -> bool | None:
        """Return whether the stream, announced as samples, begins with a container; None when more is needed."""
        if len(head) < SIGNATURE_BYTES:
            return None
        found, is_certain = signature(head), True
        if found is None:
            found, is_certain = frames_of(head)
        if found is None or found in LIVE_MEDIA:
            return found is not None if is_certain else None
        raise SttError(
            "bad_audio",
            f"{self._config.encoding} was announced, but the stream begins like {found.upper()}, which cannot be "
            f"decoded live; send bare samples, or one of {LIVE_NAMES} with encoding=auto",
        )

    def _warn_of(self, found: Media) -> None:
        announced, name = self._config.encoding, NAMES.get(found, found.upper())
        message = f"{announced} was announced, but the stream begins like {name} and is decoded as such"
        self._warnings.append(DecoderWarning("encoding_detected", f"{message}; connect with encoding=auto"))

    def _new_output(self) -> Output | None:
        # Of all recordings alike, however many channels they have: a session has the same ones to its end.
        return kept_apart(self._config.channels_apart)

    def _bare(self) -> Recording:
        config, held = self._config, self._begin is not None
        sample_format = SampleFormat(config.encoding.value)
        pcm = PcmDecoder(sample_format, config.sample_rate, config.channels, held=held, output=self._new_output())
        stream = PcmStream(pcm, self._executor, self._limit, self._begin)
        check = SampleCheck(sample_format, config.channels)
        return SampleStream(stream, sample_format.bytes_per_sample * config.channels, check=check)

    def _wav(self, head: bytes) -> Recording | None:
        header = parse_wav_header(head)
        if header is not None and header.sample_format is None:
            return ContainerStream(Media.WAV, self._limit, self._begin, self._new_output())
        return self._samples(header)

    def _samples(self, header: WavHeader | None) -> Recording | None:
        if header is None or header.sample_format is None:
            return None
        pcm = PcmDecoder(
            header.sample_format,
            header.sample_rate,
            header.channels,
            held=self._begin is not None,
            big_endian=header.big_endian,
            output=self._new_output(),
        )
        stream = PcmStream(pcm, self._executor, self._limit, self._begin)
        return SampleStream(stream, header.frame_bytes, header, self._prefix_bytes)
