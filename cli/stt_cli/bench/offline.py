"""Offline baseline: the same recordings as file jobs of the same suite, without time pressure on the model."""

from collections.abc import Callable, Iterable
from pathlib import Path

from stt_cli.errors import CliError
from stt_cli.http.jobs import jobs_client


def offline_texts(
    url: str, paths: Iterable[Path], language: str | None, on_done: Callable[[], None]
) -> dict[Path, str]:
    """Return the text of each file; call ``on_done`` after each. Raises CliError."""
    fields = {"language": language} if language else {}
    texts = {}
    with jobs_client(url) as jobs:
        # Submit all at once: the suite processes several in parallel, and live sessions have priority.
        submitted = {path: jobs.submit(path, fields, lambda _: None) for path in dict.fromkeys(paths)}
        for path, job_id in submitted.items():
            jobs.wait(job_id, lambda _: None)
            view = jobs.view(job_id)
            if view.result is None:
                raise CliError(f"{path}: the job ended without a result")
            texts[path] = view.result.text
            on_done()
    return texts
