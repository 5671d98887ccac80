"""How a client command reaches the suite."""

from pathlib import Path

from stt_cli.http.api_key import use_key
from stt_cli.http.server import base_url
from stt_cli.http.tls import trust


def suite_at(url: str | None, api_key: str | None, ca: Path | None) -> str:
    """Trust this authority and send this key from here on; return the suite's URL, as ``base_url`` does.

    Raises CliError for what cannot be used.
    """
    trust(ca)
    use_key(api_key)
    return base_url(url)
