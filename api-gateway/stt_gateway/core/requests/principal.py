"""Who a client is, and what it may do. Pure."""

import enum
from collections.abc import Collection
from dataclasses import dataclass

from stt_gateway.core.requests.quotas import NO_QUOTAS, Quotas
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.makers import LOCAL_TENANT, Maker


class Scope(enum.StrEnum):
    """One right of a principal. No scope includes another."""

    STREAM = "stream"
    """Open live sessions."""
    JOBS = "jobs"
    """Post files, and see and cancel the jobs that the same key has posted."""
    READ = "read"
    """Read all transcripts, results and conversations of the tenant."""
    READ_OWN = "read:own"
    """Read those that the same key has made."""
    DELETE = "delete"
    """Rename and delete transcripts."""
    SPEAKERS = "speakers"
    """Enrol and manage known speakers."""
    ADMIN = "admin"
    """Manage the keys."""
    METRICS = "metrics"
    """Read the metrics of the whole suite."""


@dataclass(frozen=True)
class Reach:
    """What somebody may act on: all of a tenant, or only what one key of it has made (``key_id`` not None)."""

    tenant: str
    key_id: str | None = None

    def covers(self, maker: Maker) -> bool:
        """Return whether what ``maker`` has made is within reach."""
        return maker.tenant == self.tenant and self.key_id in (None, maker.key_id)


def reach_of(maker: Maker) -> Reach:
    """Return a reach that covers what this very maker has made."""
    return Reach(maker.tenant, maker.key_id)


class SignInExpired(SttError):
    """What somebody has open ends, since nothing newer of them was seen; a session waits for them to sign in again."""

    def __init__(self) -> None:
        super().__init__("unauthorized", "the sign-in has expired; sign in again")


@dataclass(frozen=True)
class Invited:
    """What an invitation opens: one conversation, until ``expires_ms`` (wall clock, ms since 1970)."""

    conversation_id: str
    expires_ms: int


@dataclass(frozen=True)
class Principal:
    """Who makes a request.

    ``tenant``: whom everything belongs to that the principal makes. ``key_id``: public part of its key, '' without one.
    ``name``: the key's name, for people. ``by_token``: it has only an access token that the key has made. ``invited``:
    it has only an invitation that the key has made; the scopes then count for that conversation alone.
    ``quotas``: the key's own; nothing is counted without a key.
    """

    tenant: str
    key_id: str
    name: str
    scopes: frozenset[Scope]
    by_token: bool = False
    invited: Invited | None = None
    quotas: Quotas = NO_QUOTAS

    @property
    def maker(self) -> Maker:
        """Whose everything is that the principal makes."""
        return Maker(self.tenant, self.key_id)

    @property
    def reach(self) -> Reach:
        """What the scopes count for: everything of the tenant with the scope READ, else only what the key has made."""
        return Reach(self.tenant, None if Scope.READ in self.scopes else self.key_id)


LOCAL = Principal(LOCAL_TENANT, "", "local", frozenset(Scope))
"""Everybody while there are no keys (AUTH=off)."""


def check_scopes(principal: Principal, alternatives: Collection[Scope]) -> None:
    """Raise SttError forbidden unless the principal has one of the scopes."""
    if principal.scopes.isdisjoint(alternatives):
        wanted = " or ".join(scope.value for scope in alternatives)
        raise SttError("forbidden", f"this needs the scope {wanted}, which the credential does not have")


def check_invited(principal: Principal, conversation_id: str | None) -> None:
    """Raise SttError forbidden for somebody who is invited to another conversation than this (None: to none)."""
    if principal.invited is not None and principal.invited.conversation_id != conversation_id:
        raise only_one_conversation()


def only_one_conversation() -> SttError:
    """Return the error for an invitation that is used for something else than its conversation."""
    return SttError("forbidden", "an invitation opens one conversation and nothing else")
