"""Stored API keys, in the database of the transcripts."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import URL, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.core.requests.api_key import PERSON, ApiKey
from stt_gateway.core.requests.key_request import sorted_scopes
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.quotas import known_quotas
from stt_gateway.store.engine import close_engine, is_sqlite, open_engine, read_transaction, write_transaction
from stt_gateway.store.schema import api_keys, signing_secrets
from stt_gateway.store.tenant_deletions import is_deleted
from stt_shared.contracts.errors import SttError

TOKENS = "tokens"
"""Name of the secret with which access tokens are signed."""


class KeyStore:
    """Keys on a SQL database; the tables must exist (see ``migrate``).

    Every call raises SttError ``unavailable`` while the database is locked, full or gone.
    """

    def __init__(self, url: URL) -> None:
        self._engine = open_engine(url, pool_size=2)
        self._is_sqlite = is_sqlite(url)

    async def add(self, key: ApiKey) -> None:
        """Store a new key. Raises SttError conflict if its tenant was deleted lately."""
        async with write_transaction(self._engine) as connection:
            await _check_tenant(connection, key.tenant)
            await connection.execute(insert(api_keys).values(_row(key)))

    async def keep_person(self, account: ApiKey) -> ApiKey:
        """Store the account of a person, or what a newer JWT says of one that is stored; return what is stored then.

        Raises SttError conflict as ``add`` does.
        """
        row = _row(account)
        new = sqlite.insert(api_keys) if self._is_sqlite else postgresql.insert(api_keys)
        newer = {name: row[name] for name in ("name", "scopes", "expires_ms")}
        async with write_transaction(self._engine) as connection:
            await _check_tenant(connection, account.tenant)
            await connection.execute(
                new.values(row).on_conflict_do_update(
                    index_elements=["id"], set_=newer, where=api_keys.c.expires_ms < account.expires_ms
                )
            )
            found = (await connection.execute(select(api_keys).where(api_keys.c.id == account.id))).one()
        return _key(found._mapping)

    async def get(self, id: str) -> ApiKey | None:
        """Return a key, or None."""
        return next(iter(await self.get_all([id])), None)

    async def get_all(self, ids: Collection[str]) -> list[ApiKey]:
        """Return those of these keys that exist."""
        return await self._select(api_keys.c.id.in_(ids))

    async def all_of(self, tenant: str | None) -> list[ApiKey]:
        """Return all keys of a tenant (None: of all), oldest first."""
        return await self._select(*([] if tenant is None else [api_keys.c.tenant == tenant]))

    async def revoke(self, id: str, tenant: str | None, now_ms: float) -> bool:
        """Revoke a key; a revoked one keeps its time. Return False if the tenant (None: anybody) has no such key."""
        async with write_transaction(self._engine) as connection:
            theirs = _of(id, tenant)
            found = (await connection.execute(select(api_keys.c.id).where(*theirs))).first() is not None
            await connection.execute(
                update(api_keys).where(*theirs, api_keys.c.revoked_ms.is_(None)).values(revoked_ms=int(now_ms))
            )
        return found

    async def rotate(self, id: str, tenant: str | None, digest: str, now_ms: float, overlap_ms: float) -> ApiKey | None:
        """Give a key another secret; the one before is accepted for ``overlap_ms``.

        Return None if the tenant (None: anybody) has no such key, or it is revoked.
        """
        new = {
            "digest": digest,
            "previous_digest": api_keys.c.digest,
            "previous_until_ms": int(now_ms + overlap_ms),
            "secret_ms": int(now_ms),
        }
        # The account of a person has no secret, and gets none.
        is_key = api_keys.c.digest.not_like(f"{PERSON}%")
        theirs = [*_of(id, tenant), api_keys.c.revoked_ms.is_(None), is_key]
        async with write_transaction(self._engine) as connection:
            row = (await connection.execute(update(api_keys).where(*theirs).values(new).returning(*api_keys.c))).first()
        return None if row is None else _key(row._mapping)

    async def record_use(self, used_ms: Mapping[str, int]) -> None:
        """Record when keys were last used."""
        async with write_transaction(self._engine) as connection:
            for id, at_ms in used_ms.items():
                await connection.execute(update(api_keys).where(api_keys.c.id == id).values(last_used_ms=at_ms))

    async def signing_secret(self, proposed: str) -> bytes:
        """Return the secret of tokens: ``proposed`` (hexadecimal) if there is none yet."""
        async with read_transaction(self._engine) as connection:
            query = select(signing_secrets.c.secret).where(signing_secrets.c.name == TOKENS)
            known = await connection.scalar(query)
        if known is None:
            async with write_transaction(self._engine) as connection:
                new = sqlite.insert(signing_secrets) if self._is_sqlite else postgresql.insert(signing_secrets)
                await connection.execute(new.values(name=TOKENS, secret=proposed).on_conflict_do_nothing())
                known = await connection.scalar(query)
        return bytes.fromhex(str(known))

    async def close(self) -> None:
        """Close all connections."""
        await close_engine(self._engine)

    async def _select(self, *conditions: Any) -> list[ApiKey]:
        async with read_transaction(self._engine) as connection:
            query = select(api_keys).where(*conditions).order_by(api_keys.c.created_ms, api_keys.c.id)
            return [_key(row._mapping) for row in await connection.execute(query)]


async def _check_tenant(connection: AsyncConnection, tenant: str) -> None:
    if await is_deleted(connection, tenant):
        raise SttError("conflict", f"the tenant {tenant} was deleted; its name is free again a week later")


def _of(id: str, tenant: str | None) -> list[Any]:
    return [api_keys.c.id == id, *([] if tenant is None else [api_keys.c.tenant == tenant])]


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "digest": key.digest,
        "scopes": ",".join(sorted_scopes(key.scopes)),
        "quotas": msgspec.json.encode(key.quotas.given).decode(),
        "created_ms": key.created_ms,
        "secret_ms": key.secret_ms,
        "expires_ms": key.expires_ms,
        "revoked_ms": key.revoked_ms,
        "last_used_ms": key.last_used_ms,
        "previous_digest": key.previous_digest,
        "previous_until_ms": key.previous_until_ms,
    }


def _key(row: Mapping[Any, Any]) -> ApiKey:
    known = set(Scope)
    return ApiKey(
        **{
            **row,
            # A scope of another version gives no right in this one.
            "scopes": frozenset(Scope(name) for name in row["scopes"].split(",") if name in known),
            "quotas": known_quotas(msgspec.json.decode(row["quotas"])),
        }
    )
