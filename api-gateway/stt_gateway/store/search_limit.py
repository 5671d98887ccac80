"""Limits on searches, which compete with live sessions for the CPU: few at once, each for a short time."""

import contextlib
from collections.abc import Iterator

from stt_shared.contracts.errors import SttError

MAX_SEARCHES = 4
"""Searches of one gateway at once."""
MAX_SEARCHES_OF_CLIENT = 3
"""Searches of one client at once at one gateway; the last place is another's."""
SEARCH_S = 2.0
"""Longest time of one query; a search makes two."""


class SearchLimit:
    """Counter of the searches that are running."""

    def __init__(self) -> None:
        self._running = 0

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more search inside the context. Raises SttError at_capacity."""
        if self._running >= MAX_SEARCHES:
            raise SttError("at_capacity", f"{MAX_SEARCHES} searches may run at once; try again shortly")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
