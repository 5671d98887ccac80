"""`stt bench`: plays recordings into a running suite in many concurrent sessions and reports latency and accuracy."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from stt_cli.bench import run
from stt_cli.bench.manifest import FORMAT, Utterance, read_manifest
from stt_cli.bench.packages import need_extra
from stt_cli.bench.processes import local_launcher
from stt_cli.bench.report import tables
from stt_cli.errors import CliError
from stt_cli.http.readiness import ask_health
from stt_cli.http.server import unreachable

_TIMEOUT_S = 5.0


def bench(plan: run.Plan, manifest: Path | None, out: Path | None) -> None:
    """Print the figures: tables on stderr, JSON on stdout (and in ``out``). Raises CliError.

    Without ``plan.pid``, the launcher on this machine is measured if there is one.
    """
    if manifest is None:
        raise CliError(f"--manifest is missing: {FORMAT}", exit_code=2)
    if not manifest.is_file():
        raise CliError(f"--manifest {manifest}: there is no such file", exit_code=2)
    need_extra()
    if out is not None and not out.parent.is_dir():
        raise CliError(f"--out {out}: there is no folder {out.parent}", exit_code=2)
    if not ask_health(plan.url, _TIMEOUT_S).status:
        raise unreachable(plan.url, "no health report")
    console = Console(stderr=True, highlight=False)
    with console.status("reading the recordings…"):
        utterances = read_manifest(manifest, plan.language)
    if plan.pid is None:
        plan = replace(plan, pid=local_launcher(plan.url))
    figures = asyncio.run(_run(plan, utterances, console))
    console.print(tables(figures))
    text = json.dumps(figures, indent=2, ensure_ascii=False)
    print(text)
    if out is not None:
        try:
            out.write_text(text + "\n")
        except OSError as error:
            raise CliError(f"--out {out}: {error.strerror}") from None


async def _run(plan: run.Plan, utterances: list[Utterance], console: Console) -> dict[str, object]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        live = bar.add_task(f"{plan.sessions} sessions", total=None, done="")
        offline = bar.add_task("offline", total=None, done="", visible=False)
        return await run.run_bench(
            plan,
            utterances,
            run.Progress(
                lambda done_s, total_s: bar.update(
                    live, completed=done_s, total=total_s, done=f"{done_s:.0f} of {total_s:.0f} s"
                ),
                lambda done, total: bar.update(
                    offline, completed=done, total=total, done=f"{done} of {total} files", visible=True
                ),
            ),
        )
