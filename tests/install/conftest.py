"""A wheel of this suite, and a fresh environment for each extra."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
_PATIENT_S = 600


def _run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=_PATIENT_S, check=False
    )


@dataclass(frozen=True)
class Environment:
    """A virtual environment that holds one extra and nothing else."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def run(self, *command: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a program of the environment, without settings of this machine."""
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return subprocess.run(
            [str(self.folder / "bin" / command[0]), *command[1:]],
            env={**keep, "HOME": str(self.folder), **env},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def packages(self) -> set[str]:
        """Return the names of the installed packages."""
        listed = _run(*PIP, "--python", self.python, "list", "--format", "freeze")
        return {line.partition("==")[0] for line in listed.stdout.splitlines()}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite's wheel, built once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / "wheel.lock"):
        if not (folder / "wheel").exists():
            reached = _run(*PIP, "download", "-q", "--no-deps", "-d", folder / "reached", "hatchling")
            if reached.returncode != 0:
                pytest.skip(f"no package index: {reached.stderr.strip().splitlines()[-1]}")
            built = _run(*PIP, "wheel", "-q", "--no-deps", "-w", folder / "wheel", ROOT)
            assert built.returncode == 0, built.stderr
    return next((folder / "wheel").glob("*.whl"))


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked versions as constraints; pip refuses hashes beside a wheel that has none."""
    pins = [line.removesuffix(" \\") for line in (ROOT / "requirements" / "dev.lock").read_text().splitlines()]
    path = tmp_path_factory.mktemp("versions") / "constraints.txt"
    path.write_text("\n".join(pin for pin in pins if pin and not pin.startswith((" ", "#"))) + "\n")
    return path


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path, versions: Path) -> Callable[[str], Environment]:
    """Make a fresh environment with one extra, once per extra."""

    @cache
    def make(extra: str) -> Environment:
        made = Environment(tmp_path_factory.mktemp(extra) / "environment")
        created = _run(sys.executable, "-m", "venv", "--without-pip", made.folder)
        assert created.returncode == 0, created.stderr
        install = ("--python", made.python, "install", "-q", "-c", versions, f"{wheel}[{extra}]")
        installed = _run(*PIP, *install)
        assert installed.returncode == 0, installed.stderr
        return made

    return make
