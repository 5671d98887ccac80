"""Where a credential may stand in a request or a WebSocket handshake. Pure.

Clients put it where their vendor's API wants it, and a browser can set no header of a WebSocket but its subprotocols.
"""

from collections.abc import Iterable, Iterator, Sequence

from stt_gateway.core.requests.access_token import is_token
from stt_gateway.core.requests.client_secret import credential_in
from stt_shared.contracts.errors import SttError

SCHEMES = ("bearer", "token")
"""Schemes of `Authorization`, and subprotocols that precede a credential."""
OPENAI_PREFIX = "openai-insecure-api-key."
TOKEN_PARAMETER = "access_token"  # noqa: S105 (a name)
KEY_PARAMETER = "api_key"
PARAMETERS = (TOKEN_PARAMETER, KEY_PARAMETER)
"""Parameters of a query that may be credentials."""


def credential_of(
    authorization: Sequence[str],
    x_api_key: Sequence[str],
    subprotocols: Sequence[str],
    query: Iterable[tuple[str, str]],
    *,
    keys_in_query: bool,
) -> str | None:
    """Return the credential of a request; None if it has none.

    ``authorization`` and ``x_api_key`` are the values of these headers; ``keys_in_query``: whether the query may carry
    a key and not only a token. Raises SttError unauthorized for two different ones, and for a key in the query.
    """
    found = {credential_in(text) for text in (*written_credentials(authorization, subprotocols), *x_api_key)}
    for name, value in query:
        if name in PARAMETERS:
            if not keys_in_query and not (name == TOKEN_PARAMETER and is_token(value)):
                raise SttError(
                    "unauthorized",
                    f"a key must not stand in the address ({name}), which is logged on the way; send it in a header,"
                    " or a token in access_token (API_KEY_IN_QUERY allows keys)",
                )
            found.add(value)
    found.discard("")
    if len(found) > 1:
        raise SttError("unauthorized", "the request has two different credentials; send one")
    return next(iter(found), None)


def written_credentials(authorization: Sequence[str], subprotocols: Sequence[str]) -> Iterator[str]:
    """Yield what stands in the header `Authorization` and in the subprotocols, client secrets as a whole."""
    yield from _from_authorization(authorization)
    yield from offered_credentials(subprotocols)


def offered_credentials(subprotocols: Sequence[str]) -> Iterator[str]:
    """Yield the subprotocols that are credentials, without the prefix of one that has a prefix."""
    for at, name in enumerate(subprotocols):
        if name.startswith(OPENAI_PREFIX):
            yield name.removeprefix(OPENAI_PREFIX)
        elif at and subprotocols[at - 1].lower() in SCHEMES and is_credential(name):
            yield name


def is_credential(text: str) -> bool:
    """Return whether a subprotocol after ``token`` or ``bearer`` is a credential, and not the name of a protocol."""
    return text.lower() not in (*SCHEMES, "stt", "realtime") and not text.startswith("query.")


def _from_authorization(values: Sequence[str]) -> Iterator[str]:
    for value in values:
        scheme, _, credential = value.strip().partition(" ")
        # Others, such as Basic, are for a proxy in front.
        if scheme.lower() in SCHEMES:
            yield credential.strip()
