"""Keyterms, replacements and redaction of the command line, as the fields of a request."""

import json
from collections.abc import Sequence
from pathlib import Path

from stt_cli.errors import CliError


def vocabulary_fields(
    keyterms: Sequence[str] | None, keyterms_file: Path | None, replacements_file: Path | None, fillers: str | None
) -> dict[str, str]:
    """Return the fields of a request that the options lead to. Raises CliError.

    ``keyterms_file``: one phrase per line; ``replacements_file``: a JSON object.
    """
    given = {
        "keyterms": _keyterms(keyterms or (), keyterms_file),
        "replacements": _replacements(replacements_file) if replacements_file else None,
        "fillers": fillers,
    }
    return {name: value for name, value in given.items() if value}


def redaction_fields(redact: str | None, patterns: Sequence[str] | None) -> dict[str, str]:
    """Return the fields of a request for redaction."""
    given = {"redact": redact, "redact_patterns": json.dumps(list(patterns)) if patterns else None}
    return {name: value for name, value in given.items() if value}


def _keyterms(keyterms: Sequence[str], keyterms_file: Path | None) -> str:
    phrases = [*keyterms, *(_text_of(keyterms_file).splitlines() if keyterms_file else [])]
    if wrong := next((phrase for phrase in phrases if "," in phrase), None):
        raise CliError(f"the keyterm {wrong!r} holds a comma; give one phrase at a time", exit_code=2)
    return ",".join(phrase.strip() for phrase in phrases if phrase.strip())


def _replacements(path: Path) -> str:
    text = _text_of(path)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CliError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise CliError(f'{path} must hold a JSON object of texts, such as {{"find": "replace"}}')
    return json.dumps(found)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CliError(f"{path} is not UTF-8 text") from None
