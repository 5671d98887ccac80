"""Which subprotocol is answered, and what one may carry."""

import base64

import pytest

from stt_gateway.core.requests.subprotocols import answered, offered_query
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        ([], None),
        (["bearer", "abc"], "bearer"),
        (["Bearer", JWT], "Bearer"),
        (["token", "0123456789abcdef0123456789abcdef01234567"], "token"),
        ([JWT, "token"], "token"),
        (["realtime", "openai-insecure-api-key.sk-proj-a1B2c3D4", "openai-beta.realtime-v1"], "realtime"),
        (["openai-insecure-api-key.ek_6780", "realtime"], "realtime"),
        (["graphql-transport-ws", "chat"], "graphql-transport-ws"),
        (["v1.oaipmh.org"], "v1.oaipmh.org"),
        (["audio.v2"], "audio.v2"),
        (["stt", "token", "x"], "stt"),
        (["stt", "query.bGFuZ3VhZ2U9ZW4"], "stt"),
        # Credentials alone are not repeated.
        ([JWT], None),
        (["0123456789abcdef0123456789abcdef"], None),
        (["base64url.bearer.authorization.k8s.io.YWJjZGVmMTIz"], None),
        (["sk-a1b2c3d4e5f6"], None),
        (["query.dG9rZW4"], None),
        (["x" * 5000], None),
        ([""], None),
    ],
)
def test_a_name_is_answered_and_never_a_credential(offered: list[str], answer: str | None) -> None:
    assert answered(offered) == answer


def query(text: str) -> str:
    return "query." + base64.urlsafe_b64encode(text.encode()).decode()


def test_parameters_travel_in_an_offer() -> None:
    pairs = [("resume_token", "a-b_c"), ("prompt", "Grüße & mehr"), ("speaker", "")]
    offer = query("resume_token=a-b_c&prompt=Gr%C3%BC%C3%9Fe+%26+mehr&speaker=")
    assert offered_query(["stt", offer]) == pairs
    assert offered_query(["stt", offer.rstrip("=")]) == pairs
    assert offered_query([]) == offered_query(["stt"]) == offered_query(["query."]) == []


@pytest.mark.parametrize("offer", ["query.!!!", "query.a", "query.é", "query." + "//79", "query._-79"])
def test_an_offer_that_cannot_be_read_is_refused(offer: str) -> None:
    with pytest.raises(SttError, match="base64url") as caught:
        offered_query([offer])
    assert caught.value.code == "bad_config"
