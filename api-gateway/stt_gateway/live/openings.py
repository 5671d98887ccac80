"""Limit on how often one client opens sessions: opening and closing costs places, workers and Redis."""

from stt_gateway.core.operation.token_bucket import TokenBucket
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms

MAX_CLIENTS = 10_000
"""Clients that are remembered; beyond that, the one that has opened no session for the longest time is forgotten."""


class OpeningLimit:
    """Limit on new sessions by network address; ``per_minute`` 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: dict[str, TokenBucket] = {}

    def count(self, client: str) -> None:
        """Count a session that is about to be opened. Raises SttError at_capacity."""
        if not self._per_minute:
            return
        bucket = self._buckets.pop(client, None) or TokenBucket(self._per_minute / 60, self._per_minute)
        self._buckets[client] = bucket
        if len(self._buckets) > MAX_CLIENTS:
            del self._buckets[next(iter(self._buckets))]
        if not bucket.take(monotonic_ms() / 1000):
            raise SttError("at_capacity", f"{self._per_minute} new sessions are allowed in a minute; try again later")
