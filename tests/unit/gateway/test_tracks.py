"""Tracks of a call side by side."""

import random

import pytest

from stt_gateway.core.live.tracks import TrackAligner

pytestmark = pytest.mark.unit

SILENCE = 0xFF
PACKET = 160  # 20 ms at 8 kHz


def aligner(tracks: int = 2) -> TrackAligner:
    return TrackAligner(tracks, 8000, SILENCE)


def packet(value: int, length: int = PACKET) -> bytes:
    return bytes((value,)) * length


def channels(audio: bytes, tracks: int = 2) -> list[bytes]:
    return [audio[track::tracks] for track in range(tracks)]


def voiced(channel: bytes) -> bytes:
    return channel.replace(bytes((SILENCE,)), b"")


def test_packets_of_two_tracks_come_out_side_by_side() -> None:
    tracks, out = aligner(), b""
    for at in range(10):
        assert tracks.push(0, at * 20, packet(at)) == b""
        out += tracks.push(1, at * 20, packet(100 + at))
    assert channels(out) == [b"".join(packet(at) for at in range(10)), b"".join(packet(100 + at) for at in range(10))]
    assert tracks.flush() == b""


def test_one_track_alone_is_delayed_a_little_and_nothing_of_it_is_lost() -> None:
    tracks = aligner()
    out = [tracks.push(0, at * 20, packet(at)) for at in range(20)]
    assert [len(one) // 2 for one in out] == [0] * 5 + [PACKET] * 15
    left, right = channels(b"".join(out) + tracks.flush())
    assert left == b"".join(packet(at) for at in range(20))
    assert voiced(right) == b""


def test_a_single_track_is_not_delayed() -> None:
    tracks = aligner(1)
    assert tracks.push(0, 0, packet(1)) == packet(1)


def test_what_never_came_is_silence_as_long_as_the_timestamps_say() -> None:
    tracks = aligner(1)
    out = tracks.push(0, 0, packet(1)) + tracks.push(0, 500, packet(2))
    assert out == packet(1) + packet(SILENCE, 8 * 480) + packet(2)


def test_a_track_that_begins_later_begins_later() -> None:
    tracks, out = aligner(), b""
    for at in range(50):
        out += tracks.push(0, at * 20, packet(1))
        if at >= 25:
            out += tracks.push(1, at * 20, packet(2))
    left, right = channels(out + tracks.flush())
    assert left == packet(1, 50 * PACKET)
    assert right == packet(SILENCE, 25 * PACKET) + packet(2, 25 * PACKET)


@pytest.mark.parametrize("at_ms", [[0, 21, 39, 61, 79], [5, 25, 44, 65, 84], [0, 0, 0, 0, 0]])
def test_rounded_timestamps_make_no_gaps(at_ms: list[int]) -> None:
    tracks = aligner(1)
    assert b"".join(tracks.push(0, at, packet(at_no)) for at_no, at in enumerate(at_ms)) == b"".join(
        packet(at_no) for at_no in range(5)
    )


def test_a_track_that_comes_late_loses_nothing_and_takes_nothing_from_the_other() -> None:
    tracks, out = aligner(), b""
    for at in range(100):
        out += tracks.push(0, at * 20, packet(1))
        if at >= 15:
            out += tracks.push(1, (at - 15) * 20, packet(2))
    left, right = channels(out + tracks.flush())
    assert left.rstrip(bytes((SILENCE,))) == packet(1, 100 * PACKET)
    assert voiced(right) == packet(2, 85 * PACKET)


def test_a_leap_of_the_timestamps_counts_as_half_a_minute() -> None:
    tracks = aligner()
    tracks.push(0, 0, packet(1))
    out = tracks.push(0, 900_000_000, packet(2))
    assert 29_000 < len(out) / 2 / 8 < 31_000
    left, _ = channels(out + tracks.flush())
    assert left == packet(1) + packet(SILENCE, 240_000) + packet(2)
    # Both go on from there.
    more = tracks.push(1, 900_000_020, packet(3)) + tracks.push(0, 900_000_020, packet(3)) + tracks.flush()
    assert len(more) == 2 * PACKET


def test_whatever_comes_little_is_held_and_no_audio_is_lost() -> None:
    dice = random.Random(3)
    for _ in range(3):
        tracks, sent, out = aligner(3), [0, 0, 0], b""
        for _ in range(300):
            track, length = dice.randrange(3), dice.randrange(0, 400)
            sent[track] += length
            out += tracks.push(
                track, dice.choice([0, dice.randrange(10_000), dice.randrange(10**9)]), packet(1, length)
            )
            assert sum(map(len, tracks._held)) < 3 * 8 * 33_000
        assert [len(voiced(channel)) for channel in channels(out + tracks.flush(), 3)] == sent
