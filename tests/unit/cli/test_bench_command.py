"""Errors of `stt bench`, as a user sees them."""

from pathlib import Path

import pytest
from support.bench_samples import write_manifest
from typer.testing import CliRunner

from stt_cli.main import app

pytestmark = pytest.mark.unit


def test_without_a_manifest_a_user_learns_what_one_is() -> None:
    result = CliRunner().invoke(app, ["bench"])
    assert result.exit_code == 2
    assert "--manifest is missing: a manifest is a file with one JSON object a line" in result.stderr


def test_without_a_suite_a_user_learns_how_to_start_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["bench", "--manifest", str(write_manifest(tmp_path)), "--url", "http://127.0.0.1:1"]
    )
    assert result.exit_code == 1
    assert "start a suite with `stt up`" in result.stderr
