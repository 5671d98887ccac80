"""Keys in both databases."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import URL
from support.key_samples import made_key

from stt_gateway.core.requests.api_key import digest_of
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.quotas import Quotas
from stt_gateway.keys import commands
from stt_gateway.store.api_keys import KeyStore

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)


@pytest.fixture
async def keys(url: URL) -> AsyncIterator[KeyStore]:
    opened = KeyStore(url)
    try:
        yield opened
    finally:
        await opened.close()


async def test_a_key_comes_back_as_it_was_stored(keys: KeyStore) -> None:
    _, plain = made_key(Scope.STREAM)
    _, full = made_key(*Scope, expires_ms=2**41, revoked_ms=5, last_used_ms=6, quotas=Quotas(streams=4), tenant="other")
    for key in (plain, full):
        await keys.add(key)
    assert await keys.get(plain.id) == plain
    assert await keys.get(full.id) == full
    assert await keys.get("nobody") is None
    assert {key.id for key in await keys.get_all([plain.id, "nobody", full.id])} == {plain.id, full.id}
    assert await keys.all_of("other") == [full]
    assert len(await keys.all_of(None)) == 2


async def test_a_key_is_revoked_once_and_by_its_tenant(keys: KeyStore) -> None:
    _, key = made_key(Scope.STREAM)
    await keys.add(key)
    assert not await keys.revoke(key.id, "other", 1000)
    assert not await keys.revoke("nobody", None, 1000)
    assert await keys.revoke(key.id, "acme", 1000)
    assert await keys.revoke(key.id, None, 2000)
    assert await keys.get(key.id) == dataclasses.replace(key, revoked_ms=1000)
    assert await keys.rotate(key.id, None, "d", 3000, 0) is None


async def test_a_rotated_key_keeps_the_secret_before(keys: KeyStore) -> None:
    written, key = made_key(Scope.STREAM)
    await keys.add(key)
    assert await keys.rotate(key.id, "other", "d", 3000, 0) is None
    now_ms = key.secret_ms + 10
    rotated = await keys.rotate(key.id, "acme", digest_of("new"), now_ms, 5000)
    assert rotated is not None
    assert rotated == await keys.get(key.id)
    assert rotated.accepts("new", now_ms)
    assert rotated.accepts(written.secret, now_ms + 4999)
    assert not rotated.accepts(written.secret, now_ms + 5000)


async def test_uses_are_recorded(keys: KeyStore) -> None:
    _, key = made_key(Scope.STREAM)
    await keys.add(key)
    await keys.record_use({key.id: 77, "nobody": 78})
    assert (await keys.get(key.id) or key).last_used_ms == 77


async def test_gateways_that_start_at_once_agree_on_the_secret_of_tokens(url: URL) -> None:
    stores = [KeyStore(url) for _ in range(4)]
    try:
        found = await asyncio.gather(*(store.signing_secret(f"{number:064x}") for number, store in enumerate(stores)))
        assert len(set(found)) == 1
        assert await stores[0].signing_secret("ff" * 32) == found[0]
    finally:
        for store in stores:
            await store.close()


async def test_the_commands_make_the_first_key_in_an_empty_database(empty: URL) -> None:
    text = await asyncio.to_thread(commands.create, empty, " first ", "all", days=1.0)
    id = text.split("_")[1]
    [heading, row] = await asyncio.to_thread(commands.table, empty)
    assert heading.split()[:4] == ["id", "tenant", "name", "scopes"]
    assert row.startswith(f"{id}  local   first  stream,jobs,read,read:own,")
    assert row.endswith("never      valid")
    rotated = await asyncio.to_thread(commands.rotate, empty, id)
    assert rotated.startswith(f"stt_{id}_")
    assert rotated != text
    await asyncio.to_thread(commands.revoke, empty, id)
    assert (await asyncio.to_thread(commands.table, empty))[1].endswith("revoked")
    for wrong in (
        lambda: commands.create(empty, "", "all"),
        lambda: commands.create(empty, "x", "root"),
        lambda: commands.create(empty, "x", tenant="a b"),
        lambda: commands.create(empty, "x", days=0.0),
        lambda: commands.rotate(empty, id, -1),
        lambda: commands.revoke(empty, "nobody"),
    ):
        with pytest.raises(commands.KeyCommandError) as refused:
            await asyncio.to_thread(wrong)
        assert refused.value.is_usage
    with pytest.raises(commands.KeyCommandError, match="no such key"):
        await asyncio.to_thread(commands.revoke, empty, "k" * 12)
