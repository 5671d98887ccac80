"""`stt store` on the command line: exit codes, what programs read, and the audit log."""

import getpass
import json
import sqlite3
from pathlib import Path

import pytest

from stt_cli.commands.keys import create_key
from stt_cli.commands.store import backup, check, restore
from stt_cli.errors import CliError

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A store with a key in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/t.db")
    create_key("phone", None, None, None)
    capsys.readouterr()
    return tmp_path / "t.db"


def test_a_backup_and_its_restoration_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIT_LOG", "audit.log")
    backup(tmp_path / "b")
    with pytest.raises(CliError, match="not empty; --replace"):
        restore(tmp_path / "b", replace=False)
    restore(tmp_path / "b", replace=True)
    found = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert [(one["action"], one["user"]) for one in found] == [
        (action, getpass.getuser()) for action in ("backup_store", "restore_store")
    ]


def test_a_check_of_a_sound_store_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    check(as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", name] for name in ("file", "version", "search", "rows", "numbers")
    ]


def test_damage_is_told_with_its_remedy_and_an_exit_code(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(CliError) as caught:
        check(as_json=True)
    assert caught.value.exit_code == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    (wrong,) = [one for one in told["findings"] if one["level"] == "error"]
    assert (wrong["check"], "9999" in wrong["message"]) == ("version", True)
    assert wrong["remedy"]
