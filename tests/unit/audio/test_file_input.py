"""Sounds of a file stand where a player plays them, and what cannot be decoded is reported."""

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.encoders import encoded, stamped

from stt_audio.files.decoder import FileDecoder
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import DecodedFile

pytestmark = pytest.mark.unit

RATE = 16000
FOUR_HOURS = 4 * 3600 * RATE
WITH_GAPS = [
    ("mp4", "aac"),
    ("mp4", "libopus"),
    ("matroska", "aac"),
    ("matroska", "pcm_u8"),
    ("matroska", "flac"),
    ("webm", "libopus"),
    ("ogg", "libopus"),
]
UNBROKEN = [kind for kind in WITH_GAPS if kind != ("matroska", "flac")]


def tone(length_s: float) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(int(RATE * length_s)) / RATE)).astype(np.float32)


def speechlike(length_s: float) -> NDArray[np.float32]:
    """Noise, which codecs cannot make small."""
    return np.random.default_rng(1).uniform(-0.2, 0.2, int(RATE * length_s)).astype(np.float32)


def recording(container: str, codec: str, length_s: float) -> bytes:
    """Noise, with the index first."""
    options = {"moov_size": "20000"} if container == "mp4" else {}
    return stamped(container, codec, [(0.0, speechlike(length_s))], rate=48000 if "opus" in codec else 16000, **options)


def decoded(path: Path, data: bytes, max_samples: int = FOUR_HOURS) -> tuple[NDArray[np.int16], DecodedFile, float]:
    """Samples, what was found, and the length that was expected, in seconds."""
    path.write_bytes(data)
    with FileDecoder(path, max_samples) as file:
        frames = list(iter(file.read, b""))
        return np.frombuffer(b"".join(frames), "<i2"), file.found, file.total_samples / RATE


def sounds(samples: NDArray[np.int16]) -> list[tuple[float, float]]:
    """Start and end of each sound, in seconds, to a tenth."""
    tenths = np.abs(samples[: len(samples) // 1600 * 1600].reshape(-1, 1600).astype(int)).mean(axis=1) > 1000
    edges = np.flatnonzero(np.diff(np.concatenate([[False], tenths, [False]]).astype(int))) / 10
    return [(float(start), float(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def test_audio_that_begins_after_the_video_begins_late(tmp_path: Path) -> None:
    for container in ("mp4", "matroska"):
        samples, found, _ = decoded(tmp_path / "a", stamped(container, "aac", [(4.0, tone(6))], video_s=13.0))
        assert sounds(samples) == [(pytest.approx(4.0, abs=0.1), pytest.approx(10.0, abs=0.1))]
        assert (found.duration, found.warnings) == (13.0, []), "as long as the video, and nothing is missing"


@pytest.mark.parametrize(("container", "codec"), WITH_GAPS)
def test_a_gap_is_silence(tmp_path: Path, container: str, codec: str) -> None:
    data = stamped(container, codec, [(0.0, tone(3)), (8.0, tone(3))])
    samples, found, expected_s = decoded(tmp_path / "a", data)
    (_, first_end), (second_start, _) = sounds(samples)
    assert (first_end, second_start) == (pytest.approx(3.0, abs=0.11), pytest.approx(8.0, abs=0.11))
    assert len(samples) / RATE == pytest.approx(11.0, abs=0.1)
    assert (found.duration, expected_s) == (pytest.approx(11.0, abs=0.1), pytest.approx(11.0, abs=0.1))
    assert found.warnings == []


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_file_cut_out_of_a_stream_begins_at_its_own_start(tmp_path: Path, container: str) -> None:
    data = stamped(container, "aac", [(4.0, tone(3))], video_s=8.0, shift_s=5 * 3600.0)
    samples, found, _ = decoded(tmp_path / "a", data)
    assert sounds(samples) == [(pytest.approx(4.0, abs=0.1), pytest.approx(7.0, abs=0.1))]
    assert found.duration == 8.0


AVI = [("pcm_s16le", 48000), ("libmp3lame", 48000), ("ac3", 48000), ("adpcm_ms", 44100)]


@pytest.mark.parametrize(("codec", "rate"), AVI)
def test_an_avi_states_where_its_audio_begins(tmp_path: Path, codec: str, rate: int) -> None:
    data = bytearray(stamped("avi", codec, [(0.0, tone(4))], video_s=8.0, rate=rate))
    header = data.index(b"auds")
    scale, per_s = struct.unpack("<II", data[header + 20 : header + 28])
    data[header + 28 : header + 32] = struct.pack("<I", round(3 * per_s / scale))
    samples, found, _ = decoded(tmp_path / "a", bytes(data))
    assert sounds(samples) == [(pytest.approx(3.0, abs=0.11), pytest.approx(7.0, abs=0.11))]
    assert found.warnings == []


@pytest.mark.parametrize(("codec", "rate"), AVI)
@pytest.mark.parametrize("start_s", [0.0, 3.0])
def test_the_audio_of_an_avi_may_be_shorter_than_the_video(
    tmp_path: Path, codec: str, rate: int, start_s: float
) -> None:
    """FFmpeg itself loses the 3 s, but counts them as a part of the audio, depending on the codec."""
    samples, found, _ = decoded(tmp_path / "a", stamped("avi", codec, [(start_s, tone(4))], video_s=8.0, rate=rate))
    assert sounds(samples) == [(0.0, pytest.approx(4.0, abs=0.11))]
    assert (found.duration, found.warnings) == (pytest.approx(8.0, abs=0.25), [])


@pytest.mark.parametrize(("codec", "rate"), AVI)
def test_an_avi_without_video_is_as_long_as_its_audio(tmp_path: Path, codec: str, rate: int) -> None:
    samples, found, expected_s = decoded(tmp_path / "a", encoded(tone(8), "avi", codec, rate))
    assert [len(samples) / RATE, found.duration, expected_s] == [pytest.approx(8.0, abs=0.06)] * 3
    assert found.warnings == []


def test_an_edit_list_shortens_the_audio(tmp_path: Path) -> None:
    data = bytearray(stamped("mp4", "aac", [(0.0, tone(20))]))
    edit = data.index(b"elst") + 12
    data[edit : edit + 8] = (8000).to_bytes(4, "big") + (5 * 48000).to_bytes(4, "big")
    samples, found, expected_s = decoded(tmp_path / "a", bytes(data))
    assert len(samples) / RATE == pytest.approx(8.0, abs=0.05)
    assert (found.duration, expected_s) == (pytest.approx(8.0, abs=0.05), pytest.approx(8.0, abs=0.05))
    assert found.warnings == []


@pytest.mark.parametrize(
    ("container", "codec"), [*UNBROKEN, ("mp3", "libmp3lame"), ("adts", "aac"), ("wav", "pcm_s16le")]
)
def test_a_file_without_gaps_is_left_as_it_is(tmp_path: Path, container: str, codec: str) -> None:
    samples, found, expected_s = decoded(tmp_path / "a", encoded(tone(10), container, codec))
    assert sounds(samples) == [(0.0, pytest.approx(10.0, abs=0.1))]
    assert len(samples) / RATE == pytest.approx(10.0, abs=0.05)
    assert (found.duration, expected_s) == (pytest.approx(10.0, abs=0.05), pytest.approx(10.0, abs=0.2))
    assert found.warnings == []


def test_stamps_that_begin_again_lose_nothing(tmp_path: Path) -> None:
    samples, _, _ = decoded(tmp_path / "a", stamped("webm", "libopus", [(0.0, tone(3)), (1.0, tone(3))]))
    assert len(samples) / RATE == pytest.approx(6.0, abs=0.05)


def test_stamps_that_claim_a_day_of_silence_cost_nothing(tmp_path: Path) -> None:
    pieces = [(0.0, tone(3)), (24 * 3600.0, tone(3))]
    samples, found, _ = decoded(tmp_path / "a", stamped("webm", "libopus", pieces, live="1"))
    assert len(samples) / RATE == found.duration == pytest.approx(6.0, abs=0.05)
    (warning,) = found.warnings
    assert (warning.code, warning.start) == ("time_jump", pytest.approx(3.0, abs=0.1))
    with pytest.raises(SttError, match="longer than the 14400 s"):  # the header states the day
        decoded(tmp_path / "a", stamped("webm", "libopus", pieces))


def test_silence_counts_towards_the_longest_audio_that_is_allowed(tmp_path: Path) -> None:
    data = stamped("webm", "libopus", [(0.0, tone(3)), (8.0, tone(3))])
    with pytest.raises(SttError, match="longer than the 10 s"):
        decoded(tmp_path / "a", data, 10 * RATE)


DAMAGED_MIDWAY = [("mp4", "aac"), ("mp4", "libopus"), ("matroska", "aac"), ("webm", "libopus"), ("ogg", "libopus")]


@pytest.mark.parametrize(("container", "codec"), DAMAGED_MIDWAY)
def test_bytes_missing_midway_are_reported(tmp_path: Path, container: str, codec: str) -> None:
    data = recording(container, codec, 12)
    middle = len(data) // 2
    _, whole, _ = decoded(tmp_path / "a", data)
    assert whole.warnings == []
    samples, found, _ = decoded(tmp_path / "a", data[:middle] + data[middle + 6000 :])
    (warning,) = found.warnings
    assert warning.code == "damaged"
    assert warning.start == pytest.approx(6.0, abs=2.5)
    assert found.duration == pytest.approx(12.0, abs=0.1)
    assert warning.start < warning.end <= found.duration  # type: ignore[operator]
    if container != "mp4":  # whose index is wrong from there on
        assert len(samples) / RATE == pytest.approx(12.0, abs=0.1), "what follows stays in its place"


@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("adts", "aac")])
@pytest.mark.parametrize(
    "instead",
    [b"", bytes(6000), np.random.default_rng(0).integers(0, 255, 6000).astype(np.uint8).tobytes()],
    ids=["nothing", "zeros", "rubbish"],
)
def test_bytes_missing_between_frames_are_reported(tmp_path: Path, container: str, codec: str, instead: bytes) -> None:
    data = encoded(speechlike(12), container, codec)
    middle = len(data) // 2
    samples, found, _ = decoded(tmp_path / "a", data[:middle] + instead + data[middle + 6000 :])
    (warning,) = found.warnings
    assert (warning.code, warning.start) == ("damaged", pytest.approx(6.0, abs=0.2))
    assert warning.message.endswith(" s: an unknown part of it cannot be decoded")
    assert len(samples) / RATE < 11.8


@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("adts", "aac")])
def test_files_of_frames_that_were_joined_are_whole(tmp_path: Path, container: str, codec: str) -> None:
    data = encoded(speechlike(3), container, codec)
    tag = b"TAG" + b"x" * 125 + b"ID3\4\0\0\0\0\7\0" + bytes([7]) * (7 << 7)
    samples, found, _ = decoded(tmp_path / "a", data + tag + data + tag)
    assert found.warnings == []
    assert len(samples) / RATE == pytest.approx(6.0, abs=0.2)


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "aac"), ("matroska", "aac"), ("webm", "libopus"), ("flac", "flac")]
)
def test_a_file_that_is_cut_off_is_reported(tmp_path: Path, container: str, codec: str) -> None:
    data = recording(container, codec, 12)
    samples, found, _ = decoded(tmp_path / "a", data[: len(data) * 6 // 10])
    (warning,) = found.warnings
    assert (warning.code, warning.start, warning.end) == (
        "cut_off",
        pytest.approx(len(samples) / RATE, abs=0.1),
        pytest.approx(12.0, abs=0.1),
    )
    assert found.duration == pytest.approx(12.0, abs=0.1)


def test_damage_that_ends_does_not_end_the_file(tmp_path: Path) -> None:
    data = stamped("mp4", "aac", [(0.0, speechlike(12))], rate=16000)
    third, half = len(data) // 3, len(data) // 2
    samples, found, _ = decoded(tmp_path / "a", data[:third] + bytes(half - third) + data[half:])
    (warning,) = found.warnings
    assert warning.start == pytest.approx(4.0, abs=0.5)
    assert warning.end == pytest.approx(6.0, abs=0.5)
    assert sounds(samples)[-1][1] == pytest.approx(12.0, abs=0.1), "the end is heard, and in its place"


def test_a_track_that_appears_late_is_passed_over(tmp_path: Path) -> None:
    """FLV with a picture near its end, which its header does not announce."""
    flv = encoded(np.sin(np.arange(16000 * 8) / 6).astype(np.float32), "flv", "aac", 44100)
    tags, at = [], 13
    while at < len(flv):
        size = 15 + int.from_bytes(flv[at + 1 : at + 4], "big")
        tags.append(flv[at : at + size])
        at += size
    late = len(tags) * 3 // 4
    picture = b"\x09\0\0\x14" + tags[late][4:8] + bytes(3) + b"\x12" + bytes(19)
    tags.insert(late, picture + len(picture).to_bytes(4, "big"))
    (tmp_path / "upload").write_bytes(flv[:4] + b"\x04" + flv[5:13] + b"".join(tags))
    with FileDecoder(tmp_path / "upload", 10**9) as decoder:
        n_samples = sum(len(frame) // 2 for frame in iter(decoder.read, b""))
    assert n_samples / 16000 == pytest.approx(8, abs=0.2)
