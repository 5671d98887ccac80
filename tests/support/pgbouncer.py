"""PgBouncer in front of a PostgreSQL server, for the tests of the transcript store."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from stt_cli.up.child import die_with_parent
from support.postgres_server import server_user

_PORT = 6432


def pgbouncer_binary() -> str | None:
    return shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@contextlib.contextmanager
def pgbouncer(binary: str, postgres_url: str, mode: str) -> Iterator[str]:
    """The URL of the same database through a pooler with a single connection to the server; ``mode``: its pool_mode."""
    as_user = server_user()
    folder = Path(tempfile.mkdtemp(prefix="stt-pgb-"))
    try:
        (folder / "users").write_text('"stt" ""\n')
        server = make_url(postgres_url).query["host"]
        (folder / "ini").write_text(
            f"[databases]\n* = host={server}\n[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = {_PORT}\n"
            f"auth_type = trust\nauth_file = {folder}/users\npool_mode = {mode}\ndefault_pool_size = 1\n"
        )
        if as_user:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, as_user["user"])
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [binary, folder / "ini"], stdout=log, stderr=log, cwd=folder, preexec_fn=die_with_parent, **as_user
            )
        try:
            deadline = time.monotonic() + 20
            while not (folder / f".s.PGSQL.{_PORT}").exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("PgBouncer did not start: " + (folder / "log").read_text())
                time.sleep(0.02)
            yield f"postgresql://stt@/postgres?host={folder}&port={_PORT}"
        finally:
            process.kill()
            process.wait(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
