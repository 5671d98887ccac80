"""Which of a file's audio tracks is transcribed."""

import io
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from stt_audio.files.decoder import FileDecoder
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import AudioTrack

pytestmark = pytest.mark.unit

RATE = 16000


def several(*tracks: tuple[str, int, bool], language: str = "") -> bytes:
    """A Matroska file of a second. Tracks: codec, amplitude, whether it is marked as default."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska", options={"default_mode": "passthrough"}) as output:
        streams = []
        for codec, _, is_default in tracks:
            stream = output.add_stream(codec, rate=RATE, layout="mono")
            stream.disposition = Disposition.default if is_default else Disposition(0)
            if language:
                stream.metadata["language"] = language
            streams.append(stream)
        for stream, (_, amplitude, _) in zip(streams, tracks, strict=True):
            samples = np.full((1, RATE), amplitude, np.int16) * np.where(np.arange(RATE) % 20 < 10, 1, -1)
            resampler = av.AudioResampler(stream.codec_context.format, "mono", RATE, stream.codec_context.frame_size)
            frame = av.AudioFrame.from_ndarray(samples.astype(np.int16), "s16", "mono")
            frame.sample_rate = RATE
            for piece in resampler.resample(frame):
                output.mux(stream.encode(piece))
    return file.getvalue()


def chosen(path: Path, data: bytes, track: int | None = None) -> tuple[AudioTrack | None, int]:
    """The track, and how loud it is."""
    path.write_bytes(data)
    with FileDecoder(path, 10**9, track=track) as decoder:
        samples = np.frombuffer(b"".join(iter(decoder.read, b"")), "<i2")
        return decoder.found.track, round(float(np.abs(samples).max()) / 1000)


PCM = "pcm_s16le"


@pytest.mark.parametrize(
    ("tracks", "number"),
    [
        ([(PCM, 8000, False), (PCM, 4000, True)], 2),
        ([(PCM, 0, False), (PCM, 4000, False)], 2),
        ([(PCM, 0, True), (PCM, 4000, False)], 2),
        ([(PCM, 0, False), (PCM, 0, False)], 1),
        ([(PCM, 8000, True), (PCM, 4000, True)], 1),
        ([("ra_144", 8000, False), (PCM, 4000, False)], 2),
    ],
)
def test_the_default_track_is_transcribed_or_else_the_first_that_is_heard(
    tmp_path: Path, tracks: Sequence[tuple[str, int, bool]], number: int
) -> None:
    if tracks[0][0] == "ra_144":
        data = several((PCM, 8000, False), (PCM, 4000, False)).replace(b"A_PCM/INT/LIT", b"A_UNKNOWN/XYZ", 1)
    else:
        data = several(*tracks)
    track, _ = chosen(tmp_path / "a", data)
    assert track is not None
    assert (track.number, track.of) == (number, 2)


def test_a_client_may_choose(tmp_path: Path) -> None:
    data = several((PCM, 8000, True), (PCM, 4000, False), language="deu")
    assert chosen(tmp_path / "a", data, 1)[0] == AudioTrack(1, 2, "deu")
    assert chosen(tmp_path / "a", data, 2)[0] == AudioTrack(2, 2, "deu")
    with pytest.raises(SttError, match="no audio track 3; its tracks are 1 to 2") as caught:
        chosen(tmp_path / "a", data, 3)
    assert caught.value.code == "bad_config"


def test_the_only_track_needs_no_number(tmp_path: Path) -> None:
    assert chosen(tmp_path / "a", several((PCM, 8000, False)))[0] is None
