"""A gateway with AUTH=oidc, a real OpenID provider, people who sign in there, and tokens that let nobody in."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import STOP, Gateway, Workers, line
from support.key_samples import guarded_routes, open_key_store, stored_key
from support.keyed_gateway import DIALECT_PATHS, MUTE, bearer, keyed, outcome
from support.openid import AUDIENCE, PAGE, Provider, SigningKey, code_for, openid_provider, program_token
from support.ports import free_port

from stt_gateway.core.requests.principal import Scope
from stt_gateway.keys import watch
from stt_gateway.outbound.issuer import NotAnIssuer
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.api_keys import KeyStore
from stt_shared.process.clock import wall_ms

pytestmark = pytest.mark.contract

SIGN_IN, TRANSCRIPTS = "/v1/stt/sign-in", "/v1/stt/transcripts"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with openid_provider(groups={"ann": ["staff"], "root": ["admins"]}, tenants={"ann": "acme"}) as running:
        yield running


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[KeyStore]:
    opened = await open_key_store(tmp_path / "spool-data")
    try:
        yield opened
    finally:
        await opened.close()


def oidc(provider: Provider, **settings: Any) -> dict[str, Any]:
    return {
        "auth": "oidc",
        "oidc_issuer": provider.url,
        "oidc_client_id": PAGE,
        "oidc_audience": AUDIENCE,
        "max_auth_failures_per_minute": 0,
        **settings,
    }


@pytest.fixture
async def gateway(
    provider: Provider, store: KeyStore, redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> AsyncIterator[Gateway]:
    async with keyed(redis_client, redis_url, tmp_path, **oidc(provider)) as gateway:
        yield gateway


async def signed_in(gateway: Gateway, provider: Provider, name: str) -> dict[str, Any]:
    body = await code_for(provider, name, f"{gateway.url}/signed-in")
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
        answer = await http.post(SIGN_IN, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def status_of(gateway: Gateway, token: str, path: str = TRANSCRIPTS) -> tuple[int, str]:
    return await outcome(gateway, "GET", path, bearer(token))


async def test_somebody_signs_in_streams_renews_and_uses_keys_besides(
    gateway: Gateway, provider: Provider, store: KeyStore
) -> None:
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
        where = (await http.get(SIGN_IN)).json()
        assert where == {
            "issuer": provider.url,
            "authorization_endpoint": f"{provider.url}/auth",
            "client_id": PAGE,
            "scope": "openid profile",
        }
        body = await code_for(provider, "ann", f"{gateway.url}/signed-in")
        first = (await http.post(SIGN_IN, json=body)).json()
        assert (first["name"], first["token_type"]) == ("ann", "Bearer")
        assert 280 < first["expires_in"] <= 300
        again = await http.post(SIGN_IN, json={"refresh_token": first["refresh_token"]})
        second = again.json()
        assert second["refresh_token"] not in ("", first["refresh_token"])
        for token in (first["token"], second["token"]):
            assert (await http.get(TRANSCRIPTS, headers=bearer(token))).status_code == 200
            assert (await http.get("/v1/stt/keys", headers=bearer(token))).status_code == 403
        async with line(gateway.stream(), subprotocols=["stt", "bearer", second["token"]]) as client:  # type: ignore[list-item]
            await client.hear("ready")
            await client.send(STOP)
            assert await client.rest() == 1000
        # A code works once, and only for whoever has asked for it.
        for wrong in (body, {**await code_for(provider, "ann", body["redirect_uri"]), "code_verifier": "x" * 43}):
            refused = await http.post(SIGN_IN, json=wrong)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
        other = await http.post(SIGN_IN, json={**await code_for(provider, "ann", body["redirect_uri"]), "nonce": "n"})
        assert "another sign-in" in other.json()["error"]["message"]
    assert await status_of(gateway, (await stored_key(store, Scope.READ)).text) == (200, "")
    (account,) = await store.all_of("local")
    assert (account.name, account.scopes) == ("ann", {Scope.STREAM, Scope.JOBS, Scope.READ_OWN})


async def test_a_program_sends_an_access_token_of_the_audience(gateway: Gateway, provider: Provider) -> None:
    assert await status_of(gateway, await program_token(provider)) == (200, "")


async def test_claims_name_the_tenant_and_give_scopes(
    provider: Provider, store: KeyStore, redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    rules = {
        "oidc_tenant_claim": "tenant",
        "oidc_scopes_claim": "groups",
        "oidc_scopes": "staff=stream read,admins=all",
    }
    async with keyed(redis_client, redis_url, tmp_path, **oidc(provider, **rules)) as gateway:
        ann = (await signed_in(gateway, provider, "ann"))["token"]
        assert await status_of(gateway, ann) == (200, "")
        assert await status_of(gateway, ann, "/v1/stt/usage") != (401, "unauthorized")
        # Root has the scopes, but no tenant; a stranger has a tenant, but no scopes.
        root = provider.key.sign(provider.claims(sub="root", groups=["admins"]))
        assert await status_of(gateway, root) == (403, "forbidden")
        stranger = provider.key.sign(provider.claims(sub="bob", tenant="acme", groups=["guests", "all", "admin"]))
        assert await status_of(gateway, stranger) == (403, "forbidden")
        admin = provider.key.sign(provider.claims(sub="root", tenant="acme", groups=["admins"]))
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            listed = (await http.get("/v1/stt/keys", headers=bearer(admin))).json()["keys"]
            assert {key["name"] for key in listed} == {"ann", "bob", "root"}
            (id,) = (key["id"] for key in listed if key["name"] == "ann")
            # An account has no secret, and gets none.
            assert (await http.post(f"/v1/stt/keys/{id}/rotate", headers=bearer(admin))).status_code == 404
            assert (await http.delete(f"/v1/stt/keys/{id}", headers=bearer(admin))).status_code == 204
        assert await status_of(gateway, ann) == (401, "unauthorized")
        assert await status_of(gateway, (await signed(provider, sub="ann", tenant="acme"))) == (401, "unauthorized")


async def signed(provider: Provider, **claims: Any) -> str:
    return provider.key.sign(provider.claims(**claims))


def b64(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def handmade(header: dict[str, Any], claims: dict[str, Any], secret: bytes | None) -> str:
    """A token whose header says what no library would write."""
    signed_text = f"{b64(json.dumps(header))}.{b64(json.dumps(claims))}"
    return f"{signed_text}.{b64(hmac.new(secret, signed_text.encode(), hashlib.sha256).digest()) if secret else ''}"


def hostile_tokens(provider: Provider) -> dict[str, str]:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    now_s, key, stranger = int(time.time()), provider.key, SigningKey()
    public = key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    good = key.sign(provider.claims())
    head, body, signature = good.split(".")
    swapped = b64(json.dumps(provider.claims(sub="root")))

    def of(**claims: Any) -> str:
        return key.sign(provider.claims(**claims))

    return {
        "none": handmade({"alg": "none", "typ": "JWT"}, provider.claims(), None),
        "None": handmade({"alg": "None", "kid": key.kid}, provider.claims(), None),
        "public key as secret": handmade({"alg": "HS256", "kid": key.kid}, provider.claims(), pem),
        "key in the header": stranger.sign(provider.claims(), jwk={k: stranger.jwk[k] for k in ("kty", "n", "e")}),
        "keys elsewhere": stranger.sign(provider.claims(), jku="http://127.0.0.1:9/jwks"),
        "unknown kid": stranger.sign(provider.claims()),
        "kid of another key": stranger.sign(provider.claims(), kid=key.kid),
        "kid is no text": key.sign(provider.claims()).replace(head, b64(json.dumps({"alg": "RS256", "kid": [1]}))),
        "critical": key.sign(provider.claims(), crit=["exp"], exp=1),
        "other type": key.sign(provider.claims(), typ="logout+jwt"),
        "logout": of(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
        "bound": of(cnf={"jkt": "x"}),
        "other issuer": of(iss="http://127.0.0.1:1"),
        "issuer with a slash": of(iss=provider.url + "/"),
        "no issuer": of(iss=None),
        "expired": of(iat=now_s - 600, exp=now_s - 60),
        "no expiry": of(exp=None),
        "expiry is no number": of(exp="never"),
        "expiry is true": of(exp=True),
        "endless": of(exp=1e300),
        "not yet": of(nbf=now_s + 120),
        "of tomorrow": of(iat=now_s + 86400, exp=now_s + 90000),
        "no iat": of(iat=None),
        "other audience": of(aud="somebody else"),
        "no audience": of(aud=None),
        "audience is no text": of(aud=[{"page": 1}]),
        "other party": of(aud=[PAGE, "other"], azp="other"),
        "no subject": of(sub=None),
        "empty subject": of(sub=""),
        "subject is no text": of(sub=7),
        "huge": of(groups=["x" * 100] * 200),
        "swapped claims": f"{head}.{swapped}.{signature}",
        "no signature": f"{head}.{body}.",
        "mutated": f"{head}.{body}.{signature[:-8]}AAAAAAAA",
        "deep": f"{b64('[' * 9000)}.{body}.{signature}",
        "cut": good[: len(good) // 2],
        "five parts": f"{good}.AAAA.AAAA",
        "claims are a list": f"{head}.{b64('[]')}.{signature}",
        "not base64": "ey!.ey!.x",
    }


async def test_hostile_tokens_let_nobody_in(gateway: Gateway, provider: Provider, store: KeyStore) -> None:
    assert await status_of(gateway, await signed(provider)) == (200, "")
    assert await status_of(gateway, await signed(provider, aud=AUDIENCE, azp="other")) == (200, "")
    for name, token in hostile_tokens(provider).items():
        assert await status_of(gateway, token) == (401, "unauthorized"), name
    assert [account.name for account in await store.all_of(None)] == ["ann"]


async def test_no_route_lets_in_a_token_that_is_wrong_or_lacks_its_scope(gateway: Gateway, provider: Provider) -> None:
    expired = await signed(provider, iat=1, exp=100)
    program = await signed(provider)
    theirs = {Scope.STREAM, Scope.JOBS, Scope.READ_OWN}
    for method, path, scopes in guarded_routes():
        for token, status, close_code, code in [
            (expired, 401, 4510, "unauthorized"),
            *([(program, 403, 4511, "forbidden")] if theirs.isdisjoint(scopes) else []),
        ]:
            expected = ((1008 if path in DIALECT_PATHS else close_code) if method == "WS" else status, code)
            assert await outcome(gateway, method, path, bearer(token)) == (
                (close_code, "") if path in MUTE else expected
            ), (method, path)


async def test_wrong_tokens_count_as_wrong_credentials(
    provider: Provider, store: KeyStore, redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    settings = oidc(provider, max_auth_failures_per_minute=5)
    async with keyed(redis_client, redis_url, tmp_path, **settings) as gateway:
        expired = await signed(provider, iat=1, exp=100)
        answers = [await status_of(gateway, expired) for _ in range(8)]
        assert answers[:3] == [(401, "unauthorized")] * 3
        assert answers[-1] == (429, "rate_limited")
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            assert (await http.post(SIGN_IN, json={"refresh_token": "x"})).status_code == 429
        # Somebody behind the same address whose token is right goes on.
        assert await status_of(gateway, await signed(provider)) == (200, "")


async def test_a_stream_outlives_its_token_while_its_owner_is_signed_in(
    gateway: Gateway, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.core.requests.people.LEEWAY_S", 0)
    now_s = int(time.time())
    short = await signed(provider, sub="short", exp=now_s + 3)
    async with line(gateway.stream(), additional_headers=bearer(short)) as stays:
        await stays.hear("ready")
        assert await status_of(gateway, await signed(provider, sub="short", exp=now_s + 60)) == (200, "")
        other = await signed(provider, sub="other", exp=int(time.time()) + 2)
        async with line(gateway.stream(), additional_headers=bearer(other)) as ends:
            token = (await ends.hear("ready"))["resume_token"]
            await ends.send(bytes(32_000))
            assert await ends.rest(2 * watch.CHECK_EVERY_S + 5) == 4510
            assert "sign-in has expired" in ends.events[-1]["message"]
        # The session has waited; nothing that was said before is lost.
        again = bearer(await signed(provider, sub="other"))
        name = ends.events[0]["session_id"]
        async with line(gateway.stream(f"session_id={name}&resume_token={token}"), additional_headers=again) as resumed:
            assert (await resumed.hear("ready"))["resumed"] is True
            await resumed.send(STOP)
            assert await resumed.rest() == 1000
        await stays.send(STOP)
        assert await stays.rest() == 1000


async def test_guests_stay_when_their_host_signs_out_and_go_when_the_host_is_revoked(
    provider: Provider,
    store: KeyStore,
    redis_client: Redis,
    redis_url: str,
    tmp_path: Path,
    workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stt_gateway.core.requests.people.LEEWAY_S", 0)
    settings = oidc(provider, oidc_scopes="read")
    async with keyed(redis_client, redis_url, tmp_path, **settings) as gateway:
        await guests(gateway, provider, store)


async def guests(gateway: Gateway, provider: Provider, store: KeyStore) -> None:
    host = await signed(provider, sub="host", exp=int(time.time()) + 3)
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
        token = (await http.post("/v1/stt/tokens", headers=bearer(host))).json()["access_token"]
        assert (await http.get(TRANSCRIPTS, headers=bearer(token))).status_code == 200
        invited = await http.post("/v1/stt/invitations", json={"conversation_id": "board"}, headers=bearer(host))
        invitation = invited.json()["invitation"]
    (account,) = await store.all_of("local")
    viewer_url = gateway.url.replace("http", "ws") + "/v1/stt/conversations/board"
    async with line(viewer_url, additional_headers=bearer(invitation)) as guest:
        await guest.hear("following")
        await asyncio.sleep(3 + watch.CHECK_EVERY_S)
        assert await status_of(gateway, token) == (401, "unauthorized")
        assert guest.socket.close_code is None
        await store.revoke(account.id, None, wall_ms())
        assert await guest.rest(2 * watch.CHECK_EVERY_S) == 4510


async def test_a_new_key_of_the_issuer_is_found_and_known_ones_work_while_it_is_away(
    store: KeyStore,
    redis_client: Redis,
    redis_url: str,
    tmp_path: Path,
    workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stt_gateway.outbound.issuer_keys.AGAIN_S", 0.2)
    with openid_provider() as first:
        port = int(first.url.rpartition(":")[2])
        async with keyed(redis_client, redis_url, tmp_path, **oidc(first)) as gateway:
            assert await status_of(gateway, await signed(first)) == (200, "")
            rotated = SigningKey()
            late = rotated.sign(first.claims())
            assert await status_of(gateway, late) == (401, "unauthorized")
    async with keyed(redis_client, redis_url, tmp_path, **oidc(first)) as gateway:
        # Nothing is known of it, so nobody can say that a token is wrong.
        assert await status_of(gateway, late) == (503, "unavailable")
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            for answer in (await http.get(SIGN_IN), await http.post(SIGN_IN, json={"refresh_token": "x"})):
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
                assert "retry-after" in answer.headers
        assert await status_of(gateway, (await stored_key(store, Scope.READ)).text) == (200, "")
        with openid_provider(port, rotated):
            async with asyncio.timeout(10):
                while (await status_of(gateway, late))[0] != 200:
                    await asyncio.sleep(0.1)
            assert await status_of(gateway, await signed(first)) == (401, "unauthorized")
        assert await status_of(gateway, late) == (200, "")
        await asyncio.sleep(0.5)
        assert await status_of(gateway, await signed(first)) == (503, "unavailable")
        assert await status_of(gateway, late) == (200, "")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"code": "x"}', b'{"refresh_token": ""}', b'{"other": 1}'])
async def test_a_bad_body_is_named(body: bytes, gateway: Gateway) -> None:
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
        answer = await http.post(SIGN_IN, content=body)
    assert answer.status_code in (400, 422)
    assert "refresh_token" in answer.json()["error"]["message"]


async def test_with_keys_alone_nobody_signs_in(
    store: KeyStore, provider: Provider, redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with keyed(redis_client, redis_url, tmp_path) as gateway:
        assert await status_of(gateway, await signed(provider)) == (401, "unauthorized")
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            assert (await http.get(SIGN_IN)).json() == {"issuer": None}
            assert (await http.post(SIGN_IN, json={"refresh_token": "x"})).status_code == 409


async def test_the_start_refuses_what_is_no_issuer_and_waits_for_one_that_is_away(
    gateway: Gateway, provider: Provider, capfd: pytest.CaptureFixture[str]
) -> None:
    def settings(url: str) -> GatewaySettings:
        return GatewaySettings(auth="oidc", oidc_issuer=url, oidc_client_id=PAGE)

    from stt_gateway.keys.sign_in import check_issuer

    await check_issuer(settings(provider.url))
    with pytest.raises(NotAnIssuer, match=f"calls itself {provider.url};"):
        await check_issuer(settings(provider.url + "/"))
    with pytest.raises(NotAnIssuer, match="answers 404"):
        await check_issuer(settings(gateway.url))
    with pytest.raises(NotAnIssuer, match="no OpenID provider"):
        await check_issuer(settings(f"{provider.url}/jwks"))
    await check_issuer(settings(f"http://127.0.0.1:{free_port()}"))
    assert "people cannot sign in until it is" in capfd.readouterr().out
