"""How long a tenant's transcripts are kept, as admins give it. Pure."""

import msgspec

from stt_gateway.core.requests.key_request import parse_body
from stt_gateway.core.requests.parameters import NotAllowed, quoted
from stt_shared.contracts.errors import SttError

MIN_DAYS, MAX_DAYS = 1.0, 36_500.0
"""Whatever Redis keeps of a tenant is gone after a day (docs/operations.md), so no retention can be shorter."""
DEFAULT = "default"
_RULE = f"{MIN_DAYS:g} to {MAX_DAYS:g} days, or 0 for ever"


class _Settings(msgspec.Struct, forbid_unknown_fields=True):
    retention_days: float | None


def checked_retention(days: float | None) -> float | None:
    """Return the days for which transcripts are kept: 0 for ever, None as the server's. Raises NotAllowed."""
    if days is not None and days != 0 and not MIN_DAYS <= days <= MAX_DAYS:
        raise NotAllowed(f"transcripts are kept for {_RULE}")
    return days


def retention_from(text: str) -> float | None:
    """Return days written as ``30``; None for ``default``. Raises NotAllowed."""
    try:
        return checked_retention(None if text == DEFAULT else float(text))
    except ValueError:
        raise NotAllowed(f"{quoted(text)} is not allowed; allowed are {_RULE}, and {DEFAULT}") from None


def retention_request(body: bytes, server_days: float) -> float | None:
    """Parse the body of a request for another retention, which must not be longer than the server's.

    Raises SttError bad_message or bad_config.
    """
    days = parse_body(body, _Settings, '{"retention_days": 30}').retention_days
    try:
        checked_retention(days)
    except NotAllowed as error:
        raise SttError("bad_config", str(error)) from None
    if server_days and days is not None and not 0 < days <= server_days:
        raise SttError("bad_config", f"this server keeps transcripts for {server_days:g} days at most")
    return days
