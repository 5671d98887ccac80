"""Keyterms, replacements and redaction of the command line, each as the field of a request; "" for none."""

import json
from collections.abc import Sequence
from pathlib import Path

from stt_cli.errors import CliError


def keyterms_field(keyterms: Sequence[str], path: Path | None) -> str:
    """Return the phrases given and those of a file, one per line. Raises CliError."""
    phrases = [*keyterms, *(_text_of(path).splitlines() if path else [])]
    if wrong := next((phrase for phrase in phrases if "," in phrase), None):
        raise CliError(f"the keyterm {wrong!r} holds a comma; give one phrase at a time", exit_code=2)
    return ",".join(phrase.strip() for phrase in phrases if phrase.strip())


def replacements_field(path: Path | None) -> str:
    """Return the JSON object in a file. Raises CliError."""
    if path is None:
        return ""
    try:
        found = json.loads(_text_of(path))
    except ValueError as error:
        raise CliError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise CliError(f'{path} must hold a JSON object of texts, such as {{"find": "replace"}}')
    return json.dumps(found)


def patterns_field(patterns: Sequence[str]) -> str:
    """Return patterns of what is redacted."""
    return json.dumps(list(patterns)) if patterns else ""


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CliError(f"{path} is not UTF-8 text") from None
