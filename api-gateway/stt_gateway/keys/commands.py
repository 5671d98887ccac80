"""Commands that manage keys in the database itself, for whoever may read it: so the first key is made."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import URL

from stt_gateway.core.outbound.signature import secret_text, tenant_key
from stt_gateway.core.requests.api_key import ApiKey, is_key_id
from stt_gateway.core.requests.key_request import (
    MAX_OVERLAP_S,
    KeyRequest,
    checked_days,
    checked_name,
    checked_tenant,
    scopes_named,
    sorted_scopes,
)
from stt_gateway.core.requests.parameters import NotAllowed
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.quotas import quotas_from
from stt_gateway.core.requests.usage import DEFAULT_DAYS, MAX_DAYS, Usage, day_of, days_before
from stt_gateway.core.requests.views import key_view, stored_views, usage_view
from stt_gateway.keys.making import create_key, revoke_key, rotate_key
from stt_gateway.store.api_keys import KeyStore
from stt_gateway.store.failures import StoreError
from stt_gateway.store.migrating import migrate
from stt_gateway.store.usage import UsageStore
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import iso_timestamp
from stt_shared.contracts.makers import LOCAL_TENANT
from stt_shared.process.clock import wall_ms

DEFAULT_SCOPES = f"{Scope.STREAM},{Scope.JOBS},{Scope.READ}"
_COLUMNS = ("id", "tenant", "name", "scopes", "quotas", "created", "expires", "last used", "state")
_USAGE_COLUMNS = (
    "day",
    "key",
    "name",
    "requests",
    "streams",
    "files",
    "upload bytes",
    "audio s",
    "speech s",
    "silence s",
)

_STORED_COLUMNS = ("key", "name", "stored transcripts")

T = TypeVar("T")


class KeyCommandError(Exception):
    """Failure of a command; the message is for the operator. ``is_usage``: a value is not allowed."""

    def __init__(self, message: str, *, is_usage: bool = False) -> None:
        super().__init__(message)
        self.is_usage = is_usage


def create(
    url: URL,
    name: str,
    scopes: str = DEFAULT_SCOPES,
    tenant: str = LOCAL_TENANT,
    days: float | None = None,
    quotas: Iterable[str] = (),
) -> str:
    """Make a key and return it as its holder will have it.

    ``scopes``: names with commas, or ``all``; ``quotas``: each as ``streams=4``.
    """
    try:
        checked_tenant(tenant)
        names = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        wanted = KeyRequest(checked_name(name), scopes_named(names), checked_days(days), quotas_from(quotas))
    except NotAllowed as error:
        raise KeyCommandError(str(error), is_usage=True) from None
    written, _ = _run(url, lambda store: create_key(store, wanted, tenant, wall_ms()))
    return written.text


def table(url: URL, tenant: str | None = None) -> list[str]:
    """Return the keys of a tenant (None: of all) as lines of a table, with a heading."""
    return aligned([_COLUMNS, *(_row(key) for key in _keys_of(url, tenant))])


def views(url: URL, tenant: str | None = None) -> dict[str, Any]:
    """Return the keys of a tenant (None: of all), for programs."""
    return {"keys": [{"tenant": key.tenant, **key_view(key)} for key in _keys_of(url, tenant)]}


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines of a table."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def usage_table(url: URL, tenant: str | None = None, days: int = DEFAULT_DAYS) -> list[str]:
    """Return the usage of a tenant's keys (None: of all) on the last days, and what is stored, as lines."""
    used, stored = _usage_of(url, tenant, days)
    kept = [(key_id, name, str(count)) for key_id, name, count in stored]
    return [
        *aligned([_USAGE_COLUMNS, *(_usage_row(one) for one in used)]),
        *(["", *aligned([_STORED_COLUMNS, *kept])] if kept else []),
    ]


def usage_views(url: URL, tenant: str | None = None, days: int = DEFAULT_DAYS) -> dict[str, Any]:
    """Return what ``usage_table`` does, for programs."""
    used, stored = _usage_of(url, tenant, days)
    return {"usage": [usage_view(one) for one in used], "stored": stored_views(stored)}


def revoke(url: URL, id: str) -> None:
    """Revoke a key; gateways end what is open with it within seconds."""
    _run(url, lambda store: revoke_key(store, _checked(id), None, wall_ms()))


def rotate(url: URL, id: str, overlap_s: float = 0.0) -> str:
    """Give a key another secret and return it; the one before is valid for ``overlap_s`` more."""
    if not 0 <= overlap_s <= MAX_OVERLAP_S:
        raise KeyCommandError(f"an overlap is 0 to {MAX_OVERLAP_S} seconds", is_usage=True)
    written, _ = _run(url, lambda store: rotate_key(store, _checked(id), None, wall_ms(), overlap_s))
    return written.text


def callback_secrets(keys: Sequence[bytes], tenant: str) -> list[str]:
    """Return what a tenant's receivers check callbacks with, one for each secret in CALLBACK_SECRET."""
    if not keys:
        raise KeyCommandError("CALLBACK_SECRET is not set")
    return [secret_text(tenant_key(key, tenant)) for key in keys]


def _keys_of(url: URL, tenant: str | None) -> Sequence[ApiKey]:
    return _run(url, lambda store: store.all_of(tenant))


def _usage_of(url: URL, tenant: str | None, days: int) -> tuple[list[Usage], list[tuple[str, str, int]]]:
    if not 1 <= days <= MAX_DAYS:
        raise KeyCommandError(f"days must be 1 to {MAX_DAYS}", is_usage=True)
    today = day_of(wall_ms())

    async def read() -> tuple[list[Usage], list[tuple[str, str, int]]]:
        await migrate(url)
        store = UsageStore(url)
        try:
            used = await store.of(tenant, None, days_before(today, days - 1), today)
            return used, await store.stored(tenant, None)
        finally:
            await store.close()

    return finished(read())


def _run(url: URL, work: Callable[[KeyStore], Awaitable[T]]) -> T:
    async def with_store() -> T:
        await migrate(url)
        store = KeyStore(url)
        try:
            return await work(store)
        finally:
            await store.close()

    return finished(with_store())


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work. Raises KeyCommandError."""
    try:
        return asyncio.run(work)
    except StoreError as error:
        raise KeyCommandError(str(error)) from None
    except SttError as error:
        raise KeyCommandError(error.message) from None


def _checked(id: str) -> str:
    if not is_key_id(id):
        raise KeyCommandError("an id of a key is its 12 letters and digits between stt_ and _", is_usage=True)
    return id


def _row(key: ApiKey) -> Sequence[str]:
    return (
        key.id,
        key.tenant,
        key.name,
        ",".join(sorted_scopes(key.scopes)),
        ",".join(f"{name}={value}" for name, value in key.quotas.given.items()) or "default",
        _day(key.created_ms),
        _day(key.expires_ms),
        _day(key.last_used_ms),
        _state(key),
    )


def _usage_row(usage: Usage) -> Sequence[str]:
    return (
        usage.day,
        usage.key_id,
        usage.name,
        str(usage.requests),
        str(usage.streams),
        str(usage.files),
        str(usage.upload_bytes),
        f"{usage.audio_ms / 1000:.1f}",
        f"{usage.speech_ms / 1000:.1f}",
        f"{usage.silence_ms / 1000:.1f}",
    )


def _state(key: ApiKey) -> str:
    if key.revoked_ms is not None:
        return "revoked"
    if key.is_person:
        return "signed in" if key.ended(wall_ms()) is None else "signed out"
    return "valid" if key.ended(wall_ms()) is None else "expired"


def _day(at_ms: int | None) -> str:
    return "never" if at_ms is None else iso_timestamp(at_ms)[:10]
