"""Limits on the live connections of this gateway, in total and per client."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from stt_shared.contracts.errors import SttError


class Connections:
    """Counter of live connections with limits.

    ``most``: limit of this gateway; ``most_per_client``: limit of one network address, 0 for no separate limit.
    """

    def __init__(self, most: int, most_per_client: int) -> None:
        self._most = most
        self._most_per_client = most_per_client
        self._by_client: Counter[str] = Counter()

    @contextlib.contextmanager
    def one_of(self, client: str) -> Iterator[None]:
        """Count one more connection of ``client`` inside the context. Raises SttError at_capacity."""
        if self._by_client.total() >= self._most:
            raise SttError("at_capacity", f"connection limit ({self._most}) reached; try again later")
        if self._most_per_client and self._by_client[client] >= self._most_per_client:
            raise SttError("at_capacity", f"{self._most_per_client} live connections are allowed at a time; close one")
        self._by_client[client] += 1
        try:
            yield
        finally:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
