"""Decoder of a whole file, second by second. Everything runs in the thread that opened the file."""

import contextlib
import functools
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from stt_audio.codecs.channel_survey import ChannelSurvey
from stt_audio.codecs.channels import Mixed, Separate
from stt_audio.codecs.ffmpeg import open_container
from stt_audio.codecs.file_input import FileInput, open_file
from stt_audio.codecs.formats import Media
from stt_audio.codecs.frame_walk import frame_walk
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.codecs.levels import FileLevel
from stt_audio.codecs.memory import MAX_ALLOCATION_BYTES
from stt_audio.codecs.parts import MAX_PARTS, Part, find_parts
from stt_audio.codecs.resample import Resampler
from stt_audio.codecs.source import FileSource
from stt_audio.codecs.tracks import choose_track
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import AudioTrack, DecodedFile, JobWarning
from stt_shared.contracts.session import AUDIO_RATE_HZ, ChannelMode

FRAME_SAMPLES = AUDIO_RATE_HZ
"""Samples of each channel in a frame: one second."""


class FileDecoder:
    """Decoder that opens a file and returns its frames from ``read``. Use as a context manager.

    Raises SttError: bad_audio (empty or damaged), unsupported_media (not audio, or not in the list of formats),
    too_large (longer than ``max_samples``, or opening it takes too many bytes), bad_config (no such track); OSError
    when the file cannot be read. ``track`` counts from 1; None chooses one that is heard. ``channel_mode``: what
    becomes of several channels. Once ``cancelled`` is set, reading the file raises DecodingCancelled.
    """

    def __init__(
        self,
        path: Path,
        max_samples: int,
        cancelled: threading.Event | None = None,
        *,
        track: int | None = None,
        channel_mode: ChannelMode = ChannelMode.MIX,
    ) -> None:
        self._limit = LengthLimit(max_samples)
        self._cancelled = cancelled or threading.Event()
        self._wanted_track = track
        self._channel_mode = channel_mode
        self._max_samples = max_samples
        self._width = 1
        self._tracks: dict[Part, int] = {}
        self._track: AudioTrack | None = None
        self._pending = bytearray()
        self._n_samples = 0
        self._duration_s = 0.0
        self._warnings: list[JobWarning] = []
        with contextlib.ExitStack() as stack:
            # FFmpeg gets an open file and no name, so neither a file extension nor a path can mislead it.
            file = stack.enter_context(path.open("rb"))
            self._file, self._parts = file, find_parts(file)
            parts = self._parts
            self._media = parts[0].media
            # Knowing the length first prevents transcribing hours of a file that would be rejected in the end.
            length_s = self._total_s(file, parts)
            self.total_samples = int(length_s * AUDIO_RATE_HZ)
            """Length according to the file itself; 0 when it does not say."""
            if self.total_samples > max_samples:
                raise self._limit.exceeded()
            self._pieces = self._decoded(file, parts)
            self._open = stack.pop_all()

    def __enter__(self) -> "FileDecoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> bytes:
        """Return the next second of 16 kHz s16le, all ``channels`` interleaved; less at the end, b'' after it.

        A damaged file is decoded as far as possible; one without any audio raises SttError("bad_audio").
        """
        n_bytes = FRAME_SAMPLES * self._sample_bytes
        while len(self._pending) < n_bytes:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._pending += piece
        frame = bytes(self._pending[:n_bytes])
        del self._pending[:n_bytes]
        self._n_samples += len(frame) // self._sample_bytes
        if not self._n_samples:
            raise SttError("bad_audio", _no_audio(self._media, self.total_samples))
        return frame

    @functools.cached_property
    def channels(self) -> tuple[int, ...]:
        """The file's channels that ``read`` returns, counted from 0; none: a mix of all.

        With ``ChannelMode.AUTO`` this decodes the file, until it is certain that all its channels differ.
        """
        match self._channel_mode:
            case ChannelMode.SEPARATE:
                return tuple(range(self._width))
            case ChannelMode.AUTO if self._width > 1:
                return self._surveyed()
        return ()

    @property
    def _sample_bytes(self) -> int:
        return 2 * max(1, len(self.channels))

    def _surveyed(self) -> tuple[int, ...]:
        survey = ChannelSurvey(self._width)
        resampler = Resampler(survey, batch_samples=AUDIO_RATE_HZ)
        for part in self._parts[:MAX_PARTS]:
            max_s = (self._max_samples - survey.samples) / AUDIO_RATE_HZ
            # A part that cannot be decoded is noted when it is transcribed.
            with contextlib.suppress(SttError), self._opened(self._file, part, max_s) as audio:
                for frame in audio.frames():
                    resampler.feed(frame)
                    if survey.is_certain or survey.samples > self._max_samples:
                        return survey.channels()
        resampler.flush()
        return survey.channels()

    def _total_s(self, file: BinaryIO, parts: list[Part]) -> float:
        """Return the length of all ``parts`` together; 0 when one does not state its own.

        Raises SttError when the only one cannot be opened.
        """
        max_s = self._limit.left_samples / AUDIO_RATE_HZ
        total_s = 0.0
        for part in parts[:MAX_PARTS]:
            try:
                with self._opened(file, part, max_s) as audio:
                    self._width = max(self._width, audio.n_channels)
                    total_s += audio.length_s()
            except SttError as error:
                if len(parts) == 1 or error.code == "too_large":
                    raise
            if total_s > max_s + 1:
                break
        return total_s

    @contextlib.contextmanager
    def _opened(self, file: BinaryIO, part: Part, max_s: float) -> Iterator[FileInput]:
        walk = frame_walk(part.open(file), part.media)
        if part not in self._tracks:
            with open_container(FileSource(part.open(file), self._cancelled), part.media) as container:
                track = self._tracks[part] = choose_track(container, self._wanted_track)
                if len(container.streams.audio) == 1:  # the choice has not consumed it
                    yield FileInput(container, part.media, max_s, track, walk)
                    return
        source = FileSource(part.open(file), self._cancelled)
        with open_file(source, part.media, max_s, self._tracks[part], walk) as audio:
            yield audio

    def _decoded(self, file: BinaryIO, parts: list[Part]) -> Generator[bytes, None, None]:
        """Decode one part after the other; a damaged one does not keep those after it from being heard."""
        output = Separate(self.channels, self._width, FileLevel) if self.channels else Mixed(FileLevel())
        resampler = Resampler(output, batch_samples=AUDIO_RATE_HZ)
        for part in parts[:MAX_PARTS]:
            begin = self._n_decoded
            try:
                with self._opened(file, part, self._limit.left_samples / AUDIO_RATE_HZ) as audio:
                    yield from audio.pcm(self._limit, resampler)
                    self._note(audio, begin / AUDIO_RATE_HZ)
            except SttError as error:
                if error.code == "too_large" or (part is parts[-1] and not self._n_decoded):
                    raise
                self._warn("damaged", f"cannot be decoded: {error.message}")
        if len(parts) > MAX_PARTS:
            self._warn("damaged", f"is not decoded: only the first {MAX_PARTS} recordings in one file are")

    @property
    def _n_decoded(self) -> int:
        return self._n_samples + len(self._pending) // self._sample_bytes

    def _note(self, audio: FileInput, begin_s: float) -> None:
        """Note what was found in a part that begins at ``begin_s``."""
        self._duration_s = begin_s + audio.duration_s
        self._track = self._track or audio.track
        for each in audio.warnings:
            start, end = (at if at is None else round(begin_s + at, 3) for at in (each.start, each.end))
            self._warnings.append(msgspec.structs.replace(each, start=start, end=end))

    def _warn(self, code: str, problem: str) -> None:
        at_s = self._n_decoded / AUDIO_RATE_HZ
        self._warnings.append(JobWarning(code, f"the recording that begins at {at_s:.1f} s {problem}", round(at_s, 3)))

    @property
    def found(self) -> DecodedFile:
        """What was found in the file; complete when ``read`` has returned b''."""
        return DecodedFile(round(self._duration_s, 3), self._track, list(self._warnings))

    def close(self) -> None:
        """Free the file and the decoder."""
        self._pieces.close()
        self._open.close()


def _no_audio(media: Media, claimed_samples: int) -> str:
    message = "the file holds no audio that can be decoded"
    if media is Media.MOV and claimed_samples:
        # FFmpeg drops an index that is too large without reporting it.
        message += f", or its index needs more than the {MAX_ALLOCATION_BYTES >> 20} MiB that are allowed"
    return message
