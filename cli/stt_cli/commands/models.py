"""`stt models`: list, download, verify and remove models."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from stt_cli.errors import CliError
from stt_cli.model_files import ensure_model
from stt_cli.output import print_json
from stt_transcriber.models import commands
from stt_transcriber.models.store import ModelError


def pull_models(names: Sequence[str], models_dir: Path) -> None:
    """Install missing models and print the folder of each. Raises CliError."""
    console = Console(stderr=True)
    _print(commands.pull_models(names, models_dir, lambda name, folder: ensure_model(name, folder, console)))


def list_models(models_dir: Path, *, as_json: bool) -> None:
    """Print the installed models. Raises CliError."""
    if not as_json:
        _print(commands.list_models(models_dir))
        return
    try:
        print_json(commands.model_views(models_dir))
    except ModelError as error:
        raise CliError(str(error)) from None


def remove_models(names: Sequence[str], models_dir: Path) -> None:
    """Delete installed models. Raises CliError."""
    _print(commands.remove_models(names, models_dir))


def verify_models(names: Sequence[str], models_dir: Path) -> None:
    """Verify every file of the models (all installed ones if none is named). Raises CliError if one is not intact."""
    _print(commands.verify_models(names, models_dir))


def _print(lines: Iterator[str]) -> None:
    try:
        for line in lines:
            print(line)
    except ModelError as error:
        raise CliError(str(error)) from None
