"""A gateway with AUTH=keys, as clients, admins and those without a key meet it."""

import asyncio
import contextlib
import json
import random
import string
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from redis.asyncio import Redis
from support.gateway_harness import STOP, Gateway, Workers, line, running_gateway, until
from support.key_samples import guarded_routes, stored_key
from support.keyed_gateway import DIALECT_PATHS, MUTE, bearer, keyed, outcome
from support.telephony import OPENINGS

import stt_client
from stt_gateway.core.requests.api_key import WrittenKey
from stt_gateway.core.requests.principal import Scope
from stt_gateway.keys import commands, ring, watch
from stt_gateway.store.api_keys import KeyStore
from stt_gateway.store.engine import database_url
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms

pytestmark = pytest.mark.contract

USER = (Scope.STREAM, Scope.JOBS, Scope.READ)
UNAUTHORIZED, FORBIDDEN = (401, 4510, "unauthorized"), (403, 4511, "forbidden")


@pytest.fixture
async def user(key_store: KeyStore) -> WrittenKey:
    return await stored_key(key_store, *USER)


async def test_no_route_lets_anybody_in_without_a_key_with_its_scope(
    keyed_gateway: Gateway, key_store: KeyStore, redis_client: Redis
) -> None:
    now_ms = int(wall_ms())
    wrong = WrittenKey((await stored_key(key_store, *Scope)).id, "x" * 43)
    revoked = await stored_key(key_store, *Scope, revoked_ms=now_ms)
    expired = await stored_key(key_store, *Scope, expires_ms=now_ms)
    refused: dict[str, dict[str, str]] = {
        "none": {},
        "malformed": bearer("nonsense"),
        "unknown": bearer(WrittenKey("u" * 12, "x" * 43)),
        "wrong": bearer(wrong),
        "revoked": bearer(revoked),
        "expired": bearer(expired),
        "password": {"Authorization": "Basic YTpi"},
        "forged token": bearer("stt1.e30.AAAA"),
    }

    async def keys_of_work() -> set[bytes]:
        # Who has too few scopes is counted all the same.
        return {key for key in await redis_client.keys() if b"replica" not in key and b"stt:quotas:" not in key}

    keys_before = await keys_of_work()
    tried = 0
    for method, path, scopes in guarded_routes():
        others = await stored_key(key_store, *(set(Scope) - set(scopes)))
        for name, headers in [*refused.items(), ("too few scopes", bearer(others))]:
            if name == "too few scopes" and len(scopes) == len(Scope):
                continue
            status, close_code, code = FORBIDDEN if name == "too few scopes" else UNAUTHORIZED
            close_code = 1008 if path in DIALECT_PATHS else close_code
            wanted = (close_code if method == "WS" else status, code)
            if path in MUTE:
                wanted = (close_code, "")
            assert await outcome(keyed_gateway, method, path, headers) == wanted, (path, name)
            tried += 1
    assert tried > 190
    assert await keys_of_work() == keys_before
    assert keyed_gateway.spooled == []


async def test_each_route_works_with_one_of_its_scopes(keyed_gateway: Gateway, key_store: KeyStore) -> None:
    for method, path, scopes in guarded_routes():
        for scope in scopes:
            headers = bearer(await stored_key(key_store, scope))
            if method == "WS":
                async with line(keyed_gateway.url.replace("http", "ws") + path, additional_headers=headers) as client:
                    await client.send(*OPENINGS.get(path, ()))
                    greeting = DIALECT_PATHS.get(path, "following" if "conversations" in path else "ready")
                    if path not in MUTE and greeting:
                        await client.hear(greeting)
                    assert client.socket.close_code is None
                continue
            status, code = await outcome(keyed_gateway, method, path, headers)
            assert status not in (401, 403), (path, scope, code)


async def test_pages_and_liveness_are_for_everybody_and_health_says_only_its_status(
    keyed_gateway: Gateway, user: WrittenKey
) -> None:
    async with httpx2.AsyncClient(base_url=keyed_gateway.url, trust_env=False) as http:
        for path in ("/", "/docs", "/openapi.json", "/health/live", "/api/stt/healthcheck"):
            assert (await http.get(path)).status_code == 200, path
        assert (await http.get("/health")).json() == {"status": "healthy"}
        assert (await http.get("/health", headers=bearer("nonsense"))).json() == {"status": "healthy"}
        assert "services" in (await http.get("/health", headers=bearer(user))).json()


@pytest.mark.parametrize("place", ["Bearer", "Token", "X-API-Key", "token", "bearer", "openai", "query"])
async def test_a_key_is_accepted_wherever_clients_put_it(
    place: str,
    key_store: KeyStore,
    user: WrittenKey,
    redis_client: Redis,
    redis_url: str,
    tmp_path: Path,
    workers: Workers,
) -> None:
    headers: dict[str, str] = {}
    offered: list[str] = []
    query, key, answer = "", user.text, None
    match place:
        case "Bearer" | "Token":
            headers = {"Authorization": f"{place} {key}"}
        case "X-API-Key":
            headers = {place: key}
        case "token" | "bearer":
            offered, answer = [place, key], place
        case "openai":
            offered, answer = ["realtime", f"openai-insecure-api-key.{key}"], "realtime"
        case "query":
            query = f"api_key={key}"
    async with keyed(redis_client, redis_url, tmp_path, api_key_in_query=place == "query") as gateway:
        async with line(gateway.stream(query), additional_headers=headers, subprotocols=offered or None) as client:  # type: ignore[arg-type]
            await client.hear("ready")
            assert client.socket.subprotocol == answer
            await client.send(STOP)
            assert await client.rest() == 1000
        if not offered:
            async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
                assert (await http.get(f"/v1/stt/transcripts?{query}", headers=headers)).status_code == 200


async def test_a_key_in_the_address_is_refused_unless_a_setting_allows_it(
    keyed_gateway: Gateway, user: WrittenKey
) -> None:
    for name in ("api_key", "access_token"):
        async with line(keyed_gateway.stream(f"{name}={user.text}")) as client:
            error = await client.hear("error")
            assert (error["code"], await client.rest()) == ("unauthorized", 4510)
            assert "API_KEY_IN_QUERY" in error["message"]


async def test_admins_make_list_rotate_and_revoke_keys_of_their_tenant(
    keyed_gateway: Gateway, key_store: KeyStore
) -> None:
    admin = bearer(await stored_key(key_store, *Scope))
    stranger = bearer(await stored_key(key_store, *Scope, tenant="other"))
    async with httpx2.AsyncClient(base_url=keyed_gateway.url + "/v1/stt", trust_env=False) as http:
        made = await http.post("/keys", json={"name": "CI", "scopes": ["read"], "expires_in_days": 1}, headers=admin)
        assert made.status_code == 201
        key = made.json()
        assert (key["name"], key["scopes"], key["revoked_at"]) == ("CI", ["read"], None)
        assert (await http.get("/transcripts", headers=bearer(key["key"]))).status_code == 200
        listed = (await http.get("/keys", headers=admin)).json()["keys"]
        assert [one["name"] for one in listed] == ["a key", "CI"]
        assert key["key"].rpartition("_")[2] not in json.dumps(listed)
        # Of another tenant there is no such key.
        assert (await http.delete(f"/keys/{key['id']}", headers=stranger)).status_code == 404
        assert (await http.post(f"/keys/{key['id']}/rotate", headers=stranger)).status_code == 404
        assert key["id"] not in (await http.get("/keys", headers=stranger)).text

        rotated = (await http.post(f"/keys/{key['id']}/rotate", headers=admin)).json()
        assert rotated["id"] == key["id"]
        assert (await http.get("/transcripts", headers=bearer(key["key"]))).status_code == 401
        assert (await http.get("/transcripts", headers=bearer(rotated["key"]))).status_code == 200
        body = {"overlap_s": 60}
        again = (await http.post(f"/keys/{key['id']}/rotate", json=body, headers=admin)).json()
        for valid in (rotated, again):
            assert (await http.get("/transcripts", headers=bearer(valid["key"]))).status_code == 200

        assert (await http.delete(f"/keys/{key['id']}", headers=admin)).status_code == 204
        for ended in (rotated, again):
            assert (await http.get("/transcripts", headers=bearer(ended["key"]))).status_code == 401
        assert (await http.post(f"/keys/{key['id']}/rotate", headers=admin)).status_code == 404
        assert (await http.delete("/keys/nobody", headers=admin)).status_code == 404


async def test_without_keys_there_is_nothing_to_manage(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with (
        running_gateway(redis_client, redis_url, tmp_path / "spool") as gateway,
        httpx2.AsyncClient(base_url=gateway.url + "/v1/stt", trust_env=False) as http,
    ):
        for method, path in [("GET", "/keys"), ("POST", "/tokens")]:
            answer = await http.request(method, path, headers=bearer("stt_whatever"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


@contextlib.asynccontextmanager
async def in_use(gateways: tuple[Gateway, Gateway], key: WrittenKey) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """A stream at one gateway, a viewer and an event stream at the other; their ends, as tasks."""
    one, other = gateways
    headers = bearer(key)
    async with contextlib.AsyncExitStack() as stack:
        stream = await stack.enter_async_context(line(one.stream("session_id=s1"), additional_headers=headers))
        await stream.hear("ready")
        await stream.send(bytes(3200))
        viewer_url = other.url.replace("http", "ws") + "/v1/stt/conversations/board"
        viewer = await stack.enter_async_context(line(viewer_url, additional_headers=headers))
        await viewer.hear("following")
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=other.url, trust_env=False, timeout=20))
        posted = await http.post("/v1/stt/jobs", files={"file": ("a.mp3", b"ID3")}, headers=headers)
        assert posted.status_code == 202, posted.text

        async def watch() -> str:
            async with http.stream("GET", f"/v1/stt/jobs/{posted.json()['job_id']}/events", headers=headers) as events:
                began.set()
                return (await events.aread()).decode()

        async def end_of(client: Any) -> tuple[int, str]:
            return await client.rest(20), client.events[-1].get("code", "")

        began = asyncio.Event()
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(watch())]
        await began.wait()
        tasks += [asyncio.create_task(end_of(stream)), asyncio.create_task(end_of(viewer))]
        try:
            yield tasks
        finally:
            for task in tasks:
                task.cancel()


@pytest.fixture
def only_announcements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the gateways start: none finds out by itself that a key has changed."""
    monkeypatch.setattr(watch, "CHECK_EVERY_S", 600.0)
    monkeypatch.setattr(ring, "FRESH_MS", 600_000.0)


async def test_revoking_a_key_ends_its_streams_viewers_and_events_at_every_gateway(
    only_announcements: None, keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore, user: WrittenKey
) -> None:
    colleague = await stored_key(key_store, *USER)
    admin = bearer(await stored_key(key_store, Scope.ADMIN))
    async with (
        in_use(keyed_gateways, user) as (events, stream, viewer),
        line(keyed_gateways[0].stream(), additional_headers=bearer(colleague)) as other,
        httpx2.AsyncClient(base_url=keyed_gateways[0].url, trust_env=False) as http,
    ):
        await other.hear("ready")
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in (events, stream, viewer))
        revoked = time.monotonic()
        assert (await http.delete(f"/v1/stt/keys/{user.id}", headers=admin)).status_code == 204
        assert (await stream, await viewer) == ((4510, "unauthorized"), (4510, "unauthorized"))
        assert "event: end" not in await events
        assert time.monotonic() - revoked < 5
        for gateway in keyed_gateways:
            assert await outcome(gateway, "GET", "/v1/stt/transcripts", bearer(user)) == (401, "unauthorized")
        await other.send(STOP)
        assert await other.rest() == 1000


async def test_a_key_that_is_revoked_in_the_database_or_expires_ends_too(
    keyed_gateways: tuple[Gateway, Gateway],
    key_store: KeyStore,
    user: WrittenKey,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    expiring = await stored_key(key_store, *USER, expires_ms=int(wall_ms() + 1500))
    async with (
        in_use(keyed_gateways, user) as ends,
        line(keyed_gateways[1].stream(), additional_headers=bearer(expiring)) as short,
    ):
        await short.hear("ready")
        await asyncio.to_thread(commands.revoke, database_url(None, tmp_path / "spool-data"), user.id)
        async with asyncio.timeout(2 * watch.CHECK_EVERY_S + 5):
            await asyncio.gather(*ends)
            assert await short.rest(15) == 4510
    assert "expired" in short.events[-1]["message"]


async def test_a_stream_asks_for_its_key_once_and_not_for_each_frame(
    keyed_gateway: Gateway, user: WrittenKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    get, get_all = KeyStore.get, KeyStore.get_all

    async def counted(self: KeyStore, id: str) -> Any:
        asked.append("get")
        return await get(self, id)

    async def counted_all(self: KeyStore, ids: Any) -> Any:
        asked.append("get_all")
        return await get_all(self, ids)

    monkeypatch.setattr(KeyStore, "get", counted)
    monkeypatch.setattr(KeyStore, "get_all", counted_all)
    began = time.monotonic()
    async with line(keyed_gateway.stream(), additional_headers=bearer(user)) as client:
        await client.hear("ready")
        for _ in range(500):
            await client.send(bytes(640))
        await client.send(STOP)
        await client.hear("done")
    # One look-up, which reads the same, and the regular check of keys in use.
    assert asked.count("get") == 1
    assert asked.count("get_all") <= 2 + (time.monotonic() - began) / watch.CHECK_EVERY_S


async def test_a_browsers_token_is_worth_less_than_its_key_and_ends_with_it(
    keyed_gateways: tuple[Gateway, Gateway], key_store: KeyStore, user: WrittenKey
) -> None:
    one, other = keyed_gateways
    origin = one.url
    async with httpx2.AsyncClient(base_url=one.url + "/v1/stt", trust_env=False) as http:

        async def made(body: dict[str, Any], headers: dict[str, str] | None = None) -> httpx2.Response:
            return await http.post("/tokens", json=body, headers=headers or bearer(user))

        answer = (await made({"scopes": ["stream"]})).json()
        token = answer["access_token"]
        assert (answer["expires_in"], answer["scopes"], answer["token_type"]) == (60, ["stream"], "Bearer")
        # Every gateway knows it, in each place.
        for gateway in keyed_gateways:
            async with line(gateway.stream(f"access_token={token}")) as client:
                await client.hear("ready")
            async with line(gateway.stream(), subprotocols=["bearer", token]) as client:  # type: ignore[list-item]
                await client.hear("ready")
                assert client.socket.subprotocol == "bearer"
        assert await outcome(one, "GET", "/v1/stt/transcripts", bearer(token)) == (403, "forbidden")
        assert (await made({}, bearer(token))).status_code == 403
        assert (await made({"scopes": ["admin"]})).status_code == 403
        assert (await made({"expires_in": 601})).status_code == 422

        bound = (await made({"scopes": ["stream"], "origin": origin})).json()["access_token"]
        async with line(one.stream(f"access_token={bound}"), origin=origin) as client:  # type: ignore[arg-type]
            await client.hear("ready")
        async with line(one.stream(f"access_token={bound}")) as client:
            assert (await client.hear("error"))["code"] == "unauthorized"

        short = (await made({"expires_in": 1})).json()["access_token"]
        await asyncio.sleep(1.1)
        assert await outcome(one, "GET", "/v1/stt/transcripts", bearer(short)) == (401, "unauthorized")

        # An open session outlives its token, but not its key.
        async with line(other.stream(f"access_token={token}")) as client:
            await client.hear("ready")
            admin = bearer(await stored_key(key_store, Scope.ADMIN))
            await http.post(f"/keys/{user.id}/rotate", headers=admin)
            assert await client.rest() == 4510
        assert await outcome(other, "GET", "/v1/stt/transcripts", bearer(token)) == (401, "unauthorized")


async def test_who_guesses_is_slowed_down_and_neighbours_are_not(
    key_store: KeyStore, user: WrittenKey, redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with keyed(redis_client, redis_url, tmp_path, max_auth_failures_per_minute=5) as gateway:
        assert await outcome(gateway, "GET", "/v1/stt/transcripts", bearer(user)) == (200, "")
        wrong = bearer(WrittenKey("u" * 12, "x" * 43))
        found = [await outcome(gateway, "GET", "/v1/stt/transcripts", wrong) for _ in range(8)]
        assert found == [(401, "unauthorized")] * 5 + [(429, "rate_limited")] * 3
        async with line(gateway.stream(), additional_headers=wrong) as client:
            error = await client.hear("error")
            assert (error["code"], error["retry_after_s"], await client.rest()) == ("rate_limited", 12, 4433)
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            answer = await http.get("/v1/stt/transcripts", headers=bearer("nonsense"))
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "12")
        # The same address, with a key that this gateway knows, and without any.
        assert await outcome(gateway, "GET", "/v1/stt/transcripts", bearer(user)) == (200, "")
        assert await outcome(gateway, "GET", "/v1/stt/transcripts", {}) == (401, "unauthorized")


async def test_a_key_that_is_known_works_while_the_store_does_not(
    keyed_gateway: Gateway, user: WrittenKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await outcome(keyed_gateway, "GET", "/metrics", bearer(user)))[0] == 403
    monkeypatch.setattr(ring, "FRESH_MS", 0.0)

    async def locked(self: KeyStore, ids: Any) -> Any:
        raise SttError("unavailable", "the transcript store is locked")

    monkeypatch.setattr(KeyStore, "get_all", locked)
    assert (await outcome(keyed_gateway, "GET", "/metrics", bearer(user)))[0] == 403
    unknown = bearer(WrittenKey("u" * 12, "x" * 43))
    assert await outcome(keyed_gateway, "GET", "/metrics", unknown) == (503, "unavailable")


async def test_the_last_use_of_a_key_is_recorded(
    key_store: KeyStore,
    user: WrittenKey,
    redis_client: Redis,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "CHECK_EVERY_S", 0.2)
    async with keyed(redis_client, redis_url, tmp_path) as gateway:
        await outcome(gateway, "GET", "/v1/stt/transcripts", bearer(user))

        async def is_recorded() -> bool:
            key = await key_store.get(user.id)
            return key is not None and key.last_used_ms is not None

        await until(is_recorded)


async def test_no_random_credential_gets_in(keyed_gateway: Gateway, user: WrittenKey) -> None:
    chance, letters = random.Random(18), string.ascii_letters + string.digits
    async with httpx2.AsyncClient(base_url=keyed_gateway.url, trust_env=False, timeout=30) as http:
        token = (await http.post("/v1/stt/tokens", headers=bearer(user))).json()["access_token"]
        for number in range(300):
            text = list(chance.choice([user.text, token]))
            for _ in range(chance.randint(1, 4)):
                text[chance.randrange(len(text))] = chance.choice(letters + "._-~!# ")
            credential = "".join(text).strip()
            if credential in (user.text, token):
                continue
            headers, query = chance.choice(
                [
                    ({"Authorization": f"Bearer {credential}"}, {}),
                    ({"Authorization": f"Token {credential}"}, {}),
                    ({"X-API-Key": credential}, {}),
                    ({}, {"access_token": credential}),
                    ({}, {"api_key": credential}),
                ]
            )
            answer = await http.get("/v1/stt/transcripts", headers=headers, params=query)
            assert answer.status_code == 401, (number, credential)


async def test_a_refused_handshake_answers_no_credential(keyed_gateway: Gateway) -> None:
    secret = "stt_" + "k" * 12 + "_" + "x" * 43
    async with websockets.connect(keyed_gateway.stream(), subprotocols=["token", secret]) as ws:  # type: ignore[list-item]
        assert ws.subprotocol == "token"
        assert json.loads(await ws.recv())["code"] == "unauthorized"


async def test_the_client_library_sends_its_key_and_learns_why_it_ends(
    keyed_gateway: Gateway, user: WrittenKey, key_store: KeyStore
) -> None:
    url = keyed_gateway.url.replace("http", "ws")
    async with stt_client.connect(url, api_key=user.text, session_id="s1") as session:
        assert user.secret not in repr(session._transport)
        await key_store.revoke(user.id, None, wall_ms())
        with pytest.raises(stt_client.SessionError) as ended:
            await asyncio.wait_for(anext(aiter(session)), 3 * watch.CHECK_EVERY_S)
    assert (ended.value.code, session.reconnects) == ("unauthorized", 0)
    for key in (None, user.text, "nonsense"):
        with pytest.raises(stt_client.SessionError) as refused:
            await stt_client.connect(url, api_key=key).__aenter__()
        assert refused.value.code == "unauthorized"
