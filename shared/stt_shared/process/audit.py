"""Audit log: who deleted or administered what, and when. It holds ids, never texts, titles or names of files."""

import getpass
import os
from pathlib import Path
from typing import Any

import msgspec
import structlog

from stt_shared.contracts.events import iso_timestamp
from stt_shared.process.clock import wall_ms
from stt_shared.process.logging import unfiltered_logger

_log = structlog.get_logger()


def system_account() -> str:
    """Return the name of the system's account that runs this process; of one without a name, its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


class AuditTrail:
    """Writer of the audit log: to ``file`` if there is one, and to the log of the service, at any level.

    ``logs`` False: to the file alone, for a command that has no log.
    """

    def __init__(self, file: Path | None, *, logs: bool = True) -> None:
        self._file = file
        self._log = unfiltered_logger() if logs else None

    def record(self, action: str, **what: Any) -> None:
        """Record what somebody did, or tried to do."""
        entry: dict[str, Any] = {"channel": "audit", "action": action, **what}
        if self._log is not None:
            self._log.info("audit", **entry)
        if self._file is not None:
            self._append(self._file, {"timestamp": iso_timestamp(wall_ms()), **entry})

    def _append(self, file: Path, entry: dict[str, Any]) -> None:
        """Add a line. It is opened each time, since the operator's tools may have moved the file away."""
        try:
            # One write, which does not mix with those of other gateways.
            number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(number, msgspec.json.encode(entry) + b"\n")
            finally:
                os.close(number)
        except OSError as error:
            _log.error("audit not written", file=str(file), cause=str(error))
