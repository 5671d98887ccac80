"""Sanitising of titles, file names and texts before they are stored. Pure."""

import unicodedata

from stt_shared.contracts.errors import SttError

MAX_TITLE_CHARS = 255


def checked_name(name: str, what: str, max_chars: int = MAX_TITLE_CHARS) -> str:
    """Return a name in its stored form. Raises SttError bad_config for one that is empty or too long; ``what`` it is of
    begins the message."""
    visible = _visible(name)
    if not visible:
        raise SttError("bad_config", f"{what} is empty; it must hold at least one visible character")
    if len(visible) > max_chars:
        raise SttError(
            "bad_config", f"{what} is {len(visible)} characters long; at most {max_chars} characters are allowed"
        )
    return visible


def kept_name(name: str) -> str:
    """Return a name in its stored form, truncated rather than refused: no client is waiting for an error."""
    return _visible(name)[:MAX_TITLE_CHARS].rstrip()


def visible_text(text: str) -> str:
    """Return a text on one line, without control characters; it may be empty."""
    return _visible(text)


def kept_text(text: str) -> str:
    """Return a text that both databases accept: without NUL and lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text.encode("utf-8", "replace").decode()


def _visible(name: str) -> str:
    # Line breaks and tabs separate words; other control characters, such as direction overrides, can disguise a name.
    blanked = " ".join(name.split())
    return "".join(char for char in blanked if char in "\u200c\u200d" or unicodedata.category(char)[0] != "C").strip()


def stored_id(session_id: str, instance: str) -> str:
    """Return the id under which a session is stored; session ids may be reused, so the instance is part of it."""
    return f"{session_id[:110]}.{instance[:12]}"


def session_id_of(stored: str) -> str:
    """Return the session id in a ``stored_id``, which may hold only its beginning."""
    return stored.rpartition(".")[0]
