"""The folders that are used when no setting names one."""

from pathlib import Path

import pytest

from stt_audio.settings import AudioSettings
from stt_gateway.settings import GatewaySettings
from stt_shared.process import folders

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XDG_DATA_HOME", "DATA_DIR", "SPOOL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "/home/ann/.local/share/stt-suite"),
        ("linux", {"XDG_DATA_HOME": "/data/ann"}, "/data/ann/stt-suite"),
        ("linux", {"XDG_DATA_HOME": "data"}, "/home/ann/.local/share/stt-suite"),
        ("darwin", {}, "/home/ann/Library/Application Support/stt-suite"),
        ("win32", {"LOCALAPPDATA": "/appdata"}, "/appdata/stt-suite"),
    ],
)
def test_each_system_has_its_place(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders.sys, "platform", platform)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert folders.default_data_dir() == Path(expected)


def test_services_agree_on_folders_wherever_they_are_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gateway = GatewaySettings()
    monkeypatch.chdir(tmp_path.parent)
    assert GatewaySettings() == gateway
    assert AudioSettings().spool_dir == gateway.spool_dir
    assert gateway.spool_dir.is_absolute()
    assert gateway.data_dir.is_absolute()


def test_a_former_store_is_mentioned_where_there_is_one(tmp_path: Path) -> None:
    assert folders.note_of_former_store() is None
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "transcripts.db").touch()
    note = folders.note_of_former_store()
    assert note is not None
    assert f"set DATA_DIR={tmp_path}/data" in note


def test_a_folder_is_made_for_this_user_only(tmp_path: Path) -> None:
    made = folders.prepare_folder(tmp_path / "a" / "b", "SPOOL_DIR")
    assert made.stat().st_mode & 0o777 == 0o700
    assert folders.prepare_folder(made, "SPOOL_DIR") == made


def test_a_folder_that_cannot_be_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(folders.UnusableFolder, match=f"^SPOOL_DIR={path}: "):
            folders.prepare_folder(path, "SPOOL_DIR")


def test_a_user_without_a_home_is_told_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a random user id in a container: there is neither HOME nor an account."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(folders.sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", no_home)
    assert folders.default_data_dir() == Path("/.local/share/stt-suite")
    assert folders.user_models_dir() == Path("/.cache/stt-suite/models")
