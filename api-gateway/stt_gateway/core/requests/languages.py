"""Languages as clients write them: codes and tags of any standard (``pt-BR``, ``ger``, ``de_DE.UTF-8``), and names."""

import difflib
import re
import unicodedata

from stt_gateway.core.requests.language_names import LANGUAGES
from stt_gateway.core.requests.parameters import NotAllowed

ALLOWED = "the code or name of a language that Whisper knows, such as en, pt-BR or German"

_UNDETERMINED = frozenset({"auto", "und", "mul", "c", "posix"})
"""Codes that mean no language in particular: in this API, in ISO 639, and in POSIX."""
_CODES = {code: language.code for language in LANGUAGES.values() for code in (language.code, *language.other_codes)}
_MAX_CHARS = 64
_MAX_LIST_CHARS = 2000
_SUBTAG_END = re.compile(r"[-_.@]")
_QUALIFIER = re.compile(r"\s*\(.*\)$")


def language_of(written: str) -> str | None:
    """Return Whisper's code of a language; None if the text means no particular one. Raises NotAllowed.

    Whisper knows languages, not regions and scripts, so those are ignored.
    """
    if len(written) > _MAX_CHARS:
        raise NotAllowed(f"auto, or {ALLOWED}")
    tag = written.strip().casefold()
    first, *others = _SUBTAG_END.split(tag)
    if not tag or first in _UNDETERMINED:
        return None
    # The only language that is also written as an extension of the code of another one.
    if first == "zh" and others[:1] == ["yue"]:
        return "yue"
    code = _CODES.get(first) or _NAMES.get(_comparable(written))
    if code is None:
        raise NotAllowed(f"auto, or {ALLOWED}{_suggestion(written)}")
    return code


def languages_of(written: str) -> tuple[str, ...]:
    """Return Whisper's codes of a list of languages, each once; () if the text means no choice. Raises NotAllowed."""
    if len(written) > _MAX_LIST_CHARS:
        raise NotAllowed(f"auto, or a list such as en,fr,de: at most {_MAX_LIST_CHARS} characters")
    parts = written.split(",")
    codes = [language_of(part) for part in parts]
    if len(parts) == 1 and codes[0] is None:
        return ()
    if None in codes:
        raise NotAllowed("auto alone, or languages with one comma between them, such as en,fr,de")
    return tuple(dict.fromkeys(code for code in codes if code is not None))


def _comparable(name: str) -> str:
    """Fold case and accents, and drop a region or script in parentheses."""
    decomposed = unicodedata.normalize("NFKD", _QUALIFIER.sub("", name.strip()).casefold())
    letters = (char for char in decomposed if not unicodedata.combining(char) and char not in "'ʻ’‘`")
    return " ".join("".join(letters).replace("_", " ").replace("-", " ").split())


def _suggestion(written: str) -> str:
    known = [*_NAMES, *_CODES] if len(written) > 3 else [*_CODES]
    for close in difflib.get_close_matches(_comparable(written), known, n=1, cutoff=0.7):
        language = LANGUAGES[_NAMES.get(close) or _CODES[close]]
        return f"; did you mean {language.names[0]} ({language.code})?"
    return ""


_NAMES = {_comparable(name): language.code for language in LANGUAGES.values() for name in language.names}
