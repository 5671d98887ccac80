"""Recordings that were put together in one file are found one by one."""

import io
from pathlib import Path

import numpy as np
import pytest
from support.encoders import encoded

from stt_audio.codecs import parts
from stt_audio.codecs.formats import Media
from stt_audio.codecs.parts import find_parts
from stt_audio.files import decoder
from stt_audio.files.decoder import FileDecoder

pytestmark = pytest.mark.unit

SECOND = (0.5 * np.sin(np.arange(16000) / 6)).astype(np.float32)
WAV = encoded(SECOND, "wav", "pcm_s16le", 16000)
FLAC = encoded(SECOND, "flac", "flac", 16000)
OGG = encoded(SECOND, "ogg", "libopus")
MP4 = encoded(SECOND, "mp4", "aac")
WEBM = encoded(SECOND, "webm", "libopus")


def media_of(data: bytes) -> list[Media]:
    return [part.media for part in find_parts(io.BytesIO(data))]


@pytest.mark.parametrize(
    ("data", "media"),
    [
        (WAV, [Media.WAV]),
        (WAV + OGG + MP4 + FLAC + FLAC, [Media.WAV, Media.OGG, Media.MOV, Media.FLAC, Media.FLAC]),
        (MP4 + bytes(3000) + WAV, [Media.MOV, Media.WAV]),
        (OGG + b"ID3\4\0\0\0\0\0\4" + bytes(4) + FLAC, [Media.OGG, Media.FLAC]),
        (OGG + bytes(100) + b"ID3\4\0\0\0\6\0\0" + bytes([7]) * (6 << 14) + FLAC, [Media.OGG, Media.FLAC]),
        (OGG + bytes(100), [Media.OGG]),
        (
            WEBM + WAV + WEBM + FLAC + WEBM + MP4,
            [Media.MATROSKA, Media.WAV, Media.MATROSKA, Media.FLAC, Media.MATROSKA, Media.MOV],
        ),
        (MP4 + b"some words at the end", [Media.MOV]),
    ],
)
def test_each_recording_is_a_part(data: bytes, media: list[Media]) -> None:
    assert media_of(data) == media


def read_all(path: Path) -> tuple[int, list[str]]:
    with FileDecoder(path, 10**9) as file:
        n_samples = sum(len(frame) // 2 for frame in iter(file.read, b""))
        return n_samples, [warning.code for warning in file.found.warnings]


def test_a_damaged_part_does_not_silence_those_after_it(tmp_path: Path) -> None:
    broken = WAV[:16] + b"\4\0\0\0" + WAV[20:]
    (tmp_path / "upload").write_bytes(WAV + broken + WAV)
    n_samples, warnings = read_all(tmp_path / "upload")
    assert n_samples == pytest.approx(32000, abs=800)
    assert warnings == ["damaged"]


def test_recordings_beyond_the_limit_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (parts, decoder):
        monkeypatch.setattr(module, "MAX_PARTS", 2)
    (tmp_path / "upload").write_bytes(WAV + WAV + WAV)
    assert read_all(tmp_path / "upload") == (32000, ["damaged"])
