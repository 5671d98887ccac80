"""`stt watch`: transcribes each file that comes into a folder, until Ctrl-C."""

import hashlib
import os
import sys
import time
from pathlib import Path

import msgspec

from stt_cli.errors import CliError, ServerRefusal, Unreachable
from stt_cli.http.formats import Format
from stt_cli.http.jobs import JobsClient, jobs_client
from stt_cli.watch.folder import Seen, Settling, is_candidate, result_name
from stt_cli.watch.memory import MEMORY_NAME, Entry, FileState, Memory, write_whole

LOOK_EVERY_S = 1.0
AGAIN_S = 5.0
"""Pause while the suite does not answer, or has no room."""
_BUSY = frozenset({429, 502, 503, 504})
_ABOUT_THE_FILE = frozenset({400, 409, 413, 415})
_GONE = 404


def watch(
    url: str, folder: Path, format: Format, fields: dict[str, str], output: Path | None, settle_s: float, once: bool
) -> None:
    """Transcribe the files of ``folder`` one after the other, as they are complete; ``once``: those that are there.

    Raises CliError for a folder that cannot be used and a request that the suite refuses whatever the file; with
    ``once``, also if any file failed.
    """
    if not folder.is_dir():
        raise CliError(f"{folder} is not a folder", exit_code=2)
    if output is not None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CliError(f"--output-dir {output}: {error.strerror}") from None
    results = output or folder
    with jobs_client(url) as jobs:
        watcher = _Watcher(jobs, folder, results, Memory(results / MEMORY_NAME), format, fields)
        settling = Settling(settle_s)
        while True:
            found = _files(folder)
            settled = settling.settled(found, time.monotonic())
            for name in settled:
                watcher.transcribe(name, found[name])
            if once and len(settled) == sum(seen.size_bytes > 0 for seen in found.values()):
                break
            time.sleep(LOOK_EVERY_S)
    if failed := watcher.failed & found.keys():
        raise CliError(f"{len(failed)} of {len(found)} files failed")


class _Watcher:
    def __init__(
        self,
        jobs: JobsClient,
        folder: Path,
        results: Path,
        memory: Memory,
        format: Format,
        fields: dict[str, str],
    ) -> None:
        self._jobs = jobs
        self._folder = folder
        self._results = results
        self._memory = memory
        self._format = format
        self._fields = fields

    @property
    def failed(self) -> set[str]:
        """Names of the files that failed."""
        return {name for name, entry in self._memory.entries.items() if entry.state == "failed"}

    def transcribe(self, name: str, seen: Seen) -> None:
        """Transcribe a file unless that has been done, and remember it. Waits while the suite does not answer."""
        while not self._memory.is_settled(name, seen):
            try:
                self._attempt(name, seen)
            except Unreachable as error:
                self._wait(str(error))
            except ServerRefusal as error:
                if error.status in _BUSY:
                    self._wait(str(error))
                elif error.status in _ABOUT_THE_FILE:
                    self._failed(name, seen, str(error))
                else:
                    raise

    def _attempt(self, name: str, seen: Seen) -> None:
        job_id = self._memory.pending_job(name, seen)
        if job_id is None:
            path = self._folder / name
            try:
                path.open("rb").close()
            except OSError as error:  # it has gone meanwhile, or may not be read
                self._failed(name, seen, f"cannot be read: {error.strerror}")
                return
            job_id = self._jobs.submit(path, self._fields, lambda _: None, key=self._request_key(name, seen))
            self._put(name, seen, "submitted", job_id)
        try:
            self._jobs.wait(job_id, lambda _: None)
            text = self._jobs.result(job_id, self._format)
        except (Unreachable, ServerRefusal) as error:
            if isinstance(error, ServerRefusal) and error.status == _GONE:
                # It was kept for a day at most: the file is sent again.
                self._memory.forget_job(name)
                return
            raise
        except CliError as error:
            self._failed(name, seen, str(error))
            return
        result = self._memory.result_of(name) or self._new_result(name)
        write_whole(self._results / result, text.encode())
        self._put(name, seen, "done", job_id, result)
        print(f"{self._folder / name} -> {self._results / result}", flush=True)

    def _new_result(self, name: str) -> str:
        present = {path.name for path in self._results.iterdir()}
        return result_name(name, self._format, present | self._memory.names_taken(name))

    def _request_key(self, name: str, seen: Seen) -> str:
        """Return what makes a repeated upload the same one: this command may have died before it knew its job."""
        asked = [str(self._folder.absolute()), name, seen.size_bytes, seen.mtime_ns, sorted(self._fields.items())]
        return "watch-" + hashlib.sha256(msgspec.json.encode(asked)).hexdigest()

    def _failed(self, name: str, seen: Seen, error: str) -> None:
        self._put(name, seen, "failed", error=error)
        print(f"error: {self._folder / name}: {error}", file=sys.stderr, flush=True)

    def _put(
        self, name: str, seen: Seen, state: FileState, job_id: str = "", result: str = "", error: str = ""
    ) -> None:
        kept = result or self._memory.result_of(name)
        self._memory.put(name, Entry(seen.size_bytes, seen.mtime_ns, state, job_id, kept, error))

    def _wait(self, reason: str) -> None:
        print(f"waiting: {reason}", file=sys.stderr, flush=True)
        time.sleep(AGAIN_S)


def _files(folder: Path) -> dict[str, Seen]:
    """Return the files that may be recordings. Raises CliError when the folder cannot be read."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_candidate(entry.name) and entry.is_file():
                    stat = entry.stat()
                    found[entry.name] = Seen(stat.st_size, stat.st_mtime_ns)
    except FileNotFoundError:
        if not folder.is_dir():
            raise CliError(f"{folder} is gone") from None
        return found  # a file has gone since it was listed; the next look sees the rest
    except OSError as error:
        raise CliError(f"{folder} cannot be read: {error.strerror}") from None
    return found
