"""A PostgreSQL server for the tests of the transcript store."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stt_cli.up.child import die_with_parent

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
}


def postgres_binaries() -> Path | None:
    """The folder of a server's programs: POSTGRES_BIN, where Debian puts them (the newest), or on the PATH."""
    if given := os.environ.get("POSTGRES_BIN"):
        return Path(given)
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda found: int(found.parts[-3]))
    if debian:
        return debian[-1].parent
    found = shutil.which("initdb")
    return Path(found).parent if found else None


@contextlib.contextmanager
def postgres_server(binaries: Path) -> Iterator[str]:
    """The URL of a new, empty server on a Unix socket."""
    as_user = server_user()
    folder = Path(tempfile.mkdtemp(prefix="stt-pg-"))
    try:
        if as_user:
            shutil.chown(folder, as_user["user"])
        data = folder / "data"
        subprocess.run(
            # Locale C: search must not depend on the server's.
            [binaries / "initdb", "-D", data, "-U", "stt", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **as_user,
        )
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", folder, *settings],
                stdout=log,
                stderr=log,
                cwd=folder,
                preexec_fn=die_with_parent,
                **as_user,
            )
        try:
            deadline = time.monotonic() + 20
            while subprocess.run([binaries / "pg_isready", "-q", "-h", folder], check=False).returncode:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("PostgreSQL did not start: " + (folder / "log").read_text())
                time.sleep(0.05)
            yield f"postgresql://stt@/postgres?host={folder}"
        finally:
            # At once, without waiting for its clients.
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
            if process.poll() is None:
                process.send_signal(2)
            process.wait(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def server_user() -> dict[str, Any]:
    """As whom a server is started that refuses to run as root: arguments of Popen."""
    if os.geteuid() != 0:
        return {}
    user = "postgres" if _exists("postgres") else "nobody"
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
