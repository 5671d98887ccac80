"""The key that client commands send."""

import os

from stt_cli.errors import CliError

KEY_VARIABLE = "STT_API_KEY"


def use_key(key: str | None) -> None:
    """Send this key, instead of that of STT_API_KEY, from this process. Raises CliError if it cannot be sent."""
    if key is not None:
        os.environ[KEY_VARIABLE] = _checked(key)
    api_key()


def api_key() -> str | None:
    """Return the key to send; None without one. Raises CliError if it cannot be sent in a header."""
    return _checked(os.environ.get(KEY_VARIABLE, "")) or None


def key_headers() -> dict[str, str]:
    """Return the headers with which requests send the key, none without one. Raises CliError."""
    key = api_key()
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def _checked(key: str) -> str:
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise CliError(f"--api-key or {KEY_VARIABLE} is no key: it has characters that no key has", exit_code=2)
    return key
