"""The page's pure modules, under Node's own test runner."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

_UNIT = Path(__file__).parent / "unit"
_LEAST_NODE = 20


def test_pure_modules() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node: the page itself needs none, only these tests do")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < _LEAST_NODE:
        pytest.skip(f"Node {version}: its test runner is too old, {_LEAST_NODE} or newer is needed")
    files = sorted(str(path) for path in _UNIT.glob("*.test.mjs"))
    result = subprocess.run([node, "--test", *files], capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
