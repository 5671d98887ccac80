"""Names of keys: of two tenants' things no two are the same."""

from itertools import product

import pytest

from stt_shared.contracts.makers import LOCAL_TENANT
from stt_shared.streams.keys import conversation_keys, session_keys, session_keys_of

pytestmark = pytest.mark.unit

TENANTS = [LOCAL_TENANT, "acme", "acme/s", "acme%2Fs", "%2F", "/", "ä{b}", "s1", " "]
SESSIONS = ["s1", "acme", "s.1", "local", "a:b@c-d"]
CONVERSATIONS = [*SESSIONS, "acme/s1", "/", "acme%2Fs", "{s1}", "ä"]


def test_session_ids_of_tenants_never_meet() -> None:
    made = {pair: session_keys_of(*pair) for pair in product(TENANTS, SESSIONS)}
    assert len({at.state for at in made.values()}) == len({at.id for at in made.values()}) == len(made)
    for (tenant, id), at in made.items():
        assert (at.tenant, at.name) == (tenant, id)
        assert session_keys(at.id) == at, "as work streams hold it"
        assert at.state.count("{") == at.state.count("}") == 1


def test_conversation_ids_of_tenants_never_meet() -> None:
    made = [conversation_keys(*pair).state for pair in product(TENANTS, CONVERSATIONS)]
    assert len(set(made)) == len(TENANTS) * len(CONVERSATIONS)


def test_the_names_of_the_local_tenant_are_the_ids() -> None:
    assert session_keys_of(LOCAL_TENANT, "s1").state == "stt:stream:session:{s1}"
    assert conversation_keys(LOCAL_TENANT, "a/b").state == "stt:conversations:state:{a%2Fb}"
    assert session_keys_of("acme", "s1").state == "stt:stream:session:{acme/s1}"
