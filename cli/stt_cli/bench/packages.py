"""Packages of the extra `bench`, loaded on demand, with a one-line error if they are missing."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from stt_cli.errors import CliError
from stt_shared.process.extras import install_command

Normaliser = Callable[[str], str]
"""Function that removes case, punctuation and spelling variants from a text, so that only words are compared."""

_NEEDED = ("jiwer", "psutil", "whisper_normalizer")


def need_extra() -> None:
    """Check that the packages of `stt bench` are installed. Raises CliError."""
    for name in _NEEDED:
        _load(name)


def normaliser(language: str | None) -> Normaliser:
    """Return Whisper's own normaliser: the English one for en, otherwise the basic one. Raises CliError."""
    english = language == "en"
    module = _load("whisper_normalizer.english" if english else "whisper_normalizer.basic")
    made: Normaliser = module.EnglishTextNormalizer() if english else module.BasicTextNormalizer()
    return made


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float | None:
    """Return the word error rate over all normalised texts together; None if no reference contains a word."""
    pairs = [pair for pair in zip(references, hypotheses, strict=True) if pair[0].strip()]
    if not pairs:
        return None
    return float(_load("jiwer").wer([reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs]))


def psutil() -> Any:
    """Return the psutil module. Raises CliError."""
    return _load("psutil")


def _load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0].replace("_", "-")
        raise CliError(f"{package} is not installed ({error}); run: {install_command('bench')}") from None
