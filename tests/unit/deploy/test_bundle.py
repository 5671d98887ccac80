"""The installer of a bundle tells what the bundle is for before it installs anything."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.unit, pytest.mark.skipif(sys.platform == "win32", reason="a shell script")]

INSTALLER = Path(__file__).parents[3] / "deploy" / "bundle" / "install.sh"


def run(bundle: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    shutil.copy(INSTALLER, bundle)
    command = ["sh", str(bundle / "install.sh"), *arguments]
    return subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable}, capture_output=True, text=True, check=False
    )


def test_it_says_what_system_this_is(tmp_path: Path) -> None:
    version = "{}.{}".format(*sys.version_info)
    assert run(tmp_path, "--system").stdout == f"{sys.platform} {platform.machine()} Python {version}\n"


def test_a_bundle_for_another_system_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "system").write_text("linux sparc64 Python 3.11\n")
    done = run(tmp_path, str(tmp_path / "stt"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: this bundle is for linux sparc64 Python 3.11, and ")
    assert not (tmp_path / "stt").exists()
