"""What has become of the files of a watched folder, in a file that outlives the command."""

import os
from pathlib import Path
from typing import Literal

import msgspec

from stt_cli.errors import CliError
from stt_cli.watch.folder import Seen

MEMORY_NAME = ".stt-watch.json"
FileState = Literal["submitted", "done", "failed"]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file. ``job_id``: of the newest job. ``result``: name of the result; ``error``: why there is none."""

    size_bytes: int
    mtime_ns: int
    state: FileState
    job_id: str = ""
    result: str = ""
    error: str = ""

    @property
    def seen(self) -> Seen:
        """The file as it was then."""
        return Seen(self.size_bytes, self.mtime_ns)


class Memory:
    """Entries by name; each change is on the disk before anything else happens."""

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one. Raises CliError."""
        self._path = path
        try:
            self.entries = msgspec.json.decode(path.read_bytes(), type=dict[str, Entry])
        except FileNotFoundError:
            self.entries = {}
        except OSError as error:
            raise CliError(f"{path} cannot be read: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise CliError(f"{path} is damaged ({error}); delete it to transcribe all files again") from None

    def is_settled(self, name: str, seen: Seen) -> bool:
        """Return whether nothing is to be done about a file, unless it changes."""
        entry = self.entries.get(name)
        return entry is not None and entry.seen == seen and entry.state != "submitted"

    def pending_job(self, name: str, seen: Seen) -> str | None:
        """Return the job of a file that was submitted before the command ended; None if there is none."""
        entry = self.entries.get(name)
        is_pending = entry is not None and entry.seen == seen and entry.state == "submitted"
        return entry.job_id or None if entry is not None and is_pending else None

    def names_taken(self, by_others_than: str) -> set[str]:
        """Return the names of other files' results."""
        return {entry.result for name, entry in self.entries.items() if entry.result and name != by_others_than}

    def result_of(self, name: str) -> str:
        """Return the name of a file's earlier result, '' for none."""
        entry = self.entries.get(name)
        return entry.result if entry else ""

    def forget_job(self, name: str) -> None:
        """Have a file that was submitted be submitted again. Raises CliError."""
        self.put(name, msgspec.structs.replace(self.entries[name], job_id=""))

    def put(self, name: str, entry: Entry) -> None:
        """Remember. Raises CliError."""
        self.entries[name] = entry
        write_whole(self._path, msgspec.json.format(msgspec.json.encode(self.entries), indent=1))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all. Raises CliError."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise CliError(f"cannot write {path}: {error.strerror}") from None
