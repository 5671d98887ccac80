"""Commands that manage tenants in the database itself, for whoever may read it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import URL

from stt_gateway.core.requests.parameters import NotAllowed
from stt_gateway.core.requests.retention import DEFAULT, retention_from
from stt_gateway.keys.commands import KeyCommandError, aligned, finished
from stt_gateway.store.migrating import migrate
from stt_gateway.store.retention import Retentions, TenantRetention
from stt_gateway.store.tenant_deletions import TenantDeletions
from stt_shared.contracts.makers import LOCAL_TENANT
from stt_shared.process.clock import wall_ms

_COLUMNS = ("tenant", "transcripts kept")

T = TypeVar("T")


def tenants_table(url: URL) -> list[str]:
    """Return the tenants that have keys or settings as lines of a table, with a heading."""
    return aligned([_COLUMNS, *((one.tenant, _kept(one)) for one in _tenants_of(url))])


def tenant_views(url: URL) -> dict[str, Any]:
    """Return what ``tenants_table`` does, for programs; ``retention_days`` null: as the server's setting says."""
    return {"tenants": [{"name": one.tenant, "retention_days": one.days} for one in _tenants_of(url)]}


def set_retention(url: URL, tenant: str, days: str) -> None:
    """Set for how many days a tenant's transcripts are kept: 0 for ever, ``default`` as the server's setting says."""
    try:
        wanted = retention_from(days)
    except NotAllowed as error:
        raise KeyCommandError(str(error), is_usage=True) from None
    if not _with_retentions(url, lambda retentions: retentions.set(tenant, wanted)):
        raise KeyCommandError(f"there is no tenant {tenant}")


def delete_tenant(url: URL, tenant: str) -> None:
    """Revoke all keys of a tenant and have the gateways delete the rest of it; may be repeated."""
    if tenant == LOCAL_TENANT:
        raise KeyCommandError(f"the tenant {LOCAL_TENANT} has what is made without keys, and is always there")

    async def begin() -> bool:
        await migrate(url)
        deletions = TenantDeletions(url)
        try:
            return await deletions.begin(tenant, wall_ms()) is not None
        finally:
            await deletions.close()

    if not finished(begin()):
        raise KeyCommandError(f"there is no tenant {tenant}")


def _tenants_of(url: URL) -> Sequence[TenantRetention]:
    return _with_retentions(url, lambda retentions: retentions.all())


def _with_retentions(url: URL, work: Callable[[Retentions], Awaitable[T]]) -> T:
    async def with_store() -> T:
        await migrate(url)
        retentions = Retentions(url)
        try:
            return await work(retentions)
        finally:
            await retentions.close()

    return finished(with_store())


def _kept(one: TenantRetention) -> str:
    if one.days is None:
        return DEFAULT
    return f"{one.days:g} days" if one.days else "for ever"
