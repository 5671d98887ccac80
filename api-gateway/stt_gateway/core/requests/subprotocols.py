"""Subprotocols that WebSocket clients offer: which one is answered, and the parameters that one of them may carry.

A browser can set no header of a handshake but this one, so credentials for a proxy in front travel in it, and it closes
a connection on which none of its offers is answered.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

from stt_gateway.core.requests.credential import OPENAI_PREFIX
from stt_shared.contracts.errors import SttError

OWN = "stt"
_QUERY = "query."
_PREFERRED = (OWN, "token", "bearer", "realtime")
"""Names that clients offer next to a credential, or to this suite alone."""
_WORDS = re.compile(r"[a-z]{1,16}([-._+][a-z]{1,16}|[-._+]?v?[0-9]{1,4}){0,4}", re.IGNORECASE)
"""What a name of a protocol looks like, and a credential does not: short words and a version."""


def answered(offered: Sequence[str]) -> str | None:
    """Return the offer to accept; None if there is none but credentials and parameters, which are never repeated."""
    # What follows `token` or `bearer` may look like a name, but these are preferred to it.
    names = [name for name in offered if _WORDS.fullmatch(name) and not name.startswith((_QUERY, OPENAI_PREFIX))]
    return min(names, key=_rank, default=None)


def offered_query(offered: Sequence[str]) -> list[tuple[str, str]]:
    """Return the parameters in an offer ``query.`` and the base64url form of a query string. Raises SttError."""
    pairs = []
    for name in offered:
        if name.startswith(_QUERY):
            encoded = name.removeprefix(_QUERY).rstrip("=")
            try:
                query = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
            except (binascii.Error, ValueError):
                raise SttError(
                    "bad_config", f"the subprotocol {_QUERY}… must end with a query string in base64url, in UTF-8"
                ) from None
            pairs += parse_qsl(query, keep_blank_values=True)
    return pairs


def _rank(name: str) -> int:
    """Return the place among _PREFERRED; others come after these, in the order in which they are offered."""
    lower = name.lower()
    return _PREFERRED.index(lower) if lower in _PREFERRED else len(_PREFERRED)
