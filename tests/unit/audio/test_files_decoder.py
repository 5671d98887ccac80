"""Files that say nothing of their length, or lie about it: found out before anything is decoded."""

import io
from pathlib import Path

import av
import numpy as np
import pytest

from stt_audio.files.decoder import FileDecoder
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

RATE = 16000
LONG = 10**9


def recording(container: str, codec: str, duration_s: float, bit_rate: int = 0, **options: str) -> bytes:
    """Noise."""
    noise = np.random.default_rng(1).integers(-3000, 3000, (1, int(RATE * duration_s))).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
    frame.sample_rate = RATE
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=RATE, layout="mono")
        context = stream.codec_context
        if bit_rate:
            context.bit_rate = bit_rate
        resampler = av.AudioResampler(context.format, "mono", RATE, frame_size=context.frame_size or 1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux([packet for packet in stream.encode(None) if packet.size])
    return file.getvalue()


def mp3(duration_s: float, bit_rate: int) -> bytes:
    return recording("mp3", "libmp3lame", duration_s, bit_rate, write_xing="0", id3v2_version="0")


def flac_of_unknown_length(duration_s: float) -> bytes:
    data = bytearray(recording("flac", "flac", duration_s))
    # The lower 36 bits of these eight bytes are the number of samples; 0 says that the writer did not know.
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def webm_of_unknown_length(duration_s: float) -> bytes:
    return recording("webm", "libopus", duration_s, live="1")


FILES = {
    "mp3 that begins at a high rate and goes on at a low one": lambda: mp3(2, 160_000) + mp3(58, 8000),
    "flac": lambda: flac_of_unknown_length(60),
    "webm": lambda: webm_of_unknown_length(60),
    "aac": lambda: recording("adts", "aac", 60, 16_000),
}


@pytest.mark.parametrize("name", FILES)
def test_the_length_is_found_before_decoding(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(FILES[name]())
    with FileDecoder(path, LONG) as decoder:
        expected = decoder.total_samples
        decoded = 0
        while frame := decoder.read():
            decoded += len(frame) // 2
    assert decoded == pytest.approx(60 * RATE, rel=0.02)
    assert expected == pytest.approx(decoded, rel=0.02)


@pytest.mark.parametrize("name", FILES)
def test_what_is_too_long_is_refused_before_decoding(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(FILES[name]())
    with pytest.raises(SttError, match="longer than the 40 s that are allowed") as caught:
        FileDecoder(path, 40 * RATE)
    assert caught.value.code == "too_large"
    # The negative twin.
    FileDecoder(path, 62 * RATE).close()


def test_a_damaged_end_does_not_keep_the_beginning_from_being_heard(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = mp3(10, 16_000)
    path.write_bytes(data[: len(data) // 2] + np.random.default_rng(2).bytes(5000))
    with FileDecoder(path, LONG) as decoder:
        assert len(decoder.read()) == 2 * RATE
