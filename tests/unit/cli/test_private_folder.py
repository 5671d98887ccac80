"""Temporary folders of launchers: for their user only, and gone at the next start when their launcher was killed."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stt_cli.up.private_folder import PrivateFolder, remove_abandoned

pytestmark = pytest.mark.unit

KILLED = """
import os, signal
from stt_cli.up.private_folder import PrivateFolder
print(PrivateFolder("spool-").path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temp_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def abandoned(temp_dir: Path) -> Path:
    result = subprocess.run(
        [sys.executable, "-c", KILLED], env={**os.environ, "TMPDIR": str(temp_dir)}, capture_output=True, text=True
    )
    folder = Path(result.stdout.strip())
    (folder / "spool").mkdir()
    (folder / "spool" / "upload").write_bytes(b"private audio")
    return folder


def test_the_folder_of_a_killed_launcher_is_removed(temp_dir: Path) -> None:
    folder = abandoned(temp_dir)
    assert remove_abandoned() == [folder]
    assert list(temp_dir.iterdir()) == []


def test_the_folder_of_a_living_one_is_not(temp_dir: Path) -> None:
    folder = PrivateFolder()
    assert remove_abandoned() == []
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    folder.remove()
    assert list(temp_dir.iterdir()) == []


def test_what_has_no_owner_is_not_ours(temp_dir: Path) -> None:
    (temp_dir / "stt-notes").mkdir()
    (temp_dir / "stt-file").write_bytes(b"x")
    (temp_dir / "stt-odd").mkdir()
    os.mkfifo(temp_dir / "stt-odd" / "owner")
    assert remove_abandoned() == []
    assert len(list(temp_dir.iterdir())) == 3


def test_no_link_is_followed(temp_dir: Path, tmp_path: Path) -> None:
    folder = abandoned(temp_dir)
    elsewhere = folder.rename(tmp_path / "elsewhere")
    (temp_dir / "stt-link").symlink_to(elsewhere)
    (temp_dir / "stt-lock").mkdir()
    (temp_dir / "stt-lock" / "owner").symlink_to(elsewhere / "owner")
    assert remove_abandoned() == []
    assert (elsewhere / "spool" / "upload").exists()
    # A link inside a folder that is removed goes alone.
    inner = abandoned(temp_dir)
    (inner / "link").symlink_to(elsewhere)
    assert remove_abandoned() == [inner]
    assert (elsewhere / "spool" / "upload").exists()


def test_another_users_folder_stays(temp_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = abandoned(temp_dir)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert remove_abandoned() == []
    assert folder.exists()
