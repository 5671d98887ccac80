#!/usr/bin/env python3
"""The pipeline without the model: CPU of each process per session, and the latency that it adds.

The suite runs with the instant engine, which answers without listening; voice activity detection runs as always.
Sessions send frames of 20 ms from a process whose own CPU is not counted (pipeline_load.py, which also says how
latency is measured). `speaking`: speech all the time. `silent`: a quiet room, sent all the time. `idle`: open,
nothing sent. CPU is in percent of one core per session; `net` is less what the same processes use without any
session.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import AUDIO_RATE_HZ, corpus_folder, utterances, write_result
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from stt_cli.http.readiness import ask_health
from stt_cli.up.child import die_with_parent
from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_cli.up.listen import open_listener, url_of

BASELINE_S = 4.0
SERVICES = {"gateway": "stt_gateway", "audio-processor": "stt_audio", "transcriber": "stt_transcriber"}


@dataclass(frozen=True)
class PipelineSuite:
    """A running suite without a model; the process id of each part."""

    port: int
    pids: dict[str, int]
    redis_url: str

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far, by part."""
        return {name: sum(psutil.Process(pid).cpu_times()[:2]) for name, pid in self.pids.items()}


@contextmanager
def running_pipeline(**settings: str) -> Iterator[PipelineSuite]:
    """The services as processes of their own, each under its own eye, with these settings; stopped at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(EmbeddedRedis())
        listener = stack.enter_context(open_listener("127.0.0.1", 0))
        env = {
            **os.environ,
            "REDIS_URL": server.url,
            "SPOOL_DIR": str(folder / "spool"),
            "DATA_DIR": str(folder / "data"),
            "LISTEN_FD": str(listener.fileno()),
            "WHISPER_ENGINE": "instant",
            "TRANSCRIBER_MAX_SESSIONS": "1000",
            "AUDIO_MAX_SESSIONS": "1000",
            # A transcriber refuses sessions by what it takes a draft to cost, which it must first learn of this engine.
            "WHISPER_ACCUMULATION_S": "30",
            **settings,
        }
        pids = {"redis": server.pid}
        for name, module in SERVICES.items():
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                env=env,
                stderr=log,
                pass_fds=(listener.fileno(),),
                preexec_fn=die_with_parent,
            )
            stack.callback(stop, process)
            pids[name] = process.pid
        deadline = time.monotonic() + 60
        while not ask_health(url_of(listener)).is_healthy:
            if time.monotonic() > deadline:
                sys.exit("error: the suite did not start")
            time.sleep(0.1)
        yield PipelineSuite(listener.getsockname()[1], pids, server.url)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Politely, then not."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def percent(before: dict[str, float], after: dict[str, float], seconds: float) -> dict[str, float]:
    """Percent of one core, by part."""
    return {name: 100 * (after[name] - before[name]) / seconds for name in before}


def measure(
    suite: PipelineSuite,
    pcm: Path,
    mode: str,
    framing: str,
    sessions: int,
    seconds: float,
    chunk_ms: int,
    *,
    api_key: str = "",
) -> dict[str, Any]:
    """One load, from its begin to its end."""
    options = {
        "port": suite.port,
        "pcm": pcm,
        "sessions": sessions,
        "seconds": seconds,
        "mode": mode,
        "framing": framing,
        "chunk-ms": chunk_ms,
    }
    command = [sys.executable, str(Path(__file__).with_name("pipeline_load.py"))]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    env = {**os.environ, "STT_API_KEY": api_key}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, preexec_fn=die_with_parent) as load:
        assert load.stdout is not None
        answers = iter(load.stdout)
        assert next(answers, "").strip() == "begin", "the load did not begin"
        before, began = suite.cpu_s(), time.monotonic()
        assert next(answers, "").strip() == "end", "the load did not last"
        used = percent(before, suite.cpu_s(), time.monotonic() - began)
        result = json.loads(next(answers))
    return {"mode": mode, "framing": framing, "sessions": sessions, "cpu_percent": used, **result}


def per_session(row: dict[str, Any], baseline: dict[str, float]) -> dict[str, Any]:
    """The row with its CPU shared out."""
    used, sessions = row.pop("cpu_percent"), row["sessions"]
    parts = {name: round(value / sessions, 3) for name, value in used.items()}
    net = (sum(used.values()) - sum(baseline.values())) / sessions
    return {
        **row,
        "cpu_percent_per_session": {**parts, "all": round(sum(used.values()) / sessions, 3), "net": round(net, 3)},
    }


def table(rows: list[dict[str, Any]]) -> Table:
    parts = ("redis", *SERVICES, "all", "net")
    shown = Table("load", "n", *parts, "p50 ms", "p99 ms", "max ms", box=None, header_style="bold")
    for row in rows:
        latency = row.get("added_latency_ms", {})
        shown.add_row(
            f"{row['mode']}, {row['framing']}",
            str(row["sessions"]),
            *(f"{row['cpu_percent_per_session'][part]:.2f}" for part in parts),
            *(f"{latency[key]:.1f}" if latency else "" for key in ("p50", "p99", "max")),
        )
    return shown


def speech_without_pauses(folder: Path) -> NDArray[np.int16]:
    """A minute of speech from the corpus, pauses taken out, so that there is always an utterance open to end."""
    samples = np.concatenate([clip.samples for clip in utterances(folder, "en", 12)])
    blocks = samples[: len(samples) // 800 * 800].reshape(-1, 800)
    loud = np.abs(blocks.astype(np.float32)).mean(axis=1)
    kept: NDArray[np.int16] = blocks[loud > 0.3 * np.median(loud)].reshape(-1)
    return kept[: 60 * AUDIO_RATE_HZ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--sessions", type=int, nargs="+", default=[10, 50, 100])
    parser.add_argument("--modes", nargs="+", default=["speaking", "silent", "idle"])
    parser.add_argument("--framings", nargs="+", default=["binary", "json"])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load's steady stretch")
    parser.add_argument("--chunk-ms", type=int, default=20)
    parser.add_argument("--out")
    args = parser.parse_args()
    speech = speech_without_pauses(corpus_folder(args.corpus))
    room = np.random.default_rng(1).normal(0, 3, len(speech)).astype(np.int16)
    console = Console(stderr=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder, running_pipeline() as suite:
        before, began = suite.cpu_s(), time.monotonic()
        time.sleep(BASELINE_S)
        baseline = percent(before, suite.cpu_s(), time.monotonic() - began)
        for sessions in args.sessions:
            for mode in args.modes:
                pcm = Path(folder) / mode
                pcm.write_bytes((speech if mode == "speaking" else room).tobytes())
                for framing in args.framings if mode != "idle" else args.framings[:1]:
                    row = measure(suite, pcm, mode, framing, sessions, args.seconds, args.chunk_ms)
                    rows.append(per_session(row, baseline))
                    console.print(table(rows[-1:]))
    console.print(table(rows))
    write_result(
        args.out,
        "pipeline",
        {
            "chunk_ms": args.chunk_ms,
            "seconds_each": args.seconds,
            "baseline_cpu_percent": {name: round(value, 2) for name, value in baseline.items()},
            "loads": rows,
        },
    )


if __name__ == "__main__":
    main()
