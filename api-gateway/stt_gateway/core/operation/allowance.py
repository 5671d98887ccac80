"""What is left of the requests of a key. Pure; times are wall clock, ms since 1970."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from stt_shared.contracts.errors import SttError

MINUTE_S = 60
_DAY_S = 24 * 3600


def minute_of(now_ms: float) -> int:
    """Return the number of the minute in which ``now_ms`` is."""
    return int(now_ms // (MINUTE_S * 1000))


def used_up(quota: str, now_ms: float) -> SttError:
    """Return the error for a key that has nothing left of a quota of a day (UTC)."""
    message = f"the quota {quota} of this key is used up for today (UTC)"
    return SttError("quota_exceeded", message, retry_after_s=math.ceil(_DAY_S - now_ms / 1000 % _DAY_S))


@dataclass(frozen=True)
class Allowance:
    """Requests of a key in the current minute: at most ``limit``, of which ``used`` are used up.

    ``reset_s``: seconds until the next minute. ``is_refused``: the request at hand is one too many.
    """

    limit: int
    used: int
    reset_s: float
    is_refused: bool

    @classmethod
    def at(cls, now_ms: float, limit: int, used: int, *, is_refused: bool) -> "Allowance":
        """Return the allowance in the minute of ``now_ms``."""
        return cls(limit, used, MINUTE_S - now_ms / 1000 % MINUTE_S, is_refused)

    def check(self) -> None:
        """Raise SttError rate_limited if the request at hand is refused."""
        if self.is_refused:
            message = f"more than {self.limit} requests in a minute came with this key; try again later"
            raise SttError("rate_limited", message, retry_after_s=math.ceil(self.reset_s))

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that tell a client."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "X-RateLimit-Reset": str(math.ceil(self.reset_s)),
        }
