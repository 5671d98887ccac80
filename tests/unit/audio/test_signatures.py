"""Containers where bare samples were announced: found by what cannot be chance, and nothing else is taken for one."""

import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.live_decoding import FRAGMENTS, LIVE_WEBM, LONG, in_pieces, joined, run, stream, voice

from stt_audio.codecs.formats import Media
from stt_audio.codecs.frames import adts_frame_bytes
from stt_audio.codecs.mpeg import mpeg_frame_bytes
from stt_audio.codecs.signatures import frames_of, header_at, signature
from stt_audio.live.decoder import live_decoder
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit

CONTAINERS = [
    pytest.param({"container": "webm", "codec": "libopus", "options": LIVE_WEBM}, "WebM", id="webm"),
    pytest.param({"container": "ogg", "codec": "libopus"}, "Ogg", id="ogg"),
    pytest.param({"container": "flac", "codec": "flac", "rate": 16000}, "FLAC", id="flac"),
    pytest.param({"container": "wav", "codec": "pcm_s16le", "rate": 48000}, "WAV", id="wav"),
    pytest.param({"container": "mp3", "codec": "libmp3lame", "rate": 44100}, "MP3", id="mp3 with a tag"),
    pytest.param(
        {
            "container": "mp3",
            "codec": "libmp3lame",
            "rate": 44100,
            "options": {"id3v2_version": "0", "write_xing": "0"},
        },
        "MP3",
        id="mp3",
    ),
    pytest.param({"container": "adts", "codec": "aac", "rate": 44100}, "AAC (ADTS)", id="adts"),
    pytest.param({"container": "mp4", "codec": "aac", "rate": 44100, "options": FRAGMENTS}, "MP4", id="fragmented mp4"),
    pytest.param({"container": "mpegts", "codec": "aac", "rate": 44100}, "MPEG-TS", id="mpeg-ts"),
    pytest.param({"container": "flv", "codec": "aac", "rate": 44100}, "FLV", id="flv"),
    pytest.param({"container": "amr", "codec": "libopencore_amrnb", "rate": 8000, "bit_rate": 12200}, "AMR", id="amr"),
]
BARE = [Encoding.PCM_S16LE, Encoding.PCM_F32LE, Encoding.MULAW, Encoding.ALAW]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.parametrize(("kind", "name"), CONTAINERS)
async def test_a_container_sent_as_samples_is_decoded_with_a_warning(
    kind: dict, name: str, executor: ThreadPoolExecutor
) -> None:
    data = stream(**kind, duration_s=2.0)
    for encoding in BARE:
        decoder = live_decoder(SessionConfig(encoding=encoding), executor, LONG)
        pcm = b"".join([await joined(decoder.feed(piece)) for piece in in_pieces(data, 9)])
        pcm += await joined(decoder.finish())
        await decoder.close()
        assert len(pcm) / 32000 == pytest.approx(2.0, abs=0.15)
        (warning,) = decoder.take_warnings()
        assert warning.code == "encoding_detected"
        assert f"begins like {name} " in warning.message
        assert "encoding=auto" in warning.message
        assert decoder.take_warnings() == []


async def test_its_decoders_may_come_and_go(executor: ThreadPoolExecutor) -> None:
    for param in CONTAINERS[:5]:
        pieces = in_pieces(stream(**param.values[0], duration_s=3.0), 40)
        alone = await run(SessionConfig(), pieces, executor)
        with_losses = await run(SessionConfig(), pieces, executor, lost_every=3)
        assert np.array_equal(with_losses.samples, alone.samples)


async def test_a_container_that_cannot_be_decoded_live_is_named(executor: ThreadPoolExecutor) -> None:
    decoder = live_decoder(SessionConfig(), executor, LONG)
    with pytest.raises(SttError, match="begins like AIFF") as caught:
        await joined(decoder.feed(stream("aiff", "pcm_s16be", 44100, duration_s=1.0)))
    assert caught.value.code == "bad_audio"


@pytest.mark.parametrize(
    "head",
    [
        b"\x1a\x45\xdf\xa3",
        b"\x1a\x45\xdf\xa3" + bytes(12),
        b"OggS",
        b"OggSpeakers are n",
        b"fLaC",
        b"fLaC and more of it",
        b"RIFF",
        b"RIFFRIFFRIFFRIFF",
        b"ID3" + bytes(13),
        b"ID3\x03\x00\x00\xff\xff\xff\xff" + bytes(6),
        bytes(4) + b"ftyp"[::-1] + bytes(8),
        b"\xff\xfb\x90\x64" + bytes(5000),
        b"\xff\xf1\x50\x80\x10\x00\x00" + bytes(20_000),
        b"G" + bytes(187) + b"G" + bytes(5000),
        b"G" * 5000,
    ],
)
async def test_samples_that_begin_like_a_container_stay_samples(head: bytes, executor: ThreadPoolExecutor) -> None:
    data = head + bytes(len(head) % 2) + (voice(1.0, 16000) * 32767).astype("<i2").tobytes()
    for pieces in ([data], in_pieces(data, 99)):
        result = await run(SessionConfig(), pieces, executor)
        assert np.array_equal(result.samples, np.frombuffer(data, "<i2"))


async def test_a_few_samples_are_returned_by_a_flush(executor: ThreadPoolExecutor) -> None:
    for data in (b"\x01\x02\x03\x04", b"\xff\xfb\x90\x64" + b"\x01\x02" * 20):
        decoder = live_decoder(SessionConfig(), executor, LONG)
        assert await joined(decoder.feed(data)) == b""
        assert await joined(decoder.flush()) == data
        assert await joined(decoder.feed(b"\x05\x06")) == b"\x05\x06"


def test_noise_is_no_container() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        noise = random.integers(0, 256, 3000, dtype=np.uint8).tobytes()
        assert signature(noise) is None
        for head in (noise, b"\xff\xfb" + noise, b"\xff\xf1" + noise):
            assert frames_of(head)[0] is None
        assert header_at(noise, len(noise)) >= len(noise) - 3


def test_a_tone_with_the_period_of_packets_is_no_container() -> None:
    """Bytes that are 0x47 come again after 188: of 2000 Hz at 8 kHz, or 170.2 Hz at 16 kHz."""
    for period in (188, 2 * 188, 94, 47, 4):
        random = np.random.default_rng(period)
        for _ in range(300):
            tone = bytearray(random.integers(0, 256, period, dtype=np.uint8).tobytes())
            tone[0], tone[3] = 0x47, tone[3] | 0x10
            if period > 188:
                tone[188], tone[191] = 0x47, tone[191] | 0x10
            assert frames_of(bytes(tone) * 2000)[0] is None


def test_packets_without_content_are_packets() -> None:
    data = stream("mpegts", "mp2", duration_s=1.0)
    assert frames_of((b"\x47\x1f\xff\x10" + b"\xff" * 184) * 20 + data)[0] is Media.MPEGTS


def test_frames_are_certain_after_a_few() -> None:
    for container, codec, media, length_of in (
        ("mp3", "libmp3lame", Media.MP3, mpeg_frame_bytes),
        ("adts", "aac", Media.AAC, adts_frame_bytes),
    ):
        options = {"id3v2_version": "0", "write_xing": "0"} if container == "mp3" else {}
        data = stream(container, codec, 44100, duration_s=1.0, options=options)
        assert frames_of(data) == (media, True)
        first = length_of(data)
        assert frames_of(data[: first + 8]) == (None, False)
        assert frames_of(data[: first + 8] + bytes(9000))[0] is None


def test_a_wav_header_is_found_wherever_it_begins() -> None:
    header = b"RIFF\x24\x08\0\0WAVEfmt "
    for before in (0, 1, 2, 501):
        data = bytes(before) + header + bytes(40)
        assert header_at(data, len(data)) == before
        assert header_at(data, before) == before
        for length in range(before + 2, before + len(header)):
            assert header_at(data[:length], length) == before
    assert header_at(b"RIFF\x24\x08\0\0AVI " + bytes(40), 52) == 52


def test_an_au_header_is_found_wherever_it_begins() -> None:
    header = struct.pack(">4s5I", b".snd", 24, 0xFFFF_FFFF, 3, 8000, 1)
    for before in (0, 1, 2, 501):
        data = bytes(before) + header + bytes(40)
        assert header_at(data, len(data)) == before
        assert header_at(data, before) == before
        for length in range(before + 2, before + len(header)):
            assert header_at(data[:length], length) == before
    assert header_at(header[:-1] + b"\x63" + bytes(40), 64) == 64
    assert header_at(header + b"RIFF\x24\x08\0\0WAVE", 36) == 0
