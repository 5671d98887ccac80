"""Limits on what is open at this gateway, such as live connections, in total and per client."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from stt_gateway.core.live.fairness import FAIR_SHARE
from stt_shared.contracts.errors import SttError

SCARCE = 0.9
"""Share of the connections from which on clients that hold their share get no more."""


class ConnectionLimit:
    """Counter of what is open, with limits.

    ``limit``: limit of this gateway; ``limit_per_client``: limit of one client, 0 for no separate limit; ``what`` is
    counted, for messages.
    """

    def __init__(self, limit: int, limit_per_client: int, what: str = "live connections") -> None:
        self._what = what
        self._limit = limit
        self._limit_per_client = limit_per_client
        self._by_address: Counter[str] = Counter()

    @contextlib.contextmanager
    def counted(self, address: str) -> Iterator[None]:
        """Count one more of a client, a network address or a key, inside the context. Raises SttError at_capacity."""
        taken = self._by_address.total()
        if taken >= self._limit:
            raise SttError("at_capacity", f"{self._limit} {self._what} are all that are allowed; try again later")
        if taken >= SCARCE * self._limit and self._by_address[address] >= FAIR_SHARE * self._limit:
            raise SttError("at_capacity", f"the last {self._what} are kept for other clients; try again later")
        if self._limit_per_client and self._by_address[address] >= self._limit_per_client:
            raise SttError("at_capacity", f"{self._limit_per_client} {self._what} are allowed at a time; close one")
        self._by_address[address] += 1
        try:
            yield
        finally:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
