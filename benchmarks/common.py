"""Helpers of the benchmarks: speech with references, a running suite, results as JSON."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stt_cli.live.sources import pieces_of_file
from stt_shared.contracts.session import AUDIO_RATE_HZ as AUDIO_RATE_HZ

# The benchmarks start the suite as the end-to-end tests do, and name the machine as the chaos runs do.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from support.launched_suite import Suite as Suite
from support.launched_suite import running_suite as running_suite
from support.machine import machine


@dataclass(frozen=True)
class Clip:
    """One recording; ``samples`` int16 at 16 kHz."""

    id: str
    text: str
    samples: NDArray[np.int16]

    @property
    def duration_s(self) -> float:
        return len(self.samples) / AUDIO_RATE_HZ


def corpus_folder(given: str | None) -> Path:
    """The folder with manifest.jsonl, from the option or the environment; exits with one clear line without."""
    folder = given or os.environ.get("STT_TEST_CORPUS")
    if not folder or not (Path(folder) / "manifest.jsonl").is_file():
        sys.exit("error: no speech corpus: give --corpus FOLDER or set STT_TEST_CORPUS (see benchmarks/README.md)")
    return Path(folder)


def read_audio(path: Path) -> NDArray[np.int16]:
    """Any file that FFmpeg reads -> int16 [n], 16 kHz mono."""
    return np.frombuffer(b"".join(pieces_of_file(path)), np.int16).copy()


def utterances(
    folder: Path, language: str, limit: int | None = None, kinds: tuple[str, ...] = ("utterance",)
) -> list[Clip]:
    """Recordings of these kinds with a reference, in the manifest's order."""
    clips = []
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["kind"] in kinds and row["lang"] == language and row.get("text"):
            clips.append(Clip(row["id"], row["text"], read_audio(folder / row["path"])))
            if limit and len(clips) == limit:
                break
    return clips


def write_result(out: str | None, name: str, result: dict[str, Any]) -> None:
    """Prints the result as JSON and keeps it when asked."""
    document = {"benchmark": name, "machine": machine(), **result}
    text = json.dumps(document, indent=2)
    print(text)
    if out:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        Path(out).write_text(text + "\n")
