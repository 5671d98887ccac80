"""Retention of each tenant: its own, or the server's. Whatever is stored has a time at which it expires.

A changed retention is noted first, so that it counts for all that is stored from then on. ``apply`` then gives what is
stored already its new time, and goes on where it was if a gateway dies meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, ColumnElement, Table, and_, func, select, union, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.engine import close_engine, is_sqlite, open_engine, read_transaction, write_transaction
from stt_gateway.store.schema import (
    api_keys,
    tenant_settings,
    transcripts,
    unrecognized,
    utterance_speakers,
    utterances,
)
from stt_gateway.store.tenant_deletions import is_deleted, is_known
from stt_shared.contracts.makers import LOCAL_TENANT
from stt_shared.process.clock import wall_ms

DAY_MS = 24 * 3600 * 1000
_AT_ONCE = 200


@dataclass(frozen=True)
class TenantRetention:
    """Days for which what belongs to a tenant is kept: 0 for ever, None as the server's setting says."""

    tenant: str
    days: float | None


def expiry(now_ms: float, days: float) -> int | None:
    """Return when what is stored now expires; None for never."""
    return round(now_ms + days * DAY_MS) if days else None


async def own_expiry(connection: AsyncConnection, tenant: str, default_ms: int | None) -> int | None:
    """Return when what is stored now for a tenant expires. ``default_ms``: without a retention of its own."""
    (expires_ms,) = await own_expiries(connection, tenant, [default_ms])
    return expires_ms


async def own_expiries(
    connection: AsyncConnection, tenant: str, defaults_ms: Sequence[int | None]
) -> Sequence[int | None]:
    """Return the same for several things, each with a default of its own."""
    query = select(tenant_settings.c.retention_days).where(tenant_settings.c.tenant == tenant)
    days: float | None = await connection.scalar(query)
    return defaults_ms if days is None else [expiry(wall_ms(), days)] * len(defaults_ms)


class Retentions:
    """Retention of all tenants on a SQL database; the tables must exist (see ``migrate``).

    Every call raises SttError ``unavailable`` while the database is locked, full or gone.
    """

    def __init__(self, url: URL) -> None:
        self._engine = open_engine(url, pool_size=1)
        self._is_sqlite = is_sqlite(url)

    async def all(self) -> list[TenantRetention]:
        """Return the tenants that have keys, a retention of their own, or are the local one."""
        query = union(select(api_keys.c.tenant), select(tenant_settings.c.tenant))
        async with read_transaction(self._engine) as connection:
            names = {LOCAL_TENANT, *(await connection.execute(query)).scalars()}
            rows = await connection.execute(select(tenant_settings.c.tenant, tenant_settings.c.retention_days))
            own = {row.tenant: row.retention_days for row in rows}
        return [TenantRetention(name, own.get(name)) for name in sorted(names)]

    async def of(self, tenant: str) -> TenantRetention:
        """Return the retention of one tenant."""
        query = select(tenant_settings.c.retention_days).where(tenant_settings.c.tenant == tenant)
        async with read_transaction(self._engine) as connection:
            return TenantRetention(tenant, await connection.scalar(query))

    async def set(self, tenant: str, days: float | None) -> bool:
        """Give a tenant a retention of its own, or none (None); return False if there is no such tenant."""
        new = sqlite.insert(tenant_settings) if self._is_sqlite else postgresql.insert(tenant_settings)
        row = {"tenant": tenant, "retention_days": days, "is_applied": False}
        changed = {name: new.excluded[name] for name in ("retention_days", "is_applied")}
        async with write_transaction(self._engine) as connection:
            is_there = await is_known(connection, tenant) and not await is_deleted(connection, tenant)
            if not is_there and tenant != LOCAL_TENANT:
                return False
            await connection.execute(new.values(row).on_conflict_do_update(index_elements=["tenant"], set_=changed))
        return True

    async def apply(self, default_days: float) -> None:
        """Give what is stored of tenants whose retention has changed its new time. May be repeated."""
        changed = select(tenant_settings.c.tenant, tenant_settings.c.retention_days)
        async with read_transaction(self._engine) as connection:
            rows = (await connection.execute(changed.where(tenant_settings.c.is_applied.is_(False)))).all()
        for row in rows:
            days = default_days if row.retention_days is None else row.retention_days
            await self._date_transcripts(row.tenant, days)
            for table in (utterances, unrecognized, utterance_speakers):
                await self._date_sessions(table, row.tenant, days)
            same = tenant_settings.c.retention_days.is_not_distinct_from(row.retention_days)
            async with write_transaction(self._engine) as connection:
                # Another change meanwhile is applied the next time.
                await connection.execute(
                    update(tenant_settings).where(tenant_settings.c.tenant == row.tenant, same).values(is_applied=True)
                )

    async def close(self) -> None:
        """Close all connections."""
        await close_engine(self._engine)

    async def _date_transcripts(self, tenant: str, days: float) -> None:
        await self._date(transcripts, transcripts.c.place, tenant, transcripts.c.created_ms, days)

    async def _date_sessions(self, table: Table, tenant: str, days: float) -> None:
        if table is utterances:
            said: ColumnElement[Any] = utterances.c.ended_ms
        else:
            # These have no time of day of their own, but that of their session.
            spoken = utterances.alias()
            of_session = and_(spoken.c.tenant == table.c.tenant, spoken.c.session_id == table.c.session_id)
            newest = select(func.max(spoken.c.ended_ms)).where(of_session).scalar_subquery()
            said = func.coalesce(newest, int(wall_ms()))
        await self._date(table, table.c.session_id, tenant, said, days)

    async def _date(self, table: Table, part: ColumnElement[Any], tenant: str, made_ms: Any, days: float) -> None:
        """Date rows in batches by ``part``, so that other writers wait for one batch at most."""
        expires_ms = made_ms + round(days * DAY_MS) if days else None
        theirs = table.c.tenant == tenant
        some = select(part).where(theirs).distinct().order_by(part).limit(_AT_ONCE)
        last = None
        while True:
            async with write_transaction(self._engine) as connection:
                following = some if last is None else some.where(part > last)
                parts = list((await connection.execute(following)).scalars())
                if not parts:
                    return
                await connection.execute(update(table).where(theirs, part.in_(parts)).values(expires_ms=expires_ms))
            last = parts[-1]
