"""Limit on wrong credentials of one network address: each costs a look-up, and somebody may be guessing."""

import math

from stt_gateway.core.operation.token_bucket import TokenBucket
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms

MAX_CLIENTS = 10_000
"""Addresses that are remembered; beyond that the one that has been quiet for the longest time is forgotten."""


class FailureLimit:
    """Wrong credentials by address; ``per_minute`` 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: dict[str, TokenBucket] = {}

    def check(self, client: str) -> None:
        """Raise SttError rate_limited while the address has had too many wrong credentials."""
        bucket = self._buckets.get(client)
        if bucket is not None and not bucket.has_any(monotonic_ms() / 1000):
            raise SttError(
                "rate_limited",
                f"more than {self._per_minute} wrong credentials in a minute came from this address; try again later",
                retry_after_s=math.ceil(60 / self._per_minute),
            )

    def count(self, client: str) -> None:
        """Count a wrong credential."""
        if not self._per_minute:
            return
        bucket = self._buckets.pop(client, None) or TokenBucket(self._per_minute / 60, self._per_minute)
        self._buckets[client] = bucket
        if len(self._buckets) > MAX_CLIENTS:
            del self._buckets[next(iter(self._buckets))]
        bucket.take(monotonic_ms() / 1000)
