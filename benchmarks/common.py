"""What the benchmarks share: speech with references, a running suite, the machine's name, results as JSON."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from stt_cli.live.sources import pieces_of_file
from stt_shared.contracts.session import AUDIO_RATE_HZ

_BEGAN = psutil.cpu_times()


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


@dataclass(frozen=True)
class Suite:
    """A running suite."""

    url: str
    pid: int

    @property
    def stream_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/stt/stream"


@contextmanager
def running_suite(**environment: str) -> Iterator[Suite]:
    """Starts `stt up` on a free port as a user would, with these settings; stops it at the end."""
    data = tempfile.mkdtemp(prefix="stt-data-")
    process = subprocess.Popen(
        [sys.executable, "-m", "stt_cli", "up"],
        env={**os.environ, "PORT": "0", "DATA_DIR": data, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+?:\d+", line):
                yield Suite(found.group(0), process.pid)
                break
        else:
            sys.exit("error: the suite did not start")
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(data, ignore_errors=True)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        cpu = next(
            (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line), ""
        )
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "cpu": cpu or platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "stolen_percent": stolen_percent(),
    }


def stolen_percent() -> float | None:
    """Share of the processors' time since the benchmark began that the host gave to others: with much of it, latencies
    say little. None where the system does not tell."""
    now = psutil.cpu_times()
    if not hasattr(now, "steal"):
        return None
    total = sum(now) - sum(_BEGAN)
    return round(100 * (now.steal - _BEGAN.steal) / total, 2) if total else 0.0


def write_result(out: str | None, name: str, result: dict[str, Any]) -> None:
    """Prints the result as JSON and keeps it when asked."""
    document = {"benchmark": name, "machine": machine(), **result}
    text = json.dumps(document, indent=2)
    print(text)
    if out:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        Path(out).write_text(text + "\n")
