"""The JavaScript client's modules, under Node's own test runner."""

import json
import subprocess
from pathlib import Path

import pytest
from support import node

from stt_client.errors import CLOSE_CODES
from stt_client.replay import SAMPLE_BYTES

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]


def test_modules() -> None:
    node.run_tests(Path(__file__).parent)


def test_tables_are_those_of_the_python_client() -> None:
    script = """
    import { CLOSE_CODES } from "./client-js/src/resume/errors.js";
    import { SAMPLE_BYTES } from "./client-js/src/resume/replay.js";
    console.log(JSON.stringify([CLOSE_CODES, SAMPLE_BYTES]));
    """
    command = [node.node(), "--input-type=module", "-e", script]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, cwd=ROOT)
    close_codes, sample_bytes = json.loads(result.stdout)
    assert {int(code): name for code, name in close_codes.items()} == CLOSE_CODES
    assert sample_bytes == SAMPLE_BYTES


def test_the_package_says_what_it_is() -> None:
    package = json.loads((ROOT / "client-js" / "package.json").read_text())
    exported = package["exports"]["."]
    for path in (exported["types"], exported["default"], package["types"]):
        assert (ROOT / "client-js" / path).is_file(), path
    assert "dependencies" not in package
    assert f'version = "{package["version"]}"' in (ROOT / "pyproject.toml").read_text()
