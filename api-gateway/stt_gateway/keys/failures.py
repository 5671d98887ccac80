"""Limit on wrong credentials of one network address: each costs a look-up, and somebody may be guessing."""

import math

from stt_gateway.core.operation.client_buckets import ClientBuckets
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms


class FailureLimit:
    """Wrong credentials by address; ``per_minute`` 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets = ClientBuckets(per_minute)

    def check(self, client: str) -> None:
        """Raise SttError rate_limited while the address has had too many wrong credentials."""
        if self._per_minute and not self._buckets.has_any(client, monotonic_ms() / 1000):
            raise SttError(
                "rate_limited",
                f"more than {self._per_minute} wrong credentials in a minute came from this address; try again later",
                retry_after_s=math.ceil(60 / self._per_minute),
            )

    def count(self, client: str) -> None:
        """Count a wrong credential."""
        if self._per_minute:
            self._buckets.take(client, monotonic_ms() / 1000)
