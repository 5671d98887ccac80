"""What a user is told to run when packages of an extra are missing."""

import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from stt_shared.process import extras

pytestmark = pytest.mark.unit

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("extra", ["bench", "embedded", "openai-whisper"])
def test_the_command_installs_what_the_extra_needs(extra: str) -> None:
    python, *rest = shlex.split(extras.install_command(extra))
    assert python == sys.executable
    assert rest[:3] == ["-m", "pip", "install"]
    assert sorted(rest[3:]) == sorted(PROJECT["optional-dependencies"][extra])


def test_a_clone_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_PROJECT", "no-such-project")
    assert extras.install_command("bench").endswith("-m pip install -e '.[bench]'")
