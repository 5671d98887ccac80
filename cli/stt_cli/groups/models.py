"""Commands about the models on this machine."""

from typing import Annotated

import typer

from stt_cli.options import Json, ModelsDir

app = typer.Typer(help="Manage the models on this machine.", no_args_is_help=True)


def _known(incomplete: str) -> list[str]:
    from stt_transcriber.models.registry import KNOWN_MODELS

    return [name for name in sorted(KNOWN_MODELS) if name.startswith(incomplete)]


def _installed(incomplete: str) -> list[str]:
    from stt_transcriber.models.store import default_models_dir, installed

    return [model.name for model in installed(default_models_dir()) if model.name.startswith(incomplete)]


@app.command("pull")
def pull(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME…", help="Names such as base or tiny.en, or hub ids.", autocompletion=_known),
    ],
    models_dir: ModelsDir = None,
) -> None:
    """Download and verify models; installed ones are only verified."""
    from stt_cli.commands.models import pull_models
    from stt_cli.model_files import models_dir_of

    pull_models(names, models_dir_of(models_dir))


@app.command("list")
def show(models_dir: ModelsDir = None, as_json: Json = False) -> None:
    """List the installed models."""
    from stt_cli.commands.models import list_models
    from stt_cli.model_files import models_dir_of

    list_models(models_dir_of(models_dir), as_json=as_json)


@app.command("verify")
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME…]", help="All installed models if omitted.", autocompletion=_installed),
    ] = None,
    models_dir: ModelsDir = None,
) -> None:
    """Verify the digest of every file of installed models."""
    from stt_cli.commands.models import verify_models
    from stt_cli.model_files import models_dir_of

    verify_models(names or [], models_dir_of(models_dir))


@app.command("rm")
def remove(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME…", help="As `stt models list` shows them.", autocompletion=_installed),
    ],
    models_dir: ModelsDir = None,
) -> None:
    """Delete installed models. A suite that runs keeps the one that it has loaded until it stops."""
    from stt_cli.commands.models import remove_models
    from stt_cli.model_files import models_dir_of

    remove_models(names, models_dir_of(models_dir))
