"""Where a credential may stand in a request."""

import pytest

from stt_gateway.core.requests.credential import credential_of
from stt_gateway.core.requests.subprotocols import answered
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

KEY = "stt_" + "a" * 12 + "_" + "B" * 43
TOKEN = "stt1.abc.def"


def found(
    authorization: list[str] | None = None,
    x_api_key: list[str] | None = None,
    subprotocols: list[str] | None = None,
    query: list[tuple[str, str]] | None = None,
    *,
    keys_in_query: bool = False,
) -> str | None:
    return credential_of(
        authorization or [], x_api_key or [], subprotocols or [], query or [], keys_in_query=keys_in_query
    )


@pytest.mark.parametrize("value", [f"Bearer {KEY}", f"bearer   {KEY} ", f"Token {KEY}", f"TOKEN {KEY}"])
def test_in_authorization_with_either_scheme(value: str) -> None:
    assert found([value]) == KEY


@pytest.mark.parametrize("value", ["", "Basic YTpi", KEY, "Bearer", "Digest x=y"])
def test_other_schemes_are_for_a_proxy_in_front(value: str) -> None:
    assert not found([value])
    assert found([value], [KEY]) == KEY


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        (["token", KEY], "token"),
        (["bearer", KEY], "bearer"),
        (["Bearer", KEY], "Bearer"),
        (["realtime", f"openai-insecure-api-key.{KEY}", "openai-beta.realtime-v1"], "realtime"),
        (["stt", "query.YT1i", "bearer", KEY], "stt"),
        ([f"openai-insecure-api-key.{KEY}"], None),
    ],
)
def test_in_subprotocols_of_which_another_is_answered(offered: list[str], answer: str | None) -> None:
    assert found(subprotocols=offered) == KEY
    assert answered(offered) == answer


@pytest.mark.parametrize("credential", ["abc", "secret-1", "v2", "openai-insecure-api-key.abc"])
def test_a_credential_that_looks_like_a_name_is_not_answered(credential: str) -> None:
    assert answered(["token", credential]) == "token"
    assert answered([credential]) != credential or not credential.startswith("openai")


@pytest.mark.parametrize("offered", [[], ["stt"], ["bearer"], ["token", "realtime"], ["stt", "query.YT1i"], [KEY]])
def test_offers_without_a_credential(offered: list[str]) -> None:
    assert found(subprotocols=offered) is None


def test_in_the_query_only_a_token_unless_a_setting_allows_keys() -> None:
    assert found(query=[("language", "en"), ("access_token", TOKEN)]) == TOKEN
    for pair in [("access_token", KEY), ("api_key", KEY), ("api_key", TOKEN), ("api_key", "")]:
        with pytest.raises(SttError) as refused:
            found(query=[pair])
        assert refused.value.code == "unauthorized"
        assert KEY not in refused.value.message
        assert found(query=[pair], keys_in_query=True) == (pair[1] or None)


def test_the_same_twice_is_one_and_different_ones_are_refused() -> None:
    assert found([f"Bearer {KEY}"], [KEY], ["token", KEY]) == KEY
    for more in (
        {"x_api_key": ["other"]},
        {"subprotocols": ["token", "other"]},
        {"authorization": [f"Bearer {KEY}", "Token other"]},
        {"query": [("access_token", TOKEN)]},
    ):
        with pytest.raises(SttError, match="two different"):
            found(**{"authorization": [f"Bearer {KEY}"], **more})  # type: ignore[arg-type]
