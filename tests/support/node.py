"""Node, for scripts that run in it."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

LEAST = 20


@cache
def node() -> str:
    """The program. Skips where there is none, or only an old one."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("no Node: only tests of scripts need it")
    if _major(found) < LEAST:
        pytest.skip(f"Node {_major(found)}: {LEAST} or newer is needed")
    return found


def with_websocket() -> list[str]:
    """The program, with the WebSocket that Node has built in: before 22 it must be asked for."""
    return [node(), *(["--experimental-websocket"] if _major(node()) < 22 else [])]


def run_tests(folder: Path) -> None:
    """Run the folder's tests under Node's own test runner."""
    files = sorted(str(path) for path in folder.glob("*.test.mjs"))
    result = subprocess.run([node(), "--test", *files], capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]


def npm(folder: Path, *packages: str) -> None:
    """Install packages from the package index into ``folder``. Skips where that cannot be had."""
    node()
    program = shutil.which("npm")
    if program is None:
        pytest.skip("no npm")
    if not (folder / "package.json").exists():
        (folder / "package.json").write_text("{}")
    command = [program, "install", "--no-audit", "--no-fund", *packages]
    installed = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, cwd=folder)
    if installed.returncode != 0:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")


def _major(program: str) -> int:
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(version.strip().lstrip("v").split(".")[0])
