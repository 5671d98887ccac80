"""Small chunks become frames of about the wanted length; samples are never cut, nor are the chunks of a container."""

import itertools
import random

import numpy as np
import pytest
from support.encoders import encoded

from stt_audio.codecs.formats import LIVE_MEDIA
from stt_audio.codecs.signatures import SIGNATURE_BYTES, signature
from stt_gateway.core.live.framing import Framer, Piece, joined_ms
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit

FRAME_MS = 100
S16_16K = SessionConfig()
F32_STEREO_48K = SessionConfig(sample_rate=48000, encoding=Encoding.PCM_F32LE, channels=2)


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def test_chunks_of_20_ms_are_joined_to_frames_of_100_ms() -> None:
    framer = Framer(S16_16K, FRAME_MS)
    chunks = [noise(640, number) for number in range(10)]
    pieces = [framer.push(chunk, 1000.0 + 20 * number) for number, chunk in enumerate(chunks)]
    assert [len(out) for out in pieces] == [0, 0, 0, 0, 1] * 2
    assert pieces[4] == [Piece(b"".join(chunks[:5]), 1000.0, 1080.0)]
    assert pieces[9] == [Piece(b"".join(chunks[5:]), 1100.0, 1180.0)]
    assert framer.buffered_bytes == 0


def test_the_first_audio_of_a_session_passes_in_short_frames() -> None:
    framer = Framer(S16_16K, FRAME_MS, hasty_ms=200)
    chunks = [noise(640, number) for number in range(20)]
    pieces = [framer.push(chunk, 1000.0 + 20 * number) for number, chunk in enumerate(chunks)]
    assert [len(out) for out in pieces] == [0, 1] * 5 + [0, 0, 0, 0, 1] * 2
    assert b"".join(piece.data for out in pieces for piece in out) == b"".join(chunks)
    assert Framer(S16_16K, 20, hasty_ms=200).push(chunks[0], 5.0) == [Piece(chunks[0], 5.0, 5.0)]


def test_frames_change_their_length_while_audio_comes() -> None:
    framer = Framer(S16_16K, FRAME_MS, hasty_ms=80)
    chunks = [noise(640, number) for number in range(24)]
    lengths, got = [], b""
    for number, chunk in enumerate(chunks):
        if number in (2, 8):
            # While short frames pass, and in the midst of one.
            framer.join(160 if number == 2 else FRAME_MS)
        for piece in framer.push(chunk, 1000.0 + 20 * number):
            lengths.append(len(piece.data) // 32)
            got += piece.data
    assert lengths == [40, 40, 100, 100, 100, 100]
    framer.join(160)
    assert framer.push(noise(640), 2000.0) == []
    assert framer.due_ms == 2160.0
    assert got == b"".join(chunks)


@pytest.mark.parametrize(
    ("sessions", "cores", "wanted_ms"), [(1, 2, 100), (16, 2, 100), (17, 2, 160), (500, 2, 160), (17, 4, 100)]
)
def test_frames_are_longer_where_many_sessions_share_few_cores(sessions: int, cores: int, wanted_ms: int) -> None:
    assert joined_ms(FRAME_MS, sessions, cores) == wanted_ms


def test_a_chunk_of_the_wanted_length_or_more_passes_at_once() -> None:
    framer = Framer(S16_16K, FRAME_MS)
    assert framer.push(bytes(3200), 5.0) == [Piece(bytes(3200), 5.0, 5.0)]
    assert framer.push(bytes(3202), 6.0) == [Piece(bytes(3202), 6.0, 6.0)]


def test_a_long_chunk_is_cut_to_pieces_of_a_second() -> None:
    data = noise(80_001)
    pieces = Framer(S16_16K, FRAME_MS).push(data, 5.0)
    assert [len(piece.data) for piece in pieces] == [32_000, 32_000, 16_000]
    assert b"".join(piece.data for piece in pieces) == data[:-1]


@pytest.mark.parametrize("config", [S16_16K, F32_STEREO_48K, SessionConfig(sample_rate=8000, encoding=Encoding.MULAW)])
@pytest.mark.parametrize("seed", range(5))
def test_samples_stay_whole_over_any_borders(config: SessionConfig, seed: int) -> None:
    rng = random.Random(seed)
    sample_bytes = config.frame_bytes() or 0
    framer = Framer(config, FRAME_MS)
    sent, got = b"", b""
    for _ in range(300):
        chunk = rng.randbytes(rng.choice([0, 1, 3, 7, 641, 5001]))
        sent += chunk
        pieces = framer.push(chunk, 0.0)
        if rng.random() < 0.1:
            pieces += framer.flush()
        for piece in pieces:
            assert piece.data
            assert len(piece.data) % sample_bytes == 0
            got += piece.data
        assert len(got) + framer.buffered_bytes == len(sent)
        assert framer.cut_sample_bytes == len(sent) % sample_bytes
    got += b"".join(piece.data for piece in framer.flush())
    assert got == sent[: len(sent) - len(sent) % sample_bytes]


def test_what_is_held_is_due_a_frames_length_after_its_first_byte() -> None:
    framer = Framer(S16_16K, FRAME_MS)
    assert framer.due_ms is None
    framer.push(b"\x01", 10.0)
    assert framer.due_ms is None, "half a sample cannot go"
    framer.push(b"\x02\x03", 50.0)
    assert framer.due_ms == 150.0
    framer.push(b"\x04", 60.0)
    assert framer.due_ms == 150.0
    assert framer.flush() == [Piece(b"\x01\x02\x03\x04", 50.0, 60.0)]
    assert framer.due_ms is None
    assert framer.flush() == []


CONTAINERS = [encoding for encoding in Encoding if encoding.bytes_per_sample is None]


@pytest.mark.parametrize("encoding", CONTAINERS)
@pytest.mark.parametrize(("every_ms", "joined_ms_"), [(10, 80), (20, 80), (40, 80), (60, 120)])
def test_small_container_chunks_are_joined_by_the_time_they_take(
    encoding: Encoding, every_ms: int, joined_ms_: int
) -> None:
    framer = Framer(SessionConfig(encoding=encoding), FRAME_MS)
    chunks = [noise(50 + number, number) for number in range(100)]
    pieces = [piece for number, chunk in enumerate(chunks) for piece in framer.push(chunk, 1000.0 + every_ms * number)]
    assert pieces[0] == Piece(chunks[0], 1000.0, 1000.0), "the header does not wait"
    assert {later.last_ms - piece.last_ms for piece, later in itertools.pairwise(pieces)} == {joined_ms_}
    assert all(piece.last_ms - piece.first_ms < FRAME_MS for piece in pieces)
    assert b"".join(piece.data for piece in [*pieces, *framer.flush()]) == b"".join(chunks)


@pytest.mark.parametrize("every_ms", [100, 250, 1000])
def test_container_chunks_of_a_frames_length_or_more_do_not_wait(every_ms: int) -> None:
    framer = Framer(SessionConfig(encoding=Encoding.WEBM), FRAME_MS)
    for number in range(20):
        now_ms = 1000.0 + every_ms * number + number % 3 * 10
        assert framer.push(b"x", now_ms) == [Piece(b"x", now_ms, now_ms)]


def test_the_first_seconds_of_a_container_pass_in_short_frames() -> None:
    framer = Framer(SessionConfig(encoding=Encoding.OGG), FRAME_MS, hasty_ms=200)
    times = [piece.last_ms for number in range(40) for piece in framer.push(b"x", 20.0 * number)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[:5] == [40.0] * 5
    assert set(gaps[5:]) == {80.0}


def test_container_data_that_comes_faster_than_real_time_is_joined_by_size() -> None:
    framer = Framer(SessionConfig(encoding=Encoding.WAV), FRAME_MS)
    pieces = [piece for _ in range(1000) for piece in framer.push(bytes(640), 5.0)]
    assert {len(piece.data) for piece in pieces[1:]} == {52 * 640}
    big = noise(1_000_001)
    assert framer.push(big, 6.0)[0].data.endswith(big), "and a long chunk stays whole"


def test_held_container_data_is_due_a_frames_length_after_it_came() -> None:
    framer = Framer(SessionConfig(encoding=Encoding.OGG), FRAME_MS)
    framer.push(b"head", 0.0)
    assert (framer.due_ms, framer.flush()) == (None, [])
    assert framer.push(b"page", 20.0) == []
    assert framer.due_ms == 120.0
    assert framer.flush() == [Piece(b"page", 20.0, 20.0)]
    assert framer.push(b"", 30.0) == []
    assert (framer.due_ms, framer.flush(), framer.cut_sample_bytes, framer.duration_ms(5)) == (None, [], 0, None)


def test_durations_of_bare_samples_are_known() -> None:
    assert Framer(S16_16K, FRAME_MS).duration_ms(3200) == 100.0
    assert Framer(F32_STEREO_48K, FRAME_MS).duration_ms(38_400) == 100.0


@pytest.mark.parametrize(
    "head",
    [
        b"RIFF\x24\0\0\0WAVE",
        b"OggS\0\2",
        b"fLaC\0\0\0\x22",
        b"\x1a\x45\xdf\xa3\x9f",
        b"BW64\xff\xff\xff\xffWAVE",
        b"\0\0\0\x18ftypmp42",
        b"\0\0\0\x18stypmsdh",
        b"\0\0\0\x64moof",
        b"ID3\4\0\0",
        b"FLV\1\4",
        b"#!AMR\n",
    ],
)
def test_a_container_that_was_announced_as_samples_passes_whole(head: bytes) -> None:
    """A fixed bug: its last odd bytes were dropped as a part of a sample."""
    framer = Framer(F32_STEREO_48K, FRAME_MS)
    first, second = head + noise(101), noise(33, 1)
    assert framer.push(first, 1000.0) == [Piece(first, 1000.0, 1000.0)]
    assert framer.duration_ms(100) is None
    assert framer.push(second, 1010.0) == []
    assert framer.cut_sample_bytes == 0
    assert framer.flush() == [Piece(second, 1010.0, 1010.0)]


@pytest.mark.parametrize(
    "how",
    [
        ("wav", "pcm_s16le"),
        ("flac", "flac"),
        ("ogg", "libopus"),
        ("webm", "libopus"),
        ("mp4", "aac"),
        ("mp3", "libmp3lame"),
        ("flv", "aac"),
    ],
    ids=lambda how: how[0],
)
def test_what_the_audio_processor_takes_for_a_container_is_one_here(how: tuple[str, str]) -> None:
    recording = encoded(np.zeros(16000, np.float32), *how)
    assert signature(recording[:SIGNATURE_BYTES]) in LIVE_MEDIA
    framer = Framer(S16_16K, FRAME_MS)
    framer.push(recording[:SIGNATURE_BYTES], 1000.0)
    assert framer.duration_ms(100) is None


def test_samples_that_resemble_a_container_later_stay_samples() -> None:
    framer = Framer(S16_16K, FRAME_MS)
    framer.push(noise(640), 1000.0)
    framer.push(b"OggS\0\2" + noise(633), 1020.0)
    assert framer.duration_ms(3200) == 100
    assert framer.cut_sample_bytes == 1
