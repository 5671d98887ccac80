"""Bodies of requests for keys and tokens."""

import json
from typing import Any

import pytest

from stt_gateway.core.requests.key_request import (
    InvitationRequest,
    KeyRequest,
    TokenRequest,
    invitation_request,
    key_request,
    overlap_request,
    sorted_scopes,
    token_request,
)
from stt_gateway.core.requests.principal import LOCAL, Principal, Scope
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

ANN = Principal("acme", "k1", "Ann", frozenset({Scope.STREAM, Scope.READ}))


def refused(parse: Any, body: Any, *more: Any) -> str:
    with pytest.raises(SttError) as error:
        parse(body if isinstance(body, bytes) else json.dumps(body).encode(), *more)
    return error.value.code


def test_a_key_has_a_name_and_scopes() -> None:
    body = b'{"name": " CI ", "scopes": ["jobs", "read:own", "jobs"], "expires_in_days": 0.5}'
    assert key_request(body, LOCAL) == KeyRequest("CI", frozenset({Scope.JOBS, Scope.READ_OWN}), 0.5)
    assert key_request(b'{"name": "CI", "scopes": ["read"]}', LOCAL).days is None


@pytest.mark.parametrize(
    "body",
    [{}, {"name": "x"}, {"name": "", "scopes": ["read"]}, {"name": "x" * 101, "scopes": ["read"]},
     {"name": "a\nb", "scopes": ["read"]}, {"name": "x", "scopes": []}, {"name": "x", "scopes": ["root"]},
     {"name": "x", "scopes": "read"}, {"name": "x", "scopes": ["read"], "expires_in_days": 0},
     {"name": "x", "scopes": ["read"], "expires_in_days": 1e9},
     {"name": "x", "scopes": ["read"], "tenant": "other"}, []],
)  # fmt: skip
def test_what_no_key_can_be_is_refused(body: Any) -> None:
    assert refused(key_request, body, LOCAL) == "bad_config"


def test_nobody_gives_away_what_they_have_not() -> None:
    assert refused(key_request, {"name": "x", "scopes": ["admin"]}, ANN) == "forbidden"
    assert refused(token_request, {"scopes": ["read", "delete"]}, ANN) == "forbidden"
    assert refused(key_request, b"{", ANN) == "bad_message"


def test_a_token_is_for_a_minute_and_all_scopes_unless_less_is_said() -> None:
    assert token_request(b"", ANN) == TokenRequest(ANN.scopes, 60, "")
    body = b'{"expires_in": 600, "scopes": ["stream"], "origin": "HTTPS://App.Example.org:443/"}'
    assert token_request(body, ANN) == TokenRequest(frozenset({Scope.STREAM}), 600, "https://app.example.org")


@pytest.mark.parametrize(
    "body", [{"expires_in": 0}, {"expires_in": 601}, {"scopes": []}, {"origin": "example"}, {"origin": "*"}, {"x": 1}]
)
def test_what_no_token_can_be_is_refused(body: Any) -> None:
    assert refused(token_request, body, ANN) == "bad_config"


def test_an_overlap_is_up_to_a_week() -> None:
    assert overlap_request(b"") == 0
    assert overlap_request(b'{"overlap_s": 3600}') == 3600
    for seconds in (-1, 604_801):
        assert refused(overlap_request, {"overlap_s": seconds}) == "bad_config"


def test_scopes_are_shown_in_one_order() -> None:
    assert sorted_scopes([Scope.METRICS, Scope.STREAM]) == [Scope.STREAM, Scope.METRICS]


def test_an_invitation_is_to_read_for_a_day_unless_more_is_wanted() -> None:
    assert invitation_request(b'{"conversation_id": "board"}', ANN) == InvitationRequest("board", False, 86_400)
    body = {"conversation_id": "board", "speak": True, "expires_in": 60}
    assert invitation_request(json.dumps(body).encode(), ANN) == InvitationRequest("board", True, 60)
    reader = Principal("acme", "k2", "Bob", frozenset({Scope.READ}))
    assert refused(invitation_request, body, reader) == "forbidden"
    assert refused(invitation_request, b"", ANN) == "bad_message"
    for change in (
        {"expires_in": 59},
        {"expires_in": 2_592_001},
        {"speak": "yes"},
        {"conversation_id": ""},
        {"who": 1},
    ):
        assert refused(invitation_request, {**body, **change}, ANN) == "bad_config", change
    assert refused(invitation_request, {"speak": True}, ANN) == "bad_config"
