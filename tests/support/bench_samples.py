"""Manifests and recordings for `stt bench`."""

import json
from pathlib import Path
from typing import Any

from stt_cli.bench.manifest import Utterance


def write_manifest(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def utterance(name: str, seconds: float = 1.0, text: str = "one") -> Utterance:
    return Utterance(Path(name), text, (), bytes(round(32_000 * seconds)))
