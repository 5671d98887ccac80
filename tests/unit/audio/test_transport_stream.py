"""Live MPEG-TS: heard from anywhere on, and taken up wherever a piece of sound begins."""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from support.live_decoding import LONG, in_pieces, joined, run, stream

from stt_audio.codecs import restart_points, transport_stream
from stt_audio.codecs.stream_parser import MAX_PART_BYTES, Start
from stt_audio.codecs.transport_stream import PACKET_BYTES, TABLES_MISSING, TransportStreamParser
from stt_audio.live.decoder import live_decoder
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit

AUTO = SessionConfig(encoding=Encoding.AUTO)
AAC = {"container": "mpegts", "codec": "aac", "rate": 44100, "codec_options": {"aac_pns": "0"}}


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.parametrize("cut", [100, PACKET_BYTES, 5000, 30_000])
async def test_a_stream_is_heard_from_anywhere_on(cut: int, executor: ThreadPoolExecutor) -> None:
    data = stream(**AAC)
    alone = await run(AUTO, in_pieces(data[cut:], 48), executor)
    assert len(alone.samples) / 16000 == pytest.approx(8.0 * (1 - cut / len(data)), abs=0.3)
    with_losses = await run(AUTO, in_pieces(data[cut:], 48), executor, lost_every=3)
    assert np.array_equal(with_losses.samples, alone.samples)


async def test_lost_packets_and_junk_cost_little(executor: ThreadPoolExecutor) -> None:
    data = stream(**AAC)
    damaged = data[:50_000] + data[50_333:90_000] + bytes(7000) + data[90_000:]
    alone = await run(AUTO, in_pieces(damaged, 48), executor)
    assert len(alone.samples) / 16000 == pytest.approx(8.0, abs=0.2)
    with_losses = await run(AUTO, in_pieces(damaged, 48), executor, lost_every=3)
    assert np.array_equal(with_losses.samples, alone.samples)


async def test_half_a_second_is_enough_for_a_successor(
    executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As much as a video leaves."""
    monkeypatch.setattr(restart_points, "MAX_KEPT_BYTES_OF_VIDEO", 10_000)
    pieces = in_pieces(stream(**AAC), 48)
    alone = await run(AUTO, pieces, executor)
    with_losses = await run(AUTO, pieces, executor, lost_every=3)
    assert max(with_losses.fed_again) <= 10_000
    assert np.array_equal(with_losses.samples, alone.samples)


async def test_with_too_little_there_is_no_successor(
    executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would lose samples, or double them."""
    monkeypatch.setattr(restart_points, "MAX_KEPT_BYTES_OF_VIDEO", 2500)
    pieces = in_pieces(stream(**AAC), 96)
    decoder = live_decoder(AUTO, executor, LONG)
    for piece in pieces:
        await joined(decoder.feed(piece))
    assert decoder.checkpoint() is None
    await decoder.close()
    monkeypatch.setattr(transport_stream, "_PIECES_AHEAD", 0)
    monkeypatch.setattr(transport_stream, "_BYTES_AHEAD", 0)
    with_losses = await run(AUTO, pieces, executor, lost_every=3)
    assert not np.array_equal(with_losses.samples, (await run(AUTO, pieces, executor)).samples)


async def test_streams_follow_each_other(executor: ThreadPoolExecutor) -> None:
    data = stream(**AAC, duration_s=3.0) + stream(**{**AAC, "rate": 48000}, layout="stereo", duration_s=3.0)
    alone = await run(AUTO, in_pieces(data, 48), executor)
    assert len(alone.samples) / 16000 == pytest.approx(6.0, abs=0.2)
    with_losses = await run(AUTO, in_pieces(data, 48), executor, lost_every=3)
    assert np.array_equal(with_losses.samples, alone.samples)


def renamed(data: bytes, pid: int) -> bytes:
    """``data`` with its sound, which is PID 256, as ``pid``, and a table that says so."""
    packets = [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]
    for index, each in enumerate(packets):
        if each[1] & 0x1F == 1:
            packets[index] = bytes((each[0], each[1] & 0xE0 | pid >> 8, pid & 255)) + each[3:]
    return b"".join(packets).replace(*(_pmt(each) for each in (256, pid)))


def _pmt(pid: int) -> bytes:
    entry = (0xE000 | pid).to_bytes(2, "big")
    return section(2, entry + b"\xf0\x00\x0f" + entry + b"\xf0\x00")


@pytest.mark.parametrize(
    "following",
    [
        pytest.param(lambda: renamed(stream(**AAC, duration_s=3.0), 300), id="PID"),
        pytest.param(lambda: stream("mpegts", "mp2", duration_s=3.0), id="codec"),
        pytest.param(lambda: stream(**AAC, options={"mpegts_pmt_start_pid": "512"}, duration_s=3.0), id="programme"),
    ],
)
async def test_streams_may_change(following: Callable[[], bytes], executor: ThreadPoolExecutor) -> None:
    """FFmpeg waits for those of its first tables, and what came in others was lost without a word."""
    data = stream(**AAC, duration_s=3.0) + following()
    alone = await run(AUTO, in_pieces(data, 48), executor)
    assert len(alone.samples) / 16000 == pytest.approx(6.0, abs=0.2)
    with_losses = await run(AUTO, in_pieces(data, 48), executor, lost_every=3)
    difference = np.abs(with_losses.samples - alone.samples)
    assert difference.max() <= 2, "FFmpeg's MP2 is dithered"


async def test_a_successor_hears_the_same_of_two_sounds(executor: ThreadPoolExecutor) -> None:
    """From the middle on, FFmpeg takes the sound that comes first; a successor has the tables, and took their first."""
    data = _two_sounds()
    cut = next(at for at in range(20_000, len(data)) if data[at : at + 2] == b"\x47\x41" and data[at + 2] == 1)
    alone = await run(AUTO, in_pieces(data[cut - cut % PACKET_BYTES :], 48), executor)
    assert len(alone.samples) > 6 * 16000
    with_losses = await run(AUTO, in_pieces(data[cut - cut % PACKET_BYTES :], 48), executor, lost_every=3)
    assert np.array_equal(with_losses.samples, alone.samples)


def _two_sounds() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as output:
        sounds = [output.add_stream("ac3", rate=48000, layout="mono") for _ in range(2)]
        for at in range(0, 8 * 48000, 1536):
            for index, sound in enumerate(sounds):
                samples = (10_000 * np.sin(np.arange(at, at + 1536) * (0.05 + 0.05 * index))).astype(np.float32) / 32768
                frame = av.AudioFrame.from_ndarray(samples[None, :], "fltp", "mono")
                frame.sample_rate, frame.pts = 48000, at
                output.mux(sound.encode(frame))
    return file.getvalue()


async def test_what_is_not_decoded_live_is_refused(executor: ThreadPoolExecutor) -> None:
    latm = stream(**AAC, options={"mpegts_flags": "latm"})
    with pytest.raises(SttError, match="LATM") as refused:
        await run(AUTO, in_pieces(latm, 48), executor)
    assert refused.value.code == "bad_audio"
    camera = stream("mpegts", "ac3", options={"mpegts_m2ts_mode": "1"})
    with pytest.raises(SttError, match="MPEG-TS") as refused:
        await run(AUTO, in_pieces(camera, 48), executor)
    assert refused.value.code == "unsupported_media"


async def test_another_recording_does_not_follow_unnoticed(executor: ThreadPoolExecutor) -> None:
    wav = stream("wav", "pcm_s16le", 16000, duration_s=6.0)
    with pytest.raises(SttError, match="holds no audio"):
        await run(AUTO, in_pieces(stream(**AAC, duration_s=2.0) + wav, 48), executor)


def packet(pid: int, payload: bytes, *, starts_unit: bool = True) -> bytes:
    """A packet of TS, filled up by its adaptation field."""
    stuffing = PACKET_BYTES - 4 - len(payload)
    header = bytes((0x47, starts_unit << 6 | pid >> 8, pid & 255, 0x30 if stuffing else 0x10))
    return header + (bytes((stuffing - 1, 0)).ljust(stuffing, b"\xff") if stuffing else b"") + payload


def checksum(data: bytes) -> bytes:
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C1_1DB7 if crc >> 31 else 0)
    return crc.to_bytes(4, "big")


def section(table: int, content: bytes, number: int = 1, *, is_current: bool = True) -> bytes:
    """A section after its pointer: header, ``content`` and checksum. ``number``: of the stream or the programme."""
    head = bytes((table,)) + (0xB000 | 5 + len(content) + 4).to_bytes(2, "big")
    whole = head + number.to_bytes(2, "big") + bytes((0xC0 | is_current, 0, 0)) + content
    return b"\0" + whole + checksum(whole)


def test_the_head_is_the_newest_tables_of_all_programmes() -> None:
    def entry(program: int, pid: int) -> bytes:
        return program.to_bytes(2, "big") + (0xE000 | pid).to_bytes(2, "big")

    pat = packet(0, section(0, entry(0, 16) + entry(1, 100) + entry(2, 200)))
    first = packet(100, section(2, b"\xe1\x00\xf0\x00" + b"\x0f\xe1\x00\xf0\x00"))
    long = section(2, b"\xe1\x00\xf0\xc8" + bytes(200) + b"\x03\xe1\x01\xf0\x00", 2)
    second = packet(200, long[:184]) + packet(200, long[184:], starts_unit=False)
    sound = packet(256, b"\0\0\1\xc0" + bytes(180)) + 6 * packet(256, bytes(184), starts_unit=False)
    video = packet(300, b"\0\0\1\xe0" + bytes(20))
    damaged = bytearray(first)
    damaged[1] |= 0x80
    ignored = [bytes(damaged), packet(100, section(2, b"\xe1\x00\xf0\x00", is_current=False)), packet(100, b"\0" * 40)]
    ignored.append(packet(100, section(2, b"\xe1\x00\xf0\x00")[:-1] + b"?"))
    parts = [sound, pat, first, sound, video, second, sound, *ignored, sound, sound, sound]
    parser = TransportStreamParser()
    starts = parser.feed(b"".join(parts))
    assert parser.begins == Start(sum(map(len, parts[:6])), pat + first + second, b"")
    assert [start.head for start in starts] == [pat + first + second] * 2
    assert [start.at for start in starts] == [sum(map(len, parts[:number])) for number in (6, 11)]


def test_a_programme_without_a_table_is_not_waited_for() -> None:
    parts = [packet(0, section(0, b"\0\1\xe0\x64" + b"\0\2\xe0\xc8"))]
    parts.append(packet(100, section(2, b"\xe1\x00\xf0\x00" + b"\x0f\xe1\x00\xf0\x00")))
    parser = TransportStreamParser()
    parser.feed(b"".join(parts) + 5 * packet(300, b""))
    assert parser.begins is None
    parser.feed(b"".join(parts[:1]))
    assert parser.begins == Start(8 * PACKET_BYTES, b"".join(parts), b"")


def test_a_stream_without_tables_is_refused_soon() -> None:
    parser = TransportStreamParser()
    parser.feed(6000 * packet(300, b"\0\0\1\xc0" + bytes(180)))
    assert parser.refusal == TABLES_MISSING


def test_tables_that_are_repeated_change_nothing() -> None:
    """The head is written to Redis whenever it changes; packets are numbered."""
    starts = TransportStreamParser().feed(stream(**AAC))
    assert len(starts) > 100
    assert len({start.head for start in starts}) == 1


def test_tables_without_end_are_bounded() -> None:
    parser = TransportStreamParser()
    endless = packet(0, b"\0\0\xbf\xff" + bytes(50)) + packet(0, bytes(10), starts_unit=False) * 500
    parser.feed(endless)
    assert len(parser._tables[0]._packets) < 10_000
    parser.feed(bytes(2 * MAX_PART_BYTES))
    assert parser.is_lost
