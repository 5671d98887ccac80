"""Limit on how often one client opens sessions: opening and closing costs places, workers and Redis."""

from stt_gateway.core.operation.client_buckets import ClientBuckets
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms


class OpeningLimit:
    """Limit on new sessions by network address; ``per_minute`` 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets = ClientBuckets(per_minute)

    def count(self, client: str) -> None:
        """Count a session that is about to be opened. Raises SttError at_capacity."""
        if self._per_minute and not self._buckets.take(client, monotonic_ms() / 1000):
            raise SttError("at_capacity", f"{self._per_minute} new sessions are allowed in a minute; try again later")
