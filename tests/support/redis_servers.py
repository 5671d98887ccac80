"""Redis 7.0, where there is one, for the contract tests."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from stt_cli.up.child import die_with_parent


def redis_binary() -> str | None:
    """A `redis-server` of this machine: REDIS_SERVER, or on the PATH."""
    return os.environ.get("REDIS_SERVER") or shutil.which("redis-server")


@contextlib.contextmanager
def redis_server(binary: str, *arguments: str) -> Iterator[str]:
    """The URL of a server of that binary, with further arguments."""
    folder = Path(tempfile.mkdtemp(prefix="stt-redis7-"))
    unix_socket = folder / "redis.sock"
    command = [binary, "--port", "0", "--unixsocket", str(unix_socket), "--dir", str(folder)]
    process = subprocess.Popen(
        [*command, "--save", "", "--appendonly", "no", "--logfile", str(folder / "log"), *arguments],
        preexec_fn=die_with_parent,
    )
    try:
        deadline = time.monotonic() + 10
        while not unix_socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{binary} did not start")
            time.sleep(0.01)
        yield f"unix://{unix_socket}"
    finally:
        process.terminate()
        process.wait(5)
        shutil.rmtree(folder, ignore_errors=True)
