"""Choice of the session that gives its place to a newcomer when all places are taken. Pure.

Sessions are only ended for somebody else when their place is hardly used, or when one client has taken more than its
share, so that one address cannot keep everybody out. As long as places are free, an address may hold any number.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

QUIET_MS = 60_000.0
"""Time without audio after which a session gives its place to a newcomer."""
FAIR_SHARE = 1 / 3
"""Share of all places that a client keeps however many others wait."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class HeldPlace:
    """A place that a session holds. ``client``: its network address. Times are monotonic."""

    client: str
    opened_ms: float
    audio_ms: float
    """When audio came last."""


def displaced(held: Mapping[K, HeldPlace], newcomer: str, places: int, now_ms: float) -> K | None:
    """Return the session that gives its place to a client with the address ``newcomer``; None if none should.

    ``places``: all places of the suite, taken and free.
    """
    counts = Counter(place.client for place in held.values())
    quiet = [key for key, place in held.items() if now_ms - place.audio_ms >= QUIET_MS]
    if quiet:
        return max(quiet, key=lambda key: (counts[held[key].client], now_ms - held[key].audio_ms))
    if not counts:
        return None
    holder, count = counts.most_common(1)[0]
    if count <= FAIR_SHARE * places or count <= counts[newcomer] + 1:
        return None
    return max((key for key in held if held[key].client == holder), key=lambda key: held[key].opened_ms)
