"""`stt keys` records who made, changed and revoked which key, and never a secret."""

import getpass
import json
from pathlib import Path

import pytest

from stt_cli.commands.keys import create_key, list_keys, revoke_key, rotate_key
from stt_cli.commands.tenants import delete_tenant, list_tenants, set_tenant
from stt_cli.errors import CliError

pytestmark = pytest.mark.unit


def test_each_act_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/t.db")
    monkeypatch.setenv("AUDIT_LOG", "audit.log")
    create_key("phone", None, None, None)
    first = capsys.readouterr().out.strip()
    id = first.split("_")[1]
    rotate_key(id, 0.0)
    list_keys(None, as_json=False)
    revoke_key(id)
    text = (tmp_path / "audit.log").read_text()
    found = [json.loads(line) for line in text.splitlines()]
    assert [(one["action"], one["target"], one["user"]) for one in found] == [
        (action, {"id": id}, getpass.getuser()) for action in ("create_key", "rotate_key", "revoke_key")
    ]
    for secret in (first, *capsys.readouterr().out.split()):
        assert len(secret) < 20 or secret not in text


def test_the_deletion_of_a_tenant_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/t.db")
    monkeypatch.setenv("AUDIT_LOG", "audit.log")
    create_key("phone", None, "acme", None)
    delete_tenant("acme")
    last = json.loads((tmp_path / "audit.log").read_text().splitlines()[-1])
    assert (last["action"], last["target"], last["user"]) == ("delete_tenant", {"name": "acme"}, getpass.getuser())


def test_the_retention_of_a_tenant_is_set_shown_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/t.db")
    monkeypatch.setenv("AUDIT_LOG", "audit.log")
    create_key("phone", None, "acme", None)
    set_tenant("acme", "30")
    last = json.loads((tmp_path / "audit.log").read_text().splitlines()[-1])
    assert (last["action"], last["target"], last["retention_days"]) == ("change_tenant", {"name": "acme"}, "30")
    capsys.readouterr()
    list_tenants(as_json=False)
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split(maxsplit=1) for row in rows] == [["acme", "30 days"], ["local", "default"]]
    set_tenant("acme", "default")
    for name, days, why in (("other", "30", "no tenant"), ("acme", "0.5", "1 to 36500"), ("acme", "x", "1 to 36500")):
        with pytest.raises(CliError, match=why):
            set_tenant(name, days)
