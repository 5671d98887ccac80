"""What may be called how: titles, file names and texts as they are stored. Pure."""

import unicodedata

from stt_shared.contracts.errors import SttError

MAX_TITLE_CHARS = 255


def checked_title(title: str) -> str:
    """A title as it is kept. Raises SttError bad_config on one that is empty or too long."""
    visible = _visible(title)
    if not visible:
        raise SttError("bad_config", "title is empty; it must hold at least one visible character")
    if len(visible) > MAX_TITLE_CHARS:
        raise SttError(
            "bad_config", f"title is {len(visible)} characters long; at most {MAX_TITLE_CHARS} characters are allowed"
        )
    return visible


def kept_name(name: str) -> str:
    """A name that is not refused but cut, since nobody waits for an answer about it."""
    return _visible(name)[:MAX_TITLE_CHARS].rstrip()


def kept_text(text: str) -> str:
    """A text that both databases take: without NUL and halves of surrogate pairs."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text.encode("utf-8", "replace").decode()


def _visible(name: str) -> str:
    # Line breaks and tabs part words; other control characters, changes of direction among them, hide what is written.
    blanked = " ".join(name.split())
    return "".join(char for char in blanked if char in "\u200c\u200d" or unicodedata.category(char)[0] != "C").strip()


def stored_id(session_id: str, instance: str) -> str:
    """A session's id may be used again; what is stored tells them apart."""
    return f"{session_id[:110]}.{instance[:12]}"


def session_id_of(stored: str) -> str:
    """The session's id in a ``stored_id``, as far as that holds it."""
    return stored.rpartition(".")[0]
