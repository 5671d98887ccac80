"""What is left to do of all file jobs: what an autoscaler needs to know."""

from dataclasses import dataclass

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.redis.pipeline import Pipeline
from stt_shared.streams import keys
from stt_shared.streams.scripts import script

_READ_BACKLOG = script("read_backlog")


@dataclass(frozen=True)
class JobBacklog:
    """Work that file jobs wait for.

    ``jobs``: those of which nothing is transcribed yet. ``audio_s``: seconds of audio left to transcribe, as far as
    lengths are known, which they are once a decoder has begun. ``oldest_wait_s``: age of the oldest of ``jobs``, 0
    without any.
    """

    jobs: int
    audio_s: float
    oldest_wait_s: float


async def read_backlog(pipeline: Pipeline, now_ms: float) -> JobBacklog:
    """Return the backlog of the whole suite. ``now_ms``: time of the wall clock. Raises the errors of Redis."""
    at_keys = [keys.JOBS_QUEUED, keys.JOBS_ADMITTED]
    jobs, samples, oldest_ms = await pipeline.call(_READ_BACKLOG, at_keys, [keys.job_keys("").state])
    oldest_wait_s = max(0.0, now_ms - oldest_ms) / 1000 if oldest_ms else 0.0
    return JobBacklog(int(jobs), int(samples) / AUDIO_RATE_HZ, oldest_wait_s)
