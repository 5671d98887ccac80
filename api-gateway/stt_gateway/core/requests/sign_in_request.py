"""Bodies of ``POST /v1/stt/sign-in``. Pure."""

from typing import Annotated

import msgspec

from stt_gateway.core.requests.key_request import parse_body
from stt_shared.contracts.errors import SttError

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
_SHAPE = '{"code": "…", "code_verifier": "…", "redirect_uri": "https://…", "nonce": "…"} or {"refresh_token": "…"}'


class CodeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code that the issuer gave the browser, and what proves that the same page had asked for it."""

    code: Text
    code_verifier: Text
    redirect_uri: Text
    nonce: Text


class RenewalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A refresh token."""

    refresh_token: Text


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    code: Text = ""
    code_verifier: Text = ""
    redirect_uri: Text = ""
    nonce: Text = ""
    refresh_token: Text = ""


def sign_in_request(body: bytes) -> CodeRequest | RenewalRequest:
    """Parse the body of a sign-in. Raises SttError bad_message and bad_config."""
    given = parse_body(body, _Body, _SHAPE)
    code = (given.code, given.code_verifier, given.redirect_uri, given.nonce)
    if given.refresh_token and not any(code):
        return RenewalRequest(given.refresh_token)
    if not given.refresh_token and all(code):
        return CodeRequest(*code)
    raise SttError("bad_config", f"the body must be like {_SHAPE}")
