"""What comes before a recording in a live stream is passed over, once; what is no recording is refused."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from support.live_decoding import LONG, in_pieces, joined, run, stream, voice
from support.odd_files import APE_TAG, ID3

from stt_audio.codecs.formats import Media
from stt_audio.codecs.mpeg import mpeg_frame_bytes
from stt_audio.codecs.sniff import MAX_JUNK_BYTES
from stt_audio.live.decoder import live_decoder
from stt_audio.live.opening import SEARCHED_BYTES, Opening
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit

MP3 = {"container": "mp3", "codec": "libmp3lame", "options": {"id3v2_version": "0", "write_xing": "0"}}
ADTS = {"container": "adts", "codec": "aac", "codec_options": {"aac_pns": "0"}}
AUTO = SessionConfig(encoding=Encoding.AUTO)


def id3(n_bytes: int) -> bytes:
    return (
        b"ID3\x04\0\0"
        + bytes(n_bytes >> 7 * place & 127 for place in (3, 2, 1, 0))
        + b"\xff\xfb\x90\x64" * (n_bytes // 4)
    )


BEFORE = [
    pytest.param(b"", id="nothing"),
    pytest.param(ID3, id="tag"),
    pytest.param(ID3 + ID3, id="two tags"),
    pytest.param(id3(200_000), id="tag with a picture"),
    pytest.param(ID3 + bytes(2000), id="tag and padding"),
    pytest.param(bytes(2000) + ID3, id="padding and tag"),
    pytest.param(APE_TAG, id="APE tag"),
    pytest.param(bytes(60_000), id="zeros"),
    pytest.param(b"1f40\r\n", id="chunk length of HTTP"),
    pytest.param(b"ICY 200 OK\r\nicy-name: talk\r\nicy-br: 128\r\n\r\n", id="head of ICY"),
    pytest.param(np.random.default_rng(0).bytes(5000), id="noise"),
]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("kind", [MP3, ADTS], ids=["mp3", "adts"])
async def test_what_comes_before_the_first_frame_changes_nothing(
    kind: dict, before: bytes, executor: ThreadPoolExecutor
) -> None:
    data = stream(**kind, rate=44100, duration_s=6.0)
    plain = await run(AUTO, in_pieces(data, 9), executor)
    pieces = in_pieces(before + data, 60)
    assert np.array_equal((await run(AUTO, pieces, executor)).samples, plain.samples)
    with_losses = await run(AUTO, pieces, executor, lost_every=3)
    assert np.array_equal(with_losses.samples, plain.samples)
    assert with_losses.fed_again[-1] < 0.8 * len(data), "what was passed over is not fed to a successor"


@pytest.mark.parametrize("kind", [MP3, ADTS], ids=["mp3", "adts"])
async def test_a_cut_frame_is_passed_over(kind: dict, executor: ThreadPoolExecutor) -> None:
    data = stream(**kind, rate=44100, duration_s=3.0)[777:]
    alone = await run(AUTO, in_pieces(data, 30), executor)
    assert len(alone.samples) / 16000 == pytest.approx(3.0, abs=0.15)
    with_losses = await run(AUTO, in_pieces(data, 30), executor, lost_every=2)
    assert np.array_equal(with_losses.samples, alone.samples)


async def test_headers_come_after_tags_and_junk(executor: ThreadPoolExecutor) -> None:
    for encoding, before in ((Encoding.AUTO, b"HTTP/1.1 200 OK\r\n\r\n"), (Encoding.AUTO, ID3), (Encoding.FLAC, ID3)):
        data = stream("flac", "flac", 16000, duration_s=2.0)
        plain = await run(AUTO, [data], executor)
        result = await run(SessionConfig(encoding=encoding), in_pieces(before + data, 20), executor, lost_every=3)
        assert np.array_equal(result.samples, plain.samples)
    samples = (voice(1.0, 16000) * 32767).astype("<i2")
    wav = stream("wav", "pcm_s16le", 16000, duration_s=1.0)
    result = await run(AUTO, in_pieces(b"1f40\r\n" + wav, 50), executor, lost_every=1)
    assert len(result.samples) == len(samples)


async def test_a_tag_where_samples_are_expected_is_followed_by_any_container(executor: ThreadPoolExecutor) -> None:
    data = stream(**ADTS, rate=44100, duration_s=2.0)
    decoder = live_decoder(SessionConfig(), executor, LONG)
    pcm = b"".join([await joined(decoder.feed(piece)) for piece in in_pieces(ID3 * 3 + data, 9)])
    await decoder.close()
    assert len(pcm) / 32000 == pytest.approx(2.0, abs=0.15)
    (warning,) = decoder.take_warnings()
    assert "begins like AAC (ADTS)" in warning.message
    plain = await run(AUTO, [data], executor)
    with_losses = await run(SessionConfig(), in_pieces(id3(20_000) + data, 40), executor, lost_every=1)
    assert np.array_equal(with_losses.samples, plain.samples)


async def test_tags_between_files_are_no_junk(executor: ThreadPoolExecutor) -> None:
    """A picture is longer than what may be lost of a stream."""
    for kind in (MP3, ADTS):
        data = id3(200_000) + stream(**kind, rate=44100, duration_s=2.0)
        alone = await run(AUTO, in_pieces(2 * data, 40), executor)
        assert len(alone.samples) / 16000 == pytest.approx(4.0, abs=0.3)
        with_losses = await run(AUTO, in_pieces(2 * data, 40), executor, lost_every=3)
        assert np.array_equal(with_losses.samples, alone.samples)


async def test_few_frames_are_enough_when_nothing_follows(executor: ThreadPoolExecutor) -> None:
    data = stream(**MP3, rate=44100, duration_s=1.0)
    frame_bytes = mpeg_frame_bytes(data)
    for length in (frame_bytes, frame_bytes * 2 + 100):
        decoder = live_decoder(AUTO, executor, LONG)
        assert await joined(decoder.feed(data[:length])) == b""
        assert len(await joined(decoder.finish())) > 0
        await decoder.close()


def bare(codec: str, loudness: float) -> bytes:
    """A voice as bare samples, at 8 kHz."""
    samples = (voice(20.0, 8000) * 32767 * loudness).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None, :], "s16", "mono")
    frame.sample_rate = 8000
    file = io.BytesIO()
    with av.open(file, "w", format={"pcm_s16le": "s16le"}.get(codec, codec.removeprefix("pcm_"))) as output:
        added = output.add_stream(codec, rate=8000, layout="mono")
        output.mux(added.encode(frame))
    return file.getvalue()


@pytest.mark.parametrize("loudness", [0.001, 0.01, 0.3])
@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_mulaw", "pcm_alaw"])
def test_bare_samples_are_refused_and_taken_for_nothing(codec: str, loudness: float) -> None:
    data = bare(codec, loudness)
    for start in range(0, len(data) // 2, 1009):
        opening = Opening(data[start : start + 4 * SEARCHED_BYTES])  # some of it are zeros
        with pytest.raises(SttError) as refused:
            opening.found(Encoding.AUTO)
        assert refused.value.code == "unsupported_media"


def test_three_frames_in_a_row_may_be_chance() -> None:
    """Two were found in samples of speech."""
    frame = b"\xff\xfb\x90\x64" + bytes(413)
    junk, rest = b"\x07" * 500, b"\x07" * SEARCHED_BYTES
    assert Opening(junk + 4 * frame + rest).found(Encoding.AUTO) is Media.MP3
    with pytest.raises(SttError, match="begins like none of"):
        Opening(junk + 3 * frame + rest).found(Encoding.AUTO)


def test_what_fits_by_chance_to_the_end_of_the_search_is_no_frame() -> None:
    """The stream goes on there."""
    frame = b"\xff\xfb\x90\x64" + bytes(413)
    data = b"\x07" * (SEARCHED_BYTES - len(frame)) + frame
    with pytest.raises(SttError, match="begins like none of"):
        Opening(data).found(Encoding.AUTO)


def test_the_search_ends_soon() -> None:
    noise = np.random.default_rng(1).bytes(SEARCHED_BYTES)
    assert Opening(noise[:-1]).found(Encoding.AUTO) is None
    for data in (noise, bytes(MAX_JUNK_BYTES + SEARCHED_BYTES)):
        opening = Opening(data)
        with pytest.raises(SttError, match="begins like none of"):
            opening.found(Encoding.AUTO)


def test_formats_for_whole_files_only_are_refused_at_once() -> None:
    opening = Opening(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9" + bytes(6))
    with pytest.raises(SttError, match="none of"):
        opening.found(Encoding.AUTO)


def test_tags_without_end_cost_little() -> None:
    """Their number is limited: each costs a search."""
    opening = Opening(id3(0) * 400_000 + b"fLaC" + bytes(40))
    with pytest.raises(SttError, match="none of"):
        opening.found(Encoding.AUTO)
    assert Opening(id3(0) * 9 + b"fLaC\0\0\0\x22" + bytes(40)).found(Encoding.AUTO) is Media.FLAC
