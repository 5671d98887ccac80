"""Bytes between frames that are neither frame nor tag are noticed, tags and padding are not."""

import io

import numpy as np
import pytest

from stt_audio.codecs import frame_walk as module
from stt_audio.codecs.formats import Media
from stt_audio.codecs.frame_walk import frame_walk

pytestmark = pytest.mark.unit

FRAME = b"\xff\xfb\x90\x00" + b"\x55" * 413
"""MP3 at 128 kbit/s and 44.1 kHz: 417 bytes."""
ADTS = b"\xff\xf1\x50\x80\x0d\x1f\xfc" + b"\x55" * 97
"""AAC of 104 bytes."""
JUNK = np.random.default_rng(0).integers(0, 255, 3000).astype(np.uint8).tobytes()
ID3V2 = b"ID3\x04\0\0\0\0\x07\x76" + JUNK[:1014]
ID3V1 = b"TAG" + b"x" * 125
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(16) + b"A" * 64
LYRICS = b"LYRICSBEGINLYR00050" + b"x" * 50 + b"000069LYRICS200"


def lost_before(data: bytes, media: Media = Media.MP3, steps: int = 30) -> list[int]:
    """Numbers of the frames before which something is lost."""
    walk = frame_walk(io.BytesIO(data), media)
    assert walk is not None
    return [number for number in range(steps) if walk.step()]


@pytest.mark.parametrize(
    "between",
    [b"", bytes(5000), ID3V2, bytes(700) + ID3V2, ID3V1, ID3V1 + ID3V2, APE, APE + ID3V1, LYRICS + ID3V1, b"A=1" + APE],
)
def test_tags_and_padding_are_no_loss(between: bytes) -> None:
    assert lost_before(JUNK + FRAME * 10 + between + FRAME * 10 + between) == []
    assert lost_before(ADTS * 10 + between + ADTS * 10 + between, Media.AAC) == []


@pytest.mark.parametrize("frame", [FRAME, ADTS])
@pytest.mark.parametrize("junk", [b"\x55", JUNK, JUNK * 100, bytes(500) + JUNK[:50]])
def test_other_bytes_are_a_loss(frame: bytes, junk: bytes) -> None:
    media = Media.MP3 if frame is FRAME else Media.AAC
    assert lost_before(frame * 10 + junk + frame * 10 + junk + frame * 10, media) == [10, 20]


def test_missing_bytes_are_a_loss() -> None:
    assert lost_before((FRAME * 20)[: 10 * 417 + 100] + FRAME * 5) == [11]
    zeroed = FRAME * 10 + FRAME[:50] + bytes(2000) + FRAME[300:] + FRAME * 5
    assert lost_before(zeroed) == [11]


def test_a_cut_frame_before_the_tag_of_another_file_is_no_loss() -> None:
    assert lost_before((FRAME * 10)[:-100] + ID3V2 + FRAME * 10) == []


def test_what_no_frames_follow_is_not_in_the_middle() -> None:
    for end in (JUNK, FRAME[:200], APE + ID3V1):
        assert lost_before(FRAME * 10 + end) == []
    assert lost_before(JUNK) == []


def test_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_SEARCHED_BYTES", 300_000)
    assert lost_before(FRAME * 10 + b"\x55" * 200_000 + FRAME * 10) == [10]
    assert lost_before(FRAME * 10 + b"\x55" * 1_000_000 + FRAME * 10) == []
    assert len(lost_before((FRAME * 2 + b"\x55") * 200, steps=400)) == 300_000 // 4096 - 1


def test_other_formats_are_not_walked() -> None:
    assert frame_walk(io.BytesIO(b""), Media.OGG) is None
