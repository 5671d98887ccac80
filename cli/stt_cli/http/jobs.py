"""File jobs over HTTP: upload without holding the file in memory, then poll until the job is done."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx2
import msgspec

from stt_cli.errors import CliError
from stt_cli.http.client import checked, http_client, opened
from stt_cli.http.formats import Format
from stt_cli.http.server import unreachable
from stt_shared.contracts.jobs import JobStatus, JobView

_ASK_EVERY_S = 0.4
_PATIENCE_S = 30.0
"""Time without an answer, while a job runs, after which the suite is considered gone."""


class MeteredFile:
    """A file that reports how much of it was read, with only the methods that httpx2 needs."""

    def __init__(self, file: BinaryIO, on_read: Callable[[int], None]) -> None:
        self._file = file
        self._on_read = on_read

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes."""
        data = self._file.read(size)
        self._on_read(self._file.tell())
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position and return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def fileno(self) -> int:
        """Return the file descriptor, from which httpx2 reads the size."""
        return self._file.fileno()


class JobsClient:
    """Client for the jobs of one suite."""

    def __init__(self, url: str, http: httpx2.Client) -> None:
        self._url = url
        self._http = http

    def submit(
        self, path: Path, fields: dict[str, str], on_sent: Callable[[int], None], *, key: str | None = None
    ) -> str:
        """Upload a file and return the job's id. Raises CliError.

        ``on_sent`` receives the bytes sent so far. ``key``: a repeated upload under the same one is the same job.
        """
        with opened(path) as file:
            try:
                response = self._http.post(
                    "/v1/stt/jobs",
                    data=fields,
                    headers={} if key is None else {"Idempotency-Key": key},
                    files={"file": (path.name, MeteredFile(file, on_sent), "application/octet-stream")},  # type: ignore[dict-item]
                )
            except httpx2.TransportError as error:
                raise unreachable(self._url, error) from None
        answer = checked(response)
        return str(answer["job_id"])

    def submit_url(self, url: str, fields: dict[str, str]) -> str:
        """Have the suite fetch a file from a URL, and return the job's id. Raises CliError."""
        try:
            response = self._http.post("/v1/stt/jobs", json={**fields, "url": url})
        except httpx2.TransportError as error:
            raise unreachable(self._url, error) from None
        return str(checked(response)["job_id"])

    def wait(self, job_id: str, on_progress: Callable[[JobView], None]) -> JobView:
        """Wait until the job is completed, and return it; ``on_progress`` receives its current state.

        Raises CliError with the job's own reason.
        """
        silent_since_s: float | None = None
        while True:
            try:
                view = self.view(job_id)
            except httpx2.TransportError as error:
                silent_since_s = silent_since_s or time.monotonic()
                if time.monotonic() - silent_since_s > _PATIENCE_S:
                    raise unreachable(self._url, error) from None
            else:
                silent_since_s = None
                on_progress(view)
                if view.status is JobStatus.COMPLETED:
                    return view
                if view.status.is_final:
                    raise CliError(view.error.message if view.error else f"the job was {view.status}")
            time.sleep(_ASK_EVERY_S)

    def view(self, job_id: str) -> JobView:
        """Return the current state of a job. Raises CliError, or httpx2.TransportError if there is no answer."""
        answer = checked(self._http.get(f"/v1/stt/jobs/{job_id}"))
        try:
            return msgspec.convert(answer, JobView)
        except msgspec.ValidationError as error:
            raise CliError(f"{self._url} does not answer as this suite does: {error}") from None

    def result(self, job_id: str, format: Format) -> str:
        """Return the transcript of a completed job, ending in a newline. Raises CliError."""
        try:
            response = self._http.get(f"/v1/stt/jobs/{job_id}/result.{format}")
        except httpx2.TransportError as error:
            raise unreachable(self._url, error) from None
        if not response.is_success:
            checked(response)
        return response.text.rstrip("\n") + "\n"

    def cancel(self, job_id: str) -> None:
        """Cancel a job; one that has ended is left unchanged."""
        self._http.post(f"/v1/stt/jobs/{job_id}/cancel", timeout=2.0)


@contextmanager
def jobs_client(url: str) -> Iterator[JobsClient]:
    """Open a client with its own connections."""
    with http_client(url) as http:
        yield JobsClient(url, http)
