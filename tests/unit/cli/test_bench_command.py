"""Errors of `stt bench`, as a user sees them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stt_cli.main import app

pytestmark = pytest.mark.unit


def manifest(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_without_a_manifest_a_user_learns_what_one_is() -> None:
    result = CliRunner().invoke(app, ["bench"])
    assert result.exit_code == 2
    assert "--manifest is missing: a manifest is a file with one JSON object a line" in result.stderr


def test_without_a_suite_a_user_learns_how_to_start_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "--manifest", str(manifest(tmp_path)), "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "start a suite with `stt up`" in result.stderr
