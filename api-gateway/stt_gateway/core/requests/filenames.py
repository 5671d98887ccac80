"""File names of uploads: read in every form that clients write, and cleaned for display. No path is ever built from
them."""

import contextlib
import re
import unicodedata
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import unquote

MAX_FILENAME_CHARS = 255

_PARAMETER = re.compile(rb';[ \t]*([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)
_ENCODED_WORD = re.compile(r"=\?[!-~]+\?[bq]\?[ -~]*\?=", re.IGNORECASE)
_PERCENT_FORM = re.compile(r"(?:[^%]|%[0-9a-f]{2})*", re.IGNORECASE)


def disposition_parameters(header: bytes) -> dict[str, bytes]:
    """Return the parameters of a ``Content-Disposition`` header by lower-case name, without quotes."""
    found = {}
    for name, quoted, plain in _PARAMETER.findall(header):
        value = quoted.replace(b"\\\\", b"\\").replace(b'\\"', b'"') if quoted else plain.strip()
        found[name.decode("latin-1").lower()] = value
    return found


def filename_of(parameters: dict[str, bytes]) -> str:
    """Return the file's name for display, '' if there is none.

    ``filename*`` (RFC 5987) wins over ``filename``. The latter is not defined for other letters than ASCII: clients
    write them as they are, as encoded words (RFC 2047), or in percent form.
    """
    extended = _extended(parameters.get("filename*", b""))
    return display_filename(_plain(parameters.get("filename", b"")) if extended is None else extended)


def display_filename(name: str) -> str:
    """Return the last path component without control and format characters, with single spaces, at most 255 characters.

    The transcript store keeps such a name as it is.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    visible = "".join(char for char in last if unicodedata.category(char)[0] != "C")
    return " ".join(visible.split())[:MAX_FILENAME_CHARS].rstrip()


def _extended(value: bytes) -> str | None:
    """Decode ``charset'language'percent-encoded``; return None if it is anything else."""
    charset, _, rest = value.decode("latin-1").partition("'")
    _, quote, encoded = rest.partition("'")
    with contextlib.suppress(LookupError, UnicodeError):
        return unquote(encoded, charset, "strict") if quote and encoded else None
    return None


def _plain(value: bytes) -> str:
    try:
        name = value.decode()
    except UnicodeDecodeError:
        # What else clients send is most often this one, in which every byte has a meaning but five.
        name = value.decode("cp1252", "replace")
    if _ENCODED_WORD.search(name):
        with contextlib.suppress(LookupError, UnicodeError, HeaderParseError, ValueError):
            return str(make_header(decode_header(name)))
    elif "%" in name and _PERCENT_FORM.fullmatch(name):
        with contextlib.suppress(UnicodeDecodeError):
            return unquote(name, errors="strict")
    return name
