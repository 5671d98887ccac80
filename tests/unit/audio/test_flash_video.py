"""Live FLV: what a decoder must know of the start, and where it may begin."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.live_decoding import in_pieces, run, stream

from stt_audio.codecs.flash_video import FlashVideoParser
from stt_audio.codecs.stream_parser import MAX_PART_BYTES
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit

AUTO = SessionConfig(encoding=Encoding.AUTO)
HEADER = b"FLV\x01\x05\0\0\0\x09" + bytes(4)
AUDIO, VIDEO, SCRIPT = 8, 9, 18


def tag(kind: int, content: bytes) -> bytes:
    size = len(content)
    return bytes((kind,)) + size.to_bytes(3, "big") + bytes(7) + content + (11 + size).to_bytes(4, "big")


async def test_a_stream_ends_where_another_begins() -> None:
    aac = stream("flv", "aac", 44100, duration_s=3.0, codec_options={"aac_pns": "0"})
    pieces = in_pieces(aac + stream("flv", "libmp3lame", 44100, duration_s=3.0), 48)
    with ThreadPoolExecutor(1) as executor:
        alone = await run(AUTO, pieces, executor)
        with_losses = await run(AUTO, pieces, executor, lost_every=3)
    assert len(alone.samples) / 16000 == pytest.approx(6.0, abs=0.2)
    assert np.array_equal(with_losses.samples, alone.samples)


def test_the_head_configures_sound_and_picture() -> None:
    picture, sound = tag(VIDEO, b"\x17\0\0\0\0avcC"), tag(AUDIO, b"\xaf\0\x12\x10")
    frame, key = tag(AUDIO, b"\xaf\1" + bytes(200)), tag(VIDEO, b"\x17\1" + bytes(2 * MAX_PART_BYTES))
    later = tag(AUDIO, b"\xaf\0\x13\x90")
    parts = [HEADER, tag(SCRIPT, b"\2\0\x0aonMetaData"), picture, sound, key, frame, frame, later, frame]
    starts = FlashVideoParser().feed(b"".join(parts))
    assert [start.at for start in starts] == [sum(map(len, parts[:number])) for number in (5, 6, 8)]
    assert [start.head for start in starts] == [HEADER + picture + sound] * 2 + [HEADER + picture + later]


def test_codecs_with_four_letters_are_configured_too() -> None:
    picture, sound = tag(VIDEO, b"\x90hvc1" + bytes(9)), tag(AUDIO, b"\x90Opus" + bytes(9))
    (start,) = FlashVideoParser().feed(HEADER + picture + sound + tag(AUDIO, b"\x91Opus" + bytes(90)))
    assert start.head == HEADER + picture + sound


@pytest.mark.parametrize("rest", [b"\x07" * 40, bytes(40)])
def test_what_is_no_tag_is_noticed(rest: bytes) -> None:
    parser = FlashVideoParser()
    parser.feed(HEADER + rest)
    assert parser.is_lost
