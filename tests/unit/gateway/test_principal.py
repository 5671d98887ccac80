"""Who a client is, and what it may do."""

import pytest

from stt_gateway.core.requests.principal import LOCAL, Principal, Scope, check_scopes
from stt_shared.contracts.errors import SttError

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
    ("scopes", "own", "of_tenant"),
    [
        ([Scope.READ], True, True),
        ([Scope.READ_OWN], True, False),
        ([Scope.JOBS], True, False),
        ([Scope.STREAM, Scope.DELETE, Scope.ADMIN], False, False),
        ([], False, False),
    ],
)
def test_what_may_be_read(scopes: list[Scope], own: bool, of_tenant: bool) -> None:
    reader = principal(*scopes)
    assert reader.may_read("acme", "k1") is own
    assert reader.may_read("acme", "k2") is of_tenant
    assert not reader.may_read("other", "k1")
