"""`stt models`: list, download and verify models."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from stt_cli.errors import CliError
from stt_cli.model_files import ensure_model
from stt_transcriber.models.store import ModelError, installed, verify


def pull_models(names: list[str], models_dir: Path) -> None:
    """Install missing models and print the folder of each."""
    for name in names:
        print(f"{name}: {ensure_model(name, models_dir, Console(stderr=True))}")


def list_models(models_dir: Path) -> None:
    """Print a table of the installed models."""
    table = Table("model", "size", "source", "folder", box=None, header_style="bold")
    for model in installed(models_dir):
        table.add_row(model.name, f"{model.size_bytes / 1e6:.0f} MB", model.source, str(model.path))
    if table.row_count == 0:
        print(f"no model is installed in {models_dir}; `stt models pull base` fetches one")
    else:
        Console(soft_wrap=True).print(table)


def verify_models(names: list[str], models_dir: Path) -> None:
    """Verify every file of the models (all installed ones if none is named). Raises CliError if one is not intact."""
    failed = 0
    for name in names or [model.name for model in installed(models_dir)]:
        try:
            verify(name, models_dir)
            print(f"{name}: whole")
        except ModelError as error:
            failed += 1
            print(f"{name}: {error}")
    if failed:
        raise CliError(f"{failed} of the models are not whole" if failed > 1 else "the model is not whole")
