"""Metrics of the transcriber, besides those of all services."""

from prometheus_client import Counter, Gauge, Histogram

from stt_shared.contracts.events import SPEECH_NOT_RECOGNIZED
from stt_shared.process.cpus import usable_cpus
from stt_shared.process.memory import memory_limit_bytes
from stt_shared.process.metrics import GAPS_TOTAL

DECODES = Counter("stt_decodes_total", "Decodes by kind and outcome.", ["kind", "outcome"])
PLACES = Gauge("stt_places", "Live sessions that a transcriber accepts.")
PLACES_LIMIT = Gauge("stt_places_limit", "1 for what limits stt_places, 0 for what else could.", ["limit"])
PLACES_CHANGED = Gauge("stt_places_changed_timestamp_seconds", "When stt_places last changed, in Unix time.")
USABLE_CPUS = Gauge("stt_usable_cpus", "CPUs that a transcriber may use, by affinity and quota.")
MEMORY_LIMIT_BYTES = Gauge("stt_memory_limit_bytes", "Memory that a transcriber may use; 0 without a limit.")
SPEAKING = Gauge("stt_sessions_speaking", "Live sessions in mid-utterance.")
DECODES_WAITING = Gauge("stt_decodes_waiting", "Decode requests waiting for a thread.")
BATCH_SIZE = Histogram("stt_batch_size", "Drafts decoded together.", buckets=(1, 2, 3, 4, 6, 8, 16))
REJECTED = Counter("stt_rejected_hypotheses_total", "Texts that the guards rejected, by reason.", ["reason"])
TEXT_LAG_S = Histogram(
    "stt_text_lag_seconds",
    "Seconds from when audio was received until its text was told, by kind: partial or final.",
    ["kind"],
    buckets=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 6, 10, 20),
)
for _kind in ("partial", "final"):
    TEXT_LAG_S.labels(_kind)
USABLE_CPUS.set_function(usable_cpus)
MEMORY_LIMIT_BYTES.set_function(lambda: memory_limit_bytes() or 0)
UNRECOGNIZED_S = Counter("stt_unrecognized_speech_seconds_total", "Seconds of audio with voice and without text.")


def count_unrecognized(seconds: float) -> None:
    """Count a part of the audio that has voice but no text."""
    GAPS_TOTAL.labels(SPEECH_NOT_RECOGNIZED).inc()
    UNRECOGNIZED_S.inc(seconds)
