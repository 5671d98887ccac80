"""Invitations to one conversation: credentials that a key makes for people without one. Pure; times are wall clock,
ms since 1970.

An invitation is a signed text (signed_text.py), worth what its key is worth when it is used. It lives for days, in
links; so unlike a token it may stand in no address but behind its `#`, which browsers keep to themselves.
"""

import msgspec

from stt_gateway.core.requests.signed_text import read_signed, write_signed
from stt_shared.contracts.errors import SttError

PREFIX = "stt1i."
DEFAULT_S = 24 * 3600
MIN_S = 60
MAX_S = 30 * 24 * 3600

# The page reads the short names too: web/js/ui/invitation.js.
_SHORT = {"key_id": "k", "conversation_id": "c", "speak": "w", "issued_ms": "i", "expires_ms": "e"}


class InvitationClaims(msgspec.Struct, frozen=True, rename=_SHORT):
    """What an invitation says. ``speak``: whether its holder may speak in the conversation, and not only read."""

    key_id: str
    conversation_id: str
    speak: bool
    issued_ms: int
    expires_ms: int


_decoder = msgspec.json.Decoder(InvitationClaims)


def is_invitation(text: str) -> bool:
    """Return whether a credential is written like an invitation."""
    return text.startswith(PREFIX)


def write_invitation(claims: InvitationClaims, secret: bytes) -> str:
    """Return the signed invitation."""
    return write_signed(PREFIX, claims, secret)


def read_invitation(text: str, secret: bytes, now_ms: float) -> InvitationClaims:
    """Return the claims of a valid invitation. Raises SttError unauthorized."""
    claims = read_signed(text, PREFIX, _decoder, secret, "invitation")
    if now_ms >= claims.expires_ms:
        raise expired_invitation()
    return claims


def expired_invitation() -> SttError:
    """Return the error for an invitation whose time is over."""
    return SttError("unauthorized", "the invitation has expired; ask for a new one")
