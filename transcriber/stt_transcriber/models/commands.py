"""Commands of the model store: `stt models`, and ``python -m stt_transcriber.models`` where `stt` is not installed.

Each yields the lines to print.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stt_transcriber.models.registry import OPTIONAL_MODELS
from stt_transcriber.models.store import ModelError, installed, remove, verify

Pull = Callable[[str, Path], Path]
"""Function that installs a model and returns its folder, given its name and the folder of models."""


def pull_models(names: Sequence[str], models_dir: Path, pull: Pull) -> Iterator[str]:
    """Install missing models; yield the folder of each, or why an optional one is missing.

    Raises ModelError, for an optional model only if no other one was wanted.
    """
    for name in names:
        try:
            yield f"{name}: {pull(name, models_dir)}"
        except ModelError as error:
            if set(names) <= OPTIONAL_MODELS or name not in OPTIONAL_MODELS:
                raise
            yield f"{name}: not installed: {error}"


def list_models(models_dir: Path) -> Iterator[str]:
    """Yield a table of the installed models."""
    models = installed(models_dir)
    if not models:
        yield f"no model is installed in {models_dir}; `stt models pull base` downloads one"
        return
    rows = [("model", "size", "source", "folder")]
    rows += [(model.name, f"{model.size_bytes / 1e6:.0f} MB", model.source, str(model.path)) for model in models]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, size, source, folder in rows:
        yield f"{name:{widths[0]}}  {size:>{widths[1]}}  {source:{widths[2]}}  {folder}"


def model_views(models_dir: Path) -> dict[str, Any]:
    """Return the installed models, for programs."""
    return {
        "models": [
            {"name": model.name, "size_bytes": model.size_bytes, "source": model.source, "folder": str(model.path)}
            for model in installed(models_dir)
        ]
    }


def remove_models(names: Sequence[str], models_dir: Path) -> Iterator[str]:
    """Delete installed models; yield what each took. Raises ModelError."""
    for name in names:
        model = remove(name, models_dir)
        yield f"{name}: removed, {model.size_bytes / 1e6:.0f} MB"


def verify_models(names: Sequence[str], models_dir: Path) -> Iterator[str]:
    """Compare digests of every file of the models, all installed ones if none is named; yield the result of each.

    Raises ModelError at the end if one is not intact.
    """
    reasons = []
    for name in names or [model.name for model in installed(models_dir)]:
        try:
            verify(name, models_dir)
        except ModelError as error:
            reasons.append(str(error))
            yield f"{name}: damaged"
        else:
            yield f"{name}: ok"
    if reasons:
        raise ModelError("; ".join(reasons))
