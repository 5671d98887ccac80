"""The launcher's choice of model files, and its error when there are none."""

from pathlib import Path

import pytest
from rich.console import Console

from stt_cli import model_files
from stt_cli.errors import CliError
from stt_cli.model_files import ensure_model, is_users_own, prepare_model, prepare_turn_model
from stt_transcriber.models.store import ModelError

pytestmark = pytest.mark.unit


def test_a_folder_that_merely_bears_a_models_name_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    assert not is_users_own("base")
    (tmp_path / "base" / "model.bin").write_bytes(b"")
    assert is_users_own("base")


def test_the_users_own_files_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").write_bytes(b"")
    assert ensure_model(str(tmp_path / "mine.pt"), tmp_path / "store", Console()) == tmp_path
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("engine", ["faster-whisper", "openai-whisper"])
def test_a_name_nobody_knows_is_the_users_mistake(tmp_path: Path, engine: str) -> None:
    with pytest.raises(CliError, match="unknown model 'basse': give one of base, ") as caught:
        prepare_model("basse", engine, tmp_path, Console())
    assert caught.value.exit_code == 2


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CliError, match="cannot keep models in"):
        prepare_model("tiny.en", "faster-whisper", tmp_path / "file" / "store", Console())


def test_checkpoints_that_the_engines_own_package_fetches_are_left_to_it(tmp_path: Path) -> None:
    prepare_model("small", "openai-whisper", tmp_path, Console())
    assert list(tmp_path.iterdir()) == []


def test_the_suite_starts_without_a_turn_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pull(name: str, *_: object) -> Path:
        raise ModelError(f"cannot get model {name!r} (package index: no connection)")

    monkeypatch.setattr(model_files, "pull", pull)
    prepare_turn_model("auto", tmp_path, Console(stderr=True))
    assert "judged by the text alone: cannot get model 'smart-turn-v3.2'" in capsys.readouterr().err
    prepare_turn_model("instant", tmp_path, Console(stderr=True))
    assert capsys.readouterr().err == ""
