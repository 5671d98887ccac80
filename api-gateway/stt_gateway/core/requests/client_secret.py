"""Client secrets of OpenAI's Realtime API: an access token together with the session that it was made for. Pure.

    ek_<the session: base64url of JSON>.<access token>

The session is neither secret nor signed: who may open one session may open any other.
"""

import base64
import binascii
from collections.abc import Iterable

from stt_shared.contracts.errors import SttError

PREFIX = "ek_"
MAX_SESSION_BYTES = 4000


def write_client_secret(session: bytes, token: str) -> str:
    """Return the secret. ``session``: JSON. Raises SttError bad_config for more than MAX_SESSION_BYTES."""
    if len(session) > MAX_SESSION_BYTES:
        message = f"the session has {len(session)} bytes; {MAX_SESSION_BYTES} are allowed in a client secret"
        raise SttError("bad_config", message, param="session")
    return f"{PREFIX}{base64.urlsafe_b64encode(session).decode().rstrip('=')}.{token}"


def credential_in(text: str) -> str:
    """Return the access token of a client secret, and any other credential as it is."""
    return text.partition(".")[2] if text.startswith(PREFIX) else text


def session_in(texts: Iterable[str]) -> bytes | None:
    """Return the JSON of the session in the first client secret among ``texts``; None if there is none."""
    for text in texts:
        encoded, dot, _ = text.removeprefix(PREFIX).partition(".")
        if text.startswith(PREFIX) and dot:
            try:
                return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            except binascii.Error:
                return None
    return None
