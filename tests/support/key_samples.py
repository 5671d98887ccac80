"""Keys for tests of gateways with AUTH=keys, and one request of each kind to each of their routes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi.routing import iter_route_contexts

from stt_gateway.app import create_app
from stt_gateway.authorize import declared_scopes
from stt_gateway.core.requests.api_key import ApiKey, WrittenKey, digest_of
from stt_gateway.core.requests.principal import Scope
from stt_gateway.keys.limits import KeyLimits
from stt_gateway.keys.making import random_text
from stt_gateway.keys.places import Places
from stt_gateway.keys.usage import UsageRecorder
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.api_keys import KeyStore
from stt_gateway.store.engine import database_url
from stt_gateway.store.migrating import migrate
from stt_gateway.store.usage import UsageStore
from stt_shared.process.clock import wall_ms
from stt_shared.streams.bus import Bus


async def open_key_store(folder: Path) -> KeyStore:
    """The keys of the gateways whose DATA_DIR is ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    url = database_url(None, folder)
    await migrate(url)
    return KeyStore(url)


def made_key(*scopes: Scope, tenant: str = "acme", **fields: Any) -> tuple[WrittenKey, ApiKey]:
    """A key that nobody has stored yet."""
    written = WrittenKey(random_text(12), random_text(43))
    now_ms = int(wall_ms())
    values = {"created_ms": now_ms, "secret_ms": now_ms, **fields}
    return written, ApiKey(written.id, tenant, "a key", digest_of(written.secret), frozenset(scopes), **values)


async def stored_key(store: KeyStore, *scopes: Scope, **fields: Any) -> WrittenKey:
    """A key in the store."""
    written, key = made_key(*scopes, **fields)
    await store.add(key)
    return written


def limits_on(bus: Bus, folder: Path) -> KeyLimits:
    """The quotas of keys, as a gateway counts them whose DATA_DIR is ``folder``."""
    usage = UsageStore(database_url(None, folder))
    return KeyLimits(bus.quotas, GatewaySettings().default_quotas, UsageRecorder(bus.quotas, usage), Places(bus.quotas))


def guarded_routes() -> Iterator[tuple[str, str, tuple[Scope, ...]]]:
    """Method (``WS`` for a WebSocket), an address and the scopes of each route that is not public."""
    given = {"id": "k" * 12, "job_id": "j1", "conversation_id": "board", "kind": "srt", "model": "whisper-1"}
    for route in iter_route_contexts(create_app(GatewaySettings()).routes):
        if scopes := declared_scopes(route.endpoint):
            path = re.sub(r"\{(\w+)(:path)?\}", lambda name: given.get(name[1], "x"), str(route.path))
            for method in route.methods or ["WS"]:
                yield method, path, scopes
