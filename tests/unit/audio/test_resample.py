"""The mixer and resampler of decoded frames: its costs grow with the audio, however short the frames are."""

import struct
import time
from pathlib import Path

import numpy as np
import pytest
from support.live_decoding import voice

from stt_audio.files.decoder import FileDecoder

pytestmark = pytest.mark.unit


def caf_of_single_samples(samples: np.ndarray) -> bytes:
    """A CAF whose packets, each of a size of its own, hold one sample."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack(">q", len(content)) + content

    n = len(samples)
    format_ = struct.pack(">d4sIIIII", 16000.0, b"lpcm", 2, 0, 1, 1, 16)  # 2: little-endian; 0: packets vary
    packets = struct.pack(">qqii", n, n, 0, 0) + b"\2" * n
    data = bytes(4) + samples.astype("<i2").tobytes()
    return b"caff\0\1\0\0" + chunk(b"desc", format_) + chunk(b"pakt", packets) + chunk(b"data", data)


def test_frames_of_a_single_sample_take_linear_time(tmp_path: Path) -> None:
    samples = (voice(2.5, 16000) * 32767).astype("<i2")
    (tmp_path / "upload").write_bytes(caf_of_single_samples(samples))
    began_s = time.process_time()
    with FileDecoder(tmp_path / "upload", 10**9) as decoder:
        pcm = b"".join(iter(decoder.read, b""))
    assert np.array_equal(np.frombuffer(pcm, "<i2"), samples)
    assert time.process_time() - began_s < 3, "it takes 0.4 s; 6 s when each sample counts all before it"
