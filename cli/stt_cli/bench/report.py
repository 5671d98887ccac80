"""Benchmark figures as tables for the terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

_LATENCIES = {
    "first_text_s": "first right word after speech began",
    "any_text_s": "any text after the suite heard a voice",
    "word_shown_s": "word shown after it was spoken",
    "word_settled_s": "word settled after it was spoken",
    "final_s": "utterance complete after its last word",
    "final_event_s": "final after its audio, as the suite says",
}
_QUANTILES = ("p50", "p90", "p99", "mean")
_SINGLE = {
    "wer_live_percent": ("word error rate, live", "{} %"),
    "wer_offline_percent": ("word error rate, same files as jobs", "{} %"),
    "cut_in_mid_sentence": ("finals that end in mid-sentence", "{}"),
    "flicker_per_word": ("changes of shown text per word", "{}"),
    "stable_violations": ("revisions of stable text", "{}"),
    "stable_corrected_percent": ("stable words that the final corrects", "{} %"),
    "lag_at_end_s": ("longest wait from stop to done", "{} s"),
    "cpu_s_per_audio_s": ("CPU seconds per second of audio", "{}"),
    "memory_per_session_mb": ("memory per session", "{} MB"),
    "memory_peak_mb": ("memory of all processes, peak", "{} MB"),
    "player_latest_s": ("this player's own worst delay", "{} s"),
}


def tables(figures: dict[str, Any]) -> RenderableType:
    """Return two tables, latencies and everything else; figures that were not measured are left out."""
    latencies = Table("seconds", *_QUANTILES, box=None, header_style="bold")
    for key, name in _LATENCIES.items():
        if figures[key] is not None:
            latencies.add_row(name, *(f"{figures[key][quantile]:.2f}" for quantile in _QUANTILES))
    others = Table("figure", "value", box=None, header_style="bold")
    others.add_row("sessions (refused)", f"{figures['sessions']} ({figures['refused']})")
    others.add_row("audio", f"{figures['audio_s']:g} s")
    for key, (name, form) in _SINGLE.items():
        if figures[key] is not None:
            others.add_row(name, form.format(figures[key]))
    others.add_row("errors", str(figures["errors"]))
    return Group(latencies, "", others, *(f"  {message}" for message in figures["error_messages"]))
