#!/usr/bin/env python3
"""Cost of a conversation's viewers for its speakers and for the gateway.

Two speakers stream without a break into one conversation, on one gateway, with the instant engine. In turn nobody
follows and many do, while the same sessions go on. Latency is a speaker's own: from `finalize` in mid-speech to the
`final` that answers it. Every viewer wants the unsettled text, too.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from common import corpus_folder, write_result
from pipeline import PipelineSuite, percent, running_pipeline, speech_without_pauses
from pipeline_load import WARM_UP_S
from viewers_load import SETTLE_S

from stt_cli.up.child import die_with_parent

ALONE, FOLLOWED = "alone", "followed"


class Side:
    """A process of viewers_load.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        if self._stdout.readline().strip() != "ready":
            sys.exit("error: the load did not begin")

    def phase(self, name: str) -> None:
        self._stdin.write(f"{name}\n")
        self._stdin.flush()

    def end(self) -> dict[str, Any]:
        self._stdin.close()
        message: dict[str, Any] = json.loads(self._stdout.readline())
        self._process.wait(timeout=20)
        return message


@contextmanager
def side(role: str, port: int, count: int, pcm: Path | None = None) -> Iterator[Side]:
    command = [sys.executable, str(Path(__file__).with_name("viewers_load.py")), role]
    command += ["--port", str(port), "--count", str(count), *(["--pcm", str(pcm)] if pcm else [])]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent
    )
    try:
        yield Side(process)
    finally:
        process.kill()
        process.wait()


def measured(suite: PipelineSuite, speakers: Side, phase: str, seconds: float) -> dict[str, float]:
    """CPU in percent of a core, by part, during one phase. Latencies are reported at the end."""
    speakers.phase(phase)
    time.sleep(SETTLE_S)
    before, began = suite.cpu_s(), time.monotonic()
    time.sleep(seconds)
    used = percent(before, suite.cpu_s(), time.monotonic() - began)
    # What comes in between, as viewers open and leave, belongs to no phase.
    speakers.phase("")
    return used


def memory_bytes(suite: PipelineSuite) -> int:
    """Of the gateway alone, without what it shares."""
    return int(psutil.Process(suite.pids["gateway"]).memory_full_info().uss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--speakers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each phase")
    parser.add_argument("--rounds", type=int, default=3, help="of both phases; one more without viewers ends it")
    parser.add_argument("--out")
    args = parser.parse_args()
    speech = speech_without_pauses(corpus_folder(args.corpus))
    used: dict[str, list[dict[str, float]]] = {ALONE: [], FOLLOWED: []}
    heard: list[dict[str, Any]] = []
    memory: list[float] = []
    # Drafts as often as a model would give them.
    with tempfile.TemporaryDirectory() as folder, running_pipeline(WHISPER_ACCUMULATION_S="0.5") as suite:
        pcm = Path(folder) / "speech"
        pcm.write_bytes(speech.tobytes())
        with side("speak", suite.port, args.speakers, pcm) as speakers:
            time.sleep(WARM_UP_S)
            for _ in range(args.rounds):
                used[ALONE].append(measured(suite, speakers, ALONE, args.seconds))
                before = memory_bytes(suite)
                with side("follow", suite.port, args.viewers) as viewers:
                    memory.append((memory_bytes(suite) - before) / args.viewers)
                    used[FOLLOWED].append(measured(suite, speakers, FOLLOWED, args.seconds))
                    heard.append(viewers.end())
            used[ALONE].append(measured(suite, speakers, ALONE, args.seconds))
            latencies = speakers.end()
    result = {
        "speakers": args.speakers,
        "viewers": args.viewers,
        "seconds_each": args.seconds,
        "rounds": args.rounds,
        "speakers_latency_ms": latencies,
        "cpu_percent": {
            phase: {part: round(statistics.fmean(row[part] for row in rows), 2) for part in rows[0]}
            for phase, rows in used.items()
        },
        # Later viewers use what earlier ones left.
        "memory_per_viewer_kib": round(memory[0] / 1024, 1),
        "viewers_heard": heard,
    }
    write_result(args.out, "viewers", result)


if __name__ == "__main__":
    main()
