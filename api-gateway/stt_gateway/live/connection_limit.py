"""How many live connections this gateway holds, in all and by client."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from stt_shared.contracts.errors import SttError


class Connections:
    """``most``: of this gateway; ``most_per_client``: of one network address, 0 for no limit of its own."""

    def __init__(self, most: int, most_per_client: int) -> None:
        self._most = most
        self._most_per_client = most_per_client
        self._by_client: Counter[str] = Counter()

    @contextlib.contextmanager
    def one_of(self, client: str) -> Iterator[None]:
        """One more, inside. Raises SttError at_capacity."""
        if self._by_client.total() >= self._most:
            raise SttError(
                "at_capacity", f"this gateway holds all {self._most} connections that it may; try again later"
            )
        if self._most_per_client and self._by_client[client] >= self._most_per_client:
            raise SttError("at_capacity", f"{self._most_per_client} live connections are allowed at a time; close one")
        self._by_client[client] += 1
        try:
            yield
        finally:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
