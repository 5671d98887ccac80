"""The figures of a benchmark run."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.bench_samples import utterance

from stt_cli.bench.player import Session
from stt_cli.bench.processes import Usage
from stt_cli.bench.report import tables
from stt_cli.bench.run import Plan, figures
from stt_cli.bench.score import Played
from stt_cli.bench.screen import Screen
from stt_cli.bench.stability import StabilityWatch

pytestmark = pytest.mark.unit


def played_session(text: str, *, refused: str = "", **more: Any) -> Session:
    session = Session(Screen(), StabilityWatch(str.lower), refused=refused, **more)
    session.played.append(Played(100.0, utterance("a.wav", 2.0, "one two three four")))
    session.screen.final(103.0, text)
    return session


def test_figures_tell_live_and_offline_side_by_side_and_leave_refused_sessions_out() -> None:
    heard = played_session(
        "one two three", final_lags_ms=[250], finals=["one", "two three"], stopped_s=104.0, done_s=104.5, latest_s=0.01
    )
    broken = played_session("one two three four", errors=["closed"])
    plan = Plan("http://x", sessions=3, seconds=1, gap_s=0.5)
    usage = Usage(cpu_s=1.0, before_bytes=100_000_000, peak_bytes=104_000_000)
    refused = played_session("", refused="at_capacity")
    found = figures(plan, [heard, broken, refused], str.lower, usage, {Path("a.wav"): "one two"})
    assert (found["sessions"], found["refused"], found["errors"]) == (3, 1, 1)
    assert found["error_messages"] == ["session 2: closed"]
    assert (found["wer_live_percent"], found["wer_offline_percent"]) == (12.5, 50.0)
    assert found["audio_s"] == 5.0
    assert (found["cpu_s_per_audio_s"], found["memory_per_session_mb"], found["memory_peak_mb"]) == (0.2, 2.0, 104)
    assert (found["finals"], found["cut_in_mid_sentence"]) == (2, 1)
    assert found["lag_at_end_s"] == 0.5
    assert found["final_event_s"]["p50"] == 0.25
    # Without times of words nothing can be said of them.
    assert found["word_shown_s"] is None
    written = io.StringIO()
    Console(file=written, width=100).print(tables(found))
    table = written.getvalue()
    assert "word error rate, live" in table
    assert "word shown" not in table
    assert "session 2: closed" in table


def test_figures_of_nothing_but_refusals_are_none_and_no_error() -> None:
    plan = Plan("http://x", sessions=1, seconds=1)
    found = figures(plan, [played_session("", refused="no_worker")], str.lower, Usage(peak_bytes=1))
    assert (found["refused"], found["wer_live_percent"], found["cpu_s_per_audio_s"]) == (1, None, None)
