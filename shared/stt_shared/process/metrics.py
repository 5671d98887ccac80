"""Timings of the stages between audio and text, per process for Prometheus and per session for its `done` event.

Stages: receive (from the client's chunk to its frame in Redis), queue (in Redis until the decoder reads it), decode
(codec and resampling), vad, buffer (speech waits for its decode), infer (the model), emit (event to Redis), deliver
(event to the client).
"""

import functools
from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from stt_shared.contracts.events import StageTiming

STAGE_SECONDS = Histogram(
    "stt_stage_seconds",
    "Seconds that audio or an event spends in one stage.",
    ["stage"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
SESSIONS = Gauge("stt_sessions_active", "Sessions in progress.", ["service"])
SESSIONS_TOTAL = Counter("stt_sessions_total", "Sessions begun or taken over.", ["service"])
ERRORS_TOTAL = Counter("stt_errors_total", "Errors sent to clients, by code.", ["code"])
GAPS_TOTAL = Counter("stt_gaps_total", "Parts of the audio that a text does not cover, by cause.", ["cause"])
REFUSED_WRITES = Counter("stt_refused_writes_total", "Writes that Redis refused, by reason.", ["reason"])


@functools.cache
def stage_seconds(stage: str) -> Histogram:
    """Return the histogram of one stage, cached because the lookup by label costs more than an observation."""
    return STAGE_SECONDS.labels(stage)


class StageTimings:
    """Timings of the stages of one session."""

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = {}

    def add(self, stage: str, duration_ms: float) -> None:
        """Add one duration; a negative one counts as 0, because the clocks of two machines may differ."""
        duration_ms = max(0.0, duration_ms)
        stage_seconds(stage).observe(duration_ms / 1000)
        entry = self._sums.get(stage)
        if entry is None:
            entry = self._sums[stage] = [0, 0.0, 0.0]
        entry[0] += 1
        entry[1] += duration_ms
        entry[2] = max(entry[2], duration_ms)

    def summary(self) -> Mapping[str, StageTiming]:
        """Return the count, and the mean and maximum in milliseconds, by stage."""
        return {
            stage: StageTiming(int(count), round(total / count, 3), round(longest, 3))
            for stage, (count, total, longest) in self._sums.items()
        }
