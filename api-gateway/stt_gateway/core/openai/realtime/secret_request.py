"""Request for a client secret, in the present form and that of the beta."""

from dataclasses import dataclass

import msgspec

from stt_gateway.core.openai.realtime.session import RealtimeSession
from stt_gateway.core.openai.realtime.update import SessionUpdate
from stt_gateway.core.requests.access_token import MAX_S
from stt_shared.contracts.errors import SttError

DEFAULT_S, LEAST_S = 600.0, 10.0


class _Expiry(msgspec.Struct, frozen=True):
    seconds: float | None = None


class _Secret(msgspec.Struct, frozen=True):
    session: msgspec.Raw = msgspec.Raw(b"{}")
    expires_after: _Expiry | None = None


class _BetaSecret(msgspec.Struct, frozen=True):
    expires_at: _Expiry | None = None


class _BetaSession(msgspec.Struct, frozen=True):
    client_secret: _BetaSecret | None = None


@dataclass(frozen=True)
class SecretRequest:
    """A secret that somebody wants for a session, which is ``session``, and ``described`` as JSON."""

    session: RealtimeSession
    described: bytes
    expires_s: float


def secret_request(body: bytes, *, is_beta: bool) -> SecretRequest:
    """Parse the body, which may be empty. Raises SttError bad_message or bad_config."""
    body = body or b"{}"
    try:
        if is_beta:
            secret = msgspec.json.decode(body, type=_BetaSession).client_secret
            described, expiry = body, secret.expires_at if secret else None
        else:
            given = msgspec.json.decode(body, type=_Secret)
            described, expiry = bytes(given.session), given.expires_after
        session = described_session(described)
        # Without white space, and what is not known.
        described = msgspec.json.encode(msgspec.json.decode(described, type=SessionUpdate))
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$.")
        raise SttError("bad_config", what, param=path.rstrip("`")) from None
    except msgspec.DecodeError:
        raise SttError("bad_message", "the body is no JSON") from None
    seconds = expiry.seconds if expiry and expiry.seconds is not None else DEFAULT_S
    return SecretRequest(session, described, min(max(seconds, LEAST_S), MAX_S))


def described_session(described: bytes) -> RealtimeSession:
    """Return the session that JSON describes. Raises msgspec.DecodeError."""
    return RealtimeSession().updated(msgspec.json.decode(described, type=SessionUpdate))
