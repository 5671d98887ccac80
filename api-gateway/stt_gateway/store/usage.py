"""Stored usage of keys by day, in the database of the transcripts."""

from collections.abc import Sequence

from sqlalchemy import URL, and_, func, select
from sqlalchemy.dialects import postgresql, sqlite

from stt_gateway.core.requests.usage import COUNTS, Usage
from stt_gateway.store.engine import close_engine, is_sqlite, open_engine, read_transaction, write_transaction
from stt_gateway.store.schema import api_keys, key_usage, transcripts
from stt_gateway.store.tenant_deletions import deleted_tenants


class UsageStore:
    """Usage on a SQL database; the tables must exist (see ``migrate``).

    Every call raises SttError ``unavailable`` while the database is locked, full or gone.
    """

    def __init__(self, url: URL) -> None:
        self._engine = open_engine(url, pool_size=1)
        self._is_sqlite = is_sqlite(url)

    async def record(self, counted: Sequence[tuple[Usage, str]]) -> None:
        """Record what was counted, with the epoch of its counters. May be repeated, and come in any order.

        Counters of one epoch only rise, so the higher number is the newer one. What a key has used that is deleted, or
        whose tenant is, is not recorded.
        """
        higher = func.max if self._is_sqlite else func.greatest
        known = select(api_keys.c.id).where(
            api_keys.c.id.in_({usage.key_id for usage, _ in counted}), api_keys.c.tenant.not_in(deleted_tenants())
        )
        async with write_transaction(self._engine) as connection:
            ids = set((await connection.execute(known)).scalars())
            for usage, epoch in counted:
                if usage.key_id not in ids:
                    continue
                new = sqlite.insert(key_usage) if self._is_sqlite else postgresql.insert(key_usage)
                counts = {name: getattr(usage, name) for name in COUNTS}
                row = {"key_id": usage.key_id, "day": usage.day, "epoch": epoch, **counts}
                await connection.execute(
                    new.values(row).on_conflict_do_update(
                        index_elements=["key_id", "day", "epoch"],
                        set_={name: higher(key_usage.c[name], new.excluded[name]) for name in COUNTS},
                    )
                )

    async def stored(self, tenant: str | None, key_id: str | None) -> list[tuple[str, str, int]]:
        """Return id, name and number of stored transcripts of each of a tenant's keys (as in ``of``) that has some."""
        count = func.count(transcripts.c.place)
        query = select(api_keys.c.id, api_keys.c.name, count).join(
            transcripts, and_(transcripts.c.tenant == api_keys.c.tenant, transcripts.c.key_id == api_keys.c.id)
        )
        if tenant is not None:
            query = query.where(api_keys.c.tenant == tenant)
        if key_id is not None:
            query = query.where(api_keys.c.id == key_id)
        query = query.group_by(api_keys.c.id, api_keys.c.name).order_by(count.desc(), api_keys.c.id)
        async with read_transaction(self._engine) as connection:
            return [(row[0], row[1], row[2]) for row in await connection.execute(query)]

    async def of(self, tenant: str | None, key_id: str | None, first: str, last: str) -> list[Usage]:
        """Return the usage of a tenant's keys (None: of all; ``key_id``: of this one) on these days, newest first."""
        columns = [api_keys.c.name, key_usage.c.key_id, key_usage.c.day]
        query = (
            select(*columns, *(func.sum(key_usage.c[name]).label(name) for name in COUNTS))
            .join(api_keys, api_keys.c.id == key_usage.c.key_id)
            .where(key_usage.c.day >= first, key_usage.c.day <= last)
            .group_by(*columns)
            .order_by(key_usage.c.day.desc(), key_usage.c.key_id)
        )
        if tenant is not None:
            query = query.where(api_keys.c.tenant == tenant)
        if key_id is not None:
            query = query.where(key_usage.c.key_id == key_id)
        async with read_transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [
            Usage(row.key_id, row.day, row.name, **{name: int(getattr(row, name)) for name in COUNTS}) for row in rows
        ]

    async def close(self) -> None:
        """Close all connections."""
        await close_engine(self._engine)
