"""Client secrets: what they hold, and what is found in them."""

import pytest

from stt_gateway.core.requests.client_secret import credential_in, session_in, write_client_secret
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


def test_a_secret_holds_a_session_and_a_token() -> None:
    secret = write_client_secret(b'{"a": "\xc3\xa9"}', "stt1.e30.AAAA")
    assert credential_in(secret) == "stt1.e30.AAAA"
    assert session_in(["bearer", secret]) == b'{"a": "\xc3\xa9"}'
    assert set(secret) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@pytest.mark.parametrize(("text", "token"), [("stt_k_s", "stt_k_s"), ("ek_67", ""), ("ek_%.t", "t"), ("", "")])
def test_what_is_no_secret_has_no_session(text: str, token: str) -> None:
    assert (credential_in(text), session_in([text])) == (token, None)


def test_a_secret_has_no_room_for_a_long_session() -> None:
    with pytest.raises(SttError) as refused:
        write_client_secret(b"x" * 4001, "t")
    assert (refused.value.code, refused.value.param) == ("bad_config", "session")
