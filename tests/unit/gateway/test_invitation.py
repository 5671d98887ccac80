"""Invitations as they are written."""

import random

import pytest

from stt_gateway.core.requests.access_token import Claims, is_token, read_token, write_token
from stt_gateway.core.requests.invitation import InvitationClaims, is_invitation, read_invitation, write_invitation
from stt_gateway.core.requests.principal import Scope
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

SECRET = bytes(range(32))
CLAIMS = InvitationClaims("k" * 12, "board ä", True, 1000, 61_000)


def refusal(text: str, *, secret: bytes = SECRET, now_ms: float = 2000) -> str:
    with pytest.raises(SttError) as refused:
        read_invitation(text, secret, now_ms)
    assert refused.value.code == "unauthorized"
    return refused.value.message


def test_it_says_what_was_signed_until_it_expires() -> None:
    text = write_invitation(CLAIMS, SECRET)
    assert is_invitation(text)
    assert not is_token(text)
    assert read_invitation(text, SECRET, 60_999) == CLAIMS
    assert "expired" in refusal(text, now_ms=61_000)
    assert "not valid" in refusal(text, secret=bytes(32))


def test_the_longest_name_of_a_conversation_fits() -> None:
    claims = InvitationClaims("k" * 12, "\U0001f600" * 128, True, 10**13, 10**13 + 1)
    assert read_invitation(write_invitation(claims, SECRET), SECRET, 0) == claims


def test_a_token_is_no_invitation_and_an_invitation_no_token() -> None:
    token = write_token(Claims("k" * 12, [Scope.STREAM], 1000, 61_000), SECRET)
    text = write_invitation(CLAIMS, SECRET)
    for forged in (token, token.replace("stt1.", "stt1i."), text.replace("stt1i.", "")):
        refusal(forged)
    for forged in (text, text.replace("stt1i.", "stt1.")):
        with pytest.raises(SttError):
            read_token(forged, SECRET, 2000, [])


def test_no_change_of_it_is_accepted() -> None:
    text, chance = write_invitation(CLAIMS, SECRET), random.Random(7)
    for _ in range(5_000):
        letters = list(text)
        letters[chance.randrange(len(letters))] = chr(chance.randrange(33, 0x500))
        if (changed := "".join(letters)) != text:
            refusal(changed)
