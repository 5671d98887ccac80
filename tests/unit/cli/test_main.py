"""The command line as a whole."""

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from stt_cli.main import app

pytestmark = pytest.mark.unit


def test_the_version_is_shown() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"stt {version('realtime-stt-suite')}\n")
