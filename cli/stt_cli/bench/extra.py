"""The packages of the extra `bench`, loaded when they are needed, and one clear line when they are missing."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from stt_cli.errors import CliError
from stt_shared.process.extras import install_command

Normaliser = Callable[[str], str]
"""Takes case, punctuation and spelling variants out of a text, so that only words are compared."""

_NEEDED = ("jiwer", "psutil", "whisper_normalizer")


def need_extra() -> None:
    """Raises CliError when `stt bench` cannot work here."""
    for name in _NEEDED:
        _load(name)


def normaliser(language: str | None) -> Normaliser:
    """Whisper's own normaliser: the English one for en, the one for all languages otherwise. Raises CliError."""
    english = language == "en"
    module = _load("whisper_normalizer.english" if english else "whisper_normalizer.basic")
    made: Normaliser = module.EnglishTextNormalizer() if english else module.BasicTextNormalizer()
    return made


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float | None:
    """Over all normalised texts together; None when no reference holds a word."""
    pairs = [pair for pair in zip(references, hypotheses, strict=True) if pair[0].strip()]
    if not pairs:
        return None
    return float(_load("jiwer").wer([reference for reference, _ in pairs], [heard for _, heard in pairs]))


def psutil() -> Any:
    """The module. Raises CliError."""
    return _load("psutil")


def _load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0].replace("_", "-")
        raise CliError(f"{package} is not installed ({error}); run: {install_command('bench')}") from None
