"""What is in a store, whichever version its tables have."""

from sqlalchemy import URL, Connection, exc, exists, inspect, select

from stt_gateway.store.engine import close_engine, is_sqlite, open_engine
from stt_gateway.store.schema import conversations, deleted, metadata, signing_secrets
from stt_gateway.store.versions import VERSION_TABLE

_MADE_BY_GATEWAYS = (conversations, deleted, signing_secrets)
"""Tables whose rows alone are not worth keeping."""


async def is_empty(url: URL) -> bool:
    """Return whether a store holds nothing of anybody. A file that cannot be read is not empty."""
    engine = open_engine(url, pool_size=1)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_is_empty)
    except exc.DatabaseError:
        if is_sqlite(url):
            return False
        raise
    finally:
        await close_engine(engine)


async def version_of(url: URL) -> str | None:
    """Return the version of the tables; None if there are none."""
    engine = open_engine(url, pool_size=1)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(read_version)
    finally:
        await close_engine(engine)


def read_version(connection: Connection) -> str | None:
    """Return the same, through a connection."""
    if VERSION_TABLE not in inspect(connection).get_table_names():
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608
    return None if found is None else str(found)


def _is_empty(connection: Connection) -> bool:
    there = set(inspect(connection).get_table_names())
    tables = [table for table in metadata.sorted_tables if table.name in there and table not in _MADE_BY_GATEWAYS]
    return not any(connection.scalar(select(exists(select(1).select_from(table)))) for table in tables)
