"""`stt transcribe`: transcribes files."""

import math
import sys
import urllib.parse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from stt_cli.errors import CliError
from stt_cli.http.formats import Format, is_name_of_file
from stt_cli.http.jobs import JobsClient, jobs_client
from stt_cli.live.notes import not_recognized
from stt_shared.contracts.jobs import JobResult, JobStatus, JobView


def transcribe(url: str, sources: list[str], format: Format, fields: dict[str, str], output: Path | None) -> None:
    """Transcribe one file or URL after the other.

    ``output``: a file for one text, or a folder; None for standard output. Raises CliError, at the end if any failed.
    """
    files = [path_of(source) for source in sources]
    for source, path in zip(sources, files, strict=True):
        if not is_url(source) and path.is_dir():
            raise CliError(f"{path} is a folder; name the files in it", exit_code=2)
    into = targets(output, files, format)
    errors = Console(stderr=True, highlight=False)
    failed = 0
    with jobs_client(url) as jobs:
        for source, path, target in zip(sources, files, into, strict=True):
            try:
                text, notes = _one(jobs, source, path, fields, format, errors)
                if target is None:
                    _to_stdout(path, text, several=len(files) > 1 and format is Format.TXT)
                else:
                    _to_file(target, text)
                # After the text, of which they say what is missing.
                for note in notes:
                    errors.print(f"warning: {path}: {note}", markup=False, soft_wrap=True)
            except CliError as error:
                failed += 1
                errors.print(f"error: {path}: {error}", markup=False, soft_wrap=True)
    if failed:
        raise CliError(f"{failed} of {len(files)} files failed") if len(files) > 1 else _AlreadyReported()


class _AlreadyReported(CliError):
    """Failure whose explanation has already been printed."""

    def __init__(self) -> None:
        super().__init__("")


def is_url(source: str) -> bool:
    """Return whether this is a URL and no file of this machine."""
    return source.startswith(("https://", "http://"))


def path_of(source: str) -> Path:
    """Return the path of a file, or the name of the one at a URL, whose other parts may hold credentials."""
    if not is_url(source):
        return Path(source)
    return Path(Path(urllib.parse.unquote(urllib.parse.urlsplit(source).path)).name or "recording")


def targets(output: Path | None, files: list[Path], format: Format) -> list[Path] | list[None]:
    """Return where each text goes, None for standard output; the folder is there then. Raises CliError."""
    if output is None:
        return [None] * len(files)
    is_file = is_name_of_file(output) and not output.is_dir()
    if is_file and len(files) > 1:
        raise CliError(f"--output {output} is one file, and there are {len(files)} recordings; name a folder", 2)
    folder = output.parent if is_file else output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CliError(f"--output {output}: {error.strerror}") from None
    return [output] if is_file else [output / output_name(path, files, format) for path in files]


def output_name(path: Path, files: list[Path], format: Format) -> str:
    """Return ``talk.srt`` for ``talk.mp3``, or ``talk.mp3.srt`` if another file would get the same name."""
    has_twin = sum(other.stem == path.stem for other in files) > 1
    return f"{path.name if has_twin else path.stem}.{format}"


def time_left(estimated_s: int | None) -> str:
    """Return text such as ``about 2 min left``; empty while there is no estimate."""
    if estimated_s is None:
        return ""
    if estimated_s < 60:
        return f"about {estimated_s} s left"
    minutes = math.ceil(estimated_s / 60)
    return f"about {minutes} min left" if minutes < 60 else f"about {minutes // 60} h {minutes % 60:02} min left"


def _one(
    jobs: JobsClient, source: str, path: Path, fields: dict[str, str], format: Format, console: Console
) -> tuple[str, list[str]]:
    """Return the text in ``format``, and what is missing from it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        coming = bar.add_task(f"{path.name}: {'fetching' if is_url(source) else 'uploading'}", total=None, left="")
        if is_url(source):
            job_id = jobs.submit_url(source, fields)
        else:
            bar.update(coming, total=path.stat().st_size if path.is_file() else None)
            job_id = jobs.submit(path, fields, lambda sent: bar.update(coming, completed=sent))
        working = bar.add_task(f"{path.name}: transcribing", total=100, left="", visible=False)

        def show(view: JobView) -> None:
            is_here = view.status is not JobStatus.FETCHING
            bar.update(coming, completed=view.fetched_bytes or 0, total=view.total_bytes, visible=not is_here)
            bar.update(working, completed=view.progress, left=time_left(view.estimated_s), visible=is_here)

        try:
            done = jobs.wait(job_id, show)
        except KeyboardInterrupt:
            jobs.cancel(job_id)
            raise
        return jobs.result(job_id, format), _missing_from(done.result) if done.result else []


def _missing_from(result: JobResult) -> list[str]:
    unrecognized = [not_recognized(span.start, span.end) for span in result.unrecognized]
    return [warning.message for warning in result.warnings] + unrecognized


def _to_stdout(path: Path, text: str, *, several: bool) -> None:
    if several:
        sys.stdout.write(f"==> {path} <==\n")
    sys.stdout.write(text)
    sys.stdout.flush()


def _to_file(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"cannot write {path}: {error.strerror}") from None
    print(path)
