#!/usr/bin/env python3
"""The cost of AUTH=keys for live audio: two pipelines without the model, one with keys and one without,
loaded alternately by the same speaking sessions; CPU of all processes and the latency that they add.

The order of each pair changes from round to round, so that a machine that grows slower favours neither.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import corpus_folder, write_result
from pipeline import PipelineSuite, measure, running_pipeline, speech_without_pauses
from support.key_samples import open_key_store, stored_key

from stt_gateway.core.requests.principal import Scope


async def new_key(data_dir: Path) -> str:
    """Return a key that may stream."""
    store = await open_key_store(data_dir)
    try:
        return (await stored_key(store, Scope.STREAM)).text
    finally:
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load's steady stretch")
    parser.add_argument("--out")
    args = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {"off": [], "keys": []}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        pcm = folder / "speech"
        pcm.write_bytes(speech_without_pauses(corpus_folder(args.corpus)).tobytes())
        key = asyncio.run(new_key(folder / "data"))
        with running_pipeline() as plain, running_pipeline(AUTH="keys", DATA_DIR=str(folder / "data")) as keyed:
            suites: dict[str, tuple[PipelineSuite, str]] = {"off": (plain, ""), "keys": (keyed, key)}
            for number in range(args.rounds):
                for name in sorted(suites, reverse=number % 2 == 0):
                    suite, api_key = suites[name]
                    row = measure(suite, pcm, "speaking", "binary", args.sessions, args.seconds, 20, api_key=api_key)
                    rows[name].append(row)
                    used, latency = sum(row["cpu_percent"].values()), row["added_latency_ms"]
                    print(f"AUTH={name}: {used:.1f} % of a core, {latency}", file=sys.stderr)
    summary = {name: summarised(found, args.sessions) for name, found in rows.items()}
    write_result(
        args.out,
        "auth_cost",
        {
            "sessions": args.sessions,
            "rounds": args.rounds,
            "seconds_each": args.seconds,
            **summary,
            "cpu_more_percent": round(
                100 * (summary["keys"]["cpu_percent_per_session"] / summary["off"]["cpu_percent_per_session"] - 1), 2
            ),
        },
    )


def summarised(rows: list[dict[str, Any]], sessions: int) -> dict[str, float]:
    """Return medians over the rounds."""
    cpu = statistics.median(sum(row["cpu_percent"].values()) for row in rows)
    return {
        "cpu_percent_per_session": round(cpu / sessions, 3),
        "gateway_cpu_percent": round(statistics.median(row["cpu_percent"]["gateway"] for row in rows) / sessions, 3),
        "p50_ms": statistics.median(row["added_latency_ms"]["p50"] for row in rows),
        "p99_ms": statistics.median(row["added_latency_ms"]["p99"] for row in rows),
    }


if __name__ == "__main__":
    main()
