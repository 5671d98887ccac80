"""CPU and memory of the suite's processes: one process and all its descendants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stt_cli.bench.packages import psutil
from stt_cli.errors import CliError

SAMPLE_EVERY_S = 0.5
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass
class Usage:
    """Resource usage of all processes together. ``cpu_s`` counts the measured period; sizes are resident bytes."""

    cpu_s: float = 0.0
    before_bytes: int = 0
    peak_bytes: int = 0


class ProcessTree:
    """A process and its descendants, listed again at each sample. Raises CliError if there is no such process."""

    def __init__(self, pid: int) -> None:
        self._psutil = psutil()
        try:
            self._root = self._psutil.Process(pid)
        except self._psutil.NoSuchProcess:
            raise CliError(f"there is no process {pid}", exit_code=2) from None

    def cpu_s(self) -> float:
        """Return the CPU seconds used so far by all live processes."""
        return float(sum(self._ask_each(lambda process: sum(process.cpu_times()[:2]))))

    def resident_bytes(self) -> int:
        """Return the current resident memory of all processes."""
        return int(sum(self._ask_each(lambda process: process.memory_info().rss)))

    def _ask_each(self, question: Callable[[Any], Any]) -> list[Any]:
        try:
            answers = [question(self._root)]
            processes = self._root.children(recursive=True)
        except self._psutil.NoSuchProcess:
            raise CliError("the measured process ended") from None
        for process in processes:
            # A process that has just ended is skipped.
            with contextlib.suppress(self._psutil.NoSuchProcess):
                answers.append(question(process))
        return answers

    @contextlib.asynccontextmanager
    async def measured(self) -> AsyncIterator[Usage]:
        """Measure the usage inside the block; the yielded object is complete when the block ends."""
        resident_bytes = self.resident_bytes()
        usage = Usage(before_bytes=resident_bytes, peak_bytes=resident_bytes)
        cpu_before_s = self.cpu_s()

        async def watch() -> None:
            while True:
                await asyncio.sleep(SAMPLE_EVERY_S)
                usage.peak_bytes = max(usage.peak_bytes, self.resident_bytes())

        watching = asyncio.create_task(watch(), name="bench memory")
        try:
            yield usage
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        usage.cpu_s = self.cpu_s() - cpu_before_s
        usage.peak_bytes = max(usage.peak_bytes, self.resident_bytes())


def local_launcher(url: str) -> int | None:
    """Return the process id of the `stt up` on this machine that serves ``url``; None if it cannot be found.

    Launcher and gateway share the listening socket and the system reports only one of them; the launcher is the one
    with children.
    """
    address = urlsplit(url)
    if address.hostname not in _LOOPBACK:
        return None
    lib = psutil()
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        holders = [
            lib.Process(connection.pid)
            for connection in lib.net_connections("tcp")
            if connection.status == lib.CONN_LISTEN and connection.laddr.port == port and connection.pid
        ]
        for holder in holders:
            for process in (holder, holder.parent()):
                if process is not None and process.children() and _listens(process, port, lib):
                    return int(process.pid)
    except (lib.AccessDenied, lib.NoSuchProcess):
        return None
    return None


def _listens(process: Any, port: int, lib: Any) -> bool:
    return any(
        connection.status == lib.CONN_LISTEN and connection.laddr.port == port
        for connection in process.net_connections("tcp")
    )
