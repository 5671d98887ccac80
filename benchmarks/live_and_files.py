#!/usr/bin/env python3
"""Cost of files for live sessions: paced sessions alone, and next to file jobs that never run out, in alternating
runs on one suite. Also printed: how much of the files was transcribed meanwhile, and the mean time of each stage.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
from common import corpus_folder, running_suite, write_result
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from stt_cli.bench import run
from stt_cli.bench.manifest import read_manifest

AT_ONCE = 2
FIGURES = ("first_text_s", "word_shown_s", "word_settled_s", "final_s")


async def keep_busy(url: str, paths: list[Path], done_s: list[float]) -> None:
    """Uploads files, so that ``AT_ONCE`` are always being transcribed, until cancelled; adds up their durations."""
    turn = itertools.count()
    async with httpx2.AsyncClient(base_url=url, timeout=60) as http:

        async def one_after_the_other() -> None:
            while True:
                number = next(turn)
                path = paths[number % len(paths)]
                # A key of its own: what was transcribed before would be answered from the store.
                answer = await http.post(
                    "/v1/stt/jobs",
                    files={"file": (path.name, path.read_bytes())},
                    data={"language": "en"},
                    headers={"Idempotency-Key": f"live-and-files-{time.time_ns()}"},
                )
                job_url = answer.raise_for_status().json()["status_url"]
                try:
                    while (view := (await http.get(job_url)).json())["status"] in {"queued", "processing"}:  # noqa: ASYNC110
                        await asyncio.sleep(0.3)
                    done_s.append(view["result"]["duration"])
                finally:
                    # Else the next turn would not be alone.
                    await http.post(f"{job_url}/cancel")

        await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))


def stage_totals(url: str) -> dict[str, tuple[float, float]]:
    """By stage: seconds so far, and passages."""
    totals: dict[str, dict[str, float]] = {}
    page = httpx2.get(f"{url}/metrics", timeout=10).raise_for_status().text
    for family in text_string_to_metric_families(page):
        if family.name == "stt_stage_seconds":
            for sample in family.samples:
                of_stage = totals.setdefault(sample.labels["stage"], {})
                of_stage[sample.name] = of_stage.get(sample.name, 0.0) + sample.value
    return {
        stage: (total.get("stt_stage_seconds_sum", 0.0), total.get("stt_stage_seconds_count", 0.0))
        for stage, total in totals.items()
    }


def stage_ms(before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]]) -> dict[str, float]:
    """Mean of each stage in between."""
    means = {}
    for stage, (seconds, passages) in after.items():
        seconds_before, passages_before = before.get(stage, (0.0, 0.0))
        if passages > passages_before:
            means[stage] = round(1000 * (seconds - seconds_before) / (passages - passages_before), 2)
    return means


async def measure(plan: run.Plan, recordings: list[Any], files: list[Path]) -> dict[str, Any]:
    """One run of the sessions, with ``files`` transcribed at the same time where there are any."""
    done_s: list[float] = []
    began = time.monotonic()
    before = stage_totals(plan.url)
    busy = asyncio.create_task(keep_busy(plan.url, files, done_s)) if files else None
    try:
        figures = await run.run_bench(plan, recordings)
    finally:
        if busy is not None:
            busy.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await busy
    figures["files_times_real_time"] = round(sum(done_s) / (time.monotonic() - began), 1)
    # Replicas tell theirs once a second.
    await asyncio.sleep(1.5)
    figures["stage_ms"] = stage_ms(before, stage_totals(plan.url))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out")
    args = parser.parse_args()
    folder = corpus_folder(args.corpus)
    recordings = read_manifest(folder / "manifest.jsonl", "en")
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    files = [folder / row["path"] for row in rows if row["kind"] == "long" and row["lang"] == "en" and row["text"]]
    plan = run.Plan("", sessions=args.sessions, seconds=args.seconds, gap_s=1.5, chunk_ms=40, language="en", seed=1)
    turns: list[dict[str, Any]] = []
    table = Table("", *FIGURES, "files, x real time", box=None)
    with running_suite(WHISPER_MODEL=args.model) as suite:
        plan = replace(plan, url=suite.url, pid=suite.pid)
        # The graphs for files are loaded with the first one.
        asyncio.run(measure(replace(plan, sessions=1, seconds=5), recordings, files))
        for with_files in [False, True] * args.rounds:
            figures = asyncio.run(measure(plan, recordings, files if with_files else []))
            turns.append({"with_files": with_files, **figures})
            shown = (f"{figures[name]['p50']:.2f} / {figures[name]['p90']:.2f}" for name in FIGURES)
            table.add_row("with files" if with_files else "alone", *shown, str(figures["files_times_real_time"]))
    Console(stderr=True).print(table)
    write_result(args.out, "live_and_files", {"model": args.model, "sessions": args.sessions, "turns": turns})


if __name__ == "__main__":
    main()
