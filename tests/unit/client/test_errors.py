"""Closes and refusals: which of them another connection may mend."""

import pytest

from stt_client.errors import CLOSE_CODES, ConnectionLost, SessionError, close_error, status_error
from stt_shared.contracts.errors import ERRORS

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011, 1012, 1013, 4408, 4429, 4431, 4432, 4499])
def test_closes_that_another_connection_may_mend(code: int | None) -> None:
    assert isinstance(close_error(code, ""), ConnectionLost)


@pytest.mark.parametrize("code", [1002, 1008, 1009, 4500, 4502, 4509, 4999])
def test_closes_that_it_would_not(code: int) -> None:
    error = close_error(code, "why")
    assert isinstance(error, SessionError)
    assert str(code) in error.message
    assert "why" in error.message


def test_the_close_codes_are_those_of_the_server() -> None:
    assert {kind.close_code: code for code, kind in ERRORS.items()} == CLOSE_CODES
    for code, kind in ERRORS.items():
        error = close_error(kind.close_code, "")
        assert error.code == code
        assert isinstance(error, ConnectionLost) is kind.retryable


def test_refused_handshakes() -> None:
    assert isinstance(status_error(503, ""), ConnectionLost)
    assert isinstance(status_error(429, ""), ConnectionLost)
    said = {"7": 7, "0": 0, "": None, "-3": None, "1e9": None, "Fri, 31 Dec 1999 23:59:59 GMT": None, "9" * 400: None}
    assert {given: status_error(503, "", given).retry_after_s for given in said} == said
    refused = status_error(404, "")
    assert isinstance(refused, SessionError)
    assert (refused.code, refused.message) == ("refused", "the server refused the stream with status 404")
