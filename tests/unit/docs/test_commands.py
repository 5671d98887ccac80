"""Commands that documents name are there. (tests/e2e runs what the README files show.)"""

import re
import shlex
from pathlib import Path

import pytest
import typer

from stt_cli.main import app

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("docs/guide/*.md"),
    ROOT / "client" / "README.md",
    ROOT / "benchmarks" / "README.md",
]
TEXT = "\n".join(path.read_text() for path in DOCUMENTS)


def test_every_benchmark_that_is_named_exists() -> None:
    named = set(re.findall(r"python (benchmarks/\w+\.py)", TEXT))
    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z0-9-]+)[ `]", TEXT)) <= targets


def test_nothing_is_installed_from_where_the_suite_is_not_published() -> None:
    sources = "".join(path.read_text() for path in ROOT.glob("*/stt_*/**/*.py"))
    assert re.findall(r"pip install [^\n]*realtime-stt-suite", TEXT + sources) == []


def test_extras_that_are_named_exist() -> None:
    declared = re.findall(r"^([a-z-]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    named = re.findall(r"pip install (?:-e )?'\.\[([a-z,-]+)\]'", TEXT)
    assert named
    assert {extra for group in named for extra in group.split(",")} <= set(declared)


def test_commands_of_stt_that_are_shown_have_these_options() -> None:
    shown = re.findall(r"(?:^|[\s/|`])stt ((?:[a-z][a-z-]*|-)(?: [^\n`|]*)?)(?=$|[`|])", _shell_lines(), re.MULTILINE)
    assert len(shown) > 30
    for line in shown:
        command = typer.main.get_command(app)
        words = shlex.split(line, comments=True)
        while isinstance(command, typer.core.TyperGroup) and words:
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"-h", "--help"}
        assert {word.split("=")[0] for word in words if re.match("--?[a-z]", word)} <= options, line


def _shell_lines() -> str:
    return "\n".join(
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    )
