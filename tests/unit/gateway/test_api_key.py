"""Keys as they are written, and what a stored one accepts."""

import dataclasses
import hashlib

import pytest

from stt_gateway.core.requests.api_key import ApiKey, WrittenKey, digest_of, is_key_id, parse_key
from stt_gateway.core.requests.principal import Principal, Scope

pytestmark = pytest.mark.unit

SECRET, BEFORE = "s" * 43, "b" * 43
KEY = ApiKey("k" * 12, "acme", "CI", digest_of(SECRET), frozenset({Scope.JOBS}), created_ms=1000, secret_ms=1000)
ROTATED = dataclasses.replace(KEY, secret_ms=5000, previous_digest=digest_of(BEFORE), previous_until_ms=9000)


def test_a_key_is_written_and_read() -> None:
    written = WrittenKey("k" * 12, SECRET)
    assert written.text == f"stt_{'k' * 12}_{SECRET}"
    assert parse_key(written.text) == written
    assert SECRET not in repr(written)
    assert digest_of(SECRET) == hashlib.sha256(SECRET.encode()).hexdigest()
    assert digest_of(SECRET) not in repr(KEY)


@pytest.mark.parametrize(
    "text",
    ["", "stt_", "sk-123", WrittenKey("k" * 12, SECRET).text[:-1], WrittenKey("k" * 12, SECRET).text + "\n",
     WrittenKey("k" * 12, "é" * 43).text, WrittenKey("k" * 11, SECRET).text, " " + WrittenKey("k" * 12, SECRET).text],
)  # fmt: skip
def test_anything_else_is_no_key(text: str) -> None:
    assert parse_key(text) is None


def test_an_id_is_twelve_letters_and_digits() -> None:
    assert is_key_id("aB3" * 4)
    assert not any(is_key_id(text) for text in ("", "a" * 11, "a" * 13, "a" * 11 + "-", "é" * 12))


def test_only_its_secret_is_accepted() -> None:
    assert KEY.accepts(SECRET, 2000)
    assert not KEY.accepts(BEFORE, 2000)
    assert not KEY.accepts("", 2000)
    assert not KEY.accepts(KEY.digest, 2000)
    assert KEY.principal == Principal("acme", "k" * 12, "CI", frozenset({Scope.JOBS}))


def test_the_secret_before_is_accepted_in_the_overlap_alone() -> None:
    assert ROTATED.accepts(BEFORE, 8999)
    assert not ROTATED.accepts(BEFORE, 9000)
    assert ROTATED.accepts(SECRET, 9000)


def test_a_key_ends_when_it_is_revoked_or_expires() -> None:
    assert KEY.ended(1e15) is None
    expiring = dataclasses.replace(KEY, expires_ms=3000)
    assert expiring.ended(2999) is None
    assert "expired" in (expiring.ended(3000) or "")
    assert "revoked" in (dataclasses.replace(expiring, revoked_ms=1500).ended(1500) or "")


def test_what_was_begun_with_an_earlier_secret_ends_after_the_overlap() -> None:
    assert ROTATED.ended_since(4999, 8999) is None
    assert "another secret" in (ROTATED.ended_since(4999, 9000) or "")
    assert ROTATED.ended_since(5000, 9000) is None
    assert "revoked" in (dataclasses.replace(ROTATED, revoked_ms=1500).ended_since(5000, 9000) or "")
