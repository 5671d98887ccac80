"""The audit log: whole lines, whatever the level, and never a reason to fail."""

import io
import json
import os
import sys
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from stt_shared.process.audit import AuditTrail, system_account
from stt_shared.process.logging import set_up_logging

pytestmark = pytest.mark.unit


def test_a_file_that_cannot_be_written_is_an_error_in_the_log(tmp_path: Path) -> None:
    with capture_logs() as logs:
        AuditTrail(tmp_path / "nowhere" / "audit.log").record("delete_job", status=204)
    assert [entry["event"] for entry in logs] == ["audit", "audit not written"]


def test_two_writers_add_whole_lines_also_after_the_file_was_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    trails = [AuditTrail(path, logs=False), AuditTrail(path, logs=False)]
    for number in range(4):
        trails[number % 2].record("delete_job", target={"job_id": str(number)})
        if number == 1:
            path.rename(tmp_path / "audit.log.1")
    for name, numbers in (("audit.log.1", ["0", "1"]), ("audit.log", ["2", "3"])):
        lines = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        assert [line["target"]["job_id"] for line in lines] == numbers


def test_it_is_logged_at_any_level(monkeypatch: pytest.MonkeyPatch) -> None:
    before = structlog.get_config()
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    try:
        set_up_logging("gateway", "ERROR")
        structlog.get_logger().warning("not shown")
        AuditTrail(None).record("delete_job", status=204)
    finally:
        structlog.configure(**before)
    (line,) = stderr.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["channel"], entry["action"], entry["service"]) == ("audit", "delete_job", "gateway")


def test_an_account_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1234567")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert system_account() == f"uid {os.getuid()}"
