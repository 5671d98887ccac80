"""Restores by PostgreSQL's programs, which scripts stand for."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from stt_gateway.store.failures import StoreError
from stt_gateway.store.maintenance.postgres_programs import load

pytestmark = pytest.mark.unit


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


@pytest.mark.parametrize("reads", ["", "head -c 100 >/dev/null;"])
def test_a_server_that_refuses_in_the_middle_of_a_long_dump_says_why(
    reads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program(tmp_path, "pg_restore", "head -c 1000000 /dev/zero")
    program(tmp_path, "psql", f"{reads} echo 'psql:<stdin>:7: ERROR:  disk full' >&2; exit 3")
    with pytest.raises(StoreError, match=r"nothing was restored: .*disk full"):
        load(make_url("postgresql+psycopg://user@host/stt"), tmp_path / "dump")
