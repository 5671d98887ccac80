"""Who a client is, and what it may do. Pure."""

import enum
from collections.abc import Collection
from dataclasses import dataclass

from stt_shared.contracts.errors import SttError


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


LOCAL_TENANT = "local"
"""Tenant of everybody while there are no keys, and of whatever was made then."""


@dataclass(frozen=True)
class Principal:
    """Who makes a request.

    ``tenant``: whom everything belongs to that the principal makes. ``key_id``: public part of its key, '' without one.
    ``name``: the key's name, for people. ``by_token``: it has only an access token that the key has made.
    """

    tenant: str
    key_id: str
    name: str
    scopes: frozenset[Scope]
    by_token: bool = False

    def may_read(self, tenant: str, key_id: str) -> bool:
        """Return whether the principal may read what a key of a tenant has made."""
        if tenant != self.tenant:
            return False
        return Scope.READ in self.scopes or (key_id == self.key_id and not self.scopes.isdisjoint(_READ_OWN))


_READ_OWN = frozenset({Scope.READ_OWN, Scope.JOBS})

LOCAL = Principal(LOCAL_TENANT, "", "local", frozenset(Scope))
"""Everybody while there are no keys (AUTH=off)."""


def check_scopes(principal: Principal, alternatives: Collection[Scope]) -> None:
    """Raise SttError forbidden unless the principal has one of the scopes."""
    if principal.scopes.isdisjoint(alternatives):
        wanted = " or ".join(scope.value for scope in alternatives)
        raise SttError("forbidden", f"this needs the scope {wanted}, which the credential does not have")
