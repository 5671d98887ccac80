"""Headers of AU in live streams."""

import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.live_decoding import in_pieces, run, stream, voice

from stt_audio.codecs.au import au_header, parse_au_header
from stt_audio.codecs.pcm import SampleFormat
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit


def header(code: int, *, offset: int = 24, size: int = 0xFFFF_FFFF, channels: int = 1) -> bytes:
    return struct.pack(">4s5I", b".snd", offset, size, code, 16000, channels).ljust(offset, b"\0")


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0, 2, 16000])
async def test_samples_are_heard_whatever_length_is_stated(size: int) -> None:
    samples = (voice(2.0, 16000) * 32767).astype("<i2")
    data = header(3, offset=32, size=size) + samples.astype(">i2").tobytes()
    with ThreadPoolExecutor(1) as executor:
        result = await run(SessionConfig(encoding=Encoding.AUTO), in_pieces(data, 40), executor, lost_every=3)
    assert np.array_equal(result.samples, samples)


@pytest.mark.parametrize("pieces", [1, 40, 3001])
async def test_another_recording_may_follow(pieces: int) -> None:
    """Its header was noise, and its samples were read with the format of the first."""
    samples = (voice(1.0, 16000) * 32767).astype("<i2")
    wide = samples.astype("<i4") << 16
    following = header(5) + wide.astype(">i4").tobytes()
    data = header(3) + samples.astype(">i2").tobytes() + following
    with ThreadPoolExecutor(1) as executor:
        result = await run(SessionConfig(encoding=Encoding.AUTO), in_pieces(data, pieces), executor, lost_every=7)
        wav = stream("wav", "pcm_s16le", 16000, duration_s=1.0)
        mixed = await run(SessionConfig(encoding=Encoding.AUTO), in_pieces(wav + following + wav, pieces), executor)
    assert np.array_equal(result.samples, np.concatenate([samples, samples]))
    assert len(mixed.samples) == 3 * 16000


def test_a_header_says_where_the_samples_are_and_what() -> None:
    assert parse_au_header(header(3)[:23]) is None
    for code, sample_format, big_endian in ((1, SampleFormat.MULAW, False), (4, SampleFormat.S24LE, True)):
        found = parse_au_header(header(code, offset=40, channels=2))
        assert found is not None
        assert (found.sample_format, found.big_endian, found.channels) == (sample_format, big_endian, 2)
        assert (found.data_offset, found.data_bytes, found.sample_rate) == (40, None, 16000)
        assert au_header(found) == (header(code, channels=2) if big_endian else None)


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (header(23), "unsupported_media"),
        (header(3, channels=0), "unsupported_media"),
        (header(3, channels=99), "unsupported_media"),
        (struct.pack(">4s5I", b".snd", 4, 0, 3, 16000, 1), "bad_audio"),
        (struct.pack(">4s5I", b".snd", 1 << 30, 0, 3, 16000, 1), "bad_audio"),
    ],
)
def test_broken_headers_are_refused(head: bytes, code: str) -> None:
    with pytest.raises(SttError) as refused:
        parse_au_header(head)
    assert refused.value.code == code
