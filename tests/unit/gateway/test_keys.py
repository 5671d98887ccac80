"""What a gateway remembers of keys, and what ends with them."""

import asyncio
import dataclasses
import random
import string
from collections.abc import Collection
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from support.key_samples import made_key

from stt_gateway.core.requests.access_token import Claims, write_token
from stt_gateway.core.requests.api_key import ApiKey, WrittenKey
from stt_gateway.core.requests.principal import LOCAL, Scope
from stt_gateway.keys import ring as ring_module
from stt_gateway.keys.check import KeyCheck
from stt_gateway.keys.failures import FailureLimit
from stt_gateway.keys.holders import KeyHolders
from stt_gateway.keys.ring import KeyRing
from stt_gateway.keys.uses import KeyUses
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms

pytestmark = pytest.mark.unit

SECRET = bytes(range(32))


class MemoryStore:
    """Keys in memory, and how often they were read."""

    def __init__(self, *keys: ApiKey) -> None:
        self.keys = {key.id: key for key in keys}
        self.reads: list[str] = []
        self.recorded: list[dict[str, int]] = []
        self.is_away = False
        self.gate: asyncio.Event | None = None

    async def get(self, id: str) -> ApiKey | None:
        self.reads.append(id)
        if self.is_away:
            raise SttError("unavailable", "away")
        found = self.keys.get(id)
        if self.gate is not None:
            await self.gate.wait()
        return found

    async def get_all(self, ids: Collection[str]) -> list[ApiKey]:
        return [key for id in ids if (key := await self.get(id)) is not None]

    async def record_use(self, used_ms: dict[str, int]) -> None:
        if self.is_away:
            raise SttError("unavailable", "away")
        self.recorded.append(dict(used_ms))


def ring_of(*keys: ApiKey) -> tuple[KeyRing, MemoryStore]:
    store = MemoryStore(*keys)
    return KeyRing(store), store  # type: ignore[arg-type]


async def test_a_key_is_read_once_for_many_requests_also_at_once_and_also_an_unknown_one() -> None:
    written, key = made_key(Scope.READ)
    ring, store = ring_of(key)
    assert await asyncio.gather(*(ring.get(written.id) for _ in range(20))) == [key] * 20
    assert await ring.get(written.id) == key
    assert await ring.get("nobody") is None
    assert await ring.get("nobody") is None
    assert store.reads == [written.id, "nobody"]


async def test_a_changed_key_is_read_again_also_if_it_changed_while_it_was_read() -> None:
    written, key = made_key(Scope.READ)
    ring, store = ring_of(key)
    store.gate = asyncio.Event()
    reading = asyncio.create_task(ring.get(written.id))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.keys[written.id] = dataclasses.replace(key, revoked_ms=1)
    ring.forget(written.id)
    store.gate.set()
    await reading
    assert (await ring.get(written.id) or key).revoked_ms == 1


async def test_a_known_key_works_while_the_store_is_away_and_an_unknown_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, key = made_key(Scope.READ)
    ring, store = ring_of(key)
    await ring.get(written.id)
    monkeypatch.setattr(ring_module, "FRESH_MS", 0.0)
    store.is_away = True
    assert await ring.get(written.id) == key
    with pytest.raises(SttError, match="away"):
        await ring.get("nobody")
    monkeypatch.setattr(ring_module, "STALE_MS", 0.0)
    with pytest.raises(SttError, match="away"):
        await ring.get(written.id)


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "MAX_KEYS", 3)
    written, key = made_key(Scope.READ)
    ring, store = ring_of(key)
    for id in (written.id, "a", "b", "c", written.id):
        await ring.get(id)
    assert store.reads.count(written.id) == 2


def test_what_is_open_with_a_key_ends_with_it_and_nothing_else() -> None:
    holders, ends = KeyHolders(), []
    (_, mine), (_, other) = made_key(Scope.READ), made_key(Scope.READ)
    with (
        holders.held(mine.principal, ends.append),
        holders.held(other.principal, lambda _: pytest.fail("another key")),
        holders.held(LOCAL, lambda _: pytest.fail("no key")),
    ):
        assert set(holders.key_ids) == {mine.id, other.id}
        holders.check(mine.id, mine)
        holders.check("", None)
        assert ends == []
        holders.check(mine.id, dataclasses.replace(mine, revoked_ms=1))
        holders.check(mine.id, dataclasses.replace(mine, revoked_ms=1))
        assert [(error.code, error.message) for error in ends] == [("unauthorized", "the key has been revoked")]
    assert holders.key_ids == []
    with holders.held(mine.principal, ends.append):
        holders.check(mine.id, None)
    assert len(ends) == 2


async def test_a_use_is_recorded_seldom_and_kept_until_it_can_be() -> None:
    uses, store = KeyUses(), MemoryStore()
    store.is_away = True
    uses.note("k1")
    await uses.record(store)  # type: ignore[arg-type]
    store.is_away = False
    await uses.record(store)  # type: ignore[arg-type]
    uses.note("k1")
    await uses.record(store)  # type: ignore[arg-type]
    assert [list(record) for record in store.recorded] == [["k1"]]


def connection(headers: dict[str, str], query: str = "", offered: list[str] | None = None) -> HTTPConnection:
    return HTTPConnection(
        {
            "type": "websocket",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
            "query_string": query.encode(),
            "subprotocols": offered or [],
            "client": ("192.0.2.1", 1),
        }
    )


def check_with(*keys: ApiKey, per_minute: int = 0) -> tuple[KeyCheck, KeyRing]:
    ring, _ = ring_of(*keys)
    return KeyCheck(ring, KeyUses(), FailureLimit(per_minute), SECRET, keys_in_query=True), ring


async def test_no_changed_or_random_credential_gets_in() -> None:
    now_ms = int(wall_ms())
    valid = [made_key(*Scope) for _ in range(3)]
    ended = [made_key(*Scope, revoked_ms=now_ms), made_key(*Scope, expires_ms=now_ms)]
    check, _ = check_with(*(key for _, key in [*valid, *ended]))
    tokens = [
        write_token(Claims(valid[0][1].id, list(Scope), now_ms, now_ms + 600_000), SECRET),
        write_token(Claims(valid[0][1].id, list(Scope), now_ms, now_ms), SECRET),
        write_token(Claims(ended[0][1].id, list(Scope), now_ms, now_ms + 600_000), SECRET),
        write_token(Claims("nobody", list(Scope), now_ms, now_ms + 600_000), SECRET),
    ]
    good = {written.text for written, _ in valid} | {tokens[0]}
    seeds = [*good, *(written.text for written, _ in ended), *tokens[1:]]
    chance, letters = random.Random(1), string.ascii_letters + string.digits + "._- é"
    let_in = tried = 0
    codes: set[str] = set()
    for number in range(20_000):
        text = list(chance.choice(seeds))
        match number % 4:
            case 0:
                text[chance.randrange(len(text))] = chance.choice(letters)
            case 1:
                del text[chance.randrange(len(text))]
            case 2:
                # The id of one with the secret of another.
                text[:17] = list(chance.choice(seeds)[:17])
            case 3 if chance.random() < 0.5:
                text = [chance.choice(letters) for _ in range(chance.randrange(80))]
        credential = "".join(text)
        if credential.strip() in good:
            continue
        places: list[Any] = [
            ({"Authorization": f"Bearer {credential}"}, "", []),
            ({"X-API-Key": credential}, "", []),
            ({}, f"api_key={credential}", []),
            ({}, f"access_token={credential}", []),
            ({}, "", ["token", credential]),
            ({}, "", ["realtime", f"openai-insecure-api-key.{credential}"]),
        ]
        tried += 1
        try:
            await check(connection(*places[number % 6]))
            let_in += 1
        except SttError as error:
            codes.add(error.code)
    assert codes == {"unauthorized"}
    assert tried > 15_000
    assert let_in == 0


async def test_a_token_has_the_scopes_that_both_it_and_its_key_have() -> None:
    written, key = made_key(Scope.STREAM, Scope.READ)
    check, _ = check_with(key)
    claims = Claims(key.id, [Scope.READ, Scope.ADMIN], int(wall_ms()), int(wall_ms()) + 60_000)
    principal = await check(connection({"Authorization": f"Bearer {write_token(claims, SECRET)}"}))
    assert (principal.scopes, principal.by_token, principal.tenant) == (frozenset({Scope.READ}), True, "acme")
    assert not (await check(connection({"X-API-Key": written.text}))).by_token


async def test_wrong_credentials_of_one_address_are_limited() -> None:
    written, key = made_key(Scope.READ)
    check, _ = check_with(key, per_minute=2)

    async def code(text: str) -> str:
        try:
            await check(connection({"X-API-Key": text}))
        except SttError as error:
            return error.code
        return "in"

    wrong = WrittenKey(key.id, "x" * 43).text
    assert [await code(text) for text in (written.text, wrong, wrong, wrong, "nonsense", "stt1.a.b")] == [
        "in", "unauthorized", "unauthorized", "rate_limited", "rate_limited", "rate_limited",
    ]  # fmt: skip
    assert await code(written.text) == "in"
