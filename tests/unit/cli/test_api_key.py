"""The key that client commands send."""

import pytest

from stt_cli.errors import CliError
from stt_cli.http.api_key import api_key, key_headers, use_key

pytestmark = pytest.mark.unit


def test_the_option_comes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STT_API_KEY", raising=False)
    assert (api_key(), key_headers()) == (None, {})
    monkeypatch.setenv("STT_API_KEY", " from-env\n")
    use_key(None)
    assert api_key() == "from-env"
    use_key("given")
    assert key_headers() == {"Authorization": "Bearer given"}


@pytest.mark.parametrize("key", ["kéy", "a\nb", "a\x00"])
def test_what_no_header_can_carry_is_told_without_repeating_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STT_API_KEY", "x")
    with pytest.raises(CliError, match="STT_API_KEY") as refused:
        use_key(key)
    assert (refused.value.exit_code, key in str(refused.value)) == (2, False)
