"""Decoder of a whole file, second by second. Everything runs in the thread that opened the file."""

import contextlib
import threading
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from stt_audio.codecs.ffmpeg import open_container
from stt_audio.codecs.memory import MAX_ALLOCATION_BYTES
from stt_audio.codecs.sniff import HEAD_BYTES, Media, sniff
from stt_audio.codecs.source import FileSource
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import DecodedFile, JobWarning
from stt_shared.contracts.session import AUDIO_RATE_HZ

FRAME_BYTES = 2 * AUDIO_RATE_HZ
"""Length of a frame: one second."""

_ESTIMATED_DURATION = frozenset({Media.MP3, Media.AAC, Media.AMR, Media.AC3, Media.EAC3})
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
            self._media = media = _media(file.read(HEAD_BYTES))
            length_s = _length_s(file, media, max_samples / AUDIO_RATE_HZ + 1, cancelled)
            self.total_samples = int(length_s * AUDIO_RATE_HZ)
            """Length according to the file itself; 0 when it does not say."""
            if self.total_samples > max_samples:
                raise SttError("too_large", _too_long(max_samples))
            file.seek(0)
            audio = stack.enter_context(open_container(FileSource(file, cancelled), media))
            self._pieces: Generator[bytes, None, None] = audio.mono(max_samples)
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


def _length_s(file: BinaryIO, media: Media, limit_s: float, cancelled: threading.Event) -> float:
    """Return the file's length from its metadata, or from its packets where that is missing or only an estimate.

    Knowing it first prevents transcribing hours of a file that would be rejected in the end.
    """
    file.seek(0)
    with open_container(FileSource(file, cancelled), media) as audio:
        told_s = audio.duration_s
        if told_s and media not in _ESTIMATED_DURATION:
            return told_s
        return audio.counted_s(limit_s)


def _media(head: bytes) -> Media:
    if not head:
        raise SttError("bad_audio", "the file is empty")
    media = sniff(head)
    if media is None:
        raise SttError(
            "unsupported_media",
            f"the file begins like none of: {', '.join(sorted(media.value for media in Media))}",
        )
    return media


def _no_audio(media: Media, claimed_samples: int) -> str:
    message = "the file holds no audio that can be decoded"
    if media is Media.MOV and claimed_samples:
        # FFmpeg drops an index that is too large without reporting it.
        message += f", or its index needs more than the {MAX_ALLOCATION_BYTES >> 20} MiB that are allowed"
    return message


def _too_long(max_samples: int) -> str:
    return f"the audio is longer than the {max_samples // AUDIO_RATE_HZ} s that are allowed"
