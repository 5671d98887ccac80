"""Deletion of tenants in the database: what has begun, what is left to do, and the rows.

A row of the table ``deleted`` says that a tenant was deleted (TENANT), and another one that something of it may be left
(LEFT). Whatever dies in between, a gateway finds the second one and goes on.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import URL, ColumnElement, Select, Table, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.engine import close_engine, is_sqlite, open_engine, read_transaction, write_transaction
from stt_gateway.store.failures import as_stt_error
from stt_gateway.store.postgres_search import PostgresSearch
from stt_gateway.store.schema import api_keys, conversations, deleted, metadata, utterances
from stt_gateway.store.search_index import SearchIndex
from stt_gateway.store.sqlite_search import SqliteSearch

TENANT = "tenant"
LEFT = "tenant left"
_AT_ONCE = 200
_BEGUN = [deleted.c.kind.in_((TENANT, LEFT))]
_OWNED = [table for table in reversed(metadata.sorted_tables) if "tenant" in table.c and table is not deleted]
"""Tables with rows of tenants, each before those that it refers to."""
_OF_KEYS = [table for table in metadata.sorted_tables if "key_id" in table.c and "tenant" not in table.c]
"""Tables whose rows are a tenant's because they are one of its keys'."""


class TenantDeletions:
    """Deletions on a SQL database; the tables must exist (see ``migrate``).

    Every call raises SttError ``unavailable`` while the database is locked, full or gone.
    """

    def __init__(self, url: URL) -> None:
        self._engine = open_engine(url, pool_size=2)
        self._is_sqlite = is_sqlite(url)
        self._index: SearchIndex = SqliteSearch() if self._is_sqlite else PostgresSearch()

    async def begin(self, tenant: str, now_ms: float) -> list[str] | None:
        """Revoke all keys of a tenant and note that it is to be deleted; may be repeated.

        Returns the ids of its keys; None if there is nothing of such a tenant.
        """
        async with write_transaction(self._engine) as connection:
            if not await is_known(connection, tenant):
                return None
            for kind in (TENANT, LEFT):
                new = sqlite.insert(deleted) if self._is_sqlite else postgresql.insert(deleted)
                row = {"tenant": tenant, "kind": kind, "id": "", "deleted_ms": int(now_ms)}
                moved = {"deleted_ms": new.excluded["deleted_ms"]}
                await connection.execute(
                    new.values(row).on_conflict_do_update(index_elements=["tenant", "kind", "id"], set_=moved)
                )
            theirs = api_keys.c.tenant == tenant
            ids = list((await connection.execute(select(api_keys.c.id).where(theirs))).scalars())
            valid = api_keys.c.revoked_ms.is_(None)
            await connection.execute(update(api_keys).where(theirs, valid).values(revoked_ms=int(now_ms)))
        return ids

    async def left(self) -> dict[str, int]:
        """Return the tenants of which something may be left, and when each was deleted."""
        async with read_transaction(self._engine) as connection:
            rows = await connection.execute(
                select(deleted.c.tenant, deleted.c.deleted_ms).where(deleted.c.kind == LEFT)
            )
            return {row.tenant: row.deleted_ms for row in rows}

    async def conversations_of(self, tenant: str) -> list[str]:
        """Return the ids of a tenant's conversations."""
        async with read_transaction(self._engine) as connection:
            query = select(conversations.c.id).where(conversations.c.tenant == tenant)
            return list((await connection.execute(query)).scalars())

    async def delete_rows(self, tenant: str) -> int:
        """Delete all rows of a tenant, and their traces in the database's files; return how many there were."""
        keys = select(api_keys.c.id).where(api_keys.c.tenant == tenant)
        removed = 0
        for table in _OF_KEYS:
            removed += await self._delete_all(table, [table.c.key_id.in_(keys)])
        for table in _OWNED:
            removed += await self._delete_all(table, [table.c.tenant == tenant, *_not_in_use(table)])
        async with write_transaction(self._engine) as connection:
            gone = await connection.execute(
                delete(deleted).where(deleted.c.tenant == tenant, deleted.c.kind.not_in((TENANT, LEFT)))
            )
        removed += gone.rowcount
        if removed:
            with as_stt_error():
                await self._index.scrub(self._engine)
        return removed

    async def finish(self, tenant: str) -> None:
        """Note that nothing of the tenant is left."""
        async with write_transaction(self._engine) as connection:
            await connection.execute(delete(deleted).where(deleted.c.tenant == tenant, deleted.c.kind == LEFT))

    async def close(self) -> None:
        """Close all connections."""
        await close_engine(self._engine)

    async def _delete_all(self, table: Table, which: Sequence[ColumnElement[bool]]) -> int:
        """Delete rows in batches, so that other writers wait for one batch at most."""
        part = next((column for column in table.primary_key if column.name != "tenant"), None)
        part = table.c.tenant if part is None else part
        some = select(part).where(*which).distinct().limit(_AT_ONCE)
        removed = 0
        while True:
            async with write_transaction(self._engine) as connection:
                parts = list((await connection.execute(some)).scalars())
                if not parts:
                    return removed
                removed += (await connection.execute(delete(table).where(*which, part.in_(parts)))).rowcount


def deleted_tenants() -> Select[tuple[str]]:
    """Return the query for the tenants that were deleted lately; something may be left of them."""
    return select(deleted.c.tenant).where(*_BEGUN)


async def is_deleted(connection: AsyncConnection, tenant: str) -> bool:
    """Return whether a tenant was deleted lately, so that its name is not free."""
    query = select(func.count()).where(deleted.c.tenant == tenant, *_BEGUN)
    return bool(await connection.scalar(query))


async def is_known(connection: AsyncConnection, tenant: str) -> bool:
    """Return whether there is anything of a tenant, or was lately."""
    for table in (*_OWNED, deleted):
        if await connection.scalar(select(exists().where(table.c.tenant == tenant))):
            return True
    return False


def _not_in_use(table: Table) -> list[Any]:
    """Return what else a row must meet: one that others still refer to stays until the next time."""
    if table is not conversations:
        return []
    said = utterances.c.tenant == conversations.c.tenant, utterances.c.conversation_id == conversations.c.id
    return [~exists().where(*said)]
