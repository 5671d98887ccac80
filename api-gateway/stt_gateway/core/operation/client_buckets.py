"""How often something may happen in a minute, by client. Pure."""

from stt_gateway.core.operation.token_bucket import TokenBucket

MAX_CLIENTS = 10_000
"""Clients that are remembered; beyond that, the one that has been quiet for the longest time is forgotten."""


class ClientBuckets:
    """A token bucket for each client, of ``per_minute`` > 0 tokens."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, client: str, now_s: float) -> bool:
        """Take one token of a client; return False if none is left."""
        bucket = self._buckets.pop(client, None) or TokenBucket(self._per_minute / 60, self._per_minute)
        self._buckets[client] = bucket
        if len(self._buckets) > MAX_CLIENTS:
            del self._buckets[next(iter(self._buckets))]
        return bucket.take(now_s)

    def has_any(self, client: str, now_s: float) -> bool:
        """Return whether a client has a token left, without taking it."""
        bucket = self._buckets.get(client)
        return bucket is None or bucket.has_any(now_s)
