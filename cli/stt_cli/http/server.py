"""Address of the suite, and error messages for when it does not answer."""

import os
import ssl
import urllib.parse

from stt_cli.errors import CliError, Unreachable

DEFAULT_URL = "http://127.0.0.1:8000"


def base_url(given: str | None) -> str:
    """Return the suite's URL without a trailing slash: the one given, else STT_URL, else this machine's default.

    Raises CliError if it is not an http(s) URL.
    """
    url = (given or os.environ.get("STT_URL") or DEFAULT_URL).rstrip("/")
    if not url.startswith(("http://", "https://")) or url.endswith("//"):
        raise CliError(f"{url!r} is not the address of a suite: it must begin with http:// or https://", exit_code=2)
    try:
        parts = urllib.parse.urlsplit(url)
        is_address = bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:  # brackets or a port that cannot be parsed
        is_address = False
    if not is_address:
        raise CliError(f"{url!r} is not the address of a suite: it must be like http://HOST:PORT", exit_code=2)
    return url


def unreachable(url: str, cause: Exception | str) -> CliError:
    """Return the error for a server that does not answer, or whose certificate is not trusted."""
    below: BaseException | None = cause if isinstance(cause, Exception) else None
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            return untrusted(url, below)
        below = below.__cause__ or below.__context__
    if isinstance(cause, OSError) and cause.errno is not None:
        cause = os.strerror(cause.errno)
    reason = str(cause) or type(cause).__name__
    return Unreachable(
        f"no answer from {url} ({reason}); start a suite with `stt up`, or name one with --url or STT_URL"
    )


def untrusted(url: str, cause: ssl.SSLCertVerificationError) -> CliError:
    """Return the error for a server whose certificate is not trusted."""
    return CliError(
        f"the certificate of {url} is not trusted: {cause.verify_message}; name its authority with --ca FILE, STT_CA "
        "or SSL_CERT_FILE"
    )


def error_message(answer: object) -> str:
    """Return the message in an error response, at the top level or under ``error``; '' without one."""
    if not isinstance(answer, dict):
        return ""
    error = answer.get("error", answer)
    message = error.get("message") if isinstance(error, dict) else error
    return str(message) if message else ""
