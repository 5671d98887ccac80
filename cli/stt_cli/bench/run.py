"""Benchmark run: many concurrent sessions and their combined figures."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stt_cli.bench.cuts import mid_sentence_cuts
from stt_cli.bench.manifest import Utterance, deal
from stt_cli.bench.offline import offline_texts
from stt_cli.bench.packages import Normaliser, normaliser, word_error_rate
from stt_cli.bench.player import Pace, Session, play
from stt_cli.bench.processes import ProcessTree, Usage
from stt_cli.bench.score import Latencies, add_session, quantiles
from stt_cli.bench.stability import Stability

STAGGER_S = 0.37
"""Delay between the starts of two sessions, so that their utterances do not end simultaneously."""
_LEAD_S = 0.5
_MOST_ERRORS_LISTED = 10


@dataclass(frozen=True)
class Plan:
    """Parameters of a run. ``pid`` is the root of the suite's process tree; None means not measured."""

    url: str
    sessions: int
    seconds: float
    gap_s: float = 1.5
    chunk_ms: int = 40
    language: str | None = None
    pid: int | None = None
    seed: int = 1
    drain_s: float = 30.0
    offline: bool = False


@dataclass
class Progress:
    """Callbacks during a run: seconds played and total, files decoded and total."""

    playing: Callable[[float, float], None] = field(default=lambda _done, _total: None)
    offline: Callable[[int, int], None] = field(default=lambda _done, _total: None)


async def run_bench(plan: Plan, utterances: Sequence[Utterance], progress: Progress | None = None) -> dict[str, Any]:
    """Play, measure and score. Raises CliError if the extra is missing or a job fails."""
    progress = progress or Progress()
    normalise = normaliser(plan.language)
    playlists = deal(utterances, sessions=plan.sessions, seconds=plan.seconds, gap_s=plan.gap_s, seed=plan.seed)
    tree = ProcessTree(plan.pid) if plan.pid is not None else None
    async with tree.measured() if tree else contextlib.nullcontext() as usage:
        sessions = await _play_all(plan, playlists, normalise, progress)
    texts = None
    if plan.offline:
        paths = list(dict.fromkeys(utterance.path for playlist in playlists for utterance in playlist))
        done = iter(range(1, len(paths) + 1))
        texts = await asyncio.to_thread(
            offline_texts, plan.url, paths, plan.language, lambda: progress.offline(next(done), len(paths))
        )
    return figures(plan, sessions, normalise, usage, texts)


async def _play_all(
    plan: Plan, playlists: Sequence[Sequence[Utterance]], normalise: Normaliser, progress: Progress
) -> list[Session]:
    query = {"language": plan.language} if plan.language else {}
    pace = Pace(plan.url, query, plan.gap_s, plan.chunk_ms, plan.drain_s)
    began_s = time.monotonic() + _LEAD_S
    longest_s = max(sum(utterance.duration_s + plan.gap_s for utterance in playlist) for playlist in playlists)
    total_s = longest_s + STAGGER_S * (len(playlists) - 1)

    async def report() -> None:
        while True:
            progress.playing(min(total_s, max(0.0, time.monotonic() - began_s)), total_s)
            await asyncio.sleep(0.5)

    reporting = asyncio.create_task(report(), name="bench progress")
    try:
        async with asyncio.TaskGroup() as group:
            playing = [
                group.create_task(play(playlist, pace, index, began_s + STAGGER_S * index, normalise))
                for index, playlist in enumerate(playlists)
            ]
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
    progress.playing(total_s, total_s)
    return [task.result() for task in playing]


def figures(
    plan: Plan,
    sessions: Sequence[Session],
    normalise: Normaliser,
    usage: Usage | None = None,
    offline: dict[Path, str] | None = None,
) -> dict[str, Any]:
    """Return all figures in their JSON form; None for those that could not be measured. Latencies in seconds.

    Refused sessions are counted only as refused. ``offline`` maps the path of a recording to its text.
    """
    served = [session for session in sessions if not session.refused]
    latencies, stability = Latencies(), Stability()
    for session in served:
        add_session(latencies, session.screen.pictures, session.played, normalise)
        stability.add(session.stability.counts)
    references = [normalise(" ".join(item.utterance.text for item in session.played)) for session in served]
    live = [normalise(session.screen.text) for session in served]
    audio_s = sum(item.utterance.duration_s + plan.gap_s for session in served for item in session.played)
    cuts = [
        mid_sentence_cuts([item.utterance.text for item in session.played], session.finals, normalise)
        for session in served
    ]
    lags = [session.lag_s for session in served if session.lag_s is not None]
    errors = [f"session {index + 1}: {error}" for index, session in enumerate(sessions) for error in session.errors]
    result: dict[str, Any] = {
        "sessions": plan.sessions,
        "refused": len(sessions) - len(served),
        "errors": len(errors),
        "error_messages": errors[:_MOST_ERRORS_LISTED],
        "audio_s": round(audio_s, 1),
        "chunk_ms": plan.chunk_ms,
        "language": plan.language,
        "first_text_s": quantiles(latencies.first),
        "any_text_s": quantiles([wait for session in served for wait in session.waits_s]),
        "word_shown_s": quantiles(latencies.shown),
        "word_settled_s": quantiles(latencies.settled),
        "final_s": quantiles(latencies.final),
        "final_event_s": quantiles([lag / 1000 for session in served for lag in session.final_lags_ms]),
        "finals": sum(len(session.finals) for session in served),
        "cut_in_mid_sentence": sum(cuts),
        "wer_live_percent": _percent(word_error_rate(references, live)),
        "wer_offline_percent": None,
        "flicker_per_word": round(latencies.flicker_per_word, 3) if latencies.words else None,
        "stable_violations": stability.violations,
        "stable_words": stability.stable_words,
        "stable_corrected_percent": _percent(
            stability.corrected_words / stability.stable_words if stability.stable_words else None
        ),
        "lag_at_end_s": round(max(lags), 3) if lags else None,
        "cpu_s_per_audio_s": None,
        "memory_per_session_mb": None,
        "memory_peak_mb": None,
        "player_latest_s": round(max((session.latest_s for session in served), default=0.0), 3),
    }
    if offline is not None:
        texts = [normalise(" ".join(offline[item.utterance.path] for item in session.played)) for session in served]
        result["wer_offline_percent"] = _percent(word_error_rate(references, texts))
    if usage is not None and audio_s:
        result["cpu_s_per_audio_s"] = round(usage.cpu_s / audio_s, 4)
        result["memory_per_session_mb"] = round((usage.peak_bytes - usage.before_bytes) / 1e6 / len(served), 2)
        result["memory_peak_mb"] = round(usage.peak_bytes / 1e6)
    return result


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)
