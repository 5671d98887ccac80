"""The same recordings through the same suite as file jobs: what its model makes of them when it need not hurry."""

from collections.abc import Callable, Iterable
from pathlib import Path

from stt_cli.client.jobs import jobs_client
from stt_cli.errors import CliError


def offline_texts(
    url: str, paths: Iterable[Path], language: str | None, on_done: Callable[[], None]
) -> dict[Path, str]:
    """The text of each file; ``on_done`` is called for each. Raises CliError."""
    fields = {"language": language} if language else {}
    texts = {}
    with jobs_client(url) as jobs:
        # All at once: the suite works on several, and takes live sessions first.
        submitted = {path: jobs.submit(path, fields, lambda _: None) for path in dict.fromkeys(paths)}
        for path, job_id in submitted.items():
            jobs.wait(job_id, lambda _: None)
            view = jobs.view(job_id)
            if view.result is None:
                raise CliError(f"{path}: the job ended without a result")
            texts[path] = view.result.text
            on_done()
    return texts
