"""HTTP requests to a suite, their files and their answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import httpx2

from stt_cli.errors import CliError, ServerRefusal
from stt_cli.http.api_key import key_headers
from stt_cli.http.server import error_message
from stt_cli.http.tls import client_tls


@contextmanager
def http_client(url: str, answer_s: float = 120.0) -> Iterator[httpx2.Client]:
    """Open a client with its own connections. Uploads have no overall time limit; only periods of silence do.

    ``answer_s``: longest silence before an answer.
    """
    # Proxies from the environment are for the internet; a suite is usually on this machine or the local network.
    timeout = httpx2.Timeout(10.0, read=answer_s, write=120.0)
    with httpx2.Client(
        base_url=url, timeout=timeout, trust_env=False, verify=client_tls(), headers=key_headers()
    ) as http:
        yield http


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file to upload. Raises CliError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise CliError(f"cannot be read: {error.strerror}") from None
    with file:
        yield file


def checked(response: httpx2.Response) -> dict[str, Any]:
    """Return the JSON object of a response. Raises CliError with the suite's own message."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.is_success and isinstance(answer, dict):
        return answer
    message = error_message(answer) or f"the server answered {response.status_code} {response.reason_phrase}"
    raise ServerRefusal(message, response.status_code)
