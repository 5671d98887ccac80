"""The store on the publisher's real files."""

import shutil
from pathlib import Path

import pytest

from stt_transcriber.engines.ctranslate2.engine import FasterWhisperEngine
from stt_transcriber.models.store import ModelError, installed, verify

pytestmark = pytest.mark.model


def test_the_installed_files_are_the_publishers(tiny: FasterWhisperEngine, models_dir: Path) -> None:
    assert verify("tiny.en", models_dir) == models_dir / "tiny.en"
    assert "tiny.en" in {model.name for model in installed(models_dir)}


def test_one_changed_bit_is_refused(tiny: FasterWhisperEngine, models_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(models_dir / "tiny.en", tmp_path / "tiny.en")
    with (tmp_path / "tiny.en" / "model.bin").open("r+b") as file:
        file.seek(1 << 20)
        byte = file.read(1)
        file.seek(1 << 20)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ModelError, match=r"model\.bin has SHA-256 .* refused"):
        verify("tiny.en", tmp_path)
