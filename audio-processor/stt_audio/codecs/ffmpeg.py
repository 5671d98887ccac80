"""Restricted FFmpeg: only the bytes that it is handed, only the chosen demuxer, only codecs for speech and music,
and no more audio than allowed. Use each PyAV object only in the thread that asked for it."""

import abc
import contextlib
import functools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, cast

import av
import av.container

from stt_audio.codecs import amr
from stt_audio.codecs.formats import CODECS, Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.codecs.memory import MAX_ALLOCATION_BYTES
from stt_audio.codecs.mpeg import MpegFramer
from stt_audio.codecs.pcm import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from stt_audio.codecs.resample import Resampler
from stt_audio.codecs.source import FileSource, Readable, StreamSource
from stt_audio.codecs.tracks import codec_name
from stt_shared.contracts.errors import SttError

MAX_BAD_PACKETS = 100
"""Consecutive damaged packets that are tolerated; one more fails the stream. Single ones are skipped, as in players."""

_OPTIONS = {
    "protocol_whitelist": "pipe",  # nothing inside a file can make FFmpeg open another one
    "codec_whitelist": ",".join(sorted(CODECS)),
}
# Not "nobuffer": it drops the data that was read while probing, and with it the first words.
_LIVE_OPTIONS = {"probesize": "1024", "analyzeduration": "0"}
_AMR_OPTIONS = {"probesize": "32"}  # a frame: else FFmpeg collects a second before it begins
_FILE_OPTIONS = {"probesize": "5000000", "analyzeduration": "2000000"}


_LIVE_READ_BYTES = 4096


class AudioInput(abc.ABC):
    """Audio input that FFmpeg decodes."""

    def __init__(self, media: Media) -> None:
        self._media = media

    @abc.abstractmethod
    def _decoded(self) -> Iterator[Callable[[], Iterable[av.AudioFrame]]]:
        """Yield one function per packet, which decodes that packet."""

    def frames(self) -> Iterator[av.AudioFrame]:
        """Yield the decoded frames. Raises SttError(bad_audio) when the data is damaged beyond decoding."""
        with _as_stt_error(self._media):
            for frame in self._frames():
                check_frame(frame)
                yield frame

    def pcm(self, limit: LengthLimit, resampler: Resampler | None = None) -> Generator[bytes, None, None]:
        """Yield 16 kHz s16le piece by piece, converted by ``resampler`` (None: a new one that mixes the channels).

        Raises SttError: bad_audio when the data is damaged beyond decoding, too_large beyond ``limit``.
        """
        resampler = resampler or Resampler()
        with _as_stt_error(self._media):
            try:
                for frame in self.frames():
                    pcm = resampler.feed(frame)
                    limit.count(len(pcm) // resampler.frame_bytes)
                    if pcm:
                        yield pcm
            except (av.error.FFmpegError, SttError):
                yield self._tail(resampler, limit)  # what could be decoded is not lost with the rest
                raise
            if tail := self._tail(resampler, limit):
                yield tail

    def _tail(self, resampler: Resampler, limit: LengthLimit) -> bytes:
        is_within = limit.left_samples >= 0
        tail = resampler.flush()
        limit.count_tail(len(tail) // resampler.frame_bytes)
        return tail if is_within else b""

    def _frames(self) -> Iterator[av.AudioFrame]:
        bad = 0
        for decode in self._decoded():
            try:
                frames = list(decode())
            except av.error.InvalidDataError:
                bad += 1
                if bad > MAX_BAD_PACKETS:
                    raise
                continue
            if frames:
                bad = 0
            yield from frames


class ContainerInput(AudioInput):
    """An audio track of an opened container: its ``track``-th, from 0."""

    def __init__(self, container: av.container.InputContainer, media: Media, track: int = 0) -> None:
        super().__init__(media)
        self._container = container
        if not container.streams.audio:
            raise SttError("unsupported_media", f"the {media} data holds no audio stream: a video without sound?")
        self._stream = container.streams.audio[track]
        context = self._stream.codec_context
        self._codec = codec = codec_name(self._stream)
        if codec not in CODECS:
            raise SttError("unsupported_media", f"the audio codec {codec} is not supported")
        context.thread_count = 1  # decoding frames in parallel would add a delay
        if codec in ("ac3", "eac3"):
            context.options = {"cons_noisegen": "1"}  # else no two decoders fill in the same noise

    @property
    def n_channels(self) -> int:
        """Channels of the track according to the file; 0 when it does not say."""
        return self._stream.codec_context.layout.nb_channels

    def _decoded(self) -> Iterator[Callable[[], Iterable[av.AudioFrame]]]:
        for packet in read_packets(self._container, self._stream):
            yield functools.partial(self._decode, packet)

    def _decode(self, packet: "av.Packet[Any]") -> list[av.AudioFrame]:
        frame = amr.pause(self._codec, packet)
        return cast(list[av.AudioFrame], packet.decode()) if frame is None else [frame]


class MpegInput(AudioInput):
    """MPEG audio without a container, decoded while it arrives."""

    def __init__(self, source: Readable) -> None:
        super().__init__(Media.MP3)
        self._source = source
        self._codec = cast(av.AudioCodecContext, av.CodecContext.create("mp3float", "r"))

    def _decoded(self) -> Iterator[Callable[[], Iterable[av.AudioFrame]]]:
        framer = MpegFramer()
        while data := self._source.read(_LIVE_READ_BYTES):
            yield from map(self._decoder_of, framer.feed(data))
        yield from map(self._decoder_of, framer.finish())

    def _decoder_of(self, frame: bytes) -> Callable[[], Iterable[av.AudioFrame]]:
        return lambda: self._codec.decode(av.Packet(frame))


@contextlib.contextmanager
def open_live(source: Readable, media: Media) -> Iterator[AudioInput]:
    """Open a stream that is still arriving. FFmpeg's own errors are raised as SttError."""
    if media is Media.MP3:
        yield MpegInput(source)
        return
    with open_container(StreamSource(source), media) as container:
        yield ContainerInput(container, media)


@contextlib.contextmanager
def open_container(source: StreamSource, media: Media) -> Iterator[av.container.InputContainer]:
    """Open ``source`` as ``media`` and nothing else. FFmpeg's own errors are raised as SttError."""
    live = not isinstance(source, FileSource)
    options: Mapping[str, str] = {
        **_OPTIONS,
        **(_LIVE_OPTIONS if live else _FILE_OPTIONS),
        **(_AMR_OPTIONS if live and media is Media.AMR else {}),
        "format_whitelist": media.value,
    }
    with _as_stt_error(media):
        container = av.open(
            source,
            "r",
            format=media.value,
            options=dict(options),
            buffer_size=_LIVE_READ_BYTES if live else 65536,
            metadata_errors="replace",  # a title in Latin-1 is no reason to refuse the audio
        )
    source.opened()
    with container:
        yield container


def read_packets(
    container: av.container.InputContainer, stream: av.AudioStream | None = None
) -> "Iterator[av.Packet[Any]]":
    """Yield the packets of ``stream`` (None: of all that were there when ``container`` was opened), then one that ends
    each. PyAV fails with IndexError once it comes to a stream that has appeared since then; all others have ended."""
    with contextlib.suppress(IndexError):
        yield from container.demux() if stream is None else container.demux(stream)


def check_frame(frame: av.AudioFrame) -> None:
    """Check rate and channels. Done for every frame, since a stream may change midway."""
    if not MIN_SAMPLE_RATE <= frame.sample_rate <= MAX_SAMPLE_RATE:
        raise SttError(
            "unsupported_media",
            f"a sample rate of {frame.sample_rate} Hz; allowed are {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz",
        )
    if frame.layout.nb_channels > MAX_CHANNELS:
        raise SttError("unsupported_media", f"{frame.layout.nb_channels} channels; allowed are 1 to {MAX_CHANNELS}")


@contextlib.contextmanager
def _as_stt_error(media: Media) -> Iterator[None]:
    """Turn FFmpeg's own errors into SttError."""
    try:
        yield
    except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
        raise SttError("unsupported_media", f"the {media} data needs a decoder that is not there") from error
    except av.error.MemoryError as error:
        raise SttError(
            "too_large",
            f"the {media} data needs more memory for its index or tags than is allowed "
            f"({MAX_ALLOCATION_BYTES >> 20} MiB for each)",
        ) from error
    except av.error.FFmpegError as error:
        raise SttError("bad_audio", f"the {media} data cannot be decoded: {error.strerror}") from error
