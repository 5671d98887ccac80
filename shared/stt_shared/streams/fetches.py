"""Owner of what is known of files that are still at their client's URL, until they are here and their jobs may begin.

A fetch is due at a time and is handed out for a while (``LEASE_MS``), which whoever fetches renews; so any gateway may
die at any moment: another one begins again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from stt_shared.contracts.jobs import FetchOrder, JobConfig, JobStatus
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.pipeline import Argument, Pipeline
from stt_shared.streams import keys
from stt_shared.streams.scripts import script

LEASE_MS = 15_000
"""Time after which a fetch that was taken is due again, unless it is renewed."""

_decode_config = msgspec.json.Decoder(JobConfig).decode
_decode_order = msgspec.json.Decoder(FetchOrder).decode


@dataclass(frozen=True)
class Fetch:
    """A file that is to be fetched for a job. ``attempts`` counts this one. ``client``: whose turn it is."""

    job_id: str
    attempts: int
    epoch: str
    config: JobConfig
    order: FetchOrder
    client: str


class FetchQueue:
    """Fetches of the whole suite. ``JobStreams.create`` puts them here."""

    def __init__(self, pipeline: Pipeline, channels: ChannelHub) -> None:
        self._pipeline = pipeline
        self._publish = channels.publish_command
        self._claim = script("claim_due")
        self._update = script("update_fetch")

    async def claim(self, most: int, *, lease_ms: int = LEASE_MS) -> list[Fetch]:
        """Take up to ``most`` fetches that are due, for ``lease_ms``."""
        arguments: list[Argument] = [lease_ms, most, keys.job_keys("").state, JobStatus.FETCHING, "fetch_attempts"]
        arguments += ["epoch", "config", "fetch", "client"]
        answer: list[Sequence[Any]] = await self._pipeline.call(self._claim, [keys.JOBS_TO_FETCH], arguments)
        return [_fetch(found) for found in answer]

    async def renew(self, fetch: Fetch, fetched_bytes: int, total_bytes: int, *, lease_ms: int = LEASE_MS) -> bool:
        """Record how far a fetch is, and keep it; False when its job has ended or somebody else has taken it.

        ``total_bytes``: length of the file, 0 if nobody knows.
        """
        return await self._record(fetch, lease_ms, "fetched_bytes", fetched_bytes, "total_bytes", total_bytes)

    async def retry(self, fetch: Fetch, delay_ms: int) -> bool:
        """Have it tried again after ``delay_ms``; False as for ``renew``."""
        return await self._record(fetch, delay_ms, "fetched_bytes", 0, "total_bytes", 0)

    async def postpone(self, fetch: Fetch, delay_ms: int) -> bool:
        """Give back what was not tried; False as for ``renew``."""
        return await self._record(fetch, delay_ms, is_counted=False)

    async def release(self, fetch: Fetch, config: JobConfig) -> bool:
        """Let the job begin: its file is where ``config`` says; False as for ``renew``."""
        return await self._record(fetch, None, "config", msgspec.json.encode(config))

    async def _record(self, fetch: Fetch, delay_ms: int | None, *fields: Argument, is_counted: bool = True) -> bool:
        at = keys.job_keys(fetch.job_id)
        arguments: list[Argument] = [fetch.job_id, fetch.epoch, fetch.attempts, self._publish]
        arguments += ["" if delay_ms is None else delay_ms, "" if is_counted else "1", *fields]
        at_keys = [at.state, keys.JOBS_TO_FETCH, keys.job_changes(fetch.job_id)]
        return bool(await self._pipeline.call(self._update, at_keys, arguments))


def _fetch(found: Sequence[Any]) -> Fetch:
    job_id, attempts, epoch, config, order, client = found
    return Fetch(
        job_id.decode(),
        int(attempts),
        epoch.decode(),
        _decode_config(config),
        _decode_order(order),
        (client or b"").decode(),
    )
