"""Who a client is, and what it may do."""

import pytest

from stt_gateway.core.requests.principal import LOCAL, Principal, Scope, check_scopes
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.makers import LOCAL_MAKER, Maker

pytestmark = pytest.mark.unit


def principal(*scopes: Scope, tenant: str = "acme", key_id: str = "k1") -> Principal:
    return Principal(tenant, key_id, "a key", frozenset(scopes))


def test_one_of_the_scopes_is_enough() -> None:
    check_scopes(principal(Scope.JOBS), [Scope.READ, Scope.JOBS])
    check_scopes(LOCAL, [Scope.ADMIN])
    with pytest.raises(SttError) as refused:
        check_scopes(principal(Scope.JOBS), [Scope.READ, Scope.READ_OWN])
    assert refused.value.code == "forbidden"
    assert "read or read:own" in refused.value.message


def test_no_scope_includes_another() -> None:
    with pytest.raises(SttError):
        check_scopes(principal(*(set(Scope) - {Scope.STREAM})), [Scope.STREAM])


@pytest.mark.parametrize(
    ("scopes", "whole_tenant"),
    [
        ([Scope.READ], True),
        ([Scope.READ, Scope.READ_OWN, Scope.JOBS], True),
        ([Scope.READ_OWN], False),
        ([Scope.STREAM, Scope.JOBS, Scope.DELETE, Scope.ADMIN], False),
    ],
)
def test_only_the_scope_read_reaches_beyond_what_the_key_has_made(scopes: list[Scope], whole_tenant: bool) -> None:
    reach = principal(*scopes).reach
    assert reach.covers(Maker("acme", "k1"))
    assert reach.covers(Maker("acme", "k2")) is whole_tenant
    assert not reach.covers(Maker("other", "k1"))
    assert not reach.covers(LOCAL.maker)


def test_without_keys_everything_local_is_within_reach() -> None:
    assert LOCAL.reach.covers(LOCAL_MAKER)
    assert LOCAL.reach.covers(Maker("local", "k1"))
    assert not LOCAL.reach.covers(Maker("acme", ""))
