"""Preparation of a model: present and intact before anything starts, with a progress bar while it is downloaded."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from stt_cli.errors import CliError
from stt_shared.contracts.engines import EngineName
from stt_transcriber.models.registry import CHECKPOINT_SUFFIX, KNOWN_MODELS, TURN_MODEL
from stt_transcriber.models.store import ModelError, UnknownModelError, default_models_dir, pull, resolve


def models_dir_of(given: Path | None) -> Path:
    """Return the folder of models: the one given, else MODELS_DIR, else one in the user's cache."""
    return given.expanduser() if given is not None else default_models_dir()


def prepare_model(model: str, engine: str, models_dir: Path, console: Console) -> None:
    """Prepare the model that `stt up` needs before it starts services.

    Raises CliError (exit code 2 for an unknown name).
    """
    if engine == EngineName.INSTANT:
        return
    if engine == EngineName.OPENAI_WHISPER and not is_users_own(model):
        name = model.removesuffix(CHECKPOINT_SUFFIX)
        if name + CHECKPOINT_SUFFIX in KNOWN_MODELS:
            ensure_model(name + CHECKPOINT_SUFFIX, models_dir, console)
        elif name not in KNOWN_MODELS:
            names = ", ".join(sorted(known for known in KNOWN_MODELS if not known.endswith(CHECKPOINT_SUFFIX)))
            raise CliError(f"unknown model {model!r}: give one of {names}, or a .pt file", exit_code=2)
        # OpenAI's package downloads and verifies any other OpenAI checkpoint when the engine loads it.
        return
    ensure_model(model, models_dir, console)


def prepare_turn_model(engine: str, models_dir: Path, console: Console) -> None:
    """Prepare the model by which pauses are judged; without it, the suite starts all the same and a note says so."""
    if engine == EngineName.INSTANT:
        return
    try:
        ensure_model(TURN_MODEL, models_dir, console)
    except CliError as error:
        console.print(f"note: without {TURN_MODEL}, live pauses are judged by the text alone: {error}", soft_wrap=True)


def is_users_own(name: str) -> bool:
    """Return True if the name is a path to model files; a folder that merely has a model's name does not count."""
    path = Path(name).expanduser()
    return path.is_file() or (path / "model.bin").is_file() or any(path.glob(f"*{CHECKPOINT_SUFFIX}"))


def ensure_model(name: str, models_dir: Path, console: Console) -> Path:
    """Return the verified folder of a model, downloading it if needed.

    Raises CliError (exit code 2 for an unknown name).
    """
    if is_users_own(name):
        # There is no published digest to verify these against.
        return _resolve(name, models_dir)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(f"model {name}", total=None)
        printed = ""

        def show(done_bytes: int, total_bytes: int, text: str) -> None:
            nonlocal printed
            bar.update(task, completed=done_bytes, total=total_bytes or None, description=f"model {name}: {text}")
            if bar.disable and text != printed:
                printed = text
                console.print(f"model {name}: {text}", soft_wrap=True)

        try:
            return pull(name, models_dir, show)
        except UnknownModelError as error:
            raise CliError(str(error), exit_code=2) from None
        except ModelError as error:
            raise CliError(str(error)) from None
        except OSError as error:
            raise CliError(f"cannot keep models in {models_dir}: {error.strerror or error}") from None


def _resolve(name: str, models_dir: Path) -> Path:
    try:
        return resolve(name, models_dir)
    except ModelError as error:
        raise CliError(str(error), exit_code=2) from None
