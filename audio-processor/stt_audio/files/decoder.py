"""Decoder of a whole file, second by second. Everything runs in the thread that opened the file."""

import contextlib
import threading
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from stt_audio.codecs.ffmpeg import open_container
from stt_audio.codecs.formats import Media
from stt_audio.codecs.levels import FileLevel
from stt_audio.codecs.memory import MAX_ALLOCATION_BYTES
from stt_audio.codecs.parts import MAX_PARTS, Part, find_parts
from stt_audio.codecs.resample import MonoResampler
from stt_audio.codecs.source import FileSource, SeekableReadable
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import DecodedFile, JobWarning
from stt_shared.contracts.session import AUDIO_RATE_HZ

FRAME_BYTES = 2 * AUDIO_RATE_HZ
"""Length of a frame: one second."""

_ESTIMATED_DURATION = frozenset(
    {Media.MP3, Media.AAC, Media.LOAS, Media.AMR, Media.AC3, Media.EAC3, Media.DTS, Media.TRUEHD, Media.MLP, Media.FLV}
)
"""Containers whose length FFmpeg estimates from the bit rate."""


class FileDecoder:
    """Decoder that opens a file and returns its frames from ``read``. Use as a context manager.

    Raises SttError: bad_audio (empty or damaged), unsupported_media (not audio, or not in the list of formats),
    too_large (longer than ``max_samples``, or opening it takes too many bytes); OSError when the file cannot be read.
    Once ``cancelled`` is set, reading the file raises DecodingCancelled.
    """

    def __init__(self, path: Path, max_samples: int, cancelled: threading.Event | None = None) -> None:
        self._max_samples = max_samples
        cancelled = cancelled or threading.Event()
        self._pending = bytearray()
        self._n_samples = 0
        self._warnings: list[JobWarning] = []
        with contextlib.ExitStack() as stack:
            # FFmpeg gets an open file and no name, so neither a file extension nor a path can mislead it.
            file = stack.enter_context(path.open("rb"))
            parts = find_parts(file)
            self._media = parts[0].media
            length_s = _total_s(file, parts, max_samples / AUDIO_RATE_HZ + 1, cancelled)
            self.total_samples = int(length_s * AUDIO_RATE_HZ)
            """Length according to the file itself; 0 when it does not say."""
            if self.total_samples > max_samples:
                raise SttError("too_large", _too_long(max_samples))
            self._pieces = self._decoded(file, parts, cancelled)
            self._open = stack.pop_all()

    def __enter__(self) -> "FileDecoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> bytes:
        """Return the next second of 16 kHz mono s16le; less at the end, b'' after it.

        A truncated file is decoded as far as possible; one without any audio raises SttError("bad_audio").
        """
        while len(self._pending) < FRAME_BYTES:
            try:
                piece = next(self._pieces, None)
            except SttError as error:
                if error.code != "bad_audio" or not (self._n_samples or self._pending):
                    raise
                self._warn_of_end(error)
                piece = None
            if piece is None:
                break
            self._pending += piece
        frame = bytes(self._pending[:FRAME_BYTES])
        del self._pending[:FRAME_BYTES]
        self._n_samples += len(frame) // 2
        if not self._n_samples:
            raise SttError("bad_audio", _no_audio(self._media, self.total_samples))
        return frame

    def _decoded(self, file: BinaryIO, parts: list[Part], cancelled: threading.Event) -> Generator[bytes, None, None]:
        """Decode one part after the other; a damaged one does not keep those after it from being heard."""
        left = self._max_samples
        resampler = MonoResampler(level=FileLevel(), batch_samples=AUDIO_RATE_HZ)
        for part in parts[:MAX_PARTS]:
            try:
                with open_container(FileSource(part.open(file), cancelled), part.media) as audio:
                    for piece in audio.mono(left, resampler):
                        left -= len(piece) // 2
                        yield piece
            except SttError as error:
                if error.code == "too_large" or part is parts[-1]:
                    raise
                self._warn_of_end(error)
        if len(parts) > MAX_PARTS:
            raise SttError("bad_audio", f"it holds more than the {MAX_PARTS} recordings that are allowed")

    def _warn_of_end(self, error: SttError) -> None:
        at = (self._n_samples + len(self._pending) // 2) / AUDIO_RATE_HZ
        end = max(at, self.total_samples / AUDIO_RATE_HZ)
        message = f"the file is damaged after {at:.1f} s: {error.message}"
        self._warnings.append(JobWarning("damaged", message, round(at, 3), round(end, 3)))

    @property
    def found(self) -> DecodedFile:
        """What was found in the file; complete when ``read`` has returned b''."""
        return DecodedFile(warnings=list(self._warnings))

    def close(self) -> None:
        """Free the file and the decoder."""
        self._pieces.close()
        self._open.close()


def _total_s(file: BinaryIO, parts: list[Part], limit_s: float, cancelled: threading.Event) -> float:
    """Return the length of all ``parts`` together; 0 when one does not state its own.

    Raises SttError when the only one cannot be opened.
    """
    total_s = 0.0
    for part in parts[:MAX_PARTS]:
        try:
            total_s += _length_s(part.open(file), part.media, limit_s, cancelled)
        except SttError as error:
            if len(parts) == 1 or error.code == "too_large":
                raise
        if total_s > limit_s:
            break
    return total_s


def _length_s(file: SeekableReadable, media: Media, limit_s: float, cancelled: threading.Event) -> float:
    """Return the length of one recording from its metadata, or from its packets where that is missing or an estimate.

    Knowing it first prevents transcribing hours of a file that would be rejected in the end.
    """
    with open_container(FileSource(file, cancelled), media) as audio:
        told_s = audio.duration_s
        if told_s and media not in _ESTIMATED_DURATION:
            return told_s
        return audio.counted_s(limit_s)


def _no_audio(media: Media, claimed_samples: int) -> str:
    message = "the file holds no audio that can be decoded"
    if media is Media.MOV and claimed_samples:
        # FFmpeg drops an index that is too large without reporting it.
        message += f", or its index needs more than the {MAX_ALLOCATION_BYTES >> 20} MiB that are allowed"
    return message


def _too_long(max_samples: int) -> str:
    return f"the audio is longer than the {max_samples // AUDIO_RATE_HZ} s that are allowed"
