"""Commands about the models on this machine."""

from typing import Annotated

import typer

from stt_cli.options import ModelsDir

app = typer.Typer(help="Manage the models on this machine.", no_args_is_help=True)


@app.command("pull")
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Names such as base or tiny.en, or hub ids.")],
    models_dir: ModelsDir = None,
) -> None:
    """Download and verify models; installed ones are only verified."""
    from stt_cli.commands.models import pull_models
    from stt_cli.model_files import models_dir_of

    pull_models(names, models_dir_of(models_dir))


@app.command("list")
def show(models_dir: ModelsDir = None) -> None:
    """List the installed models."""
    from stt_cli.commands.models import list_models
    from stt_cli.model_files import models_dir_of

    list_models(models_dir_of(models_dir))


@app.command("verify")
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…]", help="All installed models if omitted.")
    ] = None,
    models_dir: ModelsDir = None,
) -> None:
    """Verify the digest of every file of installed models."""
    from stt_cli.commands.models import verify_models
    from stt_cli.model_files import models_dir_of

    verify_models(names or [], models_dir_of(models_dir))
