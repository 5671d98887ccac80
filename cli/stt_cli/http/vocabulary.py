"""Keyterms of the command line, as the fields of a request."""

from collections.abc import Sequence
from pathlib import Path

from stt_cli.errors import CliError


def vocabulary_fields(keyterms: Sequence[str], keyterms_file: Path | None) -> dict[str, str]:
    """Return the fields that name these phrases and those of a file, one per line. Raises CliError."""
    phrases = [*keyterms, *(_text_of(keyterms_file).splitlines() if keyterms_file else [])]
    if wrong := next((phrase for phrase in phrases if "," in phrase), None):
        raise CliError(f"the keyterm {wrong!r} holds a comma; give one phrase at a time", exit_code=2)
    kept = [phrase.strip() for phrase in phrases if phrase.strip()]
    return {"keyterms": ",".join(kept)} if kept else {}


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CliError(f"{path} is not UTF-8 text") from None
