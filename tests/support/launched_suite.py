"""The suite as a user starts it: `stt up`, a process of its own."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """A running suite."""

    url: str
    pid: int

    @property
    def stream_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/stt/stream"


@contextmanager
def running_suite(**environment: str) -> Iterator[Suite]:
    """Starts `stt up` on a free port as a user would, with these settings; stops it at the end."""
    data = tempfile.mkdtemp(prefix="stt-data-")
    process = subprocess.Popen(
        [sys.executable, "-m", "stt_cli", "up"],
        env={**os.environ, "PORT": "0", "DATA_DIR": data, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+?:\d+", line):
                yield Suite(found.group(0), process.pid)
                break
        else:
            sys.exit("error: the suite did not start")
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(data, ignore_errors=True)
