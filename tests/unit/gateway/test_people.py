"""What the claims of somebody who signs in make of them, and what ends with a sign-in."""

import asyncio
import dataclasses
from typing import Any

import pytest

from stt_gateway.core.requests.api_key import WrittenKey, is_key_id
from stt_gateway.core.requests.people import (
    LEEWAY_S,
    ClaimRules,
    account_of,
    claim_at,
    is_jwt,
    issuer_url,
    scope_rules,
)
from stt_gateway.core.requests.principal import Invited, Scope
from stt_gateway.core.requests.sign_in_request import CodeRequest, RenewalRequest, sign_in_request
from stt_gateway.keys.holders import KeyHolders
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms

pytestmark = pytest.mark.unit

CLAIMS: dict[str, Any] = {"iss": "https://login.example.org", "sub": "248289", "exp": 2000, "email": "ann@example.org"}
EVERYBODY = ClaimRules("", "", scope_rules("stream,read:own"))


def test_scopes_are_for_everybody_or_by_value() -> None:
    rules = scope_rules("stream, read:own , staff = jobs read,root=all")
    assert rules.scopes_for([]) == {Scope.STREAM, Scope.READ_OWN}
    assert rules.scopes_for(["staff", "unknown"]) == {Scope.STREAM, Scope.READ_OWN, Scope.JOBS, Scope.READ}
    assert rules.scopes_for(["root"]) == frozenset(Scope)
    assert scope_rules("").scopes_for(["admin"]) == frozenset()
    assert scope_rules("https://example.org/groups/x=read").scopes_for(["https://example.org/groups/x"]) == {Scope.READ}


@pytest.mark.parametrize("text", ["stream,talk", "staff=", "=read", "staff=read nothing", "staff=read all"])
def test_bad_scopes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"scope|VALUE"):
        scope_rules(text)


@pytest.mark.parametrize(
    ("found", "scopes"),
    [
        (["staff"], {Scope.READ}),
        ("staff other", {Scope.READ}),
        ("staffs", set()),
        ({"staff": True}, set()),
        ([["staff"], 7, None], set()),
        (None, set()),
    ],
)
def test_values_are_a_list_or_a_text_with_spaces(found: Any, scopes: set[Scope]) -> None:
    rules = ClaimRules("", "groups", scope_rules("staff=read"))
    assert account_of({**CLAIMS, "groups": found}, rules, 0).scopes == scopes


def test_a_claim_is_found_by_its_name_or_its_path() -> None:
    claims = {"realm_access": {"roles": ["a"]}, "https://example.org/roles": ["b"]}
    assert claim_at(claims, "realm_access.roles") == ["a"]
    assert claim_at(claims, "https://example.org/roles") == ["b"]
    assert claim_at(claims, "realm_access.roles.a") is None
    assert claim_at(claims, "missing.roles") is None


def test_an_account_is_one_person_of_one_issuer_in_one_tenant() -> None:
    account = account_of(CLAIMS, EVERYBODY, 7)
    assert is_key_id(account.id)
    assert (account.tenant, account.name, account.expires_ms) == ("local", "ann@example.org", (2000 + LEEWAY_S) * 1000)
    assert account.is_person
    assert not account.accepts(account.digest, 7)
    by_tenant = ClaimRules("org", "", EVERYBODY.scopes)
    ids = {
        account.id,
        account_of({**CLAIMS, "sub": "248290"}, EVERYBODY, 7).id,
        account_of({**CLAIMS, "iss": "https://other.example.org"}, EVERYBODY, 7).id,
        account_of({**CLAIMS, "org": "acme"}, by_tenant, 7).id,
    }
    assert len(ids) == 4
    assert account_of({**CLAIMS, "exp": 3000, "email": "new@example.org"}, EVERYBODY, 9).id == account.id


@pytest.mark.parametrize("org", [None, "", "a/b", "x" * 65, 7, ["acme"], {"name": "acme"}])
def test_nobody_without_a_tenant_gets_into_one(org: Any) -> None:
    with pytest.raises(SttError) as refused:
        account_of({**CLAIMS, "org": org}, ClaimRules("org", "", EVERYBODY.scopes), 0)
    assert refused.value.code == "forbidden"
    assert "org" in refused.value.message


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "ann"}, "ann"),
        ({"preferred_username": "a\x07", "email": " "}, "248289"),
        ({"preferred_username": ["ann"], "email": None, "name": "Ann " + "x" * 200}, "Ann " + "x" * 96),
    ],
)
def test_a_name_is_one_that_people_can_read(claims: dict[str, Any], name: str) -> None:
    assert account_of({**CLAIMS, "email": None, **claims}, EVERYBODY, 0).name == name


def test_keys_and_tokens_of_the_suite_are_no_jwts() -> None:
    assert is_jwt("eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
    for text in (WrittenKey("e" * 12, "y" * 43).text, "stt1.e30.AAAA", "stt1i.e30.AAAA", "ey", ""):
        assert not is_jwt(text)


@pytest.mark.parametrize(
    "url",
    [
        "login.example.org",
        "http://login.example.org",
        "http://10.0.0.1:8080",
        "ftp://localhost",
        "https://ann:secret@login.example.org",
        "https://login.example.org/?realm=x",
        "https://[::1",
    ],
)
def test_an_issuer_is_reached_by_https(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|https|IPv6"):
        issuer_url(url)
    for allowed in (
        "https://login.example.org/realms/staff/",
        "http://127.0.0.1:8080",
        "http://localhost",
        "http://[::1]:1",
    ):
        assert issuer_url(allowed) == allowed


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({}, "OIDC_ISSUER"),
        ({"oidc_issuer": "https://login.example.org"}, "OIDC_CLIENT_ID"),
        ({"oidc_scopes_claim": "groups"}, "OIDC_SCOPES"),
        ({"oidc_scopes": "staff=read"}, "OIDC_SCOPES_CLAIM"),
        ({"oidc_scopes_claim": "groups", "oidc_scopes": "staff=read"}, None),
        ({"oidc_client_id": "", "oidc_audience": "https://stt.example.org"}, None),
        ({"auth": "keys", "oidc_issuer": "", "oidc_client_id": ""}, None),
    ],
)
def test_settings_that_let_nobody_sign_in_are_named(settings: dict[str, Any], wrong: str | None) -> None:
    usable = {"auth": "oidc", "oidc_issuer": "https://login.example.org", "oidc_client_id": "stt"}
    given = settings if wrong in ("OIDC_ISSUER", "OIDC_CLIENT_ID") else {**usable, **settings}
    found = GatewaySettings(**{"auth": "oidc", **given}).unusable_sign_in
    assert (wrong or "") in (found or "")
    assert (found is None) is (wrong is None)


def test_a_body_is_a_code_or_a_refresh_token() -> None:
    code = b'{"code": "c", "code_verifier": "v", "redirect_uri": "r", "nonce": "n"}'
    assert sign_in_request(code) == CodeRequest("c", "v", "r", "n")
    assert sign_in_request(b'{"refresh_token": "t"}') == RenewalRequest("t")
    for body in (b"{}", code.replace(b"}", b', "refresh_token": "t"}'), code.replace(b'"n"', b'""')):
        with pytest.raises(SttError):
            sign_in_request(body)


async def test_what_somebody_has_open_ends_with_the_sign_in_but_not_what_guests_have() -> None:
    account = account_of({**CLAIMS, "exp": wall_ms() / 1000 + 60}, EVERYBODY, wall_ms())
    guest = dataclasses.replace(account.principal, invited=Invited("board", int(wall_ms()) + 60_000))
    holders, ended = KeyHolders(), []
    with (
        holders.held(account.principal, lambda error: ended.append(("owner", error.message))),
        holders.held(guest, lambda error: ended.append(("guest", error.message))),
    ):
        await asyncio.sleep(0)
        holders.check(account.id, account)
        assert ended == []
        holders.check(account.id, dataclasses.replace(account, expires_ms=int(wall_ms()) - 1))
        assert ended == [("owner", "the sign-in has expired; sign in again")]
        holders.check(account.id, dataclasses.replace(account, revoked_ms=1))
        assert ended[1:] == [("guest", "the account has been revoked")]
