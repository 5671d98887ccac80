"""One process of a service, as a thing that can be started, signalled and waited for."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stt_cli.up.child import die_with_parent


@dataclass(eq=False)
class Replica:
    """One process of a service; the next one in its place after a death has the same name, port and proxy."""

    service: str
    name: str
    env: dict[str, str]
    log: Path
    port: int = 0
    proxy: Any = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def url(self) -> str:
        """Where a gateway listens."""
        return f"ws://127.0.0.1:{self.port}/v1/stt/stream"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chaos.service", self.service],
                env=self.env,
                stderr=log,
                preexec_fn=die_with_parent,
            )

    def send(self, number: signal.Signals) -> None:
        """A signal; none to a process that is gone."""
        if self.runs:
            os.kill(self.pid, number)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    async def gone(self, timeout_s: float = 30.0) -> int:
        """Its exit status, once it has ended."""
        assert self.process is not None
        async with asyncio.timeout(timeout_s):
            while self.process.poll() is None:
                await asyncio.sleep(0.01)
        return self.process.returncode
