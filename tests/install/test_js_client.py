"""The JavaScript client: its types, by TypeScript from the package index, and its place in what is installed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from install.conftest import Environment
from support import node

pytestmark = [pytest.mark.install, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
TYPESCRIPT = "typescript@~7.0.2"
SERVED = """
from stt_gateway.http.pages import web_pages
for path, page in web_pages().assets.items():
    if path.startswith("js/client/"):
        print(path, len(page.body))
"""


def test_the_types_are_those_of_the_modules_and_serve_programs(tmp_path: Path) -> None:
    node.npm(tmp_path, TYPESCRIPT)
    checked = tmp_path / "tests" / "install" / "types"
    shutil.copytree(Path(__file__).parent / "types", checked)
    (tmp_path / "client-js").symlink_to(ROOT / "client-js")
    (tmp_path / "node_modules" / "stt-client").symlink_to(ROOT / "client-js")

    def complaints() -> str:
        command = [tmp_path / "node_modules" / ".bin" / "tsc", "--project", checked]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout

    assert complaints() == ""
    program = checked / "program.ts"
    program.write_text(program.read_text().replace('language: "en"', "language: 7"))
    assert "TS2322" in complaints(), "what is wrong would be found"


@pytest.mark.xdist_group("gateway")
def test_the_page_of_an_installed_gateway_has_it(environment: Callable[[str], Environment]) -> None:
    result = environment("gateway").run("python", "-c", SERVED)
    assert (result.returncode, result.stderr) == (0, "")
    modules = (ROOT / "client-js" / "src" / "resume").glob("*.js")
    there = sorted(f"js/client/{path.name} {path.stat().st_size}" for path in modules)
    assert sorted(result.stdout.splitlines()) == there
