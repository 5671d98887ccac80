"""The beginning of the media in a stream that arrives in pieces."""

import numpy as np
import pytest

from stt_audio.codecs.formats import Media
from stt_audio.codecs.sniff import Found
from stt_audio.codecs.start import MAX_LIVE_JUNK_BYTES, MediaStart

pytestmark = pytest.mark.unit

WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + bytes(40)
MP3 = 4 * (b"\xff\xfb\x90\x64" + bytes(413))
TAG = b"ID3\x04\0\0\0\0\x0f\x50" + bytes(2000)
NOISE = np.random.default_rng(3).bytes(90_000)


def found_in(stream: bytes, step: int) -> tuple[Found | None, MediaStart]:
    start = MediaStart()
    for at in range(0, len(stream), step):
        if (found := start.feed(stream[at : at + step])) is not None:
            return found, start
    return start.feed(b"", ended=True), start


@pytest.mark.parametrize("step", [1, 100, 100_000])
@pytest.mark.parametrize(
    ("junk", "media_bytes", "media"),
    [
        (b"", WAV, Media.WAV),
        (b"\xef\xbb\xbf", WAV, Media.WAV),
        (TAG, b"fLaC\0\0\0\x22" + bytes(40), Media.FLAC),
        (TAG + TAG, MP3, Media.MP3),
        (TAG + bytes(1000), MP3, Media.MP3),
        (MP3[100:417], MP3, Media.MP3),
    ],
)
def test_tags_and_junk_are_passed_over(junk: bytes, media_bytes: bytes, media: Media, step: int) -> None:
    found, start = found_in(junk + media_bytes, step)
    assert found is not None
    assert found.media is media
    assert start.passed_bytes == len(junk)
    assert media_bytes.startswith(bytes(start.head))


def test_a_tag_is_not_kept() -> None:
    start = MediaStart()
    start.feed(b"ID3\x04\0\0\x00\x7f\x7f\x7f")
    for _ in range(40):
        assert start.feed(bytes(50_000)) is None
        assert len(start.head) == 0
    assert start.restart_at == 0


def test_a_stream_that_is_no_media_is_refused_soon() -> None:
    start = MediaStart()
    answers = [start.feed(NOISE[at : at + 640]) for at in range(0, len(NOISE), 640)]
    assert answers.index(Found(None)) <= MAX_LIVE_JUNK_BYTES * 9 // 8 // 640 + 1
    assert MediaStart().feed(b"%PDF-1.7 and more of it") == Found(None)


def test_a_stream_may_end_early() -> None:
    assert MediaStart().feed(MP3[:417], ended=True) == Found(Media.MP3)
    assert MediaStart().feed(TAG[:500], ended=True) == Found(None)
    assert MediaStart().feed(b"", ended=True) == Found(None)
