"""Files at a URL that a client names instead of sending them: their names, and what their server answers. Pure."""

import urllib.parse
from collections.abc import Mapping

from stt_gateway.core.outbound.client_urls import MAX_URL_CHARS, url_parser
from stt_gateway.core.requests.filenames import display_filename, disposition_parameters, filename_of
from stt_gateway.core.requests.parameters import NotAllowed, Parameter

URL = Parameter[str](
    "url",
    "",
    url_parser(NotAllowed),
    {"type": "string", "format": "uri", "maxLength": MAX_URL_CHARS},
    "Where the file is, instead of a file in the request. Better in the body than in the query, which proxies log.",
    is_secret=True,
)
UNNAMED = "recording"
"""Name of a file that has none."""
_PASSING = frozenset({408, 425, 429})
_PAGES = frozenset({"text/html", "application/xhtml+xml", "application/json", "text/xml", "application/xml"})


class FetchFailed(Exception):
    """A file did not come; the message says why, and never repeats the URL. ``may_pass``: another attempt may help.

    ``code``: that of the error which the client gets.
    """

    def __init__(self, message: str, *, may_pass: bool = False, code: str = "fetch_failed") -> None:
        super().__init__(message)
        self.may_pass = may_pass
        self.code = code


def url_filename(url: str) -> str:
    """Return the name of the file at a URL, if its path ends in one with an extension; a path may hold a secret."""
    name = display_filename(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
    return name if "." in name.strip(".") else UNNAMED


def answered_filename(headers: Mapping[str, str], otherwise: str) -> str:
    """Return the name that an answer gives its file."""
    disposition = headers.get("content-disposition", "").encode("latin-1", "replace")
    return filename_of(disposition_parameters(disposition)) or otherwise


def check_answer(status: int, headers: Mapping[str, str], max_bytes: int) -> int:
    """Return the length of the file that an answer announces, 0 if it does not say. Raises FetchFailed."""
    if 300 <= status < 400:
        raise FetchFailed(f"the server of the url answered {status} without saying where the file is")
    if status != 200:
        raise FetchFailed(f"the server of the url answered {status}", may_pass=status >= 500 or status in _PASSING)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _PAGES:
        raise FetchFailed(f"the url leads to {kind}, not to audio")
    stated = headers.get("content-length", "")
    total_bytes = int(stated) if stated.isascii() and stated.isdecimal() and len(stated) < 19 else 0
    if total_bytes > max_bytes:
        raise too_large(max_bytes)
    return total_bytes


def too_large(max_bytes: int) -> FetchFailed:
    """Return the failure of a file that is longer than a file may be."""
    return FetchFailed(f"the file at the url has more than {max_bytes} bytes", code="too_large")
