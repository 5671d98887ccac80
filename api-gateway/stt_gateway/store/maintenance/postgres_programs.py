"""PostgreSQL's own programs for backups, which must be installed where the command runs."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg
from sqlalchemy import URL

from stt_gateway.store.failures import StoreError
from stt_gateway.store.schema import metadata
from stt_gateway.store.versions import VERSION_TABLE

MAGIC = b"PGDMP"
_TABLES = [table.name for table in metadata.sorted_tables] + [VERSION_TABLE]


def dump(url: URL, file: Path) -> None:
    """Write the store's tables into an existing file, in pg_dump's own format, as they are at one moment."""
    chosen = [f"--table={name}" for name in _TABLES]
    _run(_command(url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", *chosen, f"--file={file}"), url)


def version_in(file: Path) -> str | None:
    """Return the version of the tables in a dump; None if it is not one of a transcript store."""
    wanted = ("--data-only", f"--table={VERSION_TABLE}", "--file=-", str(file))
    return version_in_script(_run([_found("pg_restore"), *wanted]))


def version_in_script(script: str) -> str | None:
    """Return the row that a script of pg_restore copies into the table of the version."""
    lines = script.splitlines()
    for number, line in enumerate(lines[:-1]):
        if line.startswith("COPY ") and VERSION_TABLE in line:
            return lines[number + 1].strip()
    return None


def load(url: URL, file: Path) -> None:
    """Replace the store's tables by those of a dump, all or nothing."""
    script = [_found("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(file)]
    server = _command(url, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null")
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(script, stdout=subprocess.PIPE, stderr=said) as reading,  # noqa: S603
        subprocess.Popen(server, stdin=subprocess.PIPE, stderr=said, env=_environment(url)) as writing,  # noqa: S603
    ):
        assert reading.stdout is not None
        assert writing.stdin is not None
        try:
            writing.stdin.write(f"BEGIN;\nDROP TABLE IF EXISTS {', '.join(_TABLES)} CASCADE;\n".encode())
            shutil.copyfileobj(reading.stdout, writing.stdin)
            # A dump that ends too early is not committed: psql cannot know why its input ends.
            if reading.wait() == 0:
                writing.stdin.write(b"COMMIT;\n")
            writing.stdin.close()
        except BrokenPipeError:
            reading.kill()
            # Popen would close it too, and raise again for what is still buffered.
            with contextlib.suppress(BrokenPipeError):
                writing.stdin.close()
        if writing.wait() or reading.wait():
            said.seek(0)
            raise StoreError(f"nothing was restored: {_error_line(said.read())}")


def leads_through_a_pooler(url: URL) -> bool:
    """Return whether something between here and the server shares its connections.

    The programs set what stays set in a shared connection, such as an empty ``search_path``, and would leave it so to
    the gateways. A pooler invents the id of the server's process for its clients.
    """
    with psycopg.connect(_connection_string(url), password=url.password, autocommit=True) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        return row is None or row[0] != connection.info.backend_pid


def _command(url: URL, program: str, *arguments: str) -> list[str]:
    return [_found(program), f"--dbname={_connection_string(url)}", *arguments]


def _connection_string(url: URL) -> str:
    # As the store connects. The password is left out: other users of this machine can read arguments.
    plain = url.set(drivername="postgresql+psycopg", password=None)
    _, options = plain.get_dialect()().create_connect_args(plain)
    return psycopg.conninfo.make_conninfo(**options)


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise StoreError(
            f"{program} is not installed here; it comes with PostgreSQL's client programs (Debian: postgresql-client),"
            " in the server's version or a later one"
        )
    return path


def _run(command: Sequence[str], url: URL | None = None) -> str:
    environment = url and _environment(url)
    done = subprocess.run(command, capture_output=True, check=False, env=environment)  # noqa: S603
    if done.returncode:
        raise StoreError(_error_line(done.stderr))
    return done.stdout.decode(errors="replace")


def _environment(url: URL) -> dict[str, str]:
    return {**os.environ, "PGPASSWORD": str(url.password)} if url.password else dict(os.environ)


def _error_line(said: bytes) -> str:
    """Return the line that names the error. Others may quote what was to be stored."""
    lines = said.decode(errors="replace").strip().splitlines()
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
