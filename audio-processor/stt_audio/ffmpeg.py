"""FFmpeg behind bars: only bytes that it is handed, only the demuxer that was chosen, only codecs of speech and music,
and no more audio than allowed. Whatever PyAV object comes from here stays in the thread that asked for it."""

import contextlib
from collections.abc import Generator, Iterator, Mapping
from typing import Protocol

import av
import av.container

from stt_audio.pcm import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from stt_audio.resample import MonoResampler
from stt_audio.sniff import Media
from stt_shared.contracts.errors import SttError

MAX_BAD_PACKETS = 100
"""Damaged packets in a row before a stream is given up; single ones are skipped, as every player does."""

CODECS = frozenset(
    (
        *("opus", "libopus", "vorbis", "libvorbis", "flac", "alac", "speex", "libspeex"),
        *("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "aac", "aac_fixed", "aac_latm", "ac3", "eac3"),
        *("amrnb", "amrwb", "wmav1", "wmav2", "wmapro", "gsm", "gsm_ms", "libgsm", "libgsm_ms"),
        *("pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
        *("pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_mulaw", "pcm_alaw"),
        *("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"),
    )
)
"""Decoders of speech and music, by FFmpeg's names."""

_OPTIONS = {
    "protocol_whitelist": "pipe",  # nothing inside a file can make FFmpeg open another one
    "codec_whitelist": ",".join(sorted(CODECS)),
}
# Not "nobuffer": it drops what was read while probing, that is the first words.
_LIVE_OPTIONS = {"probesize": "1024", "analyzeduration": "0"}
_FILE_OPTIONS = {"probesize": "1048576", "analyzeduration": "2000000"}


class Readable(Protocol):
    """A byte source; b'' is its end. With ``seek`` and ``tell`` it counts as a file."""

    def read(self, size: int, /) -> bytes:
        """At least one byte and at most ``size`` of them."""
        ...


class AudioInput:
    """The first audio stream of an opened container."""

    def __init__(self, container: av.container.InputContainer, media: Media) -> None:
        self._container = container
        self._media = media
        if not container.streams.audio:
            raise SttError("unsupported_media", f"the {media} data holds no audio stream")
        self._stream = container.streams.audio[0]
        context = self._stream.codec_context
        codec = context.codec.name if context else "unknown"
        if codec not in CODECS:
            raise SttError("unsupported_media", f"the audio codec {codec} is not supported")
        context.thread_count = 1  # parallel frames would be parallel delay

    @property
    def duration_s(self) -> float | None:
        """What the container says of its length, exact or estimated; None when it says nothing."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / 1e6 if self._container.duration else None

    def mono(self, max_samples: int) -> Generator[bytes, None, None]:
        """16 kHz mono s16le, piece by piece.

        Raises SttError: bad_audio when the data is damaged beyond decoding, too_large beyond ``max_samples``.
        """
        resampler = MonoResampler()
        left = max_samples
        with _told_to_clients(self._media):
            for frame in self._frames():
                _check_frame(frame)
                pcm = resampler.feed(frame)
                left -= len(pcm) // 2
                if left < 0:
                    raise SttError(
                        "too_large", f"the audio is longer than the {max_samples // 16000} s that are allowed"
                    )
                if pcm:
                    yield pcm
            if tail := resampler.flush():
                yield tail

    def _frames(self) -> Iterator[av.AudioFrame]:
        bad = 0
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                bad += 1
                if bad > MAX_BAD_PACKETS:
                    raise
                continue
            if frames:
                bad = 0
            yield from frames


@contextlib.contextmanager
def open_audio(source: Readable, media: Media, *, live: bool) -> Iterator[AudioInput]:
    """Opens ``source`` as ``media`` and nothing else. FFmpeg's own errors come out as SttError."""
    options: Mapping[str, str] = {
        **_OPTIONS,
        **(_LIVE_OPTIONS if live else _FILE_OPTIONS),
        "format_whitelist": media.value,
    }
    with _told_to_clients(media):
        container = av.open(source, "r", format=media.value, options=dict(options), buffer_size=4096 if live else 65536)
    with container:
        yield AudioInput(container, media)


def _check_frame(frame: av.AudioFrame) -> None:
    """Each frame, since a stream may change midway."""
    if not MIN_SAMPLE_RATE <= frame.sample_rate <= MAX_SAMPLE_RATE:
        raise SttError(
            "unsupported_media",
            f"a sample rate of {frame.sample_rate} Hz; allowed are {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz",
        )
    if frame.layout.nb_channels > MAX_CHANNELS:
        raise SttError("unsupported_media", f"{frame.layout.nb_channels} channels; allowed are 1 to {MAX_CHANNELS}")


@contextlib.contextmanager
def _told_to_clients(media: Media) -> Iterator[None]:
    """FFmpeg's own errors come out as SttError."""
    try:
        yield
    except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
        raise SttError("unsupported_media", f"the {media} data needs a decoder that is not there") from error
    except av.error.FFmpegError as error:
        raise SttError("bad_audio", f"the {media} data cannot be decoded: {error.strerror}") from error
