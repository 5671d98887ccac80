"""Pauses in AMR, for which a phone sends no speech: silence of the right length, live and in files."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.live_decoding import LONG, in_pieces, joined, run, stream

from stt_audio.codecs.amr import FRAME_BYTES, frame_mode
from stt_audio.codecs.formats import Media
from stt_audio.codecs.sync_points import parser_for
from stt_audio.files.decoder import FileDecoder
from stt_audio.live.decoder import live_decoder
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit

AUTO = SessionConfig(encoding=Encoding.AUTO)
NARROW, WIDE = b"#!AMR\n", b"#!AMR-WB\n"
NARROW_PAUSE = b"\x44" + bytes(5) + b"\x7c" * 7  # the kind of noise, then nothing
WIDE_PAUSE = b"\x4c" + bytes(5) + b"\x7c" * 7


def frames(duration_s: float) -> list[bytes]:
    data = stream("amr", "libopencore_amrnb", 8000, duration_s=duration_s, bit_rate=12200)
    found, at = [], len(NARROW)
    while at < len(data):
        end = at + FRAME_BYTES["amrnb"][frame_mode(data[at])]
        found.append(data[at:end])
        at = end
    return found


def with_pauses() -> bytes:
    """6 s of speech and 9.6 s of pauses: at the beginning, between, and one that is longer than what may be damaged."""
    speech = frames(6.0)[:300]
    parts = [NARROW_PAUSE * 5, *speech[:150], NARROW_PAUSE * 15, *speech[150:200], NARROW_PAUSE * 40, *speech[200:]]
    return NARROW + b"".join(parts)


def wide_noise() -> bytes:
    """There is no encoder of AMR-WB: 12 s of random frames, and 3.2 s of pauses."""
    rng = np.random.default_rng(0)
    noise = [b"\x04" + rng.bytes(17) for _ in range(600)]
    return WIDE + b"".join([*noise[:300], WIDE_PAUSE * 20, *noise[300:]])


@pytest.mark.parametrize(("data", "duration_s"), [(with_pauses(), 15.6), (wide_noise(), 15.2)], ids=["narrow", "wide"])
async def test_pauses_are_silence_of_their_length(data: bytes, duration_s: float, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(data)
    with FileDecoder(tmp_path / "upload", 10**9) as decoder:
        pcm = b"".join(iter(decoder.read, b""))
        assert decoder.found.warnings == []
    with ThreadPoolExecutor(1) as executor:
        alone = await run(AUTO, in_pieces(data, 60), executor)
        with_losses = await run(AUTO, in_pieces(data, 60), executor, lost_every=7)
    assert len(pcm) / 32000 == pytest.approx(duration_s, abs=0.001)
    assert len(alone.samples) / 16000 == pytest.approx(duration_s, abs=0.001)
    if data.startswith(NARROW):
        assert np.abs(alone.samples[: int(0.79 * 16000)]).max() == 0
    # A successor that heard only the pause does not know the speech before it; and of AMR-WB, what is above 6.4 kHz is
    # invented.
    assert len(with_losses.samples) == len(alone.samples)
    assert np.sqrt(np.mean((with_losses.samples - alone.samples) ** 2.0)) < 0.05 * np.std(alone.samples)


async def test_the_first_frames_are_heard_at_once() -> None:
    with ThreadPoolExecutor(1) as executor:
        decoder = live_decoder(AUTO, executor, LONG)
        pcm = await joined(decoder.feed(NARROW + b"".join(frames(1.0)[:10])))
        await decoder.close()
    assert len(pcm) / 32000 == pytest.approx(0.2, abs=0.03)


def test_pauses_of_single_bytes_are_few_places() -> None:
    """A place for each took two seconds for a MiB, in which no other session was served."""
    parser = parser_for(Media.AMR)
    starts = [start.at for start in parser.feed(NARROW + b"\x7c" * 65_536 + NARROW)]
    assert starts == [*range(6, 65_536, 1024)]
    assert parser.ends
