"""Tokens that a key makes for a browser."""

import random

import pytest

from stt_gateway.core.requests.access_token import Claims, is_token, read_token, write_token
from stt_gateway.core.requests.principal import Scope
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

SECRET = bytes(range(32))
CLAIMS = Claims("k" * 12, [Scope.STREAM, Scope.READ_OWN], 1000, 61_000)
ORIGIN = "https://app.example.org"


def refusal(token: str, *, secret: bytes = SECRET, now_ms: float = 2000, origins: list[str] | None = None) -> str:
    with pytest.raises(SttError) as refused:
        read_token(token, secret, now_ms, origins or [])
    assert refused.value.code == "unauthorized"
    return refused.value.message


def test_a_token_says_what_was_signed_until_it_expires() -> None:
    token = write_token(CLAIMS, SECRET)
    assert is_token(token)
    assert read_token(token, SECRET, 60_999, [ORIGIN]) == CLAIMS
    assert "expired" in refusal(token, now_ms=61_000)


def test_another_secret_signs_nothing_here() -> None:
    assert "not valid" in refusal(write_token(CLAIMS, bytes(32)))


def test_a_token_of_an_origin_is_for_its_pages_alone() -> None:
    token = write_token(Claims("k" * 12, [Scope.STREAM], 1000, 61_000, ORIGIN), SECRET)
    assert read_token(token, SECRET, 2000, [ORIGIN.upper()]).origin == ORIGIN
    for origins in ([], ["https://evil.example.org"], [ORIGIN, ORIGIN], ["null"]):
        assert "origin" in refusal(token, origins=origins)


def test_no_change_of_a_token_is_accepted() -> None:
    token, chance = write_token(CLAIMS, SECRET), random.Random(7)
    for _ in range(20_000):
        letters = list(token)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(letters))
            match chance.randrange(3):
                case 0:
                    letters[at] = chr(chance.randrange(33, 0x500))
                case 1:
                    del letters[at]
                case 2:
                    letters.insert(at, chance.choice("aA0_-.=é"))
        changed = "".join(letters)
        if changed != token:
            refusal(changed)
    for text in ("", "stt1.", "stt1..", "stt1.e30.", "stt1." + "A" * 5000, "\udcff.\udcff"):
        refusal(text)
