#!/usr/bin/env python3
"""Latency of words, word error rate, CPU and memory at several numbers of paced sessions: `stt bench` on a suite that
this starts itself, so that nothing is left of one model or setting in the figures of the next.

The recordings are the corpus's utterances. Offline, for comparison: the same recordings as file jobs, once.
"""

import argparse
import asyncio
import os
from dataclasses import replace

from common import corpus_folder, running_suite, write_result
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from stt_cli.bench import run
from stt_cli.bench.manifest import read_manifest
from stt_cli.bench.report import tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--language", default="en")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--gap", type=float, default=1.5)
    parser.add_argument("--chunk-ms", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-offline", action="store_true")
    parser.add_argument("--out")
    args = parser.parse_args()
    console = Console(stderr=True, highlight=False)
    recordings = read_manifest(corpus_folder(args.corpus) / "manifest.jsonl", args.language)
    loads = []
    plan = run.Plan(
        "",
        sessions=0,
        seconds=args.seconds,
        gap_s=args.gap,
        chunk_ms=args.chunk_ms,
        language=args.language,
        seed=args.seed,
    )
    for number, sessions in enumerate(args.sessions):
        settings = {"WHISPER_MODEL": args.model, "WHISPER_ENGINE": args.engine}
        settings["TRANSCRIBER_MAX_SESSIONS"] = os.environ.get("TRANSCRIBER_MAX_SESSIONS", "0")
        with (
            running_suite(**settings) as suite,
            Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as bar,
        ):
            live = bar.add_task(f"{sessions} sessions", total=None)

            def tell(done_s: float, total_s: float, bar: Progress = bar, live: TaskID = live) -> None:
                bar.update(live, completed=done_s, total=total_s)

            asked = replace(
                plan,
                url=suite.url,
                pid=suite.pid,
                sessions=sessions,
                offline=number == 0 and not args.no_offline,
            )
            figures = asyncio.run(run.run_bench(asked, recordings, run.Progress(playing=tell)))
        console.print(tables(figures))
        loads.append(figures)
    write_result(args.out, "live_sessions", {"model": args.model, "engine": args.engine, "loads": loads})


if __name__ == "__main__":
    main()
