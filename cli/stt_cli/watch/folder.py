"""Which files of a watched folder are to be transcribed, and what their results are called. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from stt_cli.http.formats import Format

RESULT_SUFFIXES = frozenset(f".{format}" for format in Format)
UNFINISHED_SUFFIXES = frozenset({".part", ".partial", ".crdownload", ".download", ".tmp"})
"""What programs name files that they are still writing."""


@dataclass(frozen=True)
class Seen:
    """A file as it was at one look."""

    size_bytes: int
    mtime_ns: int


def is_candidate(name: str) -> bool:
    """Return whether a file may be a recording, by its name: neither hidden, nor unfinished, nor a result."""
    suffix = PurePath(name).suffix.lower()
    return not name.startswith(".") and suffix not in RESULT_SUFFIXES | UNFINISHED_SUFFIXES


class Settling:
    """Files that are being written, until they have stayed as they are for ``settle_s``."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[str, tuple[Seen, float]] = {}

    def settled(self, found: Mapping[str, Seen], now_s: float) -> list[str]:
        """Return the names of files that are complete, by name; ``found``: all files at this look."""
        self._since = {
            name: (seen, since_s if known == seen else now_s)
            for name, seen in found.items()
            for known, since_s in [self._since.get(name, (seen, now_s))]
        }
        return sorted(
            name
            for name, (seen, since_s) in self._since.items()
            if seen.size_bytes > 0 and now_s - since_s >= self._settle_s
        )


def result_name(name: str, format: Format, taken: Collection[str]) -> str:
    """Return ``talk.srt`` for ``talk.mp3``, or ``talk.mp3.srt`` where another file has that name."""
    short = f"{PurePath(name).stem}.{format}"
    return f"{name}.{format}" if short in taken else short
