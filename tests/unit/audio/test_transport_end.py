"""Files of MPEG-TS put together: each recording ends where its tables no longer hold, or its packets stop."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from support.encoders import encoded
from support.live_decoding import stream

from stt_audio.codecs.formats import Media
from stt_audio.codecs.parts import find_parts
from stt_audio.codecs.transport_end import transport_stream_end
from stt_audio.files.decoder import FileDecoder

pytestmark = pytest.mark.unit


def recording(duration_s: float = 3.0, **options: str) -> bytes:
    return stream("mpegts", "aac", 44100, duration_s=duration_s, options=options)


PLAIN = recording()
OTHERS: Mapping[str, bytes] = {
    "other PIDs": recording(mpegts_start_pid="0x300"),
    "another programme": recording(mpegts_pmt_start_pid="512"),
    "another codec": stream("mpegts", "mp2", 44100, duration_s=3.0),
    "FLV": stream("flv", "aac", 44100, duration_s=3.0),
    "Matroska": stream("matroska", "libopus", duration_s=3.0),
}
M2TS, OTHER_M2TS = (
    stream("mpegts", codec, 48000, duration_s=3.0, options={"mpegts_m2ts_mode": "1"}) for codec in ("aac", "ac3")
)


def end_of(data: bytes) -> int:
    return transport_stream_end(io.BytesIO(data), 0, len(data))


@pytest.mark.parametrize("name", OTHERS)
def test_what_follows_is_heard(name: str, tmp_path: Path) -> None:
    """Of ``cat a.ts b.ts`` only the first was heard, and nothing told of the rest."""
    (tmp_path / "upload").write_bytes(PLAIN + OTHERS[name])
    with FileDecoder(tmp_path / "upload", 10**9) as decoder:
        samples = sum(len(pcm) // 2 for pcm in iter(decoder.read, b""))
    assert samples / 16000 == pytest.approx(6.0, abs=0.3)


@pytest.mark.parametrize("name", OTHERS)
def test_a_recording_ends_where_the_next_begins(name: str) -> None:
    assert end_of(PLAIN + OTHERS[name]) in (len(PLAIN), len(PLAIN) + 188)  # an SDT may come before the tables


def test_what_is_put_between_is_heard_too() -> None:
    """It is shorter than the damage after which packets are looked for."""
    between = encoded(np.zeros(4000, np.float32), "wav", "pcm_s16le", 16000)
    parts = find_parts(io.BytesIO(PLAIN + between + PLAIN))
    assert [part.media for part in parts] == [Media.MPEGTS, Media.WAV, Media.MPEGTS]


def test_time_stamps_before_packets_belong_to_them() -> None:
    assert end_of(M2TS + OTHER_M2TS) in (len(M2TS), len(M2TS) + 192)
    assert [part.media for part in find_parts(io.BytesIO(M2TS + OTHER_M2TS))] == [Media.MPEGTS] * 2


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PLAIN + PLAIN,
        PLAIN[:-100],
        PLAIN[:10_000] + bytes(5000) + PLAIN[10_000:],
        PLAIN[:10_000] + PLAIN[10_077:],
        PLAIN + b"some words at the end",
    ],
    ids=["whole", "the same streams again", "cut", "damaged", "bytes lost", "junk at the end"],
)
def test_nothing_else_ends_it(data: bytes) -> None:
    assert end_of(data) == len(data)
