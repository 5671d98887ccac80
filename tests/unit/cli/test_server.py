"""The server's address, and its errors in one line."""

import pytest

from stt_cli.errors import CliError
from stt_cli.http.server import base_url, error_message, unreachable

pytestmark = pytest.mark.unit


def test_the_address_is_the_option_then_the_environment_then_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STT_URL", raising=False)
    assert base_url(None) == "http://127.0.0.1:8000"
    monkeypatch.setenv("STT_URL", "https://stt.example/")
    assert base_url(None) == "https://stt.example"
    assert base_url("http://other:1") == "http://other:1"
    with pytest.raises(CliError, match="must begin with http"):
        base_url("localhost:8000")


def test_an_unreachable_server_says_what_to_do() -> None:
    said = str(unreachable("http://a:1", ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)")))
    assert said == (
        "no answer from http://a:1 (Connection refused); start a suite with `stt up`, or name one with --url or STT_URL"
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"error": {"code": "too_large", "message": "at most 2 GB"}}, "at most 2 GB"),
        ({"code": "bad_config", "message": "language"}, "language"),
        (["?"], ""),
        ({}, ""),
    ],
)
def test_the_servers_own_sentence_is_found(answer: object, said: str) -> None:
    assert error_message(answer) == said
