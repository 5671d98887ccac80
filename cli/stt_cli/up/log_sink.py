"""Destination of the children's log lines: a file per child, and the console for what a user should see."""

import json
import sys
from pathlib import Path
from threading import Lock

LARGEST_FILE_BYTES = 16 << 20
"""Size at which a log file is rotated; one older copy is kept."""

_SEVERE = {"warning", "error", "critical", "exception"}
_SHOWN_ELSEWHERE = {"event", "level", "timestamp", "service", "logger", "exception"}


class LogSink:
    """Sink for the log lines of any child, from any thread. With ``verbose``, every line is also printed unchanged."""

    def __init__(self, folder: Path, *, verbose: bool) -> None:
        self._folder = folder
        self._verbose = verbose
        self._lock = Lock()

    def write(self, name: str, line: str) -> None:
        """Write a line to the child's log file, and print it if the user should see it."""
        with self._lock:
            path = self._folder / f"{name.replace(' ', '-')}.log"
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                size_bytes = file.tell()
            if size_bytes > LARGEST_FILE_BYTES:
                path.replace(path.with_suffix(".log.1"))
            shown = line if self._verbose else for_console(name, line)
            if shown is not None:
                print(shown, file=sys.stderr, flush=True)


def for_console(name: str, line: str) -> str | None:
    """Return a child's line in readable form; None if it is less than a warning. Lines that are not JSON are kept."""
    try:
        entry = json.loads(line)
    except ValueError:
        return f"[{name}] {line}"
    if not isinstance(entry, dict):
        return f"[{name}] {line}"
    level = str(entry.get("level", "info")).lower()
    if level not in _SEVERE:
        return None
    details = [f"{key}={value}" for key, value in entry.items() if key not in _SHOWN_ELSEWHERE]
    cause = _cause(entry.get("exception"))
    return " ".join([f"[{name}] {level}: {entry.get('event', '')}", *details, *([cause] if cause else [])])


def _cause(exception: object) -> str:
    """Return the innermost message of structlog's exception list (or of a plain traceback)."""
    if isinstance(exception, list) and exception and isinstance(exception[0], dict):
        return f"({exception[0].get('exc_type')}: {exception[0].get('exc_value')})"
    if isinstance(exception, str) and exception.strip():
        return f"({exception.strip().splitlines()[-1]})"
    return ""
